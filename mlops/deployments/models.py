"""Which version answers in which slot, and every change of it. Written by `mlops.deployments.store` alone."""

from __future__ import annotations

from django.db import models

from mlops.features.events import SlotName
from mlops.registry.models import Version
from tenancy.scope import ShopOwned


class Strategy(models.TextChoices):
    DIRECT = "direct"
    ROLLBACK = "rollback"


_SLOTS = [(each.value, each.value.replace("_", " ")) for each in SlotName]


class Slot(ShopOwned):
    """The version that serves a slot now; no row: nothing was ever deployed there."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=16, choices=_SLOTS)
    version = models.ForeignKey(Version, on_delete=models.RESTRICT, related_name="+")
    previous_good = models.ForeignKey(
        Version, null=True, on_delete=models.RESTRICT, related_name="+", help_text="where a rollback would go"
    )
    revision = models.IntegerField(help_text="grows by one with every change")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "name"], name="slot_once")]

    def __str__(self) -> str:
        return self.name


class SlotChange(ShopOwned):
    """One change of a slot. Never updated."""

    id = models.BigAutoField(primary_key=True)
    slot = models.CharField(max_length=16, choices=_SLOTS)
    strategy = models.CharField(max_length=16, choices=Strategy.choices)
    before = models.ForeignKey(
        Version, null=True, on_delete=models.RESTRICT, related_name="+", db_index=False
    )
    after = models.ForeignKey(Version, on_delete=models.RESTRICT, related_name="+", db_index=False)
    actor = models.CharField(max_length=64)
    reason = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        # Serves the history of one slot, oldest first.
        indexes = [models.Index(fields=["shop", "slot", "id"], name="slot_history")]
