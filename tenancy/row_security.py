"""Postgres row-level security on every table with a shop, put on after each migration.

    shelfwise.shop = '5'     rows of shop 5 are read and written, no others exist
    shelfwise.shop = 'all'   every row: schedulers, retention, operators
    anything else, or unset  no row is found and none can be written

By construction: the tables are those whose model has a foreign key `shop`, so that a new one cannot be forgotten.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from django.apps import apps
from django.db import connections
from django.db.models import ForeignKey, Model

from tenancy import fence
from tenancy.fence import ALL_SHOPS, PURPOSE, SETTING
from tenancy.models import AccessEntry, Shop

log = logging.getLogger("shelfwise.tenancy")
POLICY = "shop_scope"

# In a subquery, a setting is read once in a statement, not once in a row. CASE and not OR: the planner takes it for a
# coin toss whatever the number of shops, and the queries' own `shop_id = n` keeps finding the index.
_EVERY = f"(select current_setting('{SETTING}', true) = '{ALL_SHOPS}')"
_MINE = f"(select nullif(nullif(current_setting('{SETTING}', true), ''), '{ALL_SHOPS}')::bigint)"
_NONE = f"(select coalesce(current_setting('{SETTING}', true), '') = '')"


# The access log loses rows only when a shop is erased or they have lapsed; of our own work a minute's entry may still grow.
_FORGETS = f"(select current_setting('{PURPOSE}', true) in ('erasure', 'retention'))"


def shop_tables() -> dict[str, type[Model]]:
    """Every table of ours whose rows belong to one shop, with its model."""
    return {
        model._meta.db_table: model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and any(_names_the_shop(field) for field in model._meta.get_fields())
    }


def policies() -> dict[str, tuple[str, ...]]:
    """The SQL that makes each table's policies, the directory of shops last."""
    found: dict[str, tuple[str, ...]] = {
        table: (_policy(table, "all", _own("shop_id")),) for table in shop_tables()
    }
    for table in fence.person_rows() & found.keys():
        # Every row stands for a person: also SQL that never met our code sees none without saying why.
        found[table] += (
            _policy(table, "reader", f"(select coalesce(current_setting('{PURPOSE}', true), '') <> '')"),
        )
    log_table = AccessEntry._meta.db_table
    found[log_table] = (
        *(_policy(log_table, kind, _own("shop_id")) for kind in ("select", "insert")),
        _policy(log_table, "update", f"{_own('shop_id')} and actor like 'system:%'"),
        _policy(log_table, "delete", f"{_own('shop_id')} and {_FORGETS}"),
    )
    directory = Shop._meta.db_table
    # A scope begins by looking a shop up, and an installation by writing its row: both come before any scope.
    found[directory] = (
        _policy(directory, "select", f"{_NONE} or {_own('id')}"),
        _policy(directory, "insert", f"{_NONE} or {_own('id')}"),
        _policy(directory, "update", _own("id")),
        _policy(directory, "delete", _own("id")),
    )
    return found


def put_on(using: str = "default") -> list[str]:
    """Bring the policies of all tables that exist up to date; the tables that were changed. Safe to repeat."""
    connection = connections[using]
    changed = []
    with connection.cursor() as cursor:
        cursor.execute(_HELD_SQL)
        held = {row[0]: row[1] for row in cursor.fetchall()}
        for table, statements in policies().items():
            digest = hashlib.sha256(";".join(statements).encode()).hexdigest()[:16]
            if table not in held or held[table] == digest:
                continue
            drop = [f'drop policy if exists {POLICY}_{kind} on "{table}"' for kind in _KINDS]
            note = f"comment on policy {POLICY}_{_kind_of(statements[0])} on \"{table}\" is '{digest}'"
            on = f'alter table "{table}" enable row level security, force row level security'
            # One message is one transaction: no moment without a policy.
            cursor.execute(";".join([*drop, on, *statements, note]))
            changed.append(table)
    return changed


def after_migration(sender: Any, *, using: str, **_: Any) -> None:
    changed = put_on(using)
    if changed:
        log.info("tenancy.row_security", extra={"tables": len(changed)})


_KINDS = ("all", "select", "insert", "update", "delete", "reader")
# Each table of the schema with the digest of its policies; empty where row-level security is not on and forced.
_HELD_SQL = """
select c.relname, case when c.relrowsecurity and c.relforcerowsecurity
                       then coalesce(min(obj_description(p.oid, 'pg_policy')), '') else '' end
  from pg_class c left join pg_policy p on p.polrelid = c.oid
 where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace
 group by c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity
"""


def _names_the_shop(field: Any) -> bool:
    return isinstance(field, ForeignKey) and field.name == "shop" and field.related_model is Shop


def _own(column: str) -> str:
    return f"case when {_EVERY} then true else {column} = {_MINE} end"


def _policy(table: str, kind: str, held: str) -> str:
    clauses = {
        "select": f"using ({held})",
        "delete": f"using ({held})",
        "insert": f"with check ({held})",
    }.get(kind, f"using ({held}) with check ({held})")
    if kind == "reader":
        return f'create policy {POLICY}_{kind} on "{table}" as restrictive for select using ({held})'
    return f'create policy {POLICY}_{kind} on "{table}" for {kind} {clauses}'


def _kind_of(statement: str) -> str:
    return statement.split(" ", 3)[2].removeprefix(f"{POLICY}_")
