"""POST /api/slots/{slot}/rollback and /deploy: put another version in front of shoppers, with a reason, on the record."""

from __future__ import annotations

import logging
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.deployments import store as deployments
from mlops.features.sealed import FileUnusable
from mlops.predictors.artefact import BadArtefact
from shopify_app.admin_api import read_versions
from shopify_app.admin_api.access import access_slot, access_version
from shopify_app.admin_api.authentication import AtLeastOperator
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import SlotShape
from tenancy.errors import UserFixable

log = logging.getLogger("shelfwise.admin_api")

_CHANGED = {200: SlotShape, 400: Problem, 401: Problem, 403: Problem, 404: Problem, 409: Problem}


class Reason(serializers.Serializer[Any]):
    # Kept for good and read by people: a few words at least, a paragraph at most.
    reason = serializers.CharField(min_length=3, max_length=500, trim_whitespace=True)


class RollBackOrder(Reason):
    expected_version = serializers.CharField(
        max_length=64, help_text="id of the version you saw live; else 409"
    )


class DeployOrder(Reason):
    version = serializers.CharField(max_length=64, help_text="id of the version to put live")


class RollBackView(ShopView):
    permission_classes = [AtLeastOperator]

    @extend_schema(operation_id="roll_back", request=RollBackOrder, responses=_CHANGED)
    def post(self, request: Request, slot: str) -> Response:
        name = access_slot(slot)
        order = RollBackOrder(data=request.data)
        order.is_valid(raise_exception=True)
        expected = access_version(order.validated_data["expected_version"])
        deployments.roll_back(
            self.shop,
            name,
            expected_version_id=expected.pk,
            actor=self.actor.name,
            reason=order.validated_data["reason"],
            now=timezone.now(),
        )
        return Response(SlotShape(read_versions.slot(self.shop, name)).data)


class DeployView(ShopView):
    permission_classes = [AtLeastOperator]

    @extend_schema(operation_id="deploy", request=DeployOrder, responses=_CHANGED)
    def post(self, request: Request, slot: str) -> Response:
        name = access_slot(slot)
        order = DeployOrder(data=request.data)
        order.is_valid(raise_exception=True)
        version = access_version(order.validated_data["version"])
        try:
            deployments.deploy(
                self.shop,
                name,
                version,
                actor=self.actor.name,
                reason=order.validated_data["reason"],
                now=timezone.now(),
            )
        except (FileUnusable, BadArtefact) as error:
            # The message names the file: that is for the log, not for the reader.
            log.error(
                "version.unusable",
                extra={"shop_id": self.shop.pk, "version_id": version.pk, "why": str(error)},
            )
            raise UserFixable(
                f"The file of version {version.number} is missing or was altered. What was live stays live.",
                code="version_unusable",
                next_step="Choose another version, or train a new one.",
            ) from error
        return Response(SlotShape(read_versions.slot(self.shop, name)).data)
