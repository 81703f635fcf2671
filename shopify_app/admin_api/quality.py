"""/api/validation: how much of the shop's data passes, what is held back and why, and what is expected at all."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.validation import decisions, suites
from mlops.validation.defaults import RESOURCES
from mlops.validation.models import HeldState
from shopify_app.admin_api import read_quality
from shopify_app.admin_api.authentication import AtLeastOperator
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.quality_shapes import (
    SEVERITIES,
    DismissedShape,
    QualityShape,
    QuarantineShape,
    ReplayedShape,
    SuiteShape,
)
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.versions import PageQuery
from tenancy.errors import NotFound
from tenancy.reading import Purpose

MOST_AT_ONCE = 1_000
_REFUSALS: dict[int, Any] = {400: Problem, 401: Problem, 403: Problem, 404: Problem, 409: Problem}


class DaysQuery(serializers.Serializer[Any]):
    days = serializers.IntegerField(min_value=1, max_value=366, default=30)


class SuiteQuery(serializers.Serializer[Any]):
    number = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    compare_with = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)


class QuarantineQuery(PageQuery):
    resource = serializers.ChoiceField(choices=RESOURCES, required=False)
    state = serializers.ChoiceField(choices=HeldState.values, required=False, help_text="default: held")


class WithReason(serializers.Serializer[Any]):
    reason = serializers.CharField(min_length=3, max_length=500)


class SuiteChange(WithReason):
    expectation = serializers.CharField(max_length=96)
    base = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, help_text="the version you were looking at"
    )
    severity = serializers.ChoiceField(choices=SEVERITIES, required=False)
    bounds = serializers.DictField(child=serializers.JSONField(allow_null=True), default=dict)


class Chosen(WithReason):
    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**62),
        min_length=1,
        max_length=200,
        required=False,
    )
    resource = serializers.ChoiceField(choices=RESOURCES, required=False, help_text="all rows of this kind")


class Release(WithReason):
    accepted = serializers.BooleanField(
        help_text="true: the rows are right, bring them in; false: leave them out"
    )


class QualityView(ShopView):
    @extend_schema(
        operation_id="quality",
        parameters=[DaysQuery],
        responses={200: QualityShape, 400: Problem, 401: Problem},
    )
    def get(self, request: Request) -> Response:
        query = DaysQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        found = read_quality.quality(self.shop, days=query.validated_data["days"], now=timezone.now())
        return Response(QualityShape(found).data)


class SuiteView(ShopView):
    def get_permissions(self) -> list[Any]:
        return [AtLeastOperator()] if self.request.method == "POST" else list(super().get_permissions())

    @extend_schema(operation_id="suite", parameters=[SuiteQuery], responses={200: SuiteShape, **_REFUSALS})
    def get(self, request: Request, resource: str) -> Response:
        query = SuiteQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        return self._shown(resource, asked.get("number"), asked.get("compare_with"))

    @extend_schema(operation_id="change_suite", request=SuiteChange, responses={200: SuiteShape, **_REFUSALS})
    def post(self, request: Request, resource: str) -> Response:
        order = SuiteChange(data=request.data)
        order.is_valid(raise_exception=True)
        wanted = order.validated_data
        saved = suites.change(
            self.shop,
            resource,
            wanted["expectation"],
            severity=wanted.get("severity"),
            bounds=wanted["bounds"],
            base=wanted["base"],
            actor=self.actor.name,
            reason=wanted["reason"],
            now=timezone.now(),
        )
        return self._shown(resource, saved.number, None)

    def _shown(self, resource: str, number: int | None, compare_with: int | None) -> Response:
        return Response(SuiteShape(read_quality.suite(self.shop, resource, number, compare_with)).data)


class QuarantineView(ShopView):
    purpose = Purpose.QUALITY

    @extend_schema(
        operation_id="quarantine",
        parameters=[QuarantineQuery],
        responses={200: QuarantineShape, 400: Problem, 401: Problem},
    )
    def get(self, request: Request) -> Response:
        query = QuarantineQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        found = read_quality.quarantine(
            self.shop,
            resource=asked.get("resource"),
            state=asked.get("state"),
            before=asked.get("before"),
            limit=asked["limit"],
        )
        return Response(QuarantineShape(found).data)


class ReplayRowsView(ShopView):
    purpose = Purpose.QUALITY
    permission_classes = [AtLeastOperator]

    @extend_schema(operation_id="replay_rows", request=Chosen, responses={200: ReplayedShape, **_REFUSALS})
    def post(self, request: Request) -> Response:
        wanted = _chosen(request)
        rows = decisions.find(self.shop, ids=wanted.get("ids"), resource=wanted.get("resource"))
        ids = list(rows.order_by("id").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        _refuse_nothing(ids)
        done = decisions.replay(
            self.shop,
            ids=ids[:MOST_AT_ONCE],
            actor=self.actor.name,
            reason=wanted["reason"],
            now=timezone.now(),
        )
        left = max(0, rows.count() - done.held - done.unreadable)
        return Response(
            ReplayedShape(
                {"arrived": done.arrived, "held": done.held, "unreadable": done.unreadable, "left": left}
            ).data
        )


class DismissRowsView(ShopView):
    purpose = Purpose.QUALITY
    permission_classes = [AtLeastOperator]

    @extend_schema(operation_id="dismiss_rows", request=Chosen, responses={200: DismissedShape, **_REFUSALS})
    def post(self, request: Request) -> Response:
        wanted = _chosen(request)
        count = decisions.dismiss(
            self.shop,
            ids=wanted.get("ids"),
            resource=wanted.get("resource"),
            actor=self.actor.name,
            reason=wanted["reason"],
            now=timezone.now(),
        )
        _refuse_nothing([count] if count else [])
        return Response(DismissedShape({"dismissed": count}).data)


class ReleaseView(ShopView):
    purpose = Purpose.QUALITY
    permission_classes = [AtLeastOperator]

    @extend_schema(operation_id="release_halt", request=Release, responses={200: ReplayedShape, **_REFUSALS})
    def post(self, request: Request, resource: str) -> Response:
        order = Release(data=request.data)
        order.is_valid(raise_exception=True)
        wanted = order.validated_data
        done = decisions.release(
            self.shop,
            resource,
            accepted=wanted["accepted"],
            actor=self.actor.name,
            reason=wanted["reason"],
            now=timezone.now(),
        )
        return Response(
            ReplayedShape(
                {"arrived": done.arrived, "held": done.held, "unreadable": done.unreadable, "left": done.left}
            ).data
        )


def _chosen(request: Request) -> dict[str, Any]:
    order = Chosen(data=request.data)
    order.is_valid(raise_exception=True)
    if not order.validated_data.get("ids") and not order.validated_data.get("resource"):
        raise serializers.ValidationError({"ids": ["name rows, or a kind of rows"]})
    return dict(order.validated_data)


def _refuse_nothing(found: list[int]) -> None:
    if not found:
        raise NotFound(
            "None of these rows waits for a decision. Nothing was changed.",
            code="rows_not_found",
            next_step="Reload the page.",
        )
