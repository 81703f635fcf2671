"""The inbox: verified deliveries, cut to what we read, until they are worked off."""

from __future__ import annotations

from django.db import models

from tenancy.scope import ShopOwned


class DeliveryState(models.TextChoices):
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"  # given up, with the reason; a person may send it back to pending


class InboxDelivery(ShopOwned):
    """One delivery. The payload is emptied once it is done; the row stays a week, to know a repeat when it comes."""

    id = models.BigAutoField(primary_key=True)
    webhook_id = models.CharField(max_length=100)
    event_id = models.CharField(max_length=100, blank=True)
    topic = models.CharField(max_length=125)
    triggered_at = models.DateTimeField()
    received_at = models.DateTimeField()
    payload = models.JSONField()
    state = models.CharField(max_length=8, choices=DeliveryState, default=DeliveryState.PENDING)
    attempts = models.IntegerField(default=0)
    next_try_at = models.DateTimeField()
    in_flight_until = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "webhook_id"], name="delivery_once")]
        indexes = [
            # Serves the drain: what is open in one shop, oldest first.
            models.Index(fields=["shop", "id"], name="delivery_open", condition=models.Q(state="pending")),
            # Serves the list of what was given up.
            models.Index(fields=["shop", "id"], name="delivery_dead", condition=models.Q(state="dead")),
            # Serves the weekly forgetting.
            models.Index(fields=["done_at"], name="delivery_done", condition=models.Q(state="done")),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.webhook_id} ({self.state})"
