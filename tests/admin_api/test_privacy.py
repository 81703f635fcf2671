"""The privacy page's facts: who asked, what an owner may take, what a certificate says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from shopify_app.privacy import certificate, exports, redact
from shopify_app.privacy.models import DataRequest
from tenancy.models import AuditEntry, Role, Shop
from tenancy.scope import scope, unscoped
from tests.admin_api.members import hire

pytestmark = pytest.mark.django_db
NUMBER = 7_303_303_303_303
ASKED = {"customer": {"id": NUMBER}, "data_request": {"id": 77}}


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path) -> None:
    settings.ARTEFACT_DIR, settings.LOG_DIRS = tmp_path / "artefacts", []


def test_a_shop_where_nobody_asked(shop: Shop) -> None:
    answer = hire(shop, 1003, Role.VIEWER).ask("privacy")
    assert answer.status == 200
    assert (answer.body["requests"], answer.body["redactions"], answer.body["versions"]) == ([], [], [])
    periods = {each["name"]: each["days"] for each in answer.body["periods"]}
    assert periods["visitors"] == 180
    assert periods["exports"] == 60


def test_the_owner_takes_the_export_and_it_is_written_down(shop: Shop) -> None:
    now = timezone.now()
    exports.data_request(shop, ASKED, now=now)
    owner = hire(shop, 1001, Role.OWNER)
    [asked] = owner.ask("privacy").body["requests"]
    assert (asked["request_id"], asked["downloaded_at"]) == ("77", None)
    assert asked["due_at"].startswith((now + timedelta(days=30)).date().isoformat())
    found = owner.send("POST", "privacy/requests/77/export", {})
    assert (found.status, found.body["customer_id"]) == (200, NUMBER)
    assert found.headers["Cache-Control"] == "no-store"
    assert owner.ask("privacy").body["requests"][0]["downloaded_at"] is not None
    with unscoped(why="the test looks at every shop"):
        entry = AuditEntry.objects.get(action="privacy.export_downloaded")
    assert (entry.actor, entry.data) == ("staff:1001", {"request": 77})
    operator = hire(shop, 1002, Role.OPERATOR)
    assert operator.send("POST", "privacy/requests/77/export", {}).status == 403


@pytest.mark.parametrize("how", ["lapsed", "erased", "file lost"])
def test_an_export_that_is_gone_is_refused_in_words(shop: Shop, how: str, tmp_path: Path) -> None:
    exports.data_request(shop, ASKED, now=timezone.now())
    if how == "lapsed":
        with scope(shop):
            DataRequest.objects.update(expires_at=timezone.now())
    elif how == "erased":
        redact.redact_customer(shop, {"customer": {"id": NUMBER}}, now=timezone.now())
    else:
        next(tmp_path.rglob("77.sealed")).unlink()
    answer = hire(shop, 1001, Role.OWNER).send("POST", "privacy/requests/77/export", {})
    assert (answer.status, answer.code) == (404, "export_gone")


def test_a_certificate_is_shown_and_downloaded(shop: Shop) -> None:
    now = timezone.now()
    redaction = redact.redact_customer(shop, {"customer": {"id": NUMBER}}, now=now)
    viewer = hire(shop, 1003, Role.VIEWER)
    [before] = viewer.ask("privacy").body["redactions"]
    assert (before["state"], before["has_certificate"]) == ("erased", False)
    assert viewer.ask(f"privacy/redactions/{redaction.pk}/certificate").status == 404
    certificate.certify(redaction, now=now)
    [after] = viewer.ask("privacy").body["redactions"]
    assert (after["state"], after["places_with_hits"]) == ("certified", 0)
    found = viewer.ask(f"privacy/redactions/{redaction.pk}/certificate")
    assert found.body["clean"]
    assert found.body["sha256"] == certificate.digest(found.body)
    assert str(NUMBER) not in str(found.body)
