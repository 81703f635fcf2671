"""Suites and their versions, rows that were held back, halts, and daily counts. Written by this room alone."""

from __future__ import annotations

from django.db import models

from tenancy.scope import ShopOwned


class SuiteVersion(ShopOwned):
    """The expectations of one resource as they held from `created_at` on. Never updated; the highest number holds now."""

    id = models.BigAutoField(primary_key=True)
    resource = models.CharField(max_length=16)
    number = models.IntegerField(help_text="1, 2, ... within shop and resource")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the content")
    content = models.JSONField(help_text="see `expectations.Suite.plain`")
    author = models.CharField(max_length=64, help_text="`system:default`, `system:profile` or `staff:<id>`")
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "resource", "number"], name="suite_number")]

    def __str__(self) -> str:
        return f"{self.resource} suite {self.number}"


class Halt(ShopOwned):
    """A batch that was held as a whole, and the stop of training that followed. One is open per shop and resource."""

    id = models.BigAutoField(primary_key=True)
    resource = models.CharField(max_length=16)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=64, blank=True)
    accepted = models.BooleanField(default=False, help_text="its rows were judged to be right")
    reasons = models.JSONField(default=list)
    held = models.IntegerField(default=0, help_text="rows held with it")
    clean_rows = models.IntegerField(default=0, help_text="rows of clean batches since the last bad one")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "resource"], condition=models.Q(closed_at__isnull=True), name="one_open_halt"
            )
        ]

    def __str__(self) -> str:
        return f"halt of {self.resource} ({'open' if self.closed_at is None else 'closed'})"


class HeldState(models.TextChoices):
    HELD = "held"
    REPLAYED = "replayed"  # it went through the gate since, and is in the event log
    DISMISSED = "dismissed"  # a person, or a later and good version of the same thing, made it pointless


class HeldRow(ShopOwned):
    """A row that did not arrive, with the reason. The same row met again is the same row here.

    The content of an order holds no number of a person: `customer_id` and `visitor` stand beside it, so that they can be
    erased. A row about a customer is erased whole. `mlops.validation.erase` does both.
    """

    id = models.BigAutoField(primary_key=True)
    resource = models.CharField(max_length=16)
    kind = models.CharField(max_length=24, help_text="name of the event; empty for a line that became none")
    key = models.CharField(max_length=64, help_text="digest of kind and content: what makes it the same row")
    subject_id = models.BigIntegerField(null=True)
    version_at = models.DateTimeField(null=True)
    line_number = models.BigIntegerField(null=True, help_text="of the file that it came in")
    delivery = models.CharField(max_length=100, blank=True, help_text="webhook id")
    source = models.CharField(max_length=16)
    expectation = models.CharField(max_length=64, help_text="the first one that it fails")
    observed = models.TextField(blank=True)
    allowed = models.TextField(blank=True)
    reason = models.TextField(help_text="all that is wrong, for the merchant")
    suite_number = models.IntegerField()
    content = models.JSONField()
    customer_id = models.BigIntegerField(null=True)
    visitor = models.CharField(max_length=64, null=True)
    halt = models.ForeignKey(Halt, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    state = models.CharField(max_length=10, choices=HeldState, default=HeldState.HELD)
    seen = models.IntegerField(default=1, help_text="how often it was met")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "resource", "key"], name="held_once")]
        indexes = [
            # Serves the gate: what is held of the things that a batch tells of.
            models.Index(fields=["shop", "resource", "subject_id"], name="held_subject"),
            # Serves the list of what waits for a decision, and its count.
            models.Index(fields=["shop", "-id"], name="held_open", condition=models.Q(state="held")),
            # Serves the erasure of a person.
            models.Index(
                fields=["shop", "customer_id"],
                name="held_customer",
                condition=models.Q(customer_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource} {self.subject_id or self.line_number}: {self.reason[:60]}"


class DailyCount(ShopOwned):
    """Rows judged by one version of a suite on one day of the shop's zone."""

    id = models.BigAutoField(primary_key=True)
    resource = models.CharField(max_length=16)
    suite_number = models.IntegerField()
    day = models.DateField()
    checked = models.BigIntegerField(default=0)
    warned = models.BigIntegerField(
        default=0, help_text="arrived, but failed an expectation of severity warn"
    )
    quarantined = models.BigIntegerField(default=0, help_text="held, alone or with their batch")
    halted = models.BigIntegerField(default=0, help_text="of the quarantined: held with their whole batch")
    failures = models.JSONField(default=dict, help_text="how often each expectation failed")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "resource", "suite_number", "day"], name="count_once"),
        ]
        # Serves the plot and the scrape.
        indexes = [models.Index(fields=["shop", "day"], name="count_day")]


class DailyCheck(ShopOwned):
    """The last day whose number of rows was compared with what is usual."""

    day = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop"], name="one_daily_check")]
