"""GET /api/privacy, the export of a data request (owners), the certificate of a redaction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.registry import redactions
from mlops.registry.models import Version
from shopify_app.admin_api.authentication import OwnerOnly
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.privacy import exports, retention
from shopify_app.privacy.models import DataRequest, Redaction
from tenancy.errors import NotFound
from tenancy.reading import Purpose

MOST = 50


class DataRequestShape(serializers.Serializer[Any]):
    request_id = serializers.CharField(help_text="Shopify's number of the request")
    asked_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    orders = serializers.IntegerField()
    downloaded_at = serializers.DateTimeField(allow_null=True)
    deleted_at = serializers.DateTimeField(allow_null=True)


class RedactionShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    erased_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=["erased", "certified", "found"])
    certified_at = serializers.DateTimeField(allow_null=True)
    places_with_hits = serializers.IntegerField()
    has_certificate = serializers.BooleanField()


class PeriodShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    told = serializers.CharField(help_text="what lapses, for the merchant")
    days = serializers.IntegerField()
    setting = serializers.CharField()


class FlaggedShape(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    redacted_at = serializers.DateTimeField()
    unlearned_at = serializers.DateTimeField(allow_null=True)
    retrained_by = serializers.DateTimeField()


class PrivacyShape(serializers.Serializer[Any]):
    requests = DataRequestShape(many=True, help_text="newest first")
    redactions = RedactionShape(many=True, help_text="newest first")
    versions = FlaggedShape(many=True, help_text="versions that learnt from an erased customer")
    periods = PeriodShape(many=True)


class PrivacyView(ShopView):
    @extend_schema(operation_id="privacy", responses={200: PrivacyShape, 401: Problem})
    def get(self, request: Request) -> Response:
        return Response(
            PrivacyShape(
                {
                    "requests": DataRequest.objects.order_by("-id")[:MOST],
                    "redactions": [_told(each) for each in Redaction.objects.order_by("-id")[:MOST]],
                    "versions": [_flagged(each) for each in redactions.flagged()[-MOST:]],
                    "periods": [
                        {"name": each.name, "told": each.told, "days": each.days(), "setting": each.setting}
                        for each in retention.PERIODS
                    ],
                }
            ).data
        )


class ExportView(ShopView):
    """Written to the audit log: who took it, and when."""

    purpose = Purpose.DATA_REQUEST
    permission_classes = [OwnerOnly]

    @extend_schema(
        operation_id="privacy_export",
        request=None,
        responses={200: OpenApiTypes.OBJECT, 401: Problem, 403: Problem, 404: Problem},
    )
    def post(self, request: Request, request_id: int) -> Response:
        found = exports.download(self.shop, request_id, actor=self.actor.name, now=timezone.now())
        return Response(found)


class CertificateView(ShopView):
    @extend_schema(
        operation_id="privacy_certificate",
        responses={200: OpenApiTypes.OBJECT, 401: Problem, 404: Problem},
    )
    def get(self, request: Request, redaction_id: int) -> Response:
        found = Redaction.objects.filter(pk=redaction_id, certificate__isnull=False).first()
        if found is None:
            raise NotFound("There is no such certificate.", next_step="Reload the page.")
        return Response(found.certificate)


def _told(redaction: Redaction) -> dict[str, Any]:
    hits = (redaction.certificate or {}).get("hits", {})
    return {
        "id": str(redaction.pk),
        "erased_at": redaction.erased_at,
        "state": redaction.state,
        "certified_at": redaction.certified_at,
        "places_with_hits": len(hits),
        "has_certificate": redaction.certificate is not None,
    }


def _flagged(version: Version) -> dict[str, Any]:
    assert version.redacted_at is not None
    return {
        "number": version.number,
        "redacted_at": version.redacted_at,
        "unlearned_at": version.unlearned_at,
        "retrained_by": version.redacted_at + timedelta(days=settings.RETRAIN_AFTER_REDACTION_DAYS + 1),
    }
