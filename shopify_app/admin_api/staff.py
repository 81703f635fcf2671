"""GET /api/staff and PUT /api/staff/{user_id}: who may look, who may operate, who owns. Staff are numbers: no name is kept."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shopify_app.admin_api.authentication import OwnerOnly
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.admin_api.shapes import StaffShape
from tenancy.audit import record
from tenancy.errors import NotFound, UserFixable
from tenancy.models import Role, Shop, StaffMember


class RoleOrder(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=Role.values)


class StaffView(ShopView):
    permission_classes = [OwnerOnly]

    @extend_schema(operation_id="staff", responses={200: StaffShape, 401: Problem, 403: Problem})
    def get(self, request: Request) -> Response:
        return Response(_team(self.shop))


class RoleView(ShopView):
    permission_classes = [OwnerOnly]

    @extend_schema(
        operation_id="set_role",
        request=RoleOrder,
        responses={200: StaffShape, 400: Problem, 401: Problem, 403: Problem, 404: Problem, 409: Problem},
    )
    def put(self, request: Request, user_id: int) -> Response:
        order = RoleOrder(data=request.data)
        order.is_valid(raise_exception=True)
        self._set_role(user_id, Role(order.validated_data["role"]))
        return Response(_team(self.shop))

    @transaction.atomic
    def _set_role(self, user_id: int, role: Role) -> None:
        # The shop's row serialises two owners who demote each other at the same moment.
        Shop.objects.select_for_update().get(pk=self.shop.pk)
        member = StaffMember.objects.filter(shop=self.shop, user_id=user_id).first()
        if member is None:
            raise NotFound(
                "No member of staff with this number has opened the app.",
                next_step="Ask them to open the app once; then set their role.",
            )
        if member.role == role:
            return
        owners = StaffMember.objects.filter(shop=self.shop, role=Role.OWNER)
        if member.role == Role.OWNER and not owners.exclude(pk=member.pk).exists():
            raise UserFixable(
                "This is the only owner, and a shop keeps at least one. Nothing was changed.",
                code="last_owner",
                next_step="Make someone else an owner first.",
                field="role",
            )
        before, member.role = member.role, role
        member.save(update_fields=["role"])
        data = {"user_id": user_id, "from": before, "to": role.value}
        record(self.shop, actor=self.actor.name, action="staff.role_changed", now=timezone.now(), data=data)


def _team(shop: Shop) -> Any:
    members = StaffMember.objects.filter(shop=shop).order_by("first_seen_at", "user_id")
    return StaffShape({"members": members}).data
