"""GET /api/storefront: what browsers told. POST .../browser-link, PUT .../test-visitors: whose visits do not count."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.features import store as features
from mlops.features.storefront import Exclusion, StorefrontKind
from shopify_app.admin_api.authentication import AtLeastOperator
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.pixels import activate
from storefront_proxy import arrivals, visitors
from tenancy import audit
from tenancy.models import Shop
from tenancy.reading import Purpose

LONGEST_DAYS = 366
DEFAULT_DAYS = 28
PASS_LASTS = timedelta(days=180)


class StorefrontQuery(serializers.Serializer[Any]):
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS, default=DEFAULT_DAYS)


class TestVisitorOrder(serializers.Serializer[Any]):
    visitor = serializers.RegexField(r"\A[A-Za-z0-9_-]{8,64}\Z")
    test = serializers.BooleanField(help_text="false: visits of this browser count again from now on")


class KindCount(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=[each.value for each in StorefrontKind])
    events = serializers.IntegerField()


class ReasonCount(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(choices=[each.value for each in Exclusion])
    events = serializers.IntegerField()
    answers = serializers.IntegerField(help_text="recommendations that were given and do not count")


class StorefrontDay(serializers.Serializer[Any]):
    day = serializers.DateField()
    kinds = KindCount(many=True)
    personal = serializers.IntegerField(help_text="of visitors who allow to be recognised")
    excluded = ReasonCount(many=True)


class Unread(serializers.Serializer[Any]):
    reason = serializers.CharField()
    events = serializers.IntegerField()


class MarkedBrowser(serializers.Serializer[Any]):
    visitor = serializers.CharField()
    reason = serializers.ChoiceField(choices=[Exclusion.STAFF.value, Exclusion.TEST.value])
    since = serializers.DateTimeField()


class PixelShape(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=[each.value for each in activate.PixelState])
    problem = serializers.CharField()


class StorefrontShape(serializers.Serializer[Any]):
    pixel = PixelShape()
    timezone = serializers.CharField()
    days = StorefrontDay(many=True)
    kinds = KindCount(many=True)
    personal = serializers.IntegerField()
    excluded = ReasonCount(many=True)
    not_taken = Unread(many=True)
    marked = MarkedBrowser(many=True)


class BrowserLinkShape(serializers.Serializer[Any]):
    url = serializers.CharField()
    until = serializers.DateTimeField()


class StorefrontView(ShopView):
    purpose = Purpose.QUALITY

    @extend_schema(
        operation_id="storefront",
        parameters=[StorefrontQuery],
        responses={200: StorefrontShape, 400: Problem, 401: Problem},
    )
    def get(self, request: Request) -> Response:
        query = StorefrontQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        return Response(_facts(self.shop, query.validated_data["days"], timezone.now()))


class BrowserLinkView(ShopView):
    permission_classes = [AtLeastOperator]

    @extend_schema(
        operation_id="browser_link",
        request=None,
        responses={200: BrowserLinkShape, 401: Problem, 403: Problem},
    )
    def post(self, request: Request) -> Response:
        now = timezone.now()
        until = now + PASS_LASTS
        told = visitors.staff_pass(self.shop.domain, until=until)
        audit.record(
            self.shop, actor=self.actor.name, action="storefront.browser_link", now=now,
            reason="a member of staff marks their own browser",
        )  # fmt: skip
        origin = settings.SHOPIFY_SHOP_ORIGIN.format(shop=self.shop.domain)
        # Behind the #, so that it is in no server's log.
        found = {"url": f"{origin}/#shelfwise-staff={told}", "until": until}
        return Response(BrowserLinkShape(found).data)


class TestVisitorsView(ShopView):
    permission_classes = [AtLeastOperator]
    purpose = Purpose.QUALITY

    @extend_schema(
        operation_id="set_test_visitor",
        request=TestVisitorOrder,
        responses={200: StorefrontShape, 400: Problem, 401: Problem, 403: Problem},
    )
    def put(self, request: Request) -> Response:
        order = TestVisitorOrder(data=request.data)
        order.is_valid(raise_exception=True)
        visitor, now = order.validated_data["visitor"], timezone.now()
        if order.validated_data["test"]:
            changed = features.exclude(self.shop, visitor, Exclusion.TEST, now=now)
        else:
            taken_off = [
                features.include(self.shop, visitor, each) for each in (Exclusion.TEST, Exclusion.STAFF)
            ]
            changed = any(taken_off)
        if changed:
            # Without the id: the log is kept longer than a visitor may be.
            action = (
                "storefront.test_visitor_added"
                if order.validated_data["test"]
                else "storefront.visitor_counts"
            )
            audit.record(self.shop, actor=self.actor.name, action=action, now=now)
        return Response(_facts(self.shop, DEFAULT_DAYS, now))


def _facts(shop: Shop, span: int, now: datetime) -> Any:
    until = now.astimezone(ZoneInfo(shop.timezone)).date()
    counts = features.visit_counts(shop, since=until - timedelta(days=span - 1), until=until)
    kinds: Counter[StorefrontKind] = Counter()
    excluded: Counter[Exclusion] = Counter()
    answers: Counter[Exclusion] = Counter()
    for each in counts:
        kinds.update(each.counted)
        excluded.update(each.excluded)
        answers.update(each.answers_excluded)
    pixel = activate.state_of(shop)
    return StorefrontShape(
        {
            "pixel": {"state": pixel[0].value, "problem": pixel[1]},
            "timezone": shop.timezone,
            "days": [
                {
                    "day": each.day,
                    "kinds": _kinds(each.counted),
                    "personal": each.personal,
                    "excluded": _reasons(each.excluded, each.answers_excluded),
                }
                for each in counts
            ],
            "kinds": _kinds(kinds),
            "personal": sum(each.personal for each in counts),
            "excluded": _reasons(excluded, answers),
            "not_taken": [
                {"reason": reason, "events": count}
                for reason, count in sorted(arrivals.dropped(shop.pk, days=span, now=now).items())
            ],
            "marked": features.marked_visitors(shop),
        }
    ).data


def _kinds(counted: Any) -> list[dict[str, Any]]:
    return [{"kind": kind.value, "events": counted[kind]} for kind in StorefrontKind if counted.get(kind)]


def _reasons(events: Any, answers: Any) -> list[dict[str, Any]]:
    return [
        {"reason": reason.value, "events": events.get(reason, 0), "answers": answers.get(reason, 0)}
        for reason in Exclusion
        if events.get(reason) or answers.get(reason)
    ]
