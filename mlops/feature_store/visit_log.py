"""Shell: what browsers told, as the views look at it. Marked visitors and crawlers are out."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from django.db import connection

from mlops.feature_store.tables import VISITS
from mlops.features.storefront import StorefrontKind
from tenancy.models import Shop
from tenancy.scope import scoped

_GONE = "case when excluded is not null then excluded_at end"
# What was excluded when it arrived never counted.
_COUNTED = "(excluded is null or excluded_at > received_at)"


@scoped
def visits(shop: Shop, *, since: datetime, until: datetime) -> pl.DataFrame:
    """Views, carts and finished checkouts of visitors who agreed to be followed; columns as `VISITS`.

    An exclusion reaches back over what a visitor did, and counts from when it was known.

    Raises:
        UnattributedRead: outside a `reading`: visitors stand in it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"select visitor, product_id, case kind when %(viewed)s then 'view' else 'cart' end, at, received_at, {_GONE}"  # noqa: S608 - of this file
            " from features_storefront_event where shop_id = %(shop)s and at > %(since)s and received_at <= %(until)s"
            f" and {_COUNTED} and visitor is not null and product_id is not null and kind in (%(viewed)s, %(put)s)"
            f" union all select visitor, (line->>0)::bigint, 'bought', at, received_at, {_GONE} from features_storefront_event,"
            " jsonb_array_elements(lines) as line where shop_id = %(shop)s and at > %(since)s and received_at <= %(until)s"
            f" and {_COUNTED} and visitor is not null and kind = %(done)s and line->>0 is not null",
            {
                "shop": shop.pk, "since": since, "until": until, "viewed": StorefrontKind.PRODUCT_VIEWED.value,
                "put": StorefrontKind.ADDED_TO_CART.value, "done": StorefrontKind.CHECKOUT_COMPLETED.value,
            },
        )  # fmt: skip
        rows = cursor.fetchall()
    return pl.DataFrame(rows, schema=dict(VISITS), orient="row").sort("version_at", "visitor", "product_id")
