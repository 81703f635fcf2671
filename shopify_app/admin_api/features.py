"""GET /api/features, /api/features/<view>/days and /api/features/export: what is known of products and customers as numbers, and how fresh it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.feature_store import catalogue, registered, statistics, versions
from mlops.feature_store.declared import LATE, Dtype, Entity, Missing
from mlops.feature_store.registered import Known
from mlops.features.days import day_of
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.exports import safe_csv
from tenancy.errors import NotFound
from tenancy.models import Shop

HEADER = (
    "View", "Of", "Feature", "Meaning", "Kind", "Window in days", "Fresh for hours", "When missing", "Owner", "Version",
    "Computed at", "Vectors", "Models that stand on it",
)  # fmt: skip


class State(StrEnum):
    FRESH = "fresh"
    LATE = "late"
    NEVER = "never"


class FeatureDaysQuery(serializers.Serializer[Any]):
    feature = serializers.CharField(max_length=200)
    days = serializers.IntegerField(min_value=1, max_value=400, default=90)


class FeatureDayShape(serializers.Serializer[Any]):
    day = serializers.DateField()
    digest = serializers.CharField(help_text="the version of the view that was counted")
    rows = serializers.IntegerField(help_text="entities")
    nulls = serializers.IntegerField(help_text="of them without a value")
    distinct = serializers.IntegerField()
    mean = serializers.FloatField(allow_null=True)
    quantiles = serializers.ListField(
        child=serializers.FloatField(), help_text="10th, 50th and 90th percentile; none without a value"
    )


class FeatureDaysShape(serializers.Serializer[Any]):
    since = serializers.DateField()
    until = serializers.DateField()
    days = FeatureDayShape(many=True, help_text="on which something was counted, oldest first")


class FeatureShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    told = serializers.CharField()
    kind = serializers.ChoiceField(choices=[each.value for each in Dtype])
    window_days = serializers.FloatField(allow_null=True, help_text="null: as far back as anything is known")
    fresh_hours = serializers.FloatField()
    missing = serializers.ChoiceField(choices=[each.value for each in Missing])


class ViewVersionShape(serializers.Serializer[Any]):
    digest = serializers.CharField()
    current = serializers.BooleanField()
    first_at = serializers.DateTimeField()
    refreshed_at = serializers.DateTimeField(allow_null=True)
    entities = serializers.IntegerField(help_text="vectors of the last refresh")
    deprecated_at = serializers.DateTimeField(allow_null=True)
    models = serializers.ListField(child=serializers.CharField(), help_text="that stand on it")


class FeatureViewShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    entity = serializers.ChoiceField(choices=[each.value for each in Entity])
    told = serializers.CharField()
    owner = serializers.CharField()
    digest = serializers.CharField(help_text="of the version that is computed now")
    state = serializers.ChoiceField(
        choices=[each.value for each in State], help_text="late: older than it should be"
    )
    computed_at = serializers.DateTimeField(allow_null=True, help_text="the moment that its vectors speak of")
    features = FeatureShape(many=True)
    versions = ViewVersionShape(many=True, help_text="the newest first")


class FeaturesShape(serializers.Serializer[Any]):
    views = FeatureViewShape(many=True)


class FeaturesView(ShopView):
    @extend_schema(operation_id="features", responses={200: FeaturesShape, 401: Problem})
    def get(self, request: Request) -> Response:
        """Every view as it is declared, and its versions, also those that are not computed any more."""
        return Response(FeaturesShape({"views": list(_told(self.shop))}).data)


class FeatureDaysView(ShopView):
    @extend_schema(
        operation_id="feature_days",
        parameters=[FeatureDaysQuery],
        responses={200: FeatureDaysShape, 400: Problem, 401: Problem, 404: Problem},
    )
    def get(self, request: Request, view: str) -> Response:
        """How one feature was distributed over all of its entities, day by day of the shop."""
        query = FeatureDaysQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        name = query.validated_data["feature"]
        if name not in catalogue.view(self.shop, view).names:
            raise NotFound(
                f"there is no feature {name} in {view}",
                code="feature_not_found",
                next_step="Choose one of the list of features.",
            )
        until = day_of(timezone.now(), self.shop.timezone)
        since = until - timedelta(days=query.validated_data["days"] - 1)
        days = statistics.since(self.shop, view, name, since)
        return Response(FeatureDaysShape({"since": since, "until": until, "days": days}).data)


class FeatureExportView(ShopView):
    @extend_schema(
        operation_id="export_features", responses={(200, "text/csv"): OpenApiTypes.STR, 401: Problem}
    )
    def get(self, request: Request) -> HttpResponse:
        rows = []
        for view in _told(self.shop):
            current = next((each for each in view["versions"] if each.current), None)
            for each in view["features"]:
                rows.append(
                    (
                        view["name"], view["entity"], each["name"], each["told"], each["kind"], each["window_days"],
                        each["fresh_hours"], each["missing"], view["owner"], view["digest"],
                        current and current.refreshed_at and current.refreshed_at.isoformat(timespec="seconds"),
                        current and current.entities, "; ".join(current.models) if current else "",
                    )
                )  # fmt: skip
        answer = HttpResponse(safe_csv.table(HEADER, rows), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="features.csv"'
        return answer


def _state(computed_at: datetime | None, now: datetime) -> State:
    if computed_at is None:
        return State.NEVER
    return State.LATE if now - computed_at > LATE else State.FRESH


def _told(shop: Shop) -> Iterator[dict[str, Any]]:
    known: dict[str, list[Known]] = {}
    for each in registered.known(shop):
        known.setdefault(each.view, []).append(each)
    now = timezone.now()
    for view in catalogue.views(shop):
        current = next((each for each in known.get(view.name, ()) if each.current), None)
        computed_at = current.refreshed_at if current else None
        yield {
            "name": view.name,
            "entity": view.entity.value,
            "told": view.told,
            "owner": view.owner,
            "digest": versions.digest(view),
            "state": _state(computed_at, now),
            "computed_at": computed_at,
            "versions": known.get(view.name, []),
            "features": [
                {
                    "name": each.name,
                    "told": each.told,
                    "kind": each.dtype.value,
                    "window_days": each.window.total_seconds() / 86_400 if each.window else None,
                    "fresh_hours": each.ttl.total_seconds() / 3600,
                    "missing": each.missing.value,
                }
                for each in view.features
            ],
        }
