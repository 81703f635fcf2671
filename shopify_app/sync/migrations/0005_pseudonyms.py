"""Customer numbers that an earlier build stored become pseudonyms: rows, waiting deliveries and training snapshots.

A shop is done when it has its key, which is written in the same transaction as everything else of the shop; so this may
be run again after it was interrupted. An import under way begins anew: what it had read carries numbers.
"""

import base64
import hashlib
import hmac
import io
import json
import os
from pathlib import Path

import polars as pl
from django.conf import settings
from django.db import migrations

CUSTOMER_KINDS = ("customer", "customer_deleted", "customer_merged")
MERGE = ("admin_graphql_api_customer_kept_id", "admin_graphql_api_customer_deleted_id")


def forwards(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select id, domain from tenancy_shop where pseudonym_key_sealed is null order by id")
        for shop_id, domain in cursor.fetchall():
            key = os.urandom(32)
            _shop(cursor, shop_id, lambda number: _pseudonym(key, number))
            sealed = settings.KEYRING.seal(key, context=f"pseudonyms:{domain}")
            cursor.execute("update tenancy_shop set pseudonym_key_sealed = %s where id = %s", [sealed, shop_id])


def _pseudonym(key, number):
    digest = hmac.digest(key, b"customer:%d" % number, "sha256")
    return int.from_bytes(digest[:8]) >> 1 or 1


def _shop(cursor, shop_id, pseudonym):
    cursor.execute(
        "select customer_id from features_customer where shop_id = %(s)s"
        " union select merged_into from features_customer where shop_id = %(s)s and merged_into is not null"
        " union select customer_id from features_order where shop_id = %(s)s and customer_id is not null"
        " union select subject_id from features_event where shop_id = %(s)s and kind = any(%(kinds)s)"
        " union select (payload->>'kept_id')::bigint from features_event where shop_id = %(s)s"
        " and kind = 'customer_merged'"
        " union select (payload->>'customer_id')::bigint from features_event where shop_id = %(s)s"
        " and kind = 'order' and payload ? 'customer_id'",
        {"s": shop_id, "kinds": list(CUSTOMER_KINDS)},
    )
    names = {row[0]: pseudonym(row[0]) for row in cursor.fetchall()}
    cursor.execute("create temporary table named (old bigint primary key, new bigint) on commit drop")
    cursor.execute(
        "insert into named select * from unnest(%s::bigint[], %s::bigint[])", [list(names), list(names.values())]
    )
    cursor.execute("analyze named")
    for statement in _STATEMENTS:
        cursor.execute(statement, {"s": shop_id, "kinds": list(CUSTOMER_KINDS)})
    cursor.execute("select customer_id from features_customer where shop_id = %s and deleted_at is null", [shop_id])
    numbers = {new: old for old, new in names.items()}
    cursor.executemany(
        "insert into sync_customerreference (shop_id, customer_id, number_sealed, noted_at) values (%s, %s, %s, now())"
        " on conflict do nothing",
        [
            (shop_id, new, settings.KEYRING.seal(b"%d" % numbers[new], context=f"customer:{shop_id}:{new}"))
            for (new,) in cursor.fetchall()
        ],
    )
    cursor.execute("drop table named")
    _deliveries(cursor, shop_id, pseudonym)
    _imports(cursor, shop_id)
    _snapshots(cursor, shop_id, names)


_STATEMENTS = (
    "update features_customer t set customer_id = n.new from named n where t.shop_id = %(s)s and t.customer_id = n.old",
    "update features_customer t set merged_into = n.new from named n where t.shop_id = %(s)s and t.merged_into = n.old",
    "update features_order t set customer_id = n.new from named n where t.shop_id = %(s)s and t.customer_id = n.old",
    "update features_event t set subject_id = n.new, key = replace(t.key, ':' || n.old || ':', ':' || n.new || ':'),"
    " payload = t.payload"
    " || case when t.payload ? 'customer_id' then jsonb_build_object('customer_id', n.new) else '{}' end"
    " || case when t.payload ? 'deleted_id' then jsonb_build_object('deleted_id', n.new) else '{}' end"
    " from named n where t.shop_id = %(s)s and t.kind = any(%(kinds)s) and t.subject_id = n.old",
    "update features_event t set payload = jsonb_set(t.payload, '{kept_id}', to_jsonb(n.new)) from named n"
    " where t.shop_id = %(s)s and t.kind = 'customer_merged' and (t.payload->>'kept_id')::bigint = n.old",
    "update features_event t set payload = jsonb_set(t.payload, '{customer_id}', to_jsonb(n.new)) from named n"
    " where t.shop_id = %(s)s and t.kind = 'order' and (t.payload->>'customer_id')::bigint = n.old",
)


def _deliveries(cursor, shop_id, pseudonym):
    def named(value):
        digits = str(value).rsplit("/", 1)[-1]
        return pseudonym(int(digits)) if digits.isdigit() and len(digits) < 20 else value

    cursor.execute(
        "select id, topic, payload from webhooks_inboxdelivery where shop_id = %s and payload <> '{}'::jsonb",
        [shop_id],
    )
    for delivery_id, topic, payload in cursor.fetchall():
        payload = json.loads(payload) if isinstance(payload, str) else payload
        if topic in ("customers/data_request", "customers/redact") or not isinstance(payload, dict):
            continue
        if topic == "customers/merge":
            payload |= {name: named(payload[name]) for name in MERGE if name in payload}
        elif topic.startswith("customers/") and "id" in payload:
            number = payload["id"]
            payload["id"] = named(number)
            sealed = settings.KEYRING.seal(f"{number}".encode(), context=f"customer:{shop_id}:{payload['id']}")
            payload["reference"] = base64.b64encode(sealed).decode()
        elif isinstance(payload.get("customer"), dict) and "id" in payload["customer"]:
            payload["customer"]["id"] = named(payload["customer"]["id"])
        cursor.execute(
            "update webhooks_inboxdelivery set payload = %s::jsonb where id = %s", [json.dumps(payload), delivery_id]
        )


def _imports(cursor, shop_id):
    cursor.execute("delete from sync_stagedrow where shop_id = %s", [shop_id])
    cursor.execute(
        "update sync_importjob set state = 'waiting', operation_id = '', url = '', byte_offset = 0, lines_read = 0,"
        " lines_written = 0, written_to = 0, lines_total = null, lease_token = '', lease_until = null"
        " where shop_id = %s and state in ('exporting', 'reading', 'writing')",
        [shop_id],
    )
    # The place in a list of customers names the last of them.
    cursor.execute("update sync_sweep set cursor = '' where shop_id = %s and resource = 'customers'", [shop_id])


def _snapshots(cursor, shop_id, names):
    folder = Path(settings.ARTEFACT_DIR) / str(shop_id) / "snapshot"
    cursor.execute("select distinct digest from features_snapshot where shop_id = %s", [shop_id])
    for (digest,) in cursor.fetchall():
        path = folder / f"{digest}.sealed"
        if not path.exists():
            continue
        content = settings.KEYRING.open(path.read_bytes(), context=f"snapshot:{shop_id}:{digest}")
        frame = pl.read_parquet(io.BytesIO(content))
        customer = frame["customer_id"].replace_strict(names, default=None, return_dtype=pl.Int64)
        held = io.BytesIO()
        frame.with_columns(customer_id=customer).write_parquet(held, compression="zstd", compression_level=3)
        new = hashlib.sha256(held.getvalue()).hexdigest()
        if new == digest:
            continue  # nobody is in it
        (folder / f"{new}.sealed").write_bytes(
            settings.KEYRING.seal(held.getvalue(), context=f"snapshot:{shop_id}:{new}")
        )
        cursor.execute("update features_snapshot set digest = %s where shop_id = %s and digest = %s", [new, shop_id, digest])
        cursor.execute(
            "update registry_version set snapshot_digest = %s where shop_id = %s and snapshot_digest = %s",
            [new, shop_id, digest],
        )
        path.unlink()


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0004_customer_references"),
        ("tenancy", "0003_pseudonym_key"),
        ("features", "0001_initial"),
        ("registry", "0001_initial"),
        ("webhooks", "0001_initial"),
    ]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
