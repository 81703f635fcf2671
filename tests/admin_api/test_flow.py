"""GET /api/flow: the delay of what the storefront tells, this shop's own dead letters, and its calls to Shopify."""

from __future__ import annotations

from mlops.features.events import Click
from shopify_app.graphql.calls import Phase
from storefront_proxy import exposures
from tenancy.bus.opened import open_bus
from tenancy.models import Role, Shop
from tests.admin_api.members import hire
from tests.conftest import NOON
from tests.shopify_app.test_calls import call


def test_it_tells_what_is_this_shops_own(shop: Shop, other_shop: Shop) -> None:
    call(shop, Phase.BACKFILL)
    call(other_shop, Phase.BACKFILL)
    for each in (shop, other_shop, other_shop):
        exposures.send_click(Click("exposure-0123456789", each.pk, NOON, 7, None))
    bus = open_bus()
    for delivery in bus.consume("exposures", exposures.GROUP, "one", count=3):
        bus.dead("exposures", exposures.GROUP, delivery, "test")
    flow = hire(shop, 1003, Role.VIEWER).ask("flow").body
    (topic,) = [each for each in flow["topics"] if each["topic"] == "exposures"]
    assert topic == {"topic": "exposures", "behind_s": 0.0, "given_up": 1}
    assert {each["phase"]: each["calls"] for each in flow["calls"]} == {
        "serving": 0, "install": 0, "admin": 0, "webhook": 0, "backfill": 1, "reconcile": 0,
    }  # fmt: skip
    assert flow["throttled"] == 0
