"""What the API tells of demand, and what it may be asked."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from mlops.demand.models import TermsOf
from mlops.predictors.demand.book import Life, Served
from mlops.predictors.demand.classes import Pattern
from mlops.predictors.demand.reorder import Importance
from shopify_app.admin_api.shapes import TrainingShape

SORTS = ("title", "forecast", "stock", "cover", "order", "lost", "accuracy")
SHOWN = ("all", "order", "sold_out", "naive", "new", "dying")


class AccuracyShape(serializers.Serializer[Any]):
    days = serializers.IntegerField(help_text="of truth at the inner origins; 0: nothing could be measured")
    mase = serializers.FloatField(allow_null=True)
    naive_mase = serializers.FloatField(allow_null=True)
    bias = serializers.FloatField(allow_null=True, help_text="(forecast - sold) / sold")
    coverage_90 = serializers.FloatField(allow_null=True, help_text="share of days inside the 90 % interval")
    fva = serializers.FloatField(allow_null=True, help_text="1 - error / error of seasonal naive")


class DemandRowShape(serializers.Serializer[Any]):
    variant_id = serializers.CharField()
    product_id = serializers.CharField()
    title = serializers.CharField()
    sku = serializers.CharField()
    vendor = serializers.CharField()
    importance = serializers.ChoiceField(choices=[each.value for each in Importance])
    served = serializers.ChoiceField(choices=[each.value for each in Served])
    pattern = serializers.ChoiceField(choices=[each.value for each in Pattern])
    life = serializers.ChoiceField(choices=[each.value for each in Life])
    forecast = serializers.FloatField(help_text="units of the next 28 days")
    low = serializers.FloatField()
    high = serializers.FloatField(help_text="of the 90 % interval of that sum")
    stock = serializers.FloatField(allow_null=True, help_text="null: not tracked")
    cover_days = serializers.IntegerField(allow_null=True, help_text="null: for months, or not tracked")
    runs_out_on = serializers.DateField(allow_null=True)
    covered = serializers.FloatField(help_text="chance that the stock lasts until an order of now arrives")
    reorder_point = serializers.IntegerField()
    order = serializers.IntegerField(help_text="units to order now")
    lead_days = serializers.IntegerField()
    lost_units = serializers.FloatField(help_text="not sold for want of stock in the last 28 days")
    lost_value = serializers.FloatField()
    accuracy = AccuracyShape()


class DemandWholeShape(serializers.Serializer[Any]):
    version = serializers.CharField()
    made_at = serializers.DateTimeField()
    first_day = serializers.DateField()
    history_days = serializers.IntegerField()
    knowledge = serializers.CharField()
    variants = serializers.IntegerField()
    by_naive = serializers.IntegerField()
    to_order = serializers.IntegerField()
    forecast = serializers.FloatField()
    lost_units = serializers.FloatField()
    lost_value = serializers.FloatField()
    wape = serializers.FloatField(allow_null=True)
    wape_naive = serializers.FloatField(allow_null=True)
    bias = serializers.FloatField(allow_null=True)
    coverage_90 = serializers.FloatField(allow_null=True)
    lift_days = serializers.IntegerField(help_text="days with a discount that were learnt from")


class DemandShape(serializers.Serializer[Any]):
    today = serializers.DateField()
    currency = serializers.CharField()
    training = TrainingShape()
    whole = DemandWholeShape(allow_null=True, help_text="null: no forecast yet")
    rows = DemandRowShape(many=True)
    found = serializers.IntegerField(help_text="rows that match, on all pages")


class SeriesDayShape(serializers.Serializer[Any]):
    day = serializers.DateField()
    sold = serializers.FloatField(allow_null=True)
    without_stock = serializers.FloatField(help_text="share of the day")
    discount = serializers.FloatField()


class AheadDayShape(serializers.Serializer[Any]):
    day = serializers.DateField()
    mean = serializers.FloatField()
    plain = serializers.FloatField(help_text="at full price")
    q05 = serializers.FloatField()
    q25 = serializers.FloatField()
    q75 = serializers.FloatField()
    q95 = serializers.FloatField()
    discount = serializers.FloatField()


class PromotionShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    starts_on = serializers.DateField()
    ends_on = serializers.DateField()
    percent = serializers.IntegerField()
    products = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text="null: all")


class DemandSeriesShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    row = DemandRowShape(allow_null=True, help_text="null: the whole shop, or a group")
    history = SeriesDayShape(many=True)
    ahead = AheadDayShape(many=True)
    slope = serializers.FloatField(allow_null=True, help_text="logarithm of demand for each unit of discount")
    promotions = PromotionShape(many=True)


class TermsShape(serializers.Serializer[Any]):
    of = serializers.ChoiceField(choices=TermsOf.values)
    key = serializers.CharField(allow_blank=True)
    lead_days = serializers.IntegerField(allow_null=True)
    late_days = serializers.IntegerField(allow_null=True)
    minimum = serializers.IntegerField(allow_null=True)
    pack = serializers.IntegerField(allow_null=True)
    review_days = serializers.IntegerField(allow_null=True)
    fill_a = serializers.FloatField(allow_null=True)
    fill_b = serializers.FloatField(allow_null=True)
    fill_c = serializers.FloatField(allow_null=True)


class AllTermsShape(serializers.Serializer[Any]):
    shop = TermsShape(help_text="with what stands in for what was not said")
    own = TermsShape(many=True, help_text="of vendors and variants; only what was said")


class PromotionsShape(serializers.Serializer[Any]):
    promotions = PromotionShape(many=True)


class DemandQuery(serializers.Serializer[Any]):
    search = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    show = serializers.ChoiceField(choices=SHOWN, default="all")
    sort = serializers.ChoiceField(choices=SORTS, default="order")
    rising = serializers.BooleanField(default=False)
    page = serializers.IntegerField(min_value=1, max_value=100_000, default=1)
    size = serializers.IntegerField(min_value=1, max_value=100, default=25)


class TermsOrder(serializers.Serializer[Any]):
    of = serializers.ChoiceField(choices=TermsOf.values)
    key = serializers.CharField(max_length=255, allow_blank=True, default="")
    lead_days = serializers.IntegerField(min_value=1, max_value=365, allow_null=True, required=False)
    late_days = serializers.IntegerField(min_value=1, max_value=365, allow_null=True, required=False)
    minimum = serializers.IntegerField(min_value=0, max_value=1_000_000, allow_null=True, required=False)
    pack = serializers.IntegerField(min_value=1, max_value=1_000_000, allow_null=True, required=False)
    review_days = serializers.IntegerField(min_value=1, max_value=365, allow_null=True, required=False)
    fill_a = serializers.FloatField(min_value=0.5, max_value=0.999, allow_null=True, required=False)
    fill_b = serializers.FloatField(min_value=0.5, max_value=0.999, allow_null=True, required=False)
    fill_c = serializers.FloatField(min_value=0.5, max_value=0.999, allow_null=True, required=False)


class PromotionOrder(serializers.Serializer[Any]):
    name = serializers.CharField(min_length=1, max_length=100, trim_whitespace=True)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField()
    percent = serializers.IntegerField(min_value=1, max_value=90)
    products = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**62),
        max_length=5000,
        allow_null=True,
        default=None,
        help_text="null: all products",
    )
