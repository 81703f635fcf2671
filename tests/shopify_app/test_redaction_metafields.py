"""A product's metafield may name a buyer: it goes with the customer, and does not come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from mlops.features import attributes, store
from mlops.features.events import AttributeKind, AttributeOwner, AttributeTold, Source
from mlops.features.models import AttributeValue
from mlops.validation import gate
from mlops.validation.models import HeldRow
from shopify_app import installs
from shopify_app.privacy import places, redact, search
from shopify_app.privacy.needles import Needles
from shopify_app.sync import backfill, kept, receive
from shopify_app.sync.differences import judge
from shopify_app.sync.listing import LISTED, changed_since, page
from shopify_app.sync.models import Resource
from shopify_app.sync.reread import Kind, Wanted
from tenancy import pseudonyms
from tenancy.models import Shop
from tenancy.scope import scope
from tests.devstore.running import RunningDevstore
from tests.mlops.builders import product, variant
from tests.shopify_app.test_backfill import run_import

NUMBER, ANOTHER = 7_303_303_303_303, 7_303_303_303_304
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REQUEST = {"customer": {"id": NUMBER}, "orders_to_redact": []}
TEXT, MANY, WHOLE = "single_line_text_field", "list.single_line_text_field", "number_integer"


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path) -> None:
    settings.ARTEFACT_DIR = tmp_path / "artefacts"
    settings.LOG_DIRS = [tmp_path / "log"]


def choose(shop: Shop, key: str, type_: str, kind: AttributeKind, *, many: bool = False) -> int:
    return attributes.choose(
        shop, owner=AttributeOwner.PRODUCT, namespace="custom", key=key, name=key, type=type_, kind=kind, many=many,
        now=NOW,
    ).id  # fmt: skip


def told(shop: Shop) -> tuple[AttributeTold, ...]:
    """Metafields of product 7: three name the customer, one names another, one nobody."""
    category = AttributeKind.CATEGORY
    return (
        AttributeTold(choose(shop, "for", TEXT, category), 7, TEXT, f"engraved for {NUMBER}"),
        AttributeTold(choose(shop, "buyers", MANY, category, many=True), 7, MANY, f'["{NUMBER}", "oak"]'),
        AttributeTold(choose(shop, "buyer", WHOLE, AttributeKind.INTEGER), 7, WHOLE, str(NUMBER)),
        AttributeTold(choose(shop, "next", TEXT, category), 7, TEXT, f"engraved for {ANOTHER}"),
        AttributeTold(choose(shop, "wood", TEXT, category), 7, TEXT, "oak"),
    )


def found(shop: Shop, number: int) -> set[str]:
    hits = search.Findings()
    search.postgres(Needles((number,), (pseudonyms.of(shop).of_customer(number),)), hits)
    return {place.removeprefix("postgres: ") for place in hits.hits}


def present(shop: Shop) -> list[tuple[str | None, str, list[str] | None, Decimal | None]]:
    with scope(shop):
        rows = AttributeValue.objects.order_by("attribute_id", "-version_at", "-id").distinct("attribute_id")
        return list(rows.values_list("raw", "text", "items", "number"))


EMPTY = (None, "", None, None)
LEFT = [EMPTY, EMPTY, EMPTY, (f"engraved for {ANOTHER}",) * 2 + (None, None), ("oak", "oak", None, None)]


@pytest.mark.django_db
def test_values_that_name_the_customer_go_with_them_and_do_not_come_back(shop: Shop) -> None:
    named = product(7, attributes=told(shop))
    store.append(shop, [named], source=Source.WEBHOOK, now=NOW)
    spoilt = replace(variant(8), price=Decimal(-1))
    held = product(8, variants=(spoilt,), attributes=tuple(replace(each, owner_id=8) for each in told(shop)))
    gate.admit(shop, [held], source=Source.WEBHOOK, now=NOW)
    columns = {f"features_attributevalue.{each}" for each in ("raw", "text", "items", "number")}
    assert found(shop, NUMBER) == columns | {"features_event.payload", "validation_heldrow.content"}
    for each in columns:
        assert places.named(*each.split(".")) is not None

    redaction = redact.redact_customer(shop, REQUEST, now=NOW)
    assert redaction.counts["metafields"] == 5, "three values, one event, one held row"
    assert found(shop, NUMBER) == set()
    assert present(shop) == LEFT
    assert "features_event.payload" in found(shop, ANOTHER)
    assert redact.redact_customer(shop, REQUEST, now=NOW).counts.get("metafields") is None

    later = replace(named, version_at=named.version_at + timedelta(hours=1), title="Told again")
    store.append(shop, [later], source=Source.RECONCILIATION, now=NOW)
    gate.admit(shop, [replace(held, title="Held again")], source=Source.WEBHOOK, now=NOW)
    assert found(shop, NUMBER) == set()
    assert present(shop) == LEFT
    with scope(shop), connection.cursor() as cursor:
        cursor.execute("select title from features_product where product_id = 7")
        assert cursor.fetchone() == ("Told again",), "all else of the product arrives"
        assert HeldRow.objects.count() == 2


@pytest.mark.django_db
def test_another_shop_keeps_its_values(shop: Shop, other_shop: Shop) -> None:
    store.append(other_shop, [product(7, attributes=told(other_shop))], source=Source.WEBHOOK, now=NOW)
    redact.redact_customer(shop, REQUEST, now=NOW)
    assert present(other_shop)[0] == (f"engraved for {NUMBER}",) * 2 + (None, None)


def test_the_sweep_does_not_miss_what_was_erased(devstore: RunningDevstore, installed: Shop) -> None:
    devstore.platform.set_faults({"api": {"restore_rate": 1e6}})
    choose(installed, "material", TEXT, AttributeKind.CATEGORY)
    backfill.restart(installed, now=timezone.now(), resources=(Resource.PRODUCTS,))
    run_import(installed)
    product_id = store.attributes_frame(installed).drop_nulls("custom.material")["product_id"][0]
    with devstore.platform.store(installed.domain).transaction() as tx:
        tx.execute(
            "UPDATE metafields SET value = ? WHERE key = 'material' AND owner_gid = ?",
            (f"for {NUMBER}", f"gid://shopify/Product/{product_id}"),
        )
    receive.read_again(installed, Wanted(Kind.PRODUCT, product_id), timezone.now())
    assert "features_attributevalue.raw" in found(installed, NUMBER)
    redact.redact_customer(installed, REQUEST, now=timezone.now())

    def verdict() -> str:
        client, listed, after = installs.admin_client(installed), LISTED["products"], None
        while True:
            seen = page(client, listed, changed_since(NOW - timedelta(days=900)), "UPDATED_AT", after)
            if product_id in seen.states:
                ours = kept.states(installed, "products", [product_id])[product_id]
                return judge(seen.states[product_id], ours).name
            after = seen.after
            assert after

    assert verdict() == "AGREES"
    receive.read_again(installed, Wanted(Kind.PRODUCT, product_id), timezone.now())
    assert found(installed, NUMBER) == set()
    assert verdict() == "AGREES"
