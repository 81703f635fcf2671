"""The choice of metafields through the admin API, against the local Shopify's definitions."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.features import attributes, store
from shopify_app.sync.models import ImportJob, JobState, Resource
from tenancy.models import Role, Shop
from tenancy.scope import scope
from tests.admin_api.members import Answer, Member, hire
from tests.devstore.running import RunningDevstore
from tests.shopify_app.test_backfill import run_import


@pytest.fixture
def operator(devstore: RunningDevstore, installed: Shop) -> Member:
    devstore.platform.set_faults({"api": {"restore_rate": 1e6}})
    with scope(installed):
        ImportJob.objects.exclude(resource=Resource.PRODUCTS).update(state=JobState.DONE)
    run_import(installed)
    return hire(Shop.objects.get(pk=installed.pk), 7_002, Role.OPERATOR)


def wish(owner: str, namespace: str, key: str, use: str) -> dict[str, str]:
    return {"owner": owner, "namespace": namespace, "key": key, "use": use}


def put(member: Member, *wishes: dict[str, str]) -> Answer:
    return member.send("PUT", "metafields", {"changes": list(wishes)})


def by_key(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer
    return {each["key"]: each for each in answer.body["metafields"]}


def test_definitions_with_what_may_become_of_them(operator: Member) -> None:
    found = by_key(operator.ask("metafields"))
    assert found["weight"]["use"] == "unused"
    assert (found["occasions"]["kind"], found["occasions"]["is_list"]) == ("category", True)
    assert found["datasheet"]["use"] == found["care"]["use"] == "refused"
    assert "JSON" in found["datasheet"]["reason"]
    assert found["birthday"]["use"] == found["gift_note"]["use"] == "personal"
    assert found["birthday"]["owner"] == "customer"


def test_choosing_reads_the_values_and_dropping_removes_them(operator: Member) -> None:
    answer = put(
        operator, wish("product", "custom", "weight", "chosen"), wish("variant", "custom", "height", "chosen")
    )
    assert answer.body["reading"] is True
    run_import(operator.shop)
    found = by_key(operator.ask("metafields"))
    assert found["weight"]["use"] == found["height"]["use"] == "chosen"
    counted = found["weight"]["counted"]
    assert 0 < counted["distinct"] <= counted["values"] < counted["owners"]
    assert store.attributes_frame(operator.shop).columns == ["product_id", "custom.weight"]
    again = put(operator, wish("product", "custom", "weight", "chosen"))
    assert again.body["reading"] is False, "chosen already"
    dropped = put(operator, wish("product", "custom", "weight", "unused"))
    assert by_key(dropped)["weight"]["use"] == "unused"
    assert store.attributes_frame(operator.shop).columns == ["product_id"]
    entry = operator.ask("audit").body["entries"][0]
    assert entry["action"] == "metafields.changed"
    assert entry["data"]["changes"] == ["unused product custom.weight"]


def test_a_personal_one_cannot_be_chosen_until_it_is_unmarked(operator: Member) -> None:
    put(operator, wish("product", "custom", "material", "chosen"))
    run_import(operator.shop)
    marked = put(operator, wish("product", "custom", "material", "personal"))
    assert by_key(marked)["material"]["use"] == "personal"
    assert store.attributes_frame(operator.shop).columns == ["product_id"]
    refused = put(operator, wish("product", "custom", "material", "chosen"))
    assert (refused.status, refused.code) == (409, "metafield_personal")
    put(operator, wish("product", "custom", "material", "unused"))
    assert put(operator, wish("product", "custom", "material", "chosen")).status == 200


@pytest.mark.parametrize(
    ("wishes", "status", "code"),
    [
        ([wish("product", "custom", "datasheet", "chosen")], 409, "metafield_unusable"),
        ([wish("product", "custom", "care", "chosen")], 409, "metafield_unusable"),
        ([wish("product", "custom", "no_such", "chosen")], 409, "metafield_not_found"),
        ([wish("product", 'x") { id } #', "weight", "chosen")], 409, "metafield_not_found"),
        ([wish("customer", "custom", "birthday", "chosen")], 400, "invalid_request"),
        ([wish("order", "custom", "gift_note", "chosen")], 400, "invalid_request"),
        ([wish("product", "custom", "weight", "refused")], 400, "invalid_request"),
        ([wish("product", "custom", "weight", "chosen")] * 61, 400, "invalid_request"),
        ([], 400, "invalid_request"),
        (
            [wish("product", "custom", "weight", "chosen"), wish("product", "custom", "care", "chosen")],
            409,
            "metafield_unusable",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    operator: Member, wishes: list[dict[str, str]], status: int, code: str
) -> None:
    answer = put(operator, *wishes)
    assert (answer.status, answer.code) == (status, code)
    assert attributes.chosen(operator.shop) == ()
    assert operator.ask("audit").body["entries"] == [] or "metafields" not in str(operator.ask("audit").body)


def test_shopify_away_is_said(operator: Member, devstore: RunningDevstore, settings: Any) -> None:
    settings.SHOPIFY_SHOP_ORIGIN = "http://127.0.0.1:9"
    answer = operator.ask("metafields")
    assert (answer.status, answer.code) == (503, "shopify_unavailable")
