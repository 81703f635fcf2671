"""GET /api/audit: who did what, when and why, newest first."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import AuditPageShape
from shopify_app.admin_api.versions import PageQuery
from tenancy.models import AuditEntry


class AuditView(ShopView):
    @extend_schema(
        operation_id="audit",
        parameters=[PageQuery],
        responses={200: AuditPageShape, 400: Problem, 401: Problem},
    )
    def get(self, request: Request) -> Response:
        query = PageQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        limit = query.validated_data["limit"]
        entries = AuditEntry.objects.filter(shop=self.shop).order_by("-id")
        if before := query.validated_data.get("before"):
            entries = entries.filter(id__lt=before)
        # One row more than asked tells whether there is an older page.
        found = list(entries[: limit + 1])
        page = found[:limit]
        next_before = page[-1].pk if len(found) > limit else None
        return Response(AuditPageShape({"entries": page, "next_before": next_before}).data)
