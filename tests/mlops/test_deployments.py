"""Slots: deploy, roll back to the previous good version, and be followed by every process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from mlops.deployments import pointers, router
from mlops.deployments import store as deployments
from mlops.deployments.history import Change, previous_good
from mlops.deployments.models import SlotChange
from mlops.deployments.pointers import Pointer
from mlops.deployments.store import NothingToReturnTo, SlotChanged
from mlops.features.events import SlotName
from mlops.registry.models import Lifecycle, Transition, Version
from mlops.registry.store import IllegalTransition, access_version, move
from tenancy.errors import NotFound
from tenancy.models import AuditEntry, Shop
from tenancy.redis import client
from tenancy.scope import scope, unscoped
from tests.mlops.builders import NOON
from tests.mlops.shops import sell, stock, train

CART = SlotName.CART


@pytest.fixture
def versions(shop: Shop) -> Iterator[list[Version]]:
    """Three versions; the third serves everywhere."""
    stock(shop)
    sell(shop, orders=20)
    for _ in range(3):
        train(shop)
    router.forget()
    with scope(shop):
        yield list(Version.objects.order_by("number"))


def roll_back(shop: Shop, serving: Version) -> deployments.SlotState:
    return deployments.roll_back(
        shop, CART, expected_version_id=serving.pk, actor="staff:7", reason="fewer clicks", now=NOON
    )


def test_roll_back_goes_to_the_version_before_and_is_audited(shop: Shop, versions: list[Version]) -> None:
    one, two, three = versions
    state = roll_back(shop, three)
    assert (state.version, state.previous_good) == (two, one)
    with unscoped(why="the test looks at every shop"):
        entry = AuditEntry.objects.filter(shop=shop).latest("id")
    assert (entry.actor, entry.action, entry.reason) == ("staff:7", "slot.rolled_back", "fewer clicks")
    assert entry.data["from_version"] == 3
    assert entry.data["to_version"] == 2
    change = SlotChange.objects.latest("id")
    assert (change.slot, change.strategy, change.before, change.after) == ("cart", "rollback", three, two)


def test_a_version_that_was_rolled_back_from_is_not_good(shop: Shop, versions: list[Version]) -> None:
    one, two, three = versions
    roll_back(shop, three)
    deployments.deploy(shop, CART, one, actor="staff:7", reason="older still", now=NOON)
    # Number 3 is bad, so number 2 is where a rollback goes.
    assert deployments.slots(shop)[CART].previous_good == two
    deployments.deploy(shop, CART, three, actor="staff:7", reason="mended", now=NOON)
    assert deployments.slots(shop)[CART].previous_good == one


def test_there_is_an_end_to_rolling_back(shop: Shop, versions: list[Version]) -> None:
    one, two, three = versions
    roll_back(shop, three)
    roll_back(shop, two)
    with pytest.raises(NothingToReturnTo):
        roll_back(shop, one)
    assert deployments.slots(shop)[CART].version == one


def test_a_rollback_of_what_no_longer_serves_is_refused(shop: Shop, versions: list[Version]) -> None:
    three = versions[2]
    roll_back(shop, three)
    changes = SlotChange.objects.count()
    with pytest.raises(SlotChanged):
        roll_back(shop, three)
    assert SlotChange.objects.count() == changes
    with pytest.raises(NotFound):
        deployments.roll_back(
            shop, SlotName.FORECAST, expected_version_id=three.pk, actor="staff:7", reason="", now=NOON
        )


def test_lifecycles_follow_the_slots_and_are_logged(shop: Shop, versions: list[Version]) -> None:
    one, two, three = versions
    roll_back(shop, three)
    found = dict(Version.objects.values_list("number", "lifecycle"))
    assert found == {1: Lifecycle.STAGING, 2: Lifecycle.PRODUCTION, 3: Lifecycle.PRODUCTION}
    assert [(t.before, t.after) for t in Transition.objects.filter(version=two).order_by("id")] == [
        ("candidate", "production"),
        ("production", "staging"),
        ("staging", "production"),
    ]
    move(one, Lifecycle.ARCHIVED, actor="staff:7", reason="", now=NOON)
    with pytest.raises(IllegalTransition):
        deployments.deploy(shop, CART, one, actor="staff:7", reason="", now=NOON)
    assert deployments.slots(shop)[CART].version == two


def test_deploying_what_serves_already_changes_nothing(shop: Shop, versions: list[Version]) -> None:
    changes = SlotChange.objects.count()
    deployments.deploy(shop, CART, versions[2], actor="staff:7", reason="", now=NOON)
    assert SlotChange.objects.count() == changes


def test_a_foreign_version_is_not_found(other_shop: Shop, shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=20)
    run = train(shop)
    assert run.version_id is not None
    with scope(other_shop), pytest.raises(NotFound):
        access_version(run.version_id)


def test_an_older_pointer_never_replaces_a_newer_one(shop: Shop) -> None:
    newer, older = Pointer(5, 50, 5, "e" * 64), Pointer(4, 40, 4, "d" * 64)
    pointers.publish(shop.pk, CART, newer)
    pointers.publish(shop.pk, CART, older)
    assert pointers.read(shop.pk) == {CART: newer}


def test_a_redis_that_lost_its_memory_is_filled_from_postgres(shop: Shop, versions: list[Version]) -> None:
    pointers.forget(shop.pk)
    found = router.pointer(shop.pk, CART)
    assert found is not None
    assert found.version_id == versions[2].pk
    assert pointers.read(shop.pk) is not None


def test_a_shop_without_versions_is_asked_for_in_postgres_once(
    shop: Shop, django_assert_num_queries: Any
) -> None:
    router.forget()
    assert router.pointer(shop.pk, CART) is None
    router.forget()
    with django_assert_num_queries(0):
        assert router.pointer(shop.pk, CART) is None


FOLLOWER = """
import sys, time
from mlops.deployments import router
from mlops.features.events import SlotName
shop_id, revision = int(sys.argv[1]), int(sys.argv[2])
router.pointer(shop_id, SlotName.CART)
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
while router.pointer(shop_id, SlotName.CART).revision != revision:
    time.sleep(0.005)
print(time.monotonic() - began, flush=True)
"""


def test_another_process_follows_within_two_seconds(shop: Shop) -> None:
    pointers.publish(shop.pk, CART, Pointer(1, 10, 1, "d" * 64))
    environment = {
        "DJANGO_SETTINGS_MODULE": "shopify_app.settings",
        "PYTHONPATH": str(settings.BASE_DIR),
        "SHELFWISE_LOCAL": "1",
        "REDIS_PREFIX": settings.REDIS_PREFIX,
        "REDIS_URL": settings.REDIS_URL,
        "DATABASE_URL": settings.DATABASE_URL,
    }
    with subprocess.Popen(
        [sys.executable, "-c", FOLLOWER, str(shop.pk), "2"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdin is not None
        assert follower.stdout is not None
        assert follower.stdout.readline() == "ready\n"
        pointers.publish(shop.pk, CART, Pointer(2, 20, 2, "e" * 64))
        follower.stdin.write("go\n")
        follower.stdin.flush()
        assert float(follower.stdout.readline()) < 2.0


def test_this_process_asks_redis_at_most_twice_a_second(shop: Shop) -> None:
    pointers.publish(shop.pk, CART, Pointer(1, 10, 1, "d" * 64))
    router.forget()
    router.pointer(shop.pk, CART)
    before = client().info("commandstats")["cmdstat_hgetall"]["calls"]
    began = time.monotonic()
    for _ in range(200):
        router.pointer(shop.pk, CART)
    took = time.monotonic() - began
    assert client().info("commandstats")["cmdstat_hgetall"]["calls"] - before <= 1 + took / router.MAX_AGE_S


changes = st.lists(st.builds(Change, after=st.integers(1, 4), rollback=st.booleans()), max_size=12)


@given(changes)
def test_previous_good_is_never_what_serves_and_was_deployed_once(history: list[Change]) -> None:
    found = previous_good(history)
    if found is not None:
        assert found != history[-1].after
        assert found in {each.after for each in history}


def test_previous_good_by_example() -> None:
    def deployed(*versions: int) -> list[Change]:
        return [Change(each, rollback=False) for each in versions]

    assert previous_good([]) is None
    assert previous_good(deployed(1)) is None
    assert previous_good(deployed(1, 2, 3)) == 2
    assert previous_good([*deployed(1, 2, 3), Change(2, rollback=True)]) == 1
    assert previous_good([*deployed(1, 2, 3), Change(2, rollback=True), *deployed(4)]) == 2
    assert previous_good([*deployed(1, 2), Change(1, rollback=True), *deployed(2)]) == 1
