"""A new version in a process that has not read it yet: nobody waits, and a bad file is not read for every visitor."""

from __future__ import annotations

import time

import pytest

from mlops.deployments import router
from mlops.deployments import store as deployments
from mlops.features import sealed
from mlops.features.events import SlotName
from mlops.registry import loader
from mlops.registry.models import Version
from storefront_proxy import versions
from tenancy.models import Shop
from tenancy.scope import scope
from tests.mlops.shops import sell, train
from tests.storefront_proxy.storefront import Storefront

CART = SlotName.CART


@pytest.fixture
def changed(storefront: Storefront, shop: Shop) -> Version:
    """The second version serves since just now; this process has answered by the first and holds nothing else."""
    first = versions.serving(shop.pk, CART)
    assert first is not None
    assert first.pointer.number == 1
    sell(shop, orders=80)
    train(shop)
    with scope(shop):
        deployments.publish_all(shop)  # this test's transaction never commits
    loader.forget(shop.pk)
    loader.load(shop.pk, first.pointer.digest)
    router.forget()
    with scope(shop):
        second = Version.objects.get(number=2)
    assert second.artefact_digest != first.pointer.digest
    return second


def numbers(shop: Shop, *, seconds: float) -> list[int | None]:
    """Which version served, asked again and again."""
    found: list[int | None] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        serving = versions.serving(shop.pk, CART)
        found.append(serving.pointer.number if serving else None)
        time.sleep(0.005)
    return found


def test_the_version_before_answers_while_the_new_one_is_read(shop: Shop, changed: Version) -> None:
    assert loader.held(shop.pk, changed.artefact_digest) is None
    found = numbers(shop, seconds=versions.PATIENCE_S)
    assert found[0] == 1
    assert found[-1] == 2
    assert found == sorted(found, key=str)


def test_a_version_that_does_not_open_is_served_around_and_read_once(
    shop: Shop, changed: Version, caplog: pytest.LogCaptureFixture
) -> None:
    sealed.path_of(shop.pk, changed.artefact_digest, kind="artefact").write_bytes(b"damaged")
    found = numbers(shop, seconds=0.5)
    assert found[0] == 1
    assert found[-1] is None
    assert caplog.text.count("storefront.version_unusable") == 1


def test_without_a_version_before_the_first_answer_waits_for_its_own(shop: Shop, changed: Version) -> None:
    versions.forget()
    assert set(numbers(shop, seconds=0.05)) == {2}
