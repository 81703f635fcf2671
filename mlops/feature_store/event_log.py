"""Shell: the tables of the views, read from the event log with the moments at which each thing was known.

The tables of present state know only what is; the log knows what was told, and when. All SQL of the feature store that decides
values is here and in `visit_log`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from django.db import connection

from mlops.feature_store import metafields
from mlops.feature_store.metafields import Metafield
from mlops.feature_store.tables import LINES, MERGES, METAFIELDS, MOMENT, OFFERS, ORDERS, STOCK, Schema
from tenancy.models import Shop
from tenancy.reading import handled
from tenancy.scope import scoped

PART_BYTES = 8 * 2**20


@scoped
def lines(
    shop: Shop, *, since: datetime, until: datetime, products: Sequence[int] | None = None
) -> pl.DataFrame:
    """Every version known until then of the orders placed after `since`, and what is in it; columns as `LINES`.

    Args:
        products: only orders that ever held one of them. All when None.
    """
    given = {"shop": shop.pk, "since": since, "until": until, "products": list(products or ())}
    which = "" if products is None else f" and e.subject_id in ({_WITH_PRODUCTS})"
    # What stands for the whole order is told once, and not again in each line: a time as text costs more than a line.
    heads = _copy(f"{_HEADS} and e.known_at <= %(until)s{which}", given, _HEAD)
    inside = _copy(
        "select e.id, l.product_id, l.variant_id, l.units, l.spend from features_event e, lateral (select t.product_id,"  # noqa: S608
        " t.variant_id, sum(t.current_quantity)::float8 as units, sum(t.current_quantity * t.unit_price)::float8 as spend"
        f" from {_LINES_OF} group by 1, 2) l where e.shop_id = %(shop)s and e.kind = 'order' and e.occurred_at > %(since)s"
        f" and e.known_at <= %(until)s{which}",
        given, _INSIDE,
    )  # fmt: skip
    handled("features_event", heads.height)
    return (
        _in_turn(heads.join(inside, on="event", how="left"))
        .with_columns(order_at=pl.coalesce("order_at", "version_at"))
        .select(list(LINES))
        .sort("order_id", "version_at", "event", "product_id", "variant_id")
    )


@scoped
def orders(
    shop: Shop, *, since: datetime, until: datetime, customers: Sequence[int] | None = None
) -> pl.DataFrame:
    """Every version known until then of the orders placed after `since`, as a whole; columns as `ORDERS`.

    Args:
        customers: only orders that are theirs. All when None.

    Raises:
        UnattributedRead: outside a `reading`: customers stand in it.
    """
    given = {"shop": shop.pk, "since": since, "until": until, "customers": list(customers or ())}
    which = "" if customers is None else f" and e.subject_id in ({_OF_CUSTOMERS})"
    heads = _copy(f"{_HEADS} and e.known_at <= %(until)s{which}", given, _HEAD)
    whole = _copy(
        "select e.id, (e.payload->>'customer_id')::bigint, (select sum(t.current_quantity * t.unit_price)::float8"  # noqa: S608
        f" from {_LINES_OF}) from features_event e where e.shop_id = %(shop)s and e.kind = 'order'"
        f" and e.occurred_at > %(since)s and e.known_at <= %(until)s{which}",
        given, _WHOLE,
    )  # fmt: skip
    handled("features_event", heads.height)
    return (
        _in_turn(heads.join(whole, on="event", how="left"))
        .with_columns(pl.coalesce("order_at", "version_at").alias("order_at"), pl.col("spend").fill_null(0.0))
        .select(list(ORDERS))
        .sort("order_id", "version_at", "event")
    )


def _us(moment: str) -> str:
    """A time as whole microseconds, which is what the frames hold."""
    return f"(extract(epoch from {moment}) * 1000000)::bigint"


# Of two versions of one second the later told stands; who does not say when it was told was told as we learnt of it.
_TOLD = "coalesce(told_at, known_at)"
_BY_TURN: Schema = {"told_at": MOMENT}
_HEAD = {
    **{name: LINES[name] for name in ("event", "order_id", "order_at", "version_at", "known_at", "counts")},
    **_BY_TURN,
}
_INSIDE = {name: LINES[name] for name in ("event", "product_id", "variant_id", "units", "spend")}
_WHOLE = {name: ORDERS[name] for name in ("event", "customer_id", "spend")}
_LINES_OF = (
    "jsonb_to_recordset(e.payload->'lines') as t(product_id bigint, variant_id bigint, current_quantity integer,"
    " unit_price numeric)"
)
# A deleted order counts no more from then on. It is told without the time at which it had been placed.
_HEADS = (
    f"select e.id, e.subject_id, case when e.kind = 'order' then {_us('e.occurred_at')} end, {_us('e.version_at')},"  # noqa: S608
    f" {_us('e.known_at')}, e.kind = 'order' and not coalesce((e.payload->>'test')::boolean, false)"
    f" and e.payload->>'cancelled_at' is null, {_us(_TOLD)} from features_event e where e.shop_id = %(shop)s and"
    " e.kind in ('order', 'order_deleted') and case e.kind when 'order' then e.occurred_at else e.version_at end > %(since)s"
)
# By the tables of state, which have an index for it, and which an order does not leave with a later version.
_OF_CUSTOMERS = "select o.order_id from features_order o where o.shop_id = %(shop)s and o.customer_id = any(%(customers)s::bigint[])"
_WITH_PRODUCTS = (
    "select l.order_id from features_orderline l join features_order o using (shop_id, order_id)"
    " where l.shop_id = %(shop)s and l.product_id = any(%(products)s::bigint[]) and o.ordered_at > %(since)s"
)


@scoped
def merges(shop: Shop, *, until: datetime) -> pl.DataFrame:
    """Accounts that were joined; columns as `MERGES`."""
    frame = _copy(
        f"select e.subject_id, (e.payload->>'kept_id')::bigint, {_us('e.version_at')}, {_us('e.known_at')}"  # noqa: S608
        " from features_event e where e.shop_id = %(shop)s and e.kind = 'customer_merged' and e.known_at <= %(until)s",
        {"shop": shop.pk, "until": until}, MERGES,
    )  # fmt: skip
    handled("features_event", frame.height)
    return frame.sort("version_at", "customer_id")


@scoped
def offers(
    shop: Shop, *, since: datetime, until: datetime, products: Sequence[int] | None = None
) -> pl.DataFrame:
    """Versions of products: all after `since`, and for each product the last one before; columns as `OFFERS`."""
    only = "" if products is None else " and e.subject_id = any(%(products)s::bigint[])"
    frame = _copy(
        "with told as (select e.* from features_event e where e.shop_id = %(shop)s"  # noqa: S608 - of this file
        f" and e.kind in ('product', 'product_deleted') and e.known_at <= %(until)s{only}),"
        " wanted as (select id from told where version_at > %(since)s union all select id from"
        " (select distinct on (subject_id) id from told where version_at <= %(since)s"
        f" order by subject_id, version_at desc, {_TOLD} desc, id desc) last)"
        f" select e.subject_id, e.id, {_us('e.version_at')}, {_us('e.known_at')},"
        f" {_us('''coalesce((e.payload->>'created_at')::timestamptz, e.version_at)''')},"
        " e.kind = 'product' and coalesce(e.payload->>'status' = 'active', false) and e.payload->>'published_at' is not null,"
        " v.variant_id, v.inventory_item_id, v.price::float8, v.compare_at_price::float8, v.available::float8,"
        f" coalesce(v.continue_selling, false), {_us(_TOLD)}"
        " from told e join wanted using (id) left join lateral jsonb_to_recordset(e.payload->'variants') as v(variant_id bigint,"
        " inventory_item_id bigint, price numeric, compare_at_price numeric, available integer, continue_selling boolean) on true",
        {"shop": shop.pk, "since": since, "until": until, "products": list(products or ())}, {**OFFERS, **_BY_TURN},
    )  # fmt: skip
    return _in_turn(frame).select(list(OFFERS)).sort("product_id", "version_at", "event", "variant_id")


@scoped
def stock(
    shop: Shop, *, since: datetime, until: datetime, products: Sequence[int] | None = None
) -> pl.DataFrame:
    """Stock at each location: all changes after `since`, and the last one before; columns as `STOCK`."""
    only = (
        ""
        if products is None
        else " and e.subject_id in (select v.inventory_item_id from features_variant v"
        " where v.shop_id = %(shop)s and v.product_id = any(%(products)s::bigint[]))"
    )
    frame = _copy(
        "with told as (select e.id, e.subject_id, (e.payload->>'location_id')::bigint as location_id,"  # noqa: S608
        " (e.payload->>'available')::float8 as available, e.version_at, e.known_at, e.told_at from features_event e"
        f" where e.shop_id = %(shop)s and e.kind = 'stock' and e.known_at <= %(until)s{only})"
        f" select subject_id, location_id, available, id, {_us('version_at')}, {_us('known_at')}, {_us(_TOLD)} from told"
        " where version_at > %(since)s union all select * from (select distinct on (subject_id, location_id)"
        f" subject_id, location_id, available, id, {_us('version_at')}, {_us('known_at')}, {_us(_TOLD)} from told"
        f" where version_at <= %(since)s order by subject_id, location_id, version_at desc, {_TOLD} desc, id desc) last",
        {"shop": shop.pk, "since": since, "until": until, "products": list(products or ())}, {**STOCK, **_BY_TURN},
    )  # fmt: skip
    return _in_turn(frame).select(list(STOCK)).sort("item_id", "version_at", "event")


@scoped
def values(
    shop: Shop, chosen: Sequence[Metafield], *, until: datetime, products: Sequence[int] | None = None
) -> pl.DataFrame:
    """Values of chosen metafields, of all products and variants or of these products' alone; columns as `METAFIELDS`."""
    kinds = {each.id: each.kind for each in chosen}
    with connection.cursor() as cursor:
        cursor.execute(
            "select owner_id, attribute_id, number, text, items, raw is null or problem <> '', id, version_at, known_at"  # noqa: S608
            " from features_attributevalue where shop_id = %s and attribute_id = any(%s) and known_at <= %s"
            f" {'' if products is None else 'and product_id = any(%s)'} order by id",
            [shop.pk, list(kinds), until, *([] if products is None else [list(products)])],
        )
        rows = [
            (
                owner, attribute,
                None if gone or items is not None else metafields.number(kinds[attribute], given, text),
                None if gone or items is None else [metafields.number(kinds[attribute], None, each) for each in items],
                event, version_at, known_at,
            )
            for owner, attribute, given, text, items, gone, event, version_at, known_at in cursor.fetchall()
        ]  # fmt: skip
    return pl.DataFrame(rows, schema=dict(METAFIELDS), orient="row")


def reaching(moment: datetime, looks_back: timedelta) -> datetime:
    """Where reading must begin; never before what a time column can hold."""
    try:
        return moment - looks_back
    except OverflowError:
        return datetime(1970, 1, 1, tzinfo=moment.tzinfo)


def _in_turn(frame: pl.DataFrame) -> pl.DataFrame:
    """`event` as the place of each event among those read, in the order in which they were told."""
    turns = frame.select("event", "told_at").unique().sort("told_at", "event").with_row_index("turn")
    found = frame.join(turns.select("event", "turn"), on="event", how="left", maintain_order="left")
    return found.drop("event").rename({"turn": "event"}).cast({"event": pl.Int64})


def _copy(query: str, values: dict[str, Any], schema: Schema) -> pl.DataFrame:
    """Rows of a query as a frame, its columns in the order of the schema, by COPY: no Python object for a row.

    Memory: the frame, and `PART_BYTES` of text.
    """
    found: list[pl.DataFrame] = []
    held = bytearray()
    with connection.cursor() as cursor:
        with cursor.copy(f"copy ({query}) to stdout with (format csv)", values) as copy:
            for part in copy:  # each is whole rows
                held += part
                if len(held) > PART_BYTES:
                    found.append(_parsed(held, schema))
                    held = bytearray()
    if held:
        found.append(_parsed(held, schema))
    return pl.concat(found) if found else pl.DataFrame(schema=dict(schema))


def _parsed(text: bytearray, schema: Schema) -> pl.DataFrame:
    raw = {
        name: pl.Int64 if kind == MOMENT else pl.String if kind == pl.Boolean else kind
        for name, kind in schema.items()
    }
    frame = pl.read_csv(io.BytesIO(text), has_header=False, new_columns=list(schema), schema_overrides=raw)
    return frame.select(
        pl.from_epoch(name, time_unit="us").dt.replace_time_zone("UTC").alias(name)
        if kind == MOMENT
        else (pl.col(name) == "t").alias(name)
        if kind == pl.Boolean
        else pl.col(name)
        for name, kind in schema.items()
    )
