"""The catalogue as training freezes it: what products are, in words, without anything that was counted.

Words alone are kept, not texts: nothing that stands in a text as a number or a date (an engraving's order, a person's number)
is in the frame.
"""

from __future__ import annotations

import re

import polars as pl
from django.db import connection

from mlops.features.attribute_frame import attributes_frame
from tenancy.models import Shop
from tenancy.scope import scoped

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "product_id": pl.Int64,
    "words": pl.String,
    "code": pl.String,
}
_WORD = re.compile(r"[^\W\d_]{2,}", re.UNICODE)


@scoped
def catalogue_frame(shop: Shop) -> pl.DataFrame:
    """Living products, by id.

    Columns: `product_id`; `words`, the distinct words of title, type, vendor, tags and of the chosen metafields that hold
    text, lower case, sorted, with a space between; `code`, the SKU of the first variant, empty where there is none.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select p.product_id, concat_ws(' ', p.title, p.product_type, p.vendor, array_to_string(p.tags, ' ')),"
            " coalesce((select v.sku from features_variant v where v.shop_id = p.shop_id and v.product_id = p.product_id"
            " order by v.position, v.variant_id limit 1), '')"
            " from features_product p where p.shop_id = %s and p.deleted_at is null order by p.product_id",
            [shop.pk],
        )
        rows: list[tuple[int, str, str]] = cursor.fetchall()
    chosen = _chosen_words(shop)
    return pl.DataFrame(
        [(product, words_of(f"{text} {chosen.get(product, '')}"), code) for product, text, code in rows],
        schema=SCHEMA,
        orient="row",
    )


def words_of(text: str) -> str:
    """Distinct words of at least two letters, lower case, sorted."""
    return " ".join(sorted({each.lower() for each in _WORD.findall(text)}))


def _chosen_words(shop: Shop) -> dict[int, str]:
    """The chosen metafields that hold text, by product."""
    frame = attributes_frame(shop)
    texts = [
        pl.col(name) if kind == pl.String else pl.col(name).list.join(" ")
        for name, kind in frame.schema.items()
        if kind in (pl.String, pl.List(pl.String))
    ]
    if not texts:
        return {}
    told = frame.select("product_id", words=pl.concat_str(texts, separator=" ", ignore_nulls=True))
    return dict(told.iter_rows())
