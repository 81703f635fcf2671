"""Registered versions and the log of what became of each. Written by `mlops.registry.store` alone."""

from __future__ import annotations

from django.db import models

from tenancy.scope import ShopOwned


class UseCase(models.TextChoices):
    """What a version is for; its numbers count within it."""

    RECOMMENDATIONS = "recommendations"
    DEMAND = "demand"


class Lifecycle(models.TextChoices):
    CANDIDATE = "candidate"  # registered, never served
    STAGING = "staging"  # kept warm: it served, or is about to
    PRODUCTION = "production"  # at least one slot serves it
    SHELVED = "shelved"  # registered, and found not good enough; the log says why
    ARCHIVED = "archived"  # never to serve again


class Version(ShopOwned):
    """A predictor that was trained, with everything needed to say where it came from."""

    id = models.BigAutoField(primary_key=True)
    use_case = models.CharField(max_length=24, choices=UseCase.choices)
    number = models.IntegerField(help_text="1, 2, ... within shop and use case")
    lifecycle = models.CharField(max_length=16, choices=Lifecycle.choices, default=Lifecycle.CANDIDATE)
    artefact_digest = models.CharField(max_length=64, help_text="SHA-256 of the artefact")
    artefact_bytes = models.BigIntegerField()
    kind = models.CharField(max_length=32)
    manifest = models.JSONField()
    metrics = models.JSONField(help_text="by slot: value, interval and baseline of each measure")
    parameters = models.JSONField()
    seed = models.BigIntegerField()
    data_since = models.DateTimeField(null=True)
    data_until = models.DateTimeField()
    snapshot_id = models.BigIntegerField(null=True, help_text="null: a frozen file without orders of people")
    snapshot_digest = models.CharField(max_length=64)
    code_revision = models.CharField(max_length=64, blank=True)
    duration_s = models.FloatField(help_text="compute time of the training run")
    run_id = models.BigIntegerField(help_text="training run that made it")
    parent = models.ForeignKey("self", null=True, on_delete=models.RESTRICT, related_name="+", db_index=False)
    registered_at = models.DateTimeField()
    redacted_at = models.DateTimeField(null=True, help_text="somebody it learnt from was erased then")
    unlearned_at = models.DateTimeField(
        null=True, help_text="since then a version that never knew them serves everywhere"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "use_case", "number"], name="version_number"),
            # A repeated registering step finds the version that it made before.
            models.UniqueConstraint(fields=["shop", "run_id"], name="version_of_run"),
        ]

    def __str__(self) -> str:
        return f"{self.use_case} version {self.number}"


class Transition(ShopOwned):
    """One change of a version's lifecycle. Never updated."""

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="transitions")
    before = models.CharField(max_length=16, choices=Lifecycle.choices)
    after = models.CharField(max_length=16, choices=Lifecycle.choices)
    actor = models.CharField(max_length=64)
    reason = models.TextField(blank=True)
    at = models.DateTimeField()
