"""The work of importing a shop's history: one job per resource, and the rows read but not yet written."""

from __future__ import annotations

from django.db import models

from tenancy.scope import ShopOwned


class Resource(models.TextChoices):
    PRODUCTS = "products"
    COLLECTIONS = "collections"
    CUSTOMERS = "customers"
    ORDERS = "orders"
    INVENTORY = "inventory"


class JobState(models.TextChoices):
    WAITING = "waiting"  # for its turn: Shopify runs a few exports at a time
    EXPORTING = "exporting"  # Shopify writes the file
    READING = "reading"  # we read the file, from `byte_offset` on
    WRITING = "writing"  # children are joined to their parents and appended as events
    DONE = "done"
    FAILED = "failed"


OPEN_STATES = (JobState.WAITING, JobState.EXPORTING, JobState.READING, JobState.WRITING)


class ImportJob(ShopOwned):
    """One resource of one shop. Its row is the truth about how far the import is; any process may take it on.

    Who works on it holds the lease: every write names `lease_token`, so that a process that was thought dead and
    comes back changes nothing.
    """

    resource = models.CharField(max_length=16, choices=Resource)
    state = models.CharField(max_length=16, choices=JobState, default=JobState.WAITING)
    run = models.IntegerField(default=1, help_text="grows with each restart")
    operation_id = models.CharField(max_length=128, blank=True)
    url = models.TextField(blank=True)
    partial = models.BooleanField(
        default=False, help_text="the file is what was got before the export failed"
    )
    byte_offset = models.BigIntegerField(default=0)
    roots_expected = models.BigIntegerField(null=True)
    roots_exported = models.BigIntegerField(default=0)
    lines_total = models.BigIntegerField(null=True)
    lines_read = models.BigIntegerField(default=0, help_text="of the present file, blank ones not counted")
    line_no = models.BigIntegerField(default=0, help_text="of the present file, as an editor counts")
    lines_written = models.BigIntegerField(default=0)
    lines_before = models.BigIntegerField(default=0, help_text="kept of files that broke off, in this run")
    lines_skipped = models.BigIntegerField(default=0, help_text="not understood: left out, never guessed")
    refused = models.JSONField(
        default=list, help_text="the first of those: line, reason, and what it looks like"
    )
    written_to = models.BigIntegerField(default=0, help_text="last staged root that became an event")
    resume_from = models.BigIntegerField(default=0, help_text="roots with smaller ids are in; 0: none yet")
    last_root = models.BigIntegerField(default=0, help_text="of the present file")
    last_parent = models.BigIntegerField(default=0, help_text="of the present file")
    in_order = models.BooleanField(default=True, help_text="so far roots and parents came by rising id")
    rate = models.FloatField(default=0, help_text="units per second in the present state, smoothed")
    exports = models.IntegerField(default=0, help_text="exports of this run that brought nothing")
    troubles = models.IntegerField(default=0, help_text="failures and deaths since the last progress")
    problem_code = models.CharField(max_length=64, blank=True)
    problem = models.TextField(blank=True)
    poll_s = models.FloatField(default=0)
    next_step_at = models.DateTimeField()
    lease_token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "resource"], name="one_job_per_resource")]
        indexes = [
            # Serves the tick: jobs of every shop whose time has come.
            models.Index(fields=["next_step_at"], name="job_due", condition=models.Q(state__in=OPEN_STATES)),
            # Serves the finish webhook, which names the operation only.
            models.Index(fields=["shop", "operation_id"], name="job_of_operation"),
        ]

    def __str__(self) -> str:
        return f"{self.resource} ({self.state})"


class StagedRow(ShopOwned):
    """A line of a bulk result, kept until its parent and all its siblings are there. Written by COPY; a root and its
    children lie side by side in the key, whatever their order in the file.
    """

    pk = models.CompositePrimaryKey("job_id", "root_id", "line_no")
    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, db_index=False, related_name="+")
    root_id = models.BigIntegerField(help_text="of the root itself, or of the child's parent")
    line_no = models.BigIntegerField()
    child = models.BooleanField()
    body = models.TextField(help_text="the line, without words that are not ours")


class SweepState(models.TextChoices):
    RESTING = "resting"  # until the next one is due
    WALKING = "walking"  # over what Shopify changed since the watermark
    COUNTING = "counting"  # comparing counts, and ids where they differ


OPEN_SWEEPS = (SweepState.WALKING, SweepState.COUNTING)


class Sweep(ShopOwned):
    """The comparison of one resource of one shop with Shopify: the one under way, or what the last one found.

    Held by a lease as an `ImportJob` is. `found` and `cursor` move in the transaction that appends what they tell of.
    """

    resource = models.CharField(max_length=16, choices=Resource)
    state = models.CharField(max_length=16, choices=SweepState, default=SweepState.RESTING)
    watermark = models.DateTimeField(help_text="each change before this moment was looked for")
    began_at = models.DateTimeField(null=True, help_text="the next watermark, once this sweep is through")
    cursor = models.TextField(blank=True)
    walk_from = models.CharField(max_length=40, blank=True, help_text="see `differences.Place.begin`")
    walked = models.IntegerField(default=0, help_text="see `differences.Place.taken`")
    found = models.JSONField(default=dict, help_text="see `differences.Findings`")
    todo = models.JSONField(default=list, help_text="periods whose counts are still to be compared")
    troubles = models.IntegerField(default=0, help_text="failures and deaths since the last progress")
    problem_code = models.CharField(max_length=64, blank=True)
    problem = models.TextField(blank=True)
    next_step_at = models.DateTimeField()
    lease_token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "resource"], name="one_sweep_per_resource")]
        indexes = [
            # Serves the tick: sweeps of every shop whose time has come.
            models.Index(
                fields=["next_step_at"], name="sweep_due", condition=models.Q(state__in=OPEN_SWEEPS)
            ),
        ]

    def __str__(self) -> str:
        return f"sweep of {self.resource} ({self.state})"


class CustomerReference(ShopOwned):
    """Which Shopify customer stands behind a pseudonym, sealed: for asking Shopify whether they still exist.

    Written by `shopify_app.sync.customers` alone. Nothing else in the database holds a customer's number.
    """

    pk = models.CompositePrimaryKey("shop_id", "customer_id")
    customer_id = models.BigIntegerField(help_text="the pseudonym, as everywhere else")
    number_sealed = models.BinaryField()
    noted_at = models.DateTimeField()
