"""GET /api/webhooks/dead and POST /api/webhooks/{id}/replay: deliveries that were given up, and one more try."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shopify_app.admin_api.access import delivery_number
from shopify_app.admin_api.authentication import AtLeastOperator
from shopify_app.admin_api.jobs import Wish
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import DeadLetterPageShape, DeliveryShape
from shopify_app.admin_api.versions import PageQuery
from shopify_app.webhooks import dead_letters


class DeadLettersView(ShopView):
    @extend_schema(
        operation_id="dead_letters",
        parameters=[PageQuery],
        responses={200: DeadLetterPageShape, 400: Problem, 401: Problem},
    )
    def get(self, request: Request) -> Response:
        query = PageQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        page = dead_letters.page(
            self.shop, before=query.validated_data.get("before"), limit=query.validated_data["limit"]
        )
        return Response(
            DeadLetterPageShape(
                {"deliveries": page.letters, "total": page.total, "next_before": page.next_before}
            ).data
        )


class ReplayView(ShopView):
    permission_classes = [AtLeastOperator]

    @extend_schema(
        operation_id="replay_delivery",
        request=Wish,
        responses={202: DeliveryShape, 400: Problem, 401: Problem, 403: Problem, 404: Problem, 409: Problem},
    )
    def post(self, request: Request, delivery_id: str) -> Response:
        number = delivery_number(delivery_id)
        order = Wish(data=request.data)
        order.is_valid(raise_exception=True)
        found = dead_letters.replay_one(
            self.shop,
            number,
            actor=self.actor.name,
            reason=order.validated_data["reason"],
            now=timezone.now(),
        )
        return Response(DeliveryShape(found).data, status=202)
