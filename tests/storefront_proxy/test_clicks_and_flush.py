"""From the stream into Postgres: once, in any order, also when a worker dies in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from mlops.features import store
from mlops.features.events import Source
from mlops.features.models import Exposure, Outcome
from storefront_proxy import exposures
from storefront_proxy.tasks import flush as flush_task
from tenancy.bus.interface import Lag
from tenancy.bus.opened import open_bus
from tenancy.models import Shop
from tenancy.redis import client, key
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import exposure, line, order
from tests.storefront_proxy.storefront import Storefront

VISITOR = "visitor-of-birch"


def outcomes(shop: Shop) -> list[tuple[str, int, str]]:
    with scope(shop):
        return list(Outcome.objects.order_by("key").values_list("kind", "product_id", "exposure_id"))


@pytest.mark.parametrize("content_type", ["application/json", "text/plain;charset=UTF-8"])
def test_a_click_is_kept_once_and_a_later_order_is_tied_to_it(
    storefront: Storefront, shop: Shop, content_type: str
) -> None:
    answer = storefront.ask(slot="product_page", product_id=6, visitor=VISITOR).json()
    clicked = answer["products"][0]["product_id"]
    body = {"exposure": answer["exposure"], "product_id": clicked, "visitor": VISITOR}
    for _ in range(2):
        response = storefront.click(body, content_type=content_type)
        assert (response.status_code, response.json()) == (202, {"accepted": True})
    now = datetime.now(UTC)
    exposures.flush(consumer="one", now=now)
    assert outcomes(shop) == [("click", clicked, answer["exposure"])]
    bought = order(900, [line(9001, clicked, 2)], ordered_at=now, visitor=VISITOR)
    store.append(shop, [bought], source=Source.WEBHOOK, now=now)
    with scope(shop), looking():
        tied = Outcome.objects.get(kind="order")
    assert (tied.exposure_id, tied.amount) == (answer["exposure"], Decimal(25))


def test_a_click_on_a_forged_or_foreign_exposure_is_dropped_in_the_end(
    storefront: Storefront, shop: Shop, other_shop: Shop
) -> None:
    store.record_exposures([exposure(other_shop.pk, [7])])
    storefront.click({"exposure": "exposure-0123456789abcdef", "product_id": 7, "visitor": VISITOR})
    storefront.click({"exposure": "forged-0123456789abcdef", "product_id": 7})
    now = datetime.now(UTC)
    # Their exposures may still be on the way: at first they wait.
    assert exposures.flush(consumer="one", now=now) == 0
    assert exposures.waiting() == 2
    assert exposures.flush(consumer="one", now=now + timedelta(seconds=61), stale_ms=0) == 2
    assert exposures.waiting() == 0
    assert outcomes(shop) == outcomes(other_shop) == []


def test_a_click_that_overtook_its_exposure_is_kept(storefront: Storefront, shop: Shop) -> None:
    storefront.click({"exposure": "exposure-0123456789abcdef", "product_id": 7, "visitor": VISITOR})
    exposures.flush(consumer="one", now=datetime.now(UTC))
    exposures.send_exposures([exposure(shop.pk, [7])])
    exposures.flush(consumer="one", now=datetime.now(UTC), stale_ms=0)
    exposures.flush(consumer="one", now=datetime.now(UTC), stale_ms=0)
    assert outcomes(shop) == [("click", 7, "exposure-0123456789abcdef")]
    assert exposures.waiting() == 0


def test_what_a_dead_worker_had_taken_is_taken_over_and_kept_once(storefront: Storefront, shop: Shop) -> None:
    answers = [storefront.ask(slot="home").json()["exposure"] for _ in range(5)]
    exposures.flush(consumer="one", now=datetime.now(UTC))
    answers += [storefront.ask(slot="home").json()["exposure"] for _ in range(5)]
    stream = key("bus", "exposures")
    # Died after it read; and died after it wrote, before it acknowledged.
    taken = client().xreadgroup(exposures.GROUP, "dead", {stream: ">"}, count=3)
    assert taken
    client().xreadgroup(exposures.GROUP, "dead-too", {stream: ">"}, count=1)
    with scope(shop):
        store.record_exposures([exposure(shop.pk, [7], exposure_id=answers[8])])
    assert exposures.flush(consumer="two", now=datetime.now(UTC)) == 1  # the others are not stale yet
    assert exposures.flush(consumer="two", now=datetime.now(UTC), stale_ms=0) == 4
    with scope(shop):
        assert set(Exposure.objects.values_list("exposure_id", flat=True)) == set(answers)
    assert exposures.waiting() == 0


def test_an_unreadable_entry_does_not_hold_up_the_others(storefront: Storefront, shop: Shop) -> None:
    client().xadd(key("bus", "exposures"), {"kind": "exposure", "shop": "1", "body": "not json"})
    client().xadd(
        key("bus", "exposures"), {"kind": "click", "shop": "1", "body": '{"id": "without the rest"}'}
    )
    client().xadd(key("bus", "exposures"), {"something": "else"})
    storefront.ask(slot="home")
    client().xadd(key("bus", "exposures"), {"kind": "exposure", "shop": "none", "body": "{}"})
    assert exposures.flush(consumer="one", now=datetime.now(UTC)) == 5
    with scope(shop):
        assert Exposure.objects.count() == 1
    assert open_bus().lag("exposures", exposures.GROUP) == Lag(waiting=0, pending=0, dead=4, oldest_s=0)


def test_the_task_flushes_and_survives_a_stream_that_vanished(storefront: Storefront, shop: Shop) -> None:
    storefront.ask(slot="home")
    flush_task()
    client().delete(key("bus", "exposures"))
    flush_task()
    storefront.ask(slot="home")
    flush_task()
    with scope(shop):
        assert Exposure.objects.count() == 2
