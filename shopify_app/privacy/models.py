"""Shopify's privacy requests and what became of them. Written by this room alone."""

from __future__ import annotations

from django.db import models

from tenancy.scope import ShopOwned


class DataRequest(ShopOwned):
    """customers/data_request: an export that the shop's owner may fetch, and gives to the customer."""

    id = models.BigAutoField(primary_key=True)
    request_id = models.BigIntegerField(
        help_text="Shopify's number of the request; also the export's file name"
    )
    mark = models.BinaryField(help_text="keyed hash of the customer: a redaction finds their exports by it")
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="the owner must have answered by then")
    expires_at = models.DateTimeField(help_text="the export is deleted then")
    orders = models.IntegerField(default=0)
    downloaded_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True, help_text="the export lapsed, or the customer was erased")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "request_id"], name="data_request_once")]


class RedactionState(models.TextChoices):
    ERASED = "erased"  # gone from every store that can be reached at once; the search comes next
    CERTIFIED = "certified"  # every store was searched, and nothing was found
    FOUND = "found"  # something is still found after all tries: an incident says where


class Redaction(ShopOwned):
    """One erased customer: what was done, and the certificate of the search that followed. Names nobody."""

    id = models.BigAutoField(primary_key=True)
    asked_at = models.DateTimeField()
    erased_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=RedactionState.choices, default=RedactionState.ERASED)
    counts = models.JSONField(default=dict, help_text="rows and files that were changed")
    needles_sealed = models.BinaryField(
        null=True, help_text="what to search for; deleted with the certificate"
    )
    tries = models.IntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    certificate = models.JSONField(null=True)
    certified_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # Serves the tick: redactions whose search is due.
            models.Index(fields=["next_try_at"], name="redaction_due", condition=models.Q(state="erased")),
        ]


class ShopErasure(models.Model):
    """One erased shop, and the certificate of the search that followed. Belongs to no shop, and holds nothing of one.

    Neither domain nor name is kept: who knows the domain finds the row by its mark (`shop_erasures.mark`).
    """

    id = models.BigAutoField(primary_key=True)
    shop_number = models.BigIntegerField(unique=True, help_text="our number of the shop that was")
    mark = models.BinaryField(help_text="keyed hash of the domain")
    erased_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=RedactionState.choices, default=RedactionState.ERASED)
    needles_sealed = models.BinaryField(
        null=True, help_text="what to search for; deleted with the certificate"
    )
    tries = models.IntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    certificate = models.JSONField(null=True)
    certified_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # Serves the tick: erased shops whose search is due.
            models.Index(fields=["next_try_at"], name="shop_erasure_due", condition=models.Q(state="erased")),
        ]
