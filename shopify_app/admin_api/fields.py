"""GET /api/fields and /api/fields/export: every field that is taken in from the shop, as a page and as a CSV file."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.exports import safe_csv
from shopify_app.sync import field_audit
from shopify_app.sync.translate.register import About
from shopify_app.sync.translate.register import Resource as FieldResource

HEADER = (
    "Of", "Field", "Meaning", "Type", "Source", "Kept", "Rows looked at", "Filled", "Fill rate", "Different values",
    "All rows looked at", "Example", "Used by", "About",
)  # fmt: skip


class FieldShape(serializers.Serializer[Any]):
    resource = serializers.ChoiceField(choices=[each.value for each in FieldResource])
    name = serializers.CharField()
    meaning = serializers.CharField()
    type = serializers.CharField()
    sources = serializers.ListField(child=serializers.CharField())
    stored = serializers.BooleanField()
    rows = serializers.IntegerField(allow_null=True, help_text="rows looked at; null when not measured")
    filled = serializers.IntegerField(allow_null=True)
    distinct = serializers.IntegerField(allow_null=True, help_text="a lower bound unless `whole`")
    whole = serializers.BooleanField()
    example = serializers.CharField()
    used_by = serializers.ListField(child=serializers.CharField())
    about = serializers.ChoiceField(choices=[each.value for each in About])
    kept = serializers.CharField()


class FieldsShape(serializers.Serializer[Any]):
    measured_at = serializers.DateTimeField(allow_null=True)
    fields_taken = FieldShape(many=True, source="fields")


class FieldsView(ShopView):
    @extend_schema(operation_id="fields", responses={200: FieldsShape, 401: Problem})
    def get(self, request: Request) -> Response:
        return Response(FieldsShape(field_audit.audit(self.shop)).data)


class FieldsExportView(ShopView):
    @extend_schema(
        operation_id="export_fields", responses={(200, "text/csv"): OpenApiTypes.STR, 401: Problem}
    )
    def get(self, request: Request) -> HttpResponse:
        rows = [
            (
                each.resource, each.name, each.meaning, each.type, "; ".join(each.sources), each.kept, each.rows,
                each.filled, _share(each), each.distinct, "yes" if each.whole else "no", each.example,
                "; ".join(each.used_by), each.about,
            )
            for each in field_audit.audit(self.shop).fields
        ]  # fmt: skip
        answer = HttpResponse(safe_csv.table(HEADER, rows), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="fields.csv"'
        return answer


def _share(each: field_audit.Audited) -> str:
    return f"{(each.filled or 0) / each.rows:.3f}" if each.rows else ""
