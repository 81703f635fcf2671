"""GET /api/overview: everything the first page says, in one answer. GET /api/traffic: what shoppers saw and did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shopify_app.admin_api import read_overview, read_traffic
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import OverviewShape, TrafficShape

LONGEST_TRAFFIC_DAYS = 366


class TrafficQuery(serializers.Serializer[Any]):
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_TRAFFIC_DAYS, default=28)


class OverviewView(ShopView):
    @extend_schema(operation_id="overview", responses={200: OverviewShape, 401: Problem})
    def get(self, request: Request) -> Response:
        return Response(OverviewShape(read_overview.overview(self.actor, timezone.now())).data)


class TrafficView(ShopView):
    @extend_schema(
        operation_id="traffic",
        parameters=[TrafficQuery],
        responses={200: TrafficShape, 400: Problem, 401: Problem},
    )
    def get(self, request: Request) -> Response:
        query = TrafficQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        span = timedelta(days=query.validated_data["days"])
        return Response(TrafficShape(read_traffic.traffic(self.shop, span, timezone.now())).data)
