"""Chosen metafields from the local Shopify to the frame: typed, as of a time, and without one more call."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import polars as pl
import pytest
from django.utils import timezone
from graphql import parse, validate

from mlops.features import attributes, store
from mlops.features.attribute_values import meaning
from mlops.features.events import AttributeKind, AttributeOwner
from mlops.features.models import AttributeValue, EventRecord
from shopify_app import installs
from shopify_app.sync import backfill, kept, receive
from shopify_app.sync.differences import Verdict, judge
from shopify_app.sync.listing import LISTED, changed_since, page
from shopify_app.sync.models import ImportJob, JobState, Resource
from shopify_app.sync.reread import Kind, Wanted
from tenancy.models import Shop
from tenancy.scope import scope
from tests.devstore.running import DOMAIN, RunningDevstore
from tests.shopify_app.test_backfill import hurry, run_import
from tests.test_graphql_documents import schema

PRODUCT, VARIANT = AttributeOwner.PRODUCT, AttributeOwner.VARIANT
CHOICES = [
    (PRODUCT, "custom", "lasts_days", "number_integer"),
    (PRODUCT, "custom", "material", "single_line_text_field"),
    (PRODUCT, "custom", "handmade", "boolean"),
    (PRODUCT, "custom", "weight", "weight"),
    (PRODUCT, "custom", "occasions", "list.single_line_text_field"),
    (PRODUCT, "custom", "first_made", "date"),
    (PRODUCT, "custom", "goes_with", "list.product_reference"),
    (PRODUCT, "reviews", "rating", "rating"),
    (VARIANT, "custom", "height", "dimension"),
    (VARIANT, "custom", "cost_price", "money"),
]


def choose(shop: Shop, *only: str) -> dict[str, attributes.Chosen]:
    found = {}
    for owner, namespace, key, type_ in CHOICES:
        if not only or key in only:
            means = meaning(type_)
            assert means.kind is not None
            found[key] = attributes.choose(
                shop, owner=owner, namespace=namespace, key=key, name=key, type=type_, kind=means.kind,
                many=means.many, now=timezone.now(),
            )  # fmt: skip
    return found


def told(devstore: RunningDevstore, kind: str, key: str) -> dict[int, str]:
    rows = devstore.platform.store(DOMAIN).read(
        "SELECT owner_gid, value FROM metafields WHERE key = ? AND owner_gid GLOB ?",
        (key, f"gid://shopify/{kind}/*"),
    )
    return {int(row["owner_gid"].rpartition("/")[2]): row["value"] for row in rows}


def set_metafield(devstore: RunningDevstore, owner: str, key: str, value: str, type_: str) -> None:
    with devstore.platform.store(DOMAIN).transaction() as tx:
        tx.execute(
            "UPDATE metafields SET value = ?, type = ? WHERE owner_gid = ? AND key = ?",
            (value, type_, owner, key),
        )
        tx.execute(
            "UPDATE products SET updated_at = ? WHERE id = ?",
            (timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ"), int(owner.rpartition("/")[2])),
        )


@pytest.fixture
def imported(devstore: RunningDevstore, installed: Shop) -> Shop:
    """The shop with its products imported, nothing chosen yet, and a bucket that tests do not empty."""
    devstore.platform.set_faults({"api": {"restore_rate": 1e6}})
    with scope(installed):
        ImportJob.objects.exclude(resource=Resource.PRODUCTS).update(state=JobState.DONE)
    run_import(installed)
    return Shop.objects.get(pk=installed.pk)


def test_each_type_becomes_a_typed_column(devstore: RunningDevstore, imported: Shop) -> None:
    choose(imported)
    backfill.restart(imported, now=timezone.now(), resources=(Resource.PRODUCTS,))
    run_import(imported)
    frame = store.attributes_frame(imported)
    assert frame.height == devstore.platform.store(DOMAIN).counts()["products"]
    assert frame.schema == {
        "product_id": pl.Int64,
        "custom.lasts_days": pl.Int64,
        "custom.material": pl.String,
        "custom.handmade": pl.Boolean,
        "custom.weight": pl.Float64,
        "custom.occasions": pl.List(pl.String),
        "custom.first_made": pl.Date,
        "custom.goes_with": pl.List(pl.String),
        "reviews.rating": pl.Float64,
    }
    rows = {row["product_id"]: row for row in frame.iter_rows(named=True)}
    weights = told(devstore, "Product", "weight")
    for product_id, row in rows.items():
        if product_id in weights:
            value = json.loads(weights[product_id])
            grams = value["value"] * (1000 if value["unit"] == "kg" else 1)
            assert row["custom.weight"] == pytest.approx(grams)
        else:
            assert row["custom.weight"] is None
    goes = told(devstore, "Product", "goes_with")
    some = next(iter(goes))
    assert rows[some]["custom.goes_with"] == [
        f"Product/{each.rpartition('/')[2]}" for each in json.loads(goes[some])
    ]
    assert {row["custom.handmade"] for row in rows.values()} == {True, False, None}
    variants = store.attributes_frame(imported, owner=VARIANT)
    assert variants.columns == ["variant_id", "product_id", "custom.height", "custom.cost_price"]
    heights = told(devstore, "ProductVariant", "height")
    assert variants.height == len(heights)
    for row in variants.iter_rows(named=True):
        expected = json.loads(heights[row["variant_id"]])["value"] / 100
        assert row["custom.height"] == pytest.approx(expected)
    assert variants["custom.cost_price"].null_count() == 0, "money of the shop's currency"


def _calls(devstore: RunningDevstore) -> int:
    return int(devstore.platform.stats.document()[DOMAIN]["graphql_calls"])


def _import_products(devstore: RunningDevstore, shop: Shop) -> int:
    """How many calls of the Admin API one import of the products takes, when each question is asked once."""
    before = _calls(devstore)
    with scope(shop):
        backfill.restart(shop, now=timezone.now(), resources=(Resource.PRODUCTS,))
        job = ImportJob.objects.get(resource=Resource.PRODUCTS)
        while backfill.step(shop, job.pk):
            pass
        time.sleep(1.5)  # Shopify is done by then, so that one question is enough
        hurry(shop)
        while backfill.step(shop, job.pk):
            pass
        job.refresh_from_db()
        assert job.state == JobState.DONE, job.problem
    return _calls(devstore) - before


def test_metafields_cost_no_call_in_import_and_reread(devstore: RunningDevstore, imported: Shop) -> None:
    product_id = store.attributes_frame(imported)["product_id"][0]
    wanted = Wanted(Kind.PRODUCT, product_id)

    def reread() -> int:
        before = _calls(devstore)
        receive.read_again(imported, wanted, timezone.now())
        return _calls(devstore) - before

    def listing() -> int:
        before = _calls(devstore)
        listed = LISTED["products"]
        page(
            installs.admin_client(imported),
            listed,
            changed_since(timezone.now() - timedelta(days=900)),
            "ID",
            None,
        )
        return _calls(devstore) - before

    plain = (_import_products(devstore, imported), reread(), listing())
    choose(imported)
    assert (_import_products(devstore, imported), reread(), listing()) == plain
    assert plain[1:] == (1, 1)
    assert store.attributes_frame(imported)["custom.weight"].drop_nulls().len() > 30


def test_as_many_as_may_be_chosen_still_fit_into_one_call(devstore: RunningDevstore, imported: Shop) -> None:
    for owner, most in attributes.MOST_CHOSEN.items():
        for place in range(most):
            attributes.choose(
                imported, owner=owner, namespace="a" * 255, key=f"key_{place}" + "k" * 50, name="x",
                type="number_integer", kind=AttributeKind.INTEGER, many=False, now=timezone.now(),
            )  # fmt: skip
        with pytest.raises(attributes.TooMany):
            attributes.choose(
                imported, owner=owner, namespace="custom", key="one_more", name="x", type="number_integer",
                kind=AttributeKind.INTEGER, many=False, now=timezone.now(),
            )  # fmt: skip
    client = installs.admin_client(imported)
    for name in ("ProductsBulk", "ProductById", "ProductsTouched"):
        assert validate(schema(), parse(client.document(name))) == []
    receive.read_again(
        imported, Wanted(Kind.PRODUCT, store.attributes_frame(imported)["product_id"][0]), timezone.now()
    )
    states = page(client, LISTED["products"], changed_since(timezone.now() - timedelta(days=900)), "ID", None)
    assert len(states.states) == LISTED["products"].size


def test_a_changed_metafield_is_found_by_the_sweep_and_is_nobody_s_fault(
    devstore: RunningDevstore, imported: Shop
) -> None:
    choose(imported, "material")
    backfill.restart(imported, now=timezone.now(), resources=(Resource.PRODUCTS,))
    run_import(imported)
    frame = store.attributes_frame(imported).drop_nulls("custom.material")
    product_id = frame["product_id"][0]
    client = installs.admin_client(imported)
    listed = LISTED["products"]

    def verdict() -> Verdict:
        found = page(client, listed, changed_since(timezone.now() - timedelta(days=900)), "UPDATED_AT", None)
        while product_id not in found.states:
            assert found.after
            found = page(
                client, listed, changed_since(timezone.now() - timedelta(days=900)), "UPDATED_AT", found.after
            )
        theirs = found.states[product_id]
        return judge(theirs, kept.states(imported, "products", [product_id])[product_id])

    assert verdict() is Verdict.AGREES
    with devstore.platform.store(DOMAIN).transaction() as tx:
        tx.execute(
            "UPDATE metafields SET value = 'marble' WHERE key = 'material' AND owner_gid = ?",
            (f"gid://shopify/Product/{product_id}",),
        )
    assert verdict() is Verdict.BEHIND
    before = timezone.now()
    receive.read_again(imported, Wanted(Kind.PRODUCT, product_id), timezone.now())
    assert verdict() is Verdict.AGREES

    def material(known_by: object = None) -> str:
        now = store.attributes_frame(imported, known_by=known_by)  # type: ignore[arg-type]
        found: str = now.filter(pl.col("product_id") == product_id)["custom.material"][0]
        return found

    assert material() == "marble"
    assert material(before) == frame["custom.material"][0], "as it was known before"


def test_dropping_a_choice_removes_its_values_everywhere(devstore: RunningDevstore, imported: Shop) -> None:
    picked = choose(imported, "material", "weight")
    backfill.restart(imported, now=timezone.now(), resources=(Resource.PRODUCTS,))
    run_import(imported)
    with scope(imported):
        assert AttributeValue.objects.filter(attribute_id=picked["material"].id).exists()
        assert attributes.drop(imported, owner=PRODUCT, namespace="custom", key="material")
        assert not AttributeValue.objects.filter(attribute_id=picked["material"].id).exists()
        payloads = "".join(json.dumps(each.payload) for each in EventRecord.objects.filter(kind="product"))
    assert "stoneware" not in payloads
    assert '"unit\\' in payloads, "the other choice is still in the log"
    assert store.attributes_frame(imported).columns == ["product_id", "custom.weight"]
    assert not attributes.drop(imported, owner=PRODUCT, namespace="custom", key="material")


def test_what_is_on_its_way_when_a_metafield_is_marked_personal_is_not_kept(
    devstore: RunningDevstore, imported: Shop
) -> None:
    choose(imported, "material", "weight")
    with scope(imported):
        backfill.restart(imported, now=timezone.now(), resources=(Resource.PRODUCTS,))
        job = ImportJob.objects.get(resource=Resource.PRODUCTS)
        while ImportJob.objects.get(pk=job.pk).state != JobState.READING:
            backfill.step(imported, job.pk)
            time.sleep(0.05)
        attributes.bar(
            imported, owner=PRODUCT, namespace="custom", key="material", name="Material",
            type="single_line_text_field", now=timezone.now(),
        )  # fmt: skip
    run_import(imported)
    assert store.attributes_frame(imported).columns == ["product_id", "custom.weight"]
    with scope(imported):
        payloads = "".join(json.dumps(each.payload) for each in EventRecord.objects.filter(kind="product"))
        assert "stoneware" not in payloads
    with pytest.raises(attributes.IsPersonal):
        choose(imported, "material")
    attributes.drop(imported, owner=PRODUCT, namespace="custom", key="material")
    assert choose(imported, "material")["material"].key == "material"


def test_values_that_do_not_parse_are_kept_aside_and_counted(
    devstore: RunningDevstore, imported: Shop
) -> None:
    picked = choose(imported, "lasts_days")["lasts_days"]
    owners = list(told(devstore, "Product", "lasts_days"))[:3]
    kept_before = told(devstore, "Product", "lasts_days")
    try:
        set_metafield(
            devstore, f"gid://shopify/Product/{owners[0]}", "lasts_days", "a while", "number_integer"
        )
        set_metafield(devstore, f"gid://shopify/Product/{owners[1]}", "lasts_days", "12.5", "number_decimal")
        backfill.restart(imported, now=timezone.now(), resources=(Resource.PRODUCTS,))
        run_import(imported)
        counted = attributes.counted(imported, picked)
        assert counted.aside == 2
        assert counted.values == len(kept_before) - 2
        assert counted.owners == devstore.platform.store(DOMAIN).counts()["products"]
        with scope(imported):
            aside = (
                AttributeValue.objects.exclude(problem="").order_by("problem").values_list("raw", "problem")
            )
            assert list(aside) == [
                ("a while", "is not a whole number"),
                ("12.5", "is of the type number_decimal now: choose it again"),
            ]
        frame = store.attributes_frame(imported)
        assert frame.filter(pl.col("product_id").is_in(owners[:2]))["custom.lasts_days"].to_list() == [
            None,
            None,
        ]
    finally:
        for owner in owners:
            set_metafield(
                devstore, f"gid://shopify/Product/{owner}", "lasts_days", kept_before[owner], "number_integer"
            )


def test_a_webhook_tells_no_metafields_and_takes_none_away(devstore: RunningDevstore, imported: Shop) -> None:
    choose(imported, "weight")
    backfill.restart(imported, now=timezone.now(), resources=(Resource.PRODUCTS,))
    run_import(imported)
    before = store.attributes_frame(imported)
    product_id = before["product_id"][0]
    told_by = receive.translate(
        "products/update",
        {
            "id": product_id, "handle": "x", "status": "active", "title": "x", "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2030-01-01T00:00:00Z", "variants": [],
        },
        timezone.now(),
    )  # fmt: skip
    receive.append(imported, [told_by], timezone.now())
    assert store.attributes_frame(imported).equals(before)
