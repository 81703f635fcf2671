"""/api/markers: what changed in the shop and may explain its numbers; anyone who operates may add a note."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.features import markers
from mlops.features.days import day_of, days
from shopify_app.admin_api.authentication import AtLeastOperator
from shopify_app.admin_api.overview import TrafficQuery
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import MarkerShape, MarkersShape
from tenancy.errors import Refused
from tenancy.models import Shop

OLDEST_NOTE = timedelta(days=3 * 366)


class NoteOrder(serializers.Serializer[Any]):
    text = serializers.CharField(min_length=3, max_length=200, trim_whitespace=True)
    at = serializers.DateTimeField(
        required=False, help_text="when it happened, with a time zone; now when absent"
    )


class MarkersView(ShopView):
    def get_permissions(self) -> list[Any]:
        return [AtLeastOperator()] if self.request.method == "POST" else list(super().get_permissions())

    @extend_schema(
        operation_id="markers",
        parameters=[TrafficQuery],
        responses={200: MarkersShape, 400: Problem, 401: Problem},
    )
    def get(self, request: Request) -> Response:
        """Markers of the last `days` days of the shop, today included, oldest first."""
        query = TrafficQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        return Response(_lately(self.shop, timezone.now(), query.validated_data["days"]))

    @extend_schema(
        operation_id="add_note",
        request=NoteOrder,
        responses={201: MarkerShape, 400: Problem, 401: Problem, 403: Problem},
    )
    def post(self, request: Request) -> Response:
        order = NoteOrder(data=request.data)
        order.is_valid(raise_exception=True)
        now = timezone.now()
        at: datetime = order.validated_data.get("at", now)
        if not now - OLDEST_NOTE <= at <= now + timedelta(minutes=5):
            raise Refused(
                "A note is about something that has happened, at most three years ago. Nothing was kept.",
                code="invalid",
                next_step="Choose a moment that has passed.",
                field="at",
            )
        noted = markers.note(self.shop, order.validated_data["text"], at=at, by=self.actor.name, now=now)
        return Response(MarkerShape(_told(self.shop, noted)).data, status=201)


class NoteView(ShopView):
    permission_classes = [AtLeastOperator]

    @extend_schema(
        operation_id="withdraw_note",
        request=None,
        responses={200: MarkersShape, 401: Problem, 403: Problem, 404: Problem},
    )
    def delete(self, request: Request, marker_id: int) -> Response:
        """Take a note off the charts; the event log keeps that it was there."""
        now = timezone.now()
        markers.withdraw(self.shop, marker_id, by=self.actor.name, now=now)
        return Response(_lately(self.shop, now, 28))


def _lately(shop: Shop, now: datetime, span: int) -> Any:
    today = day_of(now, shop.timezone)
    cut = days(shop.timezone, since=today - timedelta(days=span - 1), until=today)
    found = markers.between(shop, cut.begin, cut.end)
    return MarkersShape({"markers": [_told(shop, each) for each in found]}).data


def _told(shop: Shop, found: markers.Marker) -> dict[str, Any]:
    return {**asdict(found), "day": day_of(found.at, shop.timezone)}
