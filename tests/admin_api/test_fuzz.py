"""Every operation of openapi.json with what it allows and what it forbids: no 5xx, and no write from refused input.

`make fuzz` runs the same with many more cases.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.apps import apps
from django.core.wsgi import get_wsgi_application
from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tenancy.models import Role, Shop
from tenancy.scope import unscoped
from tests.admin_api.members import hire, session_token
from tests.looks import looking

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fuzz]
DOCUMENT = Path(__file__).parents[2] / "openapi.json"
SCHEMA = schemathesis.openapi.from_path(DOCUMENT)
SCHEMA.app = get_wsgi_application()
OPERATIONS: list[Any] = [found.ok() for found in SCHEMA.get_all_operations()]  # type: ignore[union-attr]
AS_DOCUMENTED = [status_code_conformance, content_type_conformance, response_schema_conformance]
# Not the input is refused: the shop's state is in the way, and may be noted.
ABOUT_THE_SHOP = {409}
# A few in every run of the tests; `make fuzz` asks for hundreds.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))


class Books:
    """Whether a request wrote anything: by transaction numbers, and when those moved, by every row."""

    def __init__(self) -> None:
        self._numbers, self._rows = self._moved(), self._all_rows()

    def changed(self) -> bool:
        """True when a row differs since the last call."""
        numbers = self._moved()
        if numbers == self._numbers:
            return False
        before, self._rows = self._rows, self._all_rows()
        self._numbers = self._moved()
        return before != self._rows

    @staticmethod
    def _moved() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("select pg_snapshot_xmax(pg_current_snapshot())::text")
            return cursor.fetchone()

    @staticmethod
    def _all_rows() -> dict[str, Any]:
        found = {}
        with unscoped(why="whoever's rows changed"), looking(), connection.cursor() as cursor:
            for model in apps.get_models():
                table = model._meta.db_table
                cursor.execute(f'select count(*), sum(hashtextextended(t::text, 0)) from "{table}" t')
                found[table] = cursor.fetchone()
        return found


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value
)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_no_operation_fails_or_writes_what_it_refuses(
    shop: Shop, operation: Any, mode: GenerationMode
) -> None:
    for user_id, role in ((1001, Role.OWNER), (1002, Role.OPERATOR), (1003, Role.VIEWER)):
        hire(shop, user_id, role)
    books = Books()

    @given(
        case=operation.as_strategy(generation_mode=mode), user_id=st.sampled_from([1001, 1001, 1002, 1003])
    )
    @settings(
        deadline=None,
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    def ask(case: Case[Any], user_id: int) -> None:
        headers = {"Authorization": f"Bearer {session_token(shop.domain, user_id)}"}
        answer = case.call(headers=headers)
        told = answer.content.decode() if answer.content else ""
        assert answer.status_code < 500, (case.as_curl_command(), told)
        changed = books.changed()
        if answer.status_code >= 400:
            assert not changed or answer.status_code in ABOUT_THE_SHOP, (
                case.as_curl_command(),
                answer.status_code,
                told,
            )
            assert set(json.loads(told)["error"]) == {"code", "message", "next_step", "field", "request_id"}
        else:
            case.validate_response(answer, checks=AS_DOCUMENTED)

    ask()
