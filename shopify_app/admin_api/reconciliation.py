"""GET and POST /api/reconcile: how our books compare with Shopify's, and compare them now."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shopify_app.admin_api.authentication import AtLeastOperator
from shopify_app.admin_api.jobs import Wish
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import ReconciliationShape
from shopify_app.sync import reconcile, sweep_report, tasks
from shopify_app.sync.differences import FIRST_DAY
from tenancy.audit import record
from tenancy.errors import UserFixable

FIRST_MOMENT = datetime.combine(FIRST_DAY, time.min, UTC)


class CompareWish(Wish):
    since = serializers.DateTimeField(
        required=False, help_text="look again at all that changed since then; else since the last comparison"
    )


class ReconciliationView(ShopView):
    def get_permissions(self) -> list[Any]:
        return [AtLeastOperator()] if self.request.method == "POST" else list(super().get_permissions())

    @extend_schema(operation_id="reconciliation", responses={200: ReconciliationShape, 401: Problem})
    def get(self, request: Request) -> Response:
        return Response(self._told())

    @extend_schema(
        operation_id="reconcile",
        request=CompareWish,
        responses={202: ReconciliationShape, 400: Problem, 401: Problem, 403: Problem, 409: Problem},
    )
    def post(self, request: Request) -> Response:
        """While a comparison runs, a second wish joins it: nothing new begins."""
        wish = CompareWish(data=request.data)
        wish.is_valid(raise_exception=True)
        now = timezone.now()
        since = wish.validated_data.get("since")
        if since is not None and not FIRST_MOMENT <= since <= now:
            raise serializers.ValidationError({"since": ["Name a moment between 2004 and now."]})
        with transaction.atomic():
            opened = reconcile.start(self.shop, now=now, since=since)
            if not opened:
                raise UserFixable(
                    "There is nothing to compare yet: your history is not in. Nothing was changed.",
                    code="nothing_to_compare",
                    next_step="Wait until the import is done.",
                )
            begun = [each.resource for each in opened if each.began_at == now]
            if begun:
                record(
                    self.shop,
                    actor=self.actor.name,
                    action="reconciliation.requested",
                    now=now,
                    reason=wish.validated_data["reason"],
                    data={"resources": begun, "since": since.isoformat() if since else None},
                )
            shop_id, ids = self.shop.pk, [each.pk for each in opened]
            transaction.on_commit(lambda: tasks.hint_sweeps(shop_id, ids))
        return Response(self._told(), status=202)

    def _told(self) -> Any:
        resources = sweep_report.report(self.shop)
        states = {each.state for each in resources}
        state = "running" if "running" in states else "failed" if "failed" in states else "resting"
        return ReconciliationShape({"state": state, "resources": resources}).data
