"""One bucket per shop in Redis: nobody overdraws it, nobody is overtaken, and many processes together use it up."""

from __future__ import annotations

import threading
import time

import pytest
from django.conf import settings
from graphql import OperationDefinitionNode, parse
from pytest_django import Settings

from devstore.cost import Costing
from devstore.fetch_schema import SCHEMA_PATH
from devstore.schema import load_schema
from mlops.features.attributes import MOST_CHOSEN
from shopify_app.graphql import budget, library
from shopify_app.graphql.budget import OutOfPatience, Taken
from shopify_app.graphql.client import DEAREST_POINTS, FIRST_GUESS_POINTS
from shopify_app.graphql.picks import Pick
from shopify_app.graphql.throttle import Bucket, Priority
from shopify_app.local.bench_budget import Place, measure
from shopify_app.sync.listing import LISTED, STOCK_ITEMS_PER_PAGE
from shopify_app.sync.reread import LINES_PER_PAGE, MEMBERS_PER_PAGE, VARIANTS_PER_PAGE
from tenancy.models import Shop
from tests.devstore.running import SECRET, RunningDevstore
from tests.shopify_app.conftest import CLIENT_ID

# As many metafields as may be chosen.
MOST_PICKS = [
    Pick(number, owner.value, "custom", f"key_{number}")
    for owner, most in MOST_CHOSEN.items()
    for number in range(most)
]
SERVING, FOLLOW_UP, BACKFILL = Priority.SERVING, Priority.FOLLOW_UP, Priority.BACKFILL


@pytest.fixture
def birch(settings: Settings) -> Shop:
    settings.API_HEADROOM_PERCENT = 0
    budget._own.clear()
    return Shop(pk=1, domain="birch-and-co.myshopify.com")


def told(shop: Shop, available: float, *, maximum: float = 1000, rate: float = 1) -> None:
    """Shopify answers one call that cost nothing."""
    taken = take(shop, 0, SERVING)
    assert taken is not None
    budget.report(shop, taken, Bucket(maximum, available, rate, time.time()), spent=0)


def take(shop: Shop, cost: float, priority: Priority, patience_s: float = 0) -> Taken | None:
    try:
        return budget.take(shop, cost, priority, patience_s=patience_s)
    except OutOfPatience:
        return None


def test_no_more_is_taken_than_there_is_and_what_was_not_used_comes_back(birch: Shop) -> None:
    told(birch, 300)
    first, second = take(birch, 200, SERVING), take(birch, 100, SERVING)
    assert first is not None
    assert second is not None
    assert take(birch, 50, SERVING) is None
    budget.report(birch, first, Bucket(1000, 60, 1, time.time()), spent=140)
    assert take(birch, 50, SERVING) is not None
    assert take(birch, 50, SERVING) is None


def test_a_late_answer_does_not_hide_what_is_on_its_way(birch: Shop) -> None:
    told(birch, 300)
    first, second = take(birch, 100, SERVING), take(birch, 200, SERVING)
    assert first is not None
    assert second is not None
    # Shopify had not seen the second call yet when it answered the first.
    budget.report(birch, first, Bucket(1000, 200, 1, time.time()), spent=100)
    assert take(birch, 50, SERVING) is None


def test_what_another_program_spends_is_seen(birch: Shop) -> None:
    told(birch, 900)
    told(birch, 100)
    assert take(birch, 200, SERVING) is None


def test_less_urgent_classes_leave_something_for_serving(birch: Shop) -> None:
    told(birch, 60)
    assert take(birch, 20, BACKFILL) is None, "5 % of the bucket stay"
    assert take(birch, 20, FOLLOW_UP) is not None
    assert take(birch, 30, SERVING) is not None


def test_the_headroom_is_left_of_the_bucket_and_of_what_flows_into_it(
    birch: Shop, settings: Settings
) -> None:
    settings.API_HEADROOM_PERCENT = 50
    told(birch, 1000, rate=200)
    spent = 0
    began = time.monotonic()
    while time.monotonic() - began < 1.0:
        taken = take(birch, 25, FOLLOW_UP, patience_s=0.3)
        if taken is None:
            break
        spent += 25
        # Shopify's own bucket stays full: only our share can be what stops us.
        budget.report(birch, taken, Bucket(1000, 1000, 200, time.time()), spent=25)
    assert 500 <= spent <= 500 + 100 * 1.4


def test_a_dear_call_is_not_overtaken_by_cheap_ones(birch: Shop) -> None:
    told(birch, 250, rate=200)
    done: list[Taken | None] = []
    dear = threading.Thread(target=lambda: done.append(take(birch, 350, FOLLOW_UP, patience_s=10)))
    dear.start()
    time.sleep(0.15)
    assert take(birch, 10, FOLLOW_UP) is None
    assert take(birch, 10, BACKFILL) is None
    assert take(birch, 10, SERVING) is not None, "serving goes first all the same"
    dear.join()
    assert done[0] is not None
    assert 0.5 < done[0].waited_s < 2


def test_a_call_that_died_in_the_queue_loses_its_place(birch: Shop) -> None:
    told(birch, 250)
    budget._ask(birch, "dies here", 900, FOLLOW_UP)
    assert take(birch, 10, FOLLOW_UP) is None
    assert take(birch, 10, FOLLOW_UP, patience_s=budget.WAITING_LIFE_S + 1) is not None


def test_of_an_unknown_bucket_one_call_hears_first(birch: Shop) -> None:
    first = take(birch, 10, SERVING)
    assert first is not None
    assert take(birch, 10, SERVING) is None
    budget.report(birch, first, Bucket(1000, 990, 50, time.time()), spent=10)
    assert take(birch, 10, SERVING) is not None


def test_the_legacy_limit_is_two_calls_a_second(birch: Shop, settings: Settings) -> None:
    settings.API_LEGACY_REST = True
    told(birch, 1000)
    began = time.monotonic()
    for _ in range(4):
        taken = take(birch, 1, FOLLOW_UP, patience_s=5)
        assert taken is not None
        budget.report(birch, taken, None, spent=1)
    assert time.monotonic() - began > 1.4


def test_without_redis_a_process_counts_for_itself(birch: Shop, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert take(birch, 600, FOLLOW_UP) is not None
    assert take(birch, 600, FOLLOW_UP) is None
    assert budget.known_cost("ShopInfo") is None


@pytest.mark.parametrize(("picks", "most"), [([], FIRST_GUESS_POINTS), (MOST_PICKS, DEAREST_POINTS)])
def test_no_document_asks_for_more_than_the_first_guess(picks: list[Pick], most: float) -> None:
    schema = load_schema(SCHEMA_PATH).schema
    pages = {each.document: each.size for each in LISTED.values()} | {
        "InventoryTouched": STOCK_ITEMS_PER_PAGE
    }
    sizes = {
        "lines": LINES_PER_PAGE,
        "variants": VARIANTS_PER_PAGE,
        "products": MEMBERS_PER_PAGE,
        "owner": "PRODUCT",
    }
    costs = {}
    for name in library.names():
        (operation,) = parse(library.document(name, picks)).definitions
        assert isinstance(operation, OperationDefinitionNode)
        costs[name] = Costing(
            schema, {}, {"id": "gid://shopify/Any/1", "size": pages.get(name), **sizes}
        ).requested(operation)
    assert max(costs.values()) <= most, costs


def test_processes_together_use_the_bucket_up_and_are_never_throttled(devstore: RunningDevstore) -> None:
    place = Place(devstore.url, settings.REDIS_URL, CLIENT_ID, SECRET)
    found = measure(place, calls=200, processes=2, seed=1, trial_calls=40, bucket=500, rate=150)
    assert (found.throttled, found.errors) == (0, 0)
    assert found.calls == 200
    assert found.share_used > 0.7, "the rest is what is left in the bucket at the end of so few calls"
    assert found.waits["serving"][1] < 50
    assert found.waits["backfill"][1] > found.waits["serving"][1]
