"""Training runs: one row per run, taken further step by step. Written by `mlops.training.run` alone."""

from __future__ import annotations

from django.db import models

from mlops.features.models import Snapshot
from mlops.registry.models import UseCase, Version
from tenancy.scope import ShopOwned


class RunState(models.TextChoices):
    """How a run ended. Before that its state is the name of the step that comes next (`mlops.training.pipeline`)."""

    DONE = "done"
    FAILED = "failed"


FINAL = (RunState.DONE, RunState.FAILED)


class PromotionPolicy(ShopOwned):
    """What a shop asks of a new version before it may serve; no row: the usual policy (`mlops.training.gates.Policy`)."""

    id = models.BigAutoField(primary_key=True)
    use_case = models.CharField(max_length=24, choices=UseCase.choices)
    promotion = models.CharField(max_length=16)
    min_relative_improvement = models.FloatField()
    margin = models.FloatField()
    lowest = models.FloatField()
    gates = models.JSONField(default=list, help_text="absolute gates: metric, comparator, value, action")
    actor = models.CharField(max_length=64)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "use_case"], name="one_policy")]


class TrainingRun(ShopOwned):
    id = models.BigAutoField(primary_key=True)
    use_case = models.CharField(max_length=24, choices=UseCase.choices, default=UseCase.RECOMMENDATIONS)
    state = models.CharField(max_length=32, help_text="the step that comes next, or how the run ended")
    reason = models.TextField()
    actor = models.CharField(max_length=64)
    promotion = models.CharField(
        max_length=16, blank=True, help_text="asked for this run alone; empty: the shop's"
    )
    seed = models.BigIntegerField(default=42)
    requested_at = models.DateTimeField(help_text="orders from before this moment are learnt from")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    in_flight_since = models.DateTimeField(null=True, help_text="a step began; cleared when it ends")
    retry_at = models.DateTimeField(null=True, help_text="the step failed and is not tried again before")
    attempts = models.IntegerField(default=0, help_text="how often the present step was begun")
    work = models.JSONField(default=dict, help_text="what the finished steps found")
    validation = models.JSONField(
        default=list,
        help_text="suites that the data went through, with their pass ratio; see `tallies.lineage`",
    )
    snapshot = models.ForeignKey(
        Snapshot, null=True, on_delete=models.RESTRICT, related_name="+", db_index=False
    )
    version = models.ForeignKey(
        Version, null=True, on_delete=models.RESTRICT, related_name="+", db_index=False
    )
    code = models.CharField(max_length=32, blank=True, help_text="why it failed, or ended without a version")
    message = models.TextField(blank=True)

    class Meta:
        constraints = [
            # A second request while one is under way joins it.
            models.UniqueConstraint(
                fields=["shop", "use_case"],
                name="one_open_run",
                condition=~models.Q(state__in=["done", "failed"]),
            )
        ]
        # Serves the list of runs, newest first, and the tick's search for open ones.
        indexes = [models.Index(fields=["shop", "-id"], name="run_newest")]

    def __str__(self) -> str:
        return f"training run {self.pk} ({self.state})"
