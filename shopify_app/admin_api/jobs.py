"""POST /api/training and /api/import/restart: ask for work that runs in the background."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.training import run as training
from shopify_app.admin_api import read_work
from shopify_app.admin_api.authentication import AtLeastOperator
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import ImportShape, TrainingShape
from shopify_app.sync import backfill
from shopify_app.sync.models import Resource
from tenancy.audit import record
from tenancy.errors import UserFixable

_ACCEPTED: dict[int, Any] = {400: Problem, 401: Problem, 403: Problem, 409: Problem}


class Wish(serializers.Serializer[Any]):
    # A change of what shoppers see needs a reason; more work in the background may go without.
    reason = serializers.CharField(min_length=3, max_length=500, default="asked for by hand")


class TrainingView(ShopView):
    permission_classes = [AtLeastOperator]

    @extend_schema(operation_id="train", request=Wish, responses={202: TrainingShape, **_ACCEPTED})
    def post(self, request: Request) -> Response:
        order = Wish(data=request.data)
        order.is_valid(raise_exception=True)
        now = timezone.now()
        reason = order.validated_data["reason"]
        with transaction.atomic():
            run = training.request(self.shop, reason=reason, actor=self.actor.name, now=now)
            # While a run is under way a second request joins it: nothing new to tell.
            if run.requested_at == now:
                data = {"run": run.pk}
                record(
                    self.shop,
                    actor=self.actor.name,
                    action="training.requested",
                    now=now,
                    reason=reason,
                    data=data,
                )
        return Response(TrainingShape(read_work.training(self.shop)).data, status=202)


class ImportView(ShopView):
    permission_classes = [AtLeastOperator]

    @extend_schema(operation_id="restart_import", request=Wish, responses={202: ImportShape, **_ACCEPTED})
    def post(self, request: Request) -> Response:
        order = Wish(data=request.data)
        order.is_valid(raise_exception=True)
        now = timezone.now()
        before = read_work.history_import(self.shop, now)
        if before.state == "running":
            raise UserFixable(
                "The import is running already. Nothing was changed.",
                code="import_running",
                next_step="Wait until it is done.",
            )
        stopped = tuple(Resource(each.resource) for each in before.resources if each.state == "failed")
        reason = order.validated_data["reason"]
        with transaction.atomic():
            backfill.restart(self.shop, now=now, resources=stopped or tuple(Resource))
            record(self.shop, actor=self.actor.name, action="import.restarted", now=now, reason=reason)
        return Response(ImportShape(read_work.history_import(self.shop, now)).data, status=202)
