"""GET /api/versions and /api/versions/{id}: the registered versions of a use case, newest first, and one in full."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.registry.models import UseCase
from shopify_app.admin_api import read_versions
from shopify_app.admin_api.access import access_version
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import VersionDetailShape, VersionPageShape


class PageQuery(serializers.Serializer[Any]):
    before = serializers.IntegerField(
        min_value=1, max_value=2**62, required=False, help_text="older than this one"
    )
    limit = serializers.IntegerField(min_value=1, max_value=100, default=25)


class VersionsQuery(PageQuery):
    # Their numbers count within their use case: two lists in one would have two of each number.
    use_case = serializers.ChoiceField(choices=UseCase.values, default=UseCase.RECOMMENDATIONS.value)


class VersionsView(ShopView):
    @extend_schema(
        operation_id="versions",
        parameters=[VersionsQuery],
        responses={200: VersionPageShape, 400: Problem, 401: Problem},
    )
    def get(self, request: Request) -> Response:
        query = VersionsQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        before = query.validated_data.get("before")
        versions, next_before = read_versions.versions(
            self.shop,
            use_case=query.validated_data["use_case"],
            before=before,
            limit=query.validated_data["limit"],
        )
        return Response(VersionPageShape({"versions": versions, "next_before": next_before}).data)


class VersionView(ShopView):
    @extend_schema(operation_id="version", responses={200: VersionDetailShape, 401: Problem, 404: Problem})
    def get(self, request: Request, version_id: str) -> Response:
        version = access_version(version_id)
        return Response(VersionDetailShape(read_versions.version_detail(self.shop, version)).data)
