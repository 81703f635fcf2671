"""GET /api/incidents: what was not as it should be, open ones first, then newest first."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import IncidentPageShape
from shopify_app.admin_api.versions import PageQuery
from tenancy.models import Incident


class IncidentsView(ShopView):
    @extend_schema(
        operation_id="incidents",
        parameters=[PageQuery],
        responses={200: IncidentPageShape, 400: Problem, 401: Problem},
    )
    def get(self, request: Request) -> Response:
        """Open incidents stand on the first page whatever their age; closed ones follow by number."""
        query = PageQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        limit, before = query.validated_data["limit"], query.validated_data.get("before")
        mine = Incident.objects.filter(shop=self.shop)
        still_open = list(mine.filter(closed_at__isnull=True).order_by("-id"))
        closed = mine.filter(closed_at__isnull=False).order_by("-id")
        if before:
            closed = closed.filter(id__lt=before)
        # One row more than asked tells whether there is an older page.
        found = list(closed[: limit + 1])
        page = found[:limit]
        answer = {
            "incidents": page if before else [*still_open, *page],
            "open": len(still_open),
            "next_before": page[-1].pk if len(found) > limit else None,
        }
        return Response(IncidentPageShape(answer).data)
