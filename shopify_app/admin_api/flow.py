"""GET /api/flow: is what the storefront told arriving, and how often was Shopify asked for it."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import FlowShape
from shopify_app.graphql import calls
from tenancy.bus.interface import SHOP
from tenancy.bus.opened import open_bus
from tenancy.bus.topics import every

# More than a page can show; the command `replay_bus` knows them all.
MOST_LETTERS = 1_000


class FlowView(ShopView):
    @extend_schema(operation_id="flow", responses={200: FlowShape, 401: Problem})
    def get(self, request: Request) -> Response:
        """Of the bus only what is this shop's own, and its delay: how much waits would tell of the neighbours."""
        bus, mine = open_bus(), str(self.shop.pk).encode()
        topics = []
        for topic in every():
            dead = [
                letter
                for group in topic.groups
                for letter in bus.dead_letters(topic.name, group, count=MOST_LETTERS)
                if letter.fields.get(SHOP) == mine
            ]
            behind_s = max(bus.lag(topic.name, group).oldest_s for group in topic.groups)
            topics.append({"topic": topic.name, "behind_s": behind_s, "given_up": len(dead)})
        counted = calls.of(self.shop)
        answer = {
            "topics": topics,
            "calls": [{"phase": phase.value, "calls": number} for phase, number in counted.by_phase.items()],
            "throttled": counted.throttled,
        }
        return Response(FlowShape(answer).data)
