"""Shops, their staff roles, the audit log and the incidents. Written only through this room."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.db import models

from tenancy import fence


class ShopState(models.TextChoices):
    INSTALLED = "installed"
    NEEDS_REAUTH = "needs_reauth"  # the refresh token lapsed: a merchant must open the app
    UNINSTALLED = "uninstalled"


class Shop(models.Model):
    """One Shopify shop. The permanent myshopify domain is its identity."""

    domain = models.CharField(max_length=255, unique=True)
    state = models.CharField(max_length=16, choices=ShopState.choices, default=ShopState.INSTALLED)
    name = models.CharField(max_length=255, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    scopes = models.TextField(blank=True, help_text="granted scopes, comma separated")
    access_token_sealed = models.BinaryField(null=True)
    access_token_expires_at = models.DateTimeField(null=True)
    refresh_token_sealed = models.BinaryField(null=True)
    refresh_token_expires_at = models.DateTimeField(null=True)
    installed_at = models.DateTimeField()
    uninstalled_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)
    pseudonym_key_sealed = models.BinaryField(null=True, help_text="made with the row, never changed")

    def __str__(self) -> str:
        return self.domain

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding and self.pseudonym_key_sealed is None:
            self.pseudonym_key_sealed = settings.KEYRING.seal(
                os.urandom(32), context=self._pseudonym_context()
            )
        # Outside any scope this is the shop's own: row-level security lets nobody else change its row.
        opened = fence.shop.set(self.pk) if fence.shop.get() is None else None
        try:
            super().save(*args, **kwargs)
        finally:
            if opened is not None:
                fence.shop.reset(opened)

    def pseudonym_key(self) -> bytes:
        """The 32 secret bytes that `tenancy.pseudonyms` works with. Nobody else needs them."""
        return settings.KEYRING.open(
            bytes(self.pseudonym_key_sealed or b""), context=self._pseudonym_context()
        )

    def _pseudonym_context(self) -> str:
        return f"pseudonyms:{self.domain}"

    def seal(self, secret: str) -> bytes:
        return settings.KEYRING.seal(secret.encode(), context=f"shop:{self.domain}")

    def unseal(self, sealed: bytes | memoryview) -> str:
        return settings.KEYRING.open(bytes(sealed), context=f"shop:{self.domain}").decode()


class Role(models.TextChoices):
    """What a staff member may do; each role may do all that the one before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    OWNER = "owner"

    def includes(self, other: Role) -> bool:
        order = [Role.VIEWER, Role.OPERATOR, Role.OWNER]
        return order.index(self) >= order.index(other)


class StaffMember(models.Model):
    """A Shopify staff account that opened the app: its number and role, no name and no e-mail."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="staff")
    user_id = models.BigIntegerField(help_text="Shopify's staff user id, claim `sub`")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "user_id"], name="one_role_per_staff_member")]

    def __str__(self) -> str:
        return f"staff {self.user_id} ({self.role})"


class AuditEntry(models.Model):
    """One change that a merchant may ask about: who did what, when and why. Never updated."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="audit")
    at = models.DateTimeField()
    actor = models.CharField(max_length=64, help_text="`staff:<id>`, `system:<task>` or `flow`")
    action = models.CharField(max_length=64)
    reason = models.TextField(blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        # Serves the audit page: newest first within a shop.
        indexes = [models.Index(fields=["shop", "-id"], name="audit_newest")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} {self.action}"


class Severity(models.TextChoices):
    WARNING = "warning"
    CRITICAL = "critical"


class AccessEntry(models.Model):
    """Reads of what is linked to people, by one actor for one purpose. `tenancy.reading` writes it; it never shrinks.

    An entry of a member of staff is one block of reads; one of the product's own work is a minute of them.
    """

    id = models.BigAutoField(primary_key=True)
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="accesses")
    at = models.DateTimeField(help_text="of `system:` actors: the minute")
    actor = models.CharField(max_length=64, help_text="`staff:<id>` or `system:<what>`")
    purpose = models.CharField(max_length=32)
    tables = models.JSONField(help_text="rows that came out, by table")
    rows = models.BigIntegerField(help_text="their sum")
    blocks = models.IntegerField(default=1, help_text="how many blocks of reads it stands for")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "at", "actor", "purpose"],
                condition=models.Q(actor__startswith="system:"),
                name="one_access_a_minute",
            )
        ]
        indexes = [
            # Serves the page: newest first within a shop; and retention.
            models.Index(fields=["shop", "-id"], name="access_newest"),
            models.Index(fields=["shop", "at"], name="access_period"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} {self.purpose} {self.rows}"


class Incident(models.Model):
    """Something that was not as it should be, while it lasts and after. `tenancy.incidents` writes it.

    One is open per shop, kind and subject; what was found and repaired at once is opened and closed in one move.
    """

    id = models.BigAutoField(primary_key=True)
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="incidents")
    kind = models.CharField(max_length=48, help_text="stable name, for example `reconciliation`")
    subject = models.CharField(max_length=96, blank=True, help_text="which of its kind, for example `orders`")
    severity = models.CharField(max_length=16, choices=Severity.choices)
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    told = models.TextField(help_text="what happened and what was kept safe, for the merchant")
    next_step = models.TextField(blank=True, help_text="what a person can do now; empty when nothing")
    halts_training = models.BooleanField(default=False, help_text="nothing is learnt while it is open")
    data = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "kind", "subject"],
                condition=models.Q(closed_at__isnull=True),
                name="one_open_incident",
            )
        ]
        # Serves the dashboard: newest first within a shop.
        indexes = [models.Index(fields=["shop", "-id"], name="incident_of_shop")]

    def __str__(self) -> str:
        return f"{self.opened_at:%Y-%m-%d %H:%M} {self.kind} {self.subject}: {self.told}"
