"""Messages that were given up name visitors too: a withdrawal erases them, and none outlives its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shopify_app.privacy import retention
from storefront_proxy import arrivals, exposures, tasks
from tenancy.bus import dead_letters, in_flight
from tenancy.bus.interface import SHOP, VISITOR, Delivery
from tenancy.models import Shop

pytestmark = pytest.mark.django_db

GONE, OTHER = "visitor-who-withdrew", "visitor-who-stays"


def give_up(shop: Shop, visitor: str | None) -> None:
    """A dead letter in each topic of the storefront."""
    fields = {SHOP: str(shop.pk).encode(), "events": b"{"}
    if visitor is not None:
        fields[VISITOR] = visitor.encode()
    for topic in (arrivals.TOPIC, exposures.TOPIC):
        for group in topic.groups:
            dead_letters.keep(topic.name, group, Delivery("1-1", fields, 5), "for the test")


def named(shop: Shop) -> list[str]:
    return sorted(
        each.fields.get(VISITOR, b"").decode()
        for topic in (arrivals.TOPIC, exposures.TOPIC)
        for group in topic.groups
        for each in dead_letters.oldest(topic.name, group, count=100)
        if each.fields[SHOP] == str(shop.pk).encode()
    )


def test_a_withdrawal_erases_the_dead_letters_of_this_visitor_of_this_shop(
    shop: Shop, other_shop: Shop
) -> None:
    for where in (shop, other_shop):
        for visitor in (GONE, OTHER, None):
            give_up(where, visitor)
    arrivals.send_withdrawal(shop.pk, GONE)
    tasks.collect()
    assert set(named(shop)) == {OTHER, ""}
    assert set(named(other_shop)) == {GONE, OTHER, ""}


def test_what_is_given_up_after_the_withdrawal_goes_with_the_day(shop: Shop) -> None:
    arrivals.send_withdrawal(shop.pk, GONE)
    tasks.collect()
    give_up(shop, GONE)
    give_up(shop, OTHER)
    assert in_flight.visitors_of_dead(shop.pk) == {GONE, OTHER}
    forgotten = retention.enforce(shop, now=datetime.now(UTC))
    assert forgotten["dead_letters"] == len(named(shop))
    assert set(named(shop)) == {OTHER}


def test_dead_letters_lapse_as_the_inboxes_do(shop: Shop, other_shop: Shop) -> None:
    give_up(shop, OTHER)
    give_up(other_shop, OTHER)
    assert "dead_letters" not in retention.enforce(shop, now=datetime.now(UTC) + timedelta(days=29))
    retention.enforce(shop, now=datetime.now(UTC) + timedelta(days=31))
    assert (named(shop), set(named(other_shop))) == ([], {OTHER})
