"""Whatever a stranger or a broken client sends: a 4xx in the one error shape, never a 500."""

from __future__ import annotations

import pytest

from tenancy.models import AuditEntry, Role, Shop
from tenancy.scope import unscoped
from tests.admin_api.members import Member, call, hire, session_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(shop: Shop) -> Member:
    return hire(shop, 1001, Role.OWNER)


BODIES = {
    "empty": b"",
    "not JSON": b"{",
    "not UTF-8": b'{"reason": "\xff\xfe"}',
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "NaN": b'{"reason": NaN}',
    "zero byte": b'{"reason": "sold\\u0000 out", "expected_version": "1", "version": "1"}',
    "half a character": b'{"reason": "sold \\ud800 out", "expected_version": "1", "version": "1"}',
    "nested": b"[" * 50_000,
    "too short": b'{"reason": "  a ", "expected_version": "1", "version": "1"}',
    "too long": b'{"reason": "' + b"a" * 501 + b'", "expected_version": "1", "version": "1"}',
    "a megabyte": b'{"reason": "' + b"a" * 1_000_000 + b'"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize(
    "path",
    [
        "slots/home/rollback",
        "slots/home/deploy",
        "training",
        "import/restart",
        "reconcile",
        "webhooks/1/replay",
    ],
)
def test_bad_bodies(owner: Member, path: str, body: bytes) -> None:
    if not body and not path.startswith("slots/"):
        pytest.skip("work in the background may be asked for without a reason")
    answer = call("POST", path, body, token=session_token(owner.shop.domain, owner.user_id))
    assert answer.status in (400, 413), answer
    assert set(answer.body["error"]) == {"code", "message", "next_step", "field", "request_id"}
    assert answer.body["error"]["request_id"]
    with unscoped(why="the test looks at every shop"):
        assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "traffic?days=0", 400),
        ("GET", "traffic?days=367", 400),
        ("GET", "traffic?days=28.5", 400),
        ("GET", "traffic?days=9999999999999999999999", 400),
        ("GET", "traffic?days=%00", 400),
        ("GET", "traffic?days=%ff", 400),
        ("GET", "versions?before=0", 400),
        ("GET", "versions?before=-1", 400),
        ("GET", "versions?limit=101", 400),
        ("GET", "versions?before=99999999999999999999", 400),
        ("GET", "audit?before=x", 400),
        ("GET", "webhooks/dead?before=x", 400),
        ("GET", "webhooks/dead?limit=0", 400),
        ("POST", "webhooks/abc/replay", 404),
        ("POST", "webhooks/99999999999999999999/replay", 404),
        ("POST", "webhooks/-1/replay", 404),
        ("POST", "webhooks/dead", 405),
        ("GET", "validation?days=0", 400),
        ("GET", "validation/suites/nothing", 404),
        ("GET", "validation/suites/%00", 404),
        ("GET", "validation/suites/orders?number=99", 404),
        ("GET", "validation/suites/orders?number=99999999999999999999", 400),
        ("GET", "validation/suites/orders?compare_with=77", 404),
        ("GET", "validation/quarantine?resource=nothing", 400),
        ("GET", "validation/quarantine?state=lost", 400),
        ("POST", "validation/quarantine/replay", 400),
        ("POST", "validation/halts/%00/release", 400),
        ("GET", "overview?format=xml", 404),
        ("GET", "versions/abc", 404),
        ("GET", "versions/99999999999999999999", 404),
        ("GET", "versions/1%00", 404),
        ("GET", "versions/%F0%9F%92%A1", 404),
        ("GET", "versions/1/2", 404),
        ("GET", "", 404),
        ("GET", "x" * 5000, 404),
        ("POST", "overview", 405),
        ("DELETE", "audit", 405),
        ("GET", "slots/home/rollback", 405),
        ("PATCH", "staff/1001", 405),
    ],
)
def test_bad_addresses(owner: Member, method: str, path: str, status: int) -> None:
    answer = owner.send(method, path, {})
    assert answer.status == status, answer
    assert answer.body["error"]["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("slot", ["checkout", "forecast", "HOME", "home%00", "%2e%2e"])
@pytest.mark.parametrize("verb", ["rollback", "deploy"])
def test_unknown_slots(owner: Member, slot: str, verb: str) -> None:
    body = {"reason": "sold out", "expected_version": "1", "version": "1"}
    assert owner.send("POST", f"slots/{slot}/{verb}", body).status == 404


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x"])
def test_only_json_is_read(owner: Member, content_type: str) -> None:
    token = session_token(owner.shop.domain, owner.user_id)
    answer = call("POST", "training", b'{"reason": "new lamps"}', token=token, content_type=content_type)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("charset", ["rot13", "hex", "utf-16", "nonsense"])
def test_odd_charsets(owner: Member, charset: str) -> None:
    token = session_token(owner.shop.domain, owner.user_id)
    answer = call("POST", "training", b"{]", token=token, content_type=f"application/json; charset={charset}")
    assert answer.status in (400, 415)


def test_a_message_names_the_field_at_fault(owner: Member) -> None:
    answer = owner.send("POST", "slots/home/rollback", {"expected_version": "1", "reason": ""})
    assert answer.body["error"]["field"] == "reason"
    answer = owner.send("POST", "slots/home/rollback", {"reason": "sold out"})
    assert answer.body["error"]["field"] == "expected_version"


def test_the_shop_is_never_taken_from_the_request(owner: Member, other_shop: Shop) -> None:
    answer = owner.ask(f"overview?shop={other_shop.domain}")
    assert answer.body["shop"]["domain"] == owner.shop.domain
