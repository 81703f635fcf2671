"""Whatever a browser or a forger sends to the collector: 202, 400, 413 or 429, and nothing kept of what was refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.features.storefront import Consent, StorefrontKind
from storefront_proxy import arrivals, batches
from storefront_proxy.batches import BadBatch
from tenancy.bus.opened import open_bus
from tenancy.models import Shop
from tenancy.scope import unscoped
from tests.mlops.builders import NOON
from tests.storefront_proxy.pixel import Pixel, flush, happened

FUZZ = settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\x00", "\ud800", "1e999", "-0", "NaN", "9" * 400, "'; drop table features_order; --"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["id", "kind", "at", "product", "variant", "collection", "quantity", "price", "currency", "search", "exposure",
          "order", "lines"]  # fmt: skip
KINDS = st.sampled_from([each.value for each in StorefrontKind])
EVENT = st.builds(
    lambda kind, wrong: {**happened(kind), **wrong},
    KINDS,
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3),
)
BATCH = st.fixed_dictionaries(
    {"events": st.lists(EVENT | JSON, max_size=6)},
    optional=dict.fromkeys(("v", "sent_at", "visitor", "consent", "staff", "forget", "languages", "x"), JSON),
)


@given(body=st.binary(max_size=300))
@FUZZ
def test_bytes_are_a_batch_or_a_refusal(body: bytes) -> None:
    with pytest.raises(BadBatch):
        batches.read(body, now=NOON)


@given(batch=BATCH, good=st.lists(KINDS, max_size=3))
@FUZZ
def test_what_is_taken_of_any_batch_fits_its_columns(batch: dict[str, Any], good: list[str]) -> None:
    sound = {"v": 1, "consent": {"analytics": True}}
    body = {**sound, **batch, "events": [*batch["events"], *(happened(kind) for kind in good)]}
    try:
        found = batches.read(json.dumps(body).encode(), now=NOON)
    except BadBatch:
        return
    assert len(found.events) + found.dropped.total() == len(body["events"])
    if found.consent is not None:
        assert len(found.events) >= len(good), "a good event stays, whatever stands beside it"
    for each in found.events:
        assert 0 <= (NOON - each.at).total_seconds() <= 300
        assert each.consent in Consent
        assert each.search is None or ("\x00" not in each.search and len(each.search) <= 80)
        assert each.price is None or 0 <= each.price < 10**12
        assert all(number is None or 0 < number < 2**63 for number in (each.product_id, each.order_id))
        each_line_fits = [0 <= line.quantity <= 1_000_000 for line in each.lines]
        assert all(each_line_fits)


@pytest.mark.django_db
@given(batch=BATCH)
@FUZZ
def test_no_answer_but_the_promised_ones(shop: Shop, batch: dict[str, Any]) -> None:
    pixel = Pixel(shop.domain)
    before = _waiting()
    sound = {"v": 1, "consent": {"analytics": True}}
    response = pixel.post(json.dumps({**sound, **batch}).encode())
    assert response.status_code in (202, 400, 413, 429), response.content
    if response.status_code != 202:
        assert _waiting() == before
    else:
        # What was taken can be written: nothing hostile is left for the worker to fall over.
        arrived = response.json()["accepted"]
        held = _rows()
        flush()
        assert _rows() == held + arrived
        assert open_bus().lag(arrivals.TOPIC.name, arrivals.GROUP).dead == 0


def _waiting() -> int:
    return open_bus().lag(arrivals.TOPIC.name, arrivals.GROUP).messages


def _rows() -> int:
    with unscoped(why="the test counts every shop's"), connection.cursor() as cursor:
        cursor.execute("select count(*) from features_storefront_event")
        return int(cursor.fetchone()[0])
