"""The only writer of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tenancy.models import AuditEntry, Shop
from tenancy.scope import scoped


@scoped
def record(
    shop: Shop,
    *,
    actor: str,
    action: str,
    now: datetime,
    reason: str = "",
    data: dict[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry. Call it in the transaction of the change itself, so that neither exists without the other."""
    return AuditEntry.objects.create(
        shop=shop, at=now, actor=actor, action=action, reason=reason, data=data or {}
    )
