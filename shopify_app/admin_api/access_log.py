"""GET /api/access-log and /api/access-log/export: who read what is linked to people, and why, newest first."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shopify_app.admin_api.authentication import OwnerOnly
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.versions import PageQuery
from shopify_app.exports import safe_csv
from tenancy.models import AccessEntry
from tenancy.reading import Purpose

HEADER = ("When (UTC)", "Who", "Why", "Rows", "Of", "Reads")
# A spreadsheet takes no more; the newest are the ones that are asked about.
MOST_EXPORTED = 100_000


class AccessShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField(help_text="of the product's own work: the minute")
    actor = serializers.CharField()
    purpose = serializers.ChoiceField(choices=[each.value for each in Purpose])
    tables = serializers.DictField(child=serializers.IntegerField(), help_text="rows by table")
    rows = serializers.IntegerField()
    blocks = serializers.IntegerField(help_text="how many reads the entry stands for")


class AccessPageShape(serializers.Serializer[Any]):
    entries = AccessShape(many=True)
    next_before = serializers.IntegerField(allow_null=True)


class AccessLogView(ShopView):
    permission_classes = [OwnerOnly]

    @extend_schema(
        operation_id="access_log",
        parameters=[PageQuery],
        responses={200: AccessPageShape, 400: Problem, 401: Problem, 403: Problem},
    )
    def get(self, request: Request) -> Response:
        query = PageQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        limit = query.validated_data["limit"]
        entries = AccessEntry.objects.filter(shop=self.shop).order_by("-id")
        if before := query.validated_data.get("before"):
            entries = entries.filter(id__lt=before)
        # One row more than asked tells whether there is an older page.
        found = list(entries[: limit + 1])
        page = found[:limit]
        next_before = page[-1].pk if len(found) > limit else None
        return Response(AccessPageShape({"entries": page, "next_before": next_before}).data)


class AccessExportView(ShopView):
    permission_classes = [OwnerOnly]

    @extend_schema(
        operation_id="export_access_log",
        responses={(200, "text/csv"): OpenApiTypes.STR, 401: Problem, 403: Problem},
    )
    def get(self, request: Request) -> HttpResponse:
        entries = AccessEntry.objects.filter(shop=self.shop).order_by("-id")[:MOST_EXPORTED]
        rows = [
            (
                each.at.strftime("%Y-%m-%d %H:%M:%S"), each.actor, each.purpose, each.rows,
                "; ".join(f"{table}: {count}" for table, count in sorted(each.tables.items())), each.blocks,
            )
            for each in entries.iterator(chunk_size=2_000)
        ]  # fmt: skip
        answer = HttpResponse(safe_csv.table(HEADER, rows), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="access-log.csv"'
        return answer
