"""Django's Postgres backend, with sessions that know the open shop scope before every statement.

The setting is sent in front of the first statement that needs another one than the session has, in the same message:
no statement pays a round trip for it, and a session that is kept, pooled or handed on can never keep a former scope.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import register_tzloader

from tenancy import fence
from tenancy.errors import Bug


class RoleBypassesRows(Bug):
    """The database role is not held by row-level security."""


class _Session:
    """What one session was last told, shop and purpose; None while that is not known."""

    __slots__ = ("told",)

    def __init__(self) -> None:
        self.told: tuple[str, str] | None = None

    def statements(self, wanted: tuple[str, str]) -> list[str]:
        before = self.told or (None, None)
        names = (fence.SETTING, fence.PURPOSE)
        return [
            f"set {name} = '{value}'"
            for name, value, held in zip(names, wanted, before, strict=True)
            if value != held
        ]


class _FencedCursor:
    """Mixed in before a cursor class of psycopg: it tells the session scope and purpose whenever they differ."""

    connection: Any
    rowcount: int

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        session: _Session | None = getattr(self.connection, "fence", None)
        if session is None:  # the backend itself, while it sets up a session
            return super().execute(query, params, **options)  # type: ignore[misc]
        people = fence.check(query)
        wanted = fence.wanted()
        if session.told == wanted:
            super().execute(query, params, **options)  # type: ignore[misc]
        elif options or not (isinstance(query, str) and fence.handles_rows(query)) or self._named():
            self._tell(session, wanted)
            super().execute(query, params, **options)  # type: ignore[misc]
        else:
            _known_to_be_held(self.connection, fence.shop.get())
            first = session.statements(wanted)
            # Unknown until it has gone well: a failing statement takes the settings back with it.
            session.told = None
            super().execute("; ".join([*first, query]), params)  # type: ignore[misc]
            for _ in first:
                self.nextset()  # type: ignore[attr-defined]
            session.told = wanted
        if people:
            self._count(people)
        return self

    def executemany(self, query: Any, params_seq: Any, **options: Any) -> Any:
        self._before(query)
        return super().executemany(query, params_seq, **options)  # type: ignore[misc]

    @contextmanager
    def copy(self, statement: Any, params: Any = None, **options: Any) -> Iterator[Any]:
        people = self._before(statement)
        with super().copy(statement, params, **options) as copy:  # type: ignore[misc]
            yield copy
        if people:
            self._count(people)

    def stream(self, query: Any, params: Any = None, **options: Any) -> Iterator[Any]:
        people = self._before(query)
        rows = 0
        for row in super().stream(query, params, **options):  # type: ignore[misc]
            rows += 1
            yield row
        _add(people, rows)

    def _before(self, query: Any) -> tuple[str, ...]:
        session: _Session | None = getattr(self.connection, "fence", None)
        if session is None:
            return ()
        people = fence.check(query)
        wanted = fence.wanted()
        if session.told != wanted:
            self._tell(session, wanted)
        return people

    def _count(self, people: tuple[str, ...]) -> None:
        _add(people, self.rowcount)

    def _tell(self, session: _Session, wanted: tuple[str, str]) -> None:
        _known_to_be_held(self.connection, fence.shop.get())
        first = session.statements(wanted)
        session.told = None
        # A cursor of its own: this one may be named, or have a result.
        psycopg.ClientCursor(self.connection).execute("; ".join(first))
        session.told = wanted

    def _named(self) -> bool:
        return isinstance(self, psycopg.ServerCursor)


class Cursor(_FencedCursor, base.Cursor):
    pass


class ServerSideCursor(_FencedCursor, base.ServerSideCursor):
    """Counts what is fetched: how many rows there are is not known before."""

    people: tuple[str, ...] = ()

    def fetchmany(self, size: int = 0) -> Any:
        found = super().fetchmany(size)  # type: ignore[misc]
        _add(self.people, len(found))
        return found

    def _count(self, people: tuple[str, ...]) -> None:
        self.people = people


class DatabaseWrapper(base.DatabaseWrapper):
    """As Django's; name it as ENGINE `tenancy.postgres`."""

    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), "cursor_factory": Cursor}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        connection.fence = _Session()  # a pooled one may come from another scope
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        if not name:
            return super().create_cursor()
        make: Any = ServerSideCursor
        found = make(self.connection, name=name, scrollable=False, withhold=self.connection.autocommit)
        register_tzloader(self.timezone, found)  # as Django does for its own
        return found

    def _rollback(self) -> None:
        self._forget()
        super()._rollback()  # type: ignore[misc]

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)  # type: ignore[misc]
        self._forget()

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]
        except Exception:
            self._forget()
            raise

    def _forget(self) -> None:
        if self.connection is not None:
            self.connection.fence.told = None


def _add(people: tuple[str, ...], rows: int) -> None:
    found = fence.reading.get()
    if people and found is not None:
        found.add(people, rows)


_checked = threading.Event()
_ROLE_SQL = "select current_user, rolsuper or rolbypassrls from pg_roles where rolname = current_user"


def _known_to_be_held(connection: Any, shop_id: int | None) -> None:
    """Once in a process, at the first scope of one shop: row-level security holds the role we are.

    Migrations open none, and so may be run by another role, also by a superuser.

    Raises:
        RoleBypassesRows
    """
    if shop_id is None or shop_id == fence.ANY_SHOP or _checked.is_set():
        return
    name, bypasses = psycopg.ClientCursor(connection).execute(_ROLE_SQL).fetchone() or ("?", True)
    refuse_bypass(name, bypasses)
    _checked.set()


def refuse_bypass(name: str, bypasses: bool) -> None:
    if bypasses:
        raise RoleBypassesRows(
            f"the database role {name} is a superuser or has BYPASSRLS, so row-level security would not hold it;"
            " give DATABASE_URL a role made with `create role shelfwise login nosuperuser nobypassrls`"
        )
