"""GET and PUT /api/metafields: which metafields there are, which the models may learn from, and changing that."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.features.attributes import MOST_CHOSEN
from mlops.features.events import AttributeKind, AttributeOwner
from shopify_app import installs
from shopify_app.admin_api.authentication import AtLeastOperator, AtLeastViewer
from shopify_app.admin_api.problems import Problem
from shopify_app.admin_api.scoped_view import ShopView
from shopify_app.graphql.calls import Phase
from shopify_app.graphql.throttle import Priority
from shopify_app.sync import metafields
from shopify_app.sync.metafields import Change, Use

WISHES = [Use.CHOSEN.value, Use.UNUSED.value, Use.PERSONAL.value]
LARGEST_CHANGE = 60


class CountedShape(serializers.Serializer[Any]):
    owners = serializers.IntegerField(help_text="living products, or variants")
    values = serializers.IntegerField(help_text="of them with a usable value")
    aside = serializers.IntegerField(help_text="of them with a value that could not be used")
    distinct = serializers.IntegerField()


class MetafieldShape(serializers.Serializer[Any]):
    owner = serializers.ChoiceField(choices=list(metafields.OWNERS))
    namespace = serializers.CharField()
    key = serializers.CharField()
    name = serializers.CharField()
    type = serializers.CharField()
    use = serializers.ChoiceField(choices=[each.value for each in Use])
    kind = serializers.ChoiceField(choices=[each.value for each in AttributeKind], allow_blank=True)
    is_list = serializers.BooleanField(source="many")
    reason = serializers.CharField()
    counted = CountedShape(allow_null=True)


class MetafieldsShape(serializers.Serializer[Any]):
    metafields = MetafieldShape(many=True)
    most_products = serializers.IntegerField()
    most_variants = serializers.IntegerField()
    reading = serializers.BooleanField(
        help_text="the products are being read again for a change of the choice"
    )


class WishShape(serializers.Serializer[Any]):
    owner = serializers.ChoiceField(choices=[each.value for each in AttributeOwner])
    namespace = serializers.CharField(max_length=255)
    key = serializers.CharField(max_length=64)
    use = serializers.ChoiceField(choices=WISHES)


class MetafieldsOrder(serializers.Serializer[Any]):
    changes = serializers.ListField(child=WishShape(), min_length=1, max_length=LARGEST_CHANGE)
    reason = serializers.CharField(min_length=3, max_length=500, default="chosen by hand")


class MetafieldsView(ShopView):
    def get_permissions(self) -> list[BasePermission]:
        return [AtLeastViewer() if self.request.method == "GET" else AtLeastOperator()]

    @extend_schema(
        operation_id="metafields", responses={200: MetafieldsShape, 401: Problem, 409: Problem, 503: Problem}
    )
    def get(self, request: Request) -> Response:
        return Response(self._told(reading=False))

    @extend_schema(
        operation_id="choose_metafields",
        request=MetafieldsOrder,
        responses={
            200: MetafieldsShape, 400: Problem, 401: Problem, 403: Problem, 409: Problem, 503: Problem
        },
    )  # fmt: skip
    def put(self, request: Request) -> Response:
        order = MetafieldsOrder(data=request.data)
        order.is_valid(raise_exception=True)
        changes = [
            Change(AttributeOwner(each["owner"]), each["namespace"], each["key"], Use(each["use"]))
            for each in order.validated_data["changes"]
        ]
        reading = metafields.change(
            self.shop, self._client(), changes, actor=self.actor.name,
            reason=order.validated_data["reason"], now=timezone.now(),
        )  # fmt: skip
        return Response(self._told(reading=reading))

    def _client(self) -> Any:
        return installs.admin_client(
            self.shop, phase=Phase.ADMIN, priority=Priority.FOLLOW_UP, patience_s=3.0
        )

    def _told(self, *, reading: bool) -> Any:
        found = {
            "metafields": metafields.definitions(self.shop, self._client()),
            "most_products": MOST_CHOSEN[AttributeOwner.PRODUCT],
            "most_variants": MOST_CHOSEN[AttributeOwner.VARIANT],
            "reading": reading,
        }
        return MetafieldsShape(found).data
