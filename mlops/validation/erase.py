"""Shell: forgets a customer in the quarantine."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.db.models import Q

from mlops.validation.models import HeldRow
from tenancy.models import Shop


def erase_customer(
    shop: Shop, customer_id: int, order_ids: Sequence[int] = (), visitors: Sequence[str] = ()
) -> int:
    """Held orders stay as sales of nobody; rows about the customer go. The number of rows changed. Safe twice.

    Args:
        order_ids: orders that were the customer's, also where they do not carry the number any more.
        visitors: pseudonymous ids by which the storefront knew the customer.
    """
    mine = Q(customer_id=customer_id)
    rows = HeldRow.objects.filter(shop=shop)
    merged = Q(content__kept_id=customer_id) | Q(content__deleted_id=customer_id)
    gone, _ = rows.filter(mine | merged, resource="customers").delete()
    theirs = mine | Q(resource="orders", subject_id__in=list(order_ids)) | Q(visitor__in=list(visitors))
    return gone + rows.filter(theirs).update(customer_id=None, visitor=None)


def forget_mentions(shop: Shop, texts: Sequence[str]) -> int:
    """Take the metafield values in which one of these texts stands out of held products; the number of rows changed."""
    changed = 0
    for row in HeldRow.objects.filter(shop=shop, resource="products", content__has_key="attributes"):
        told = row.content["attributes"]
        if isinstance(told, list) and any(each in json.dumps(told) for each in texts):
            row.content["attributes"] = [
                {name: value for name, value in each.items() if name not in ("raw", "type")}
                if any(text in str(each.get("raw")) for text in texts)
                else each
                for each in told
            ]
            row.save(update_fields=["content"])
            changed += 1
    return changed
