"""Calls to Shopify, counted by what they are for."""

from __future__ import annotations

from shopify_app.graphql import budget, calls
from shopify_app.graphql.calls import Phase
from shopify_app.graphql.throttle import Priority
from tenancy import measures
from tenancy.models import Shop


def call(shop: Shop, phase: Phase, *, throttled: bool = False) -> None:
    taken = budget.take(shop, 1, Priority.BACKFILL, patience_s=1)
    budget.report(shop, taken, None, spent=1, throttled=throttled, phase=phase)


def test_a_call_counts_for_its_shop_and_for_all(shop: Shop, other_shop: Shop) -> None:
    call(shop, Phase.BACKFILL)
    call(shop, Phase.RECONCILE, throttled=True)
    call(other_shop, Phase.BACKFILL)
    found = calls.of(shop)
    assert {phase.value: number for phase, number in found.by_phase.items() if number} == {
        "backfill": 1,
        "reconcile": 1,
    }
    assert found.throttled == 1
    told = measures.exposition().decode().splitlines()
    for line in (
        'shelfwise_shopify_calls_total{phase="backfill"} 2.0',
        'shelfwise_shopify_calls_total{phase="serving"} 0.0',
        "shelfwise_shopify_throttled_total 1.0",
    ):
        assert line in told
