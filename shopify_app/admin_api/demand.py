"""/api/demand: the forecast by variant, what to order, the promotions and terms it stands on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.demand import plan, promotions, terms
from mlops.demand.models import TermsOf
from mlops.demand.plan import Live
from mlops.features.days import day_of
from mlops.features.sealed import FileUnusable
from mlops.predictors.artefact import BadArtefact
from mlops.registry.models import UseCase
from mlops.training import run as training
from shopify_app.admin_api import read_demand, read_work
from shopify_app.admin_api.authentication import AtLeastOperator
from shopify_app.admin_api.demand_shapes import (
    AllTermsShape,
    DemandQuery,
    DemandSeriesShape,
    DemandShape,
    PromotionOrder,
    PromotionShape,
    PromotionsShape,
    TermsOrder,
)
from shopify_app.admin_api.jobs import Wish
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import TrainingShape
from shopify_app.exports import safe_csv
from tenancy.audit import record
from tenancy.errors import NotFound, Refused, UserFixable
from tenancy.models import Shop

_CHANGED: dict[int, Any] = {400: Problem, 401: Problem, 403: Problem, 409: Problem}
LOOK_BACK = timedelta(days=400)


def _live(shop: Shop, now: datetime) -> Live | None:
    try:
        return plan.live(shop, now=now)
    except (FileUnusable, BadArtefact) as error:
        raise UserFixable(
            "The file of the live forecast is missing or was altered.",
            code="forecast_unusable",
            next_step="Ask for a new forecast.",
        ) from error


def _there(shop: Shop, now: datetime) -> Live:
    found = _live(shop, now)
    if found is None:
        raise NotFound(
            "There is no forecast yet.",
            code="no_forecast",
            next_step="Wait for the first one, or ask for it.",
        )
    return found


class ChangesByOperators(ShopView):
    def get_permissions(self) -> list[Any]:
        return list(super().get_permissions()) if self.request.method == "GET" else [AtLeastOperator()]


class DemandView(ShopView):
    @extend_schema(
        operation_id="demand", parameters=[DemandQuery], responses={200: DemandShape, 400: Problem, 401: Problem, 409: Problem}
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """A page of variants, and the forecast as a whole."""
        query = DemandQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked, now = query.validated_data, timezone.now()
        found = _live(self.shop, now)
        answer: dict[str, Any] = {
            "today": day_of(now, self.shop.timezone),
            "currency": self.shop.currency,
            "training": read_work.training(self.shop, UseCase.DEMAND),
            "whole": None,
            "rows": [],
            "found": 0,
        }
        if found is not None:
            told = plan.suggest(self.shop, found)
            names = ("search", "show", "sort", "rising")
            places = read_demand.ordered(found, told, **{name: asked[name] for name in names})
            begin = (asked["page"] - 1) * asked["size"]
            answer["whole"] = read_demand.whole(found, told)
            answer["found"] = len(places)
            answer["rows"] = [
                read_demand.row(found, told, at) for at in places[begin : begin + asked["size"]]
            ]
        return Response(DemandShape(answer).data)


class DemandExportView(ShopView):
    @extend_schema(
        operation_id="export_demand",
        parameters=[DemandQuery],
        responses={
            (200, "text/csv"): OpenApiTypes.STR,
            400: Problem,
            401: Problem,
            404: Problem,
            409: Problem,
        },
    )
    def get(self, request: Request) -> HttpResponse:
        """Every variant that matches, as CSV."""
        query = DemandQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        found = _there(self.shop, timezone.now())
        told = plan.suggest(self.shop, found)
        names = ("search", "show", "sort", "rising")
        places = read_demand.ordered(found, told, **{name: asked[name] for name in names})
        return _csv("demand.csv", read_demand.EXPORT, read_demand.export(found, told, places))


class PurchaseView(ShopView):
    @extend_schema(
        operation_id="draft_purchase_order",
        responses={(200, "text/csv"): OpenApiTypes.STR, 401: Problem, 404: Problem, 409: Problem},
    )
    def get(self, request: Request) -> HttpResponse:
        """What to order now, by vendor, as CSV."""
        found = _there(self.shop, timezone.now())
        told = plan.suggest(self.shop, found)
        return _csv("purchase-order.csv", read_demand.PURCHASE, read_demand.purchase(found, told))


class DemandTotalView(ShopView):
    @extend_schema(
        operation_id="demand_total",
        responses={200: DemandSeriesShape, 401: Problem, 404: Problem, 409: Problem},
    )
    def get(self, request: Request) -> Response:
        """The whole shop day by day."""
        return Response(DemandSeriesShape(read_demand.total(_there(self.shop, timezone.now()))).data)


class DemandSeriesView(ShopView):
    @extend_schema(
        operation_id="demand_series",
        responses={200: DemandSeriesShape, 401: Problem, 404: Problem, 409: Problem},
    )
    def get(self, request: Request, variant_id: int) -> Response:
        """One variant day by day, with what a discount would do to it."""
        found = _there(self.shop, timezone.now())
        told = plan.suggest(self.shop, found)
        return Response(DemandSeriesShape(read_demand.series(self.shop, found, told, variant_id)).data)


class ForecastView(ShopView):
    permission_classes = [AtLeastOperator]

    @extend_schema(operation_id="forecast", request=Wish, responses={202: TrainingShape, **_CHANGED})
    def post(self, request: Request) -> Response:
        """Ask for a new forecast; while one is being made, the same."""
        order = Wish(data=request.data)
        order.is_valid(raise_exception=True)
        now, reason = timezone.now(), order.validated_data["reason"]
        with transaction.atomic():
            run = training.request(
                self.shop, use_case=UseCase.DEMAND, reason=reason, actor=self.actor.name, now=now
            )
            if run.requested_at == now:
                record(
                    self.shop, actor=self.actor.name, action="training.requested", now=now, reason=reason, data={"run": run.pk}
                )  # fmt: skip
        return Response(TrainingShape(read_work.training(self.shop, UseCase.DEMAND)).data, status=202)


class TermsView(ChangesByOperators):
    @extend_schema(operation_id="buying_terms", responses={200: AllTermsShape, 401: Problem})
    def get(self, request: Request) -> Response:
        """How the shop buys: its own terms, and those of vendors and variants."""
        return Response(_terms(self.shop))

    @extend_schema(
        operation_id="change_buying_terms", request=TermsOrder, responses={200: AllTermsShape, **_CHANGED}
    )
    def put(self, request: Request) -> Response:
        """Change what is said of the shop, a vendor or a variant; null takes it back."""
        order = TermsOrder(data=request.data)
        order.is_valid(raise_exception=True)
        values = dict(order.validated_data)
        of, key = TermsOf(values.pop("of")), values.pop("key")
        if not values:
            raise Refused("Nothing was said. Nothing was changed.", field="lead_days")
        terms.say(self.shop, of, key, values, actor=self.actor.name, now=timezone.now())
        return Response(_terms(self.shop))


class PromotionsView(ChangesByOperators):
    @extend_schema(operation_id="promotions", responses={200: PromotionsShape, 401: Problem})
    def get(self, request: Request) -> Response:
        """Promotions of the last 400 days, and those to come."""
        return Response(_calendar(self.shop))

    @extend_schema(
        operation_id="plan_promotion", request=PromotionOrder, responses={201: PromotionShape, **_CHANGED}
    )
    def post(self, request: Request) -> Response:
        """Enter a promotion, past or to come."""
        order = PromotionOrder(data=request.data)
        order.is_valid(raise_exception=True)
        given, now = order.validated_data, timezone.now()
        row = promotions.plan(
            self.shop, name=given["name"], starts_on=given["starts_on"], ends_on=given["ends_on"], percent=given["percent"],
            product_ids=given["products"], actor=self.actor.name, today=day_of(now, self.shop.timezone), now=now,
        )  # fmt: skip
        told = {
            "id": str(row.pk),
            "name": row.name,
            "starts_on": row.starts_on,
            "ends_on": row.ends_on,
            "percent": row.percent,
            "products": None if row.product_ids is None else [str(each) for each in row.product_ids],
        }
        return Response(PromotionShape(told).data, status=201)


class PromotionView(ShopView):
    permission_classes = [AtLeastOperator]

    @extend_schema(
        operation_id="cancel_promotion",
        responses={200: PromotionsShape, 401: Problem, 403: Problem, 404: Problem},
    )
    def delete(self, request: Request, promotion_id: int) -> Response:
        """Take a promotion out of the calendar."""
        promotions.cancel(self.shop, promotion_id, actor=self.actor.name, now=timezone.now())
        return Response(_calendar(self.shop))


def _calendar(shop: Shop) -> dict[str, Any]:
    today = day_of(timezone.now(), shop.timezone)
    found = promotions.between(shop, today - LOOK_BACK, today + promotions.LATEST)
    return dict(PromotionsShape({"promotions": [read_demand.promotion(each) for each in found]}).data)


def _terms(shop: Shop) -> dict[str, Any]:
    told = terms.every(shop)
    empty = dict.fromkeys((*terms.EVERYWHERE, *terms.SHOP_ALONE))
    answer = {
        "shop": {"of": TermsOf.SHOP, "key": "", **empty, **terms.whole(told)},
        "own": [{"of": each.of, "key": each.key, **empty, **each.values} for each in told if each.of is not TermsOf.SHOP],
    }  # fmt: skip
    return dict(AllTermsShape(answer).data)


def _csv(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    answer = HttpResponse(safe_csv.table(header, rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
