"""Versions of views, the models that stand on them, and how their values were distributed day by day.

Written by this room alone. No row here speaks of a person: people's vectors are in Redis only.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenancy.scope import ShopOwned


class ViewVersion(ShopOwned):
    """One version of a view as this shop computed it."""

    id = models.BigAutoField(primary_key=True)
    view = models.CharField(max_length=64)
    digest = models.CharField(max_length=16, help_text="hash of code and parameters")
    declared = models.JSONField(help_text="its features as they were declared, and the parameters")
    edges = models.JSONField(
        default=dict, help_text="by feature: where the bins of its histograms end, for good"
    )
    trained_at = models.DateTimeField(
        null=True, help_text="when a training frame fixed the bins; null: the first refresh did"
    )
    first_at = models.DateTimeField()
    refreshed_at = models.DateTimeField(null=True, help_text="the moment that the online vectors speak of")
    entities = models.BigIntegerField(default=0, help_text="online vectors of the last refresh")
    took_ms = models.IntegerField(default=0)
    deprecated_at = models.DateTimeField(null=True, help_text="no model may be pinned to it any more")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "view", "digest"], name="view_version_once")]


class Pin(ShopOwned):
    """That a model was trained on a version of a view, and must not lose it."""

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(ViewVersion, on_delete=models.RESTRICT, related_name="pins")
    model = models.CharField(max_length=64, help_text="as people call it: recommendations version 3")
    pinned_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "version", "model"], name="pin_once")]


class FeatureDay(ShopOwned):
    """How one feature was distributed over all of its entities on one day of the shop."""

    id = models.BigAutoField(primary_key=True)
    view = models.CharField(max_length=64)
    digest = models.CharField(max_length=16)
    feature = models.CharField(max_length=200)
    day = models.DateField()
    taken_at = models.DateTimeField()
    rows = models.BigIntegerField()
    nulls = models.BigIntegerField()
    distinct = models.BigIntegerField()
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    mean = models.FloatField(null=True)
    quantiles = ArrayField(
        models.FloatField(), default=list, help_text="10th, 50th and 90th percentile; none without a value"
    )
    edges = ArrayField(models.FloatField(), help_text="ascending; one bin below each, one above the last")
    counts = ArrayField(models.BigIntegerField(), help_text="one more than there are edges")
    commonest = models.JSONField(default=list, help_text="of a code: [code, rows] each, most first")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "view", "digest", "feature", "day"], name="feature_day_once"
            )
        ]
        # Serves retention.
        indexes = [models.Index(fields=["shop", "day"], name="feature_day")]
