"""What the merchant plans and how they buy, and what each day taught of the forecast. Written by this room alone."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenancy.scope import ShopOwned


class Promotion(ShopOwned):
    """A discount on some days, past or to come, as the merchant entered it."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100)
    starts_on = models.DateField(help_text="day of the shop")
    ends_on = models.DateField(help_text="the last day of it")
    percent = models.SmallIntegerField(help_text="off the price, 1 to 90")
    product_ids = ArrayField(models.BigIntegerField(), null=True, help_text="null: everything")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=64)

    class Meta:
        # Serves the calendar and every training.
        indexes = [models.Index(fields=["shop", "ends_on"], name="promotion_period")]


class TermsOf(models.TextChoices):
    """Whom buying terms are about; the narrowest that says something counts."""

    SHOP = "shop"
    VENDOR = "vendor"
    VARIANT = "variant"


class BuyingTerms(ShopOwned):
    """How things are bought. What is null is as the wider terms say."""

    id = models.BigAutoField(primary_key=True)
    of = models.CharField(max_length=8, choices=TermsOf.choices)
    key = models.CharField(
        max_length=255, blank=True, help_text="a vendor, or a variant's number; empty for the shop"
    )
    lead_days = models.SmallIntegerField(null=True, help_text="from an order to its arrival")
    late_days = models.SmallIntegerField(null=True, help_text="that a late one takes")
    review_days = models.SmallIntegerField(
        null=True, help_text="between two looks at the stock; the shop's alone"
    )
    minimum = models.IntegerField(null=True, help_text="fewest units in an order")
    pack = models.IntegerField(null=True, help_text="units in a case")
    fill_a = models.FloatField(
        null=True, help_text="share of the units asked for that are to be there; by class A"
    )
    fill_b = models.FloatField(null=True)
    fill_c = models.FloatField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "of", "key"], name="terms_once")]


class Adaptation(ShopOwned):
    """How far intervals are stretched, as the days since have taught."""

    id = models.BigAutoField(primary_key=True)
    through = models.DateField(help_text="the last day that was looked at: none is looked at twice")
    state = models.JSONField(help_text="as `mlops.predictors.demand.adapt.Adaptation.record`")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop"], name="adaptation_once")]
