"""Chosen metafields as features: what was chosen, the values told, and the frame that trainers read.

Only what was chosen and is not personal is ever kept; what is
dropped or marked personal leaves the table and the event log.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from mlops.features.arrays import array
from mlops.features.attribute_values import LONGEST_RAW, read
from mlops.features.encoding import Encoded
from mlops.features.events import AttributeKind, AttributeOwner, AttributeTold, Event, ProductChanged
from mlops.features.models import Attribute
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.scope import scope, scoped

# A page of 60 products, or of 100 variants, still costs less than the 1,000 points that one call may ask.
MOST_CHOSEN = {AttributeOwner.PRODUCT: 10, AttributeOwner.VARIANT: 6}
LOCK_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Chosen:
    """One chosen metafield; `many`: it holds a list."""

    id: int
    owner: AttributeOwner
    namespace: str
    key: str
    name: str
    type: str
    kind: AttributeKind
    many: bool

    @property
    def column(self) -> str:
        """Its name in the frame of its owner."""
        return f"{self.namespace}.{self.key}"


@dataclass(frozen=True, slots=True)
class Counted:
    """How a chosen metafield is filled now.

    Args:
        owners: living products, or their variants.
        values: of them with a usable value.
        aside: of them with a value that could not be used.
        distinct: different usable values.
    """

    owners: int
    values: int
    aside: int
    distinct: int


class TooMany(ValueError):
    """As many are chosen as one call to Shopify may ask for."""


class IsPersonal(ValueError):
    """It is marked as personal."""


def chosen(shop: Shop) -> tuple[Chosen, ...]:
    """What the merchant chose, oldest first."""
    with scope(shop):
        rows = Attribute.objects.filter(shop=shop, personal=False).order_by("id")
        return tuple(_chosen(row) for row in rows)


def personal(shop: Shop) -> frozenset[tuple[str, str, str]]:
    """Owner, namespace and key of what the merchant marked as personal."""
    with scope(shop):
        rows = Attribute.objects.filter(shop=shop, personal=True)
        return frozenset(rows.values_list("owner", "namespace", "key"))


def choose(
    shop: Shop,
    *,
    owner: AttributeOwner,
    namespace: str,
    key: str,
    name: str,
    type: str,
    kind: AttributeKind,
    many: bool,
    now: datetime,
) -> Chosen:
    """Keep this metafield from now on; choosing again what is chosen changes nothing.

    Raises:
        TooMany: `MOST_CHOSEN` of this owner are chosen.
        IsPersonal: it was marked as personal.
        Transient: a writer of this shop held on for `LOCK_WAIT_S` seconds.
    """
    with transaction.atomic(), scope(shop):
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        held = Attribute.objects.filter(shop=shop, owner=owner.value)
        row = held.filter(namespace=namespace, key=key).first()
        if row is not None and row.personal:
            raise IsPersonal(f"{namespace}.{key} is marked as personal")
        if row is not None and (row.type, row.kind, row.many) == (type, kind.value, many):
            return _chosen(row)
        if row is not None:  # its type was changed in Shopify: values of the old one are of no use
            _forget(shop.pk, row)
        elif held.filter(personal=False).count() >= MOST_CHOSEN[owner]:
            raise TooMany(f"{MOST_CHOSEN[owner]} {owner.value} metafields are chosen")
        return _chosen(
            Attribute.objects.create(
                shop=shop, owner=owner.value, namespace=namespace, key=key, name=name[:255], type=type,
                kind=kind.value, many=many, changed_at=now,
            )
        )  # fmt: skip


def drop(shop: Shop, *, owner: AttributeOwner, namespace: str, key: str) -> bool:
    """Forget the choice and every value of it, in the log too; False when nothing was held. Ends a mark as well.

    Raises:
        Transient: a writer of this shop held on for `LOCK_WAIT_S` seconds.
    """
    with transaction.atomic(), scope(shop):
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        row = Attribute.objects.filter(shop=shop, owner=owner.value, namespace=namespace, key=key).first()
        if row is None:
            return False
        _forget(shop.pk, row)
        return True


def bar(
    shop: Shop, *, owner: AttributeOwner, namespace: str, key: str, name: str, type: str, now: datetime
) -> None:
    """Mark a metafield as personal: its values go, and it cannot be chosen until `drop` ends the mark.

    Raises:
        Transient: a writer of this shop held on for `LOCK_WAIT_S` seconds.
    """
    with transaction.atomic(), scope(shop):
        drop(shop, owner=owner, namespace=namespace, key=key)
        Attribute.objects.create(
            shop=shop, owner=owner.value, namespace=namespace, key=key, name=name[:255], type=type,
            kind=AttributeKind.CATEGORY.value, many=False, personal=True, changed_at=now,
        )  # fmt: skip


def forget_mentions(shop: Shop, texts: Sequence[str]) -> int:
    """Take out every value in which one of these texts stands, of the log too; returns how many rows changed. Safe twice.

    Call it in a transaction that holds the shop's EVENTS lock, and in its scope.
    """
    names: dict[str, Any] = {"shop": shop.pk, "texts": list(texts)}
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_VALUES_SQL, names)
        changed: int = cursor.rowcount
        cursor.execute(_FORGET_EVENTS_SQL, names)
        return changed + int(cursor.rowcount)


def only_chosen(shop: Shop, events: Sequence[Event]) -> list[Event]:
    """The events without values of metafields that are not chosen (any more)."""
    if not any(isinstance(each, ProductChanged) and each.attributes for each in events):
        return list(events)
    ids = {each.id for each in chosen(shop)}
    return [
        replace(each, attributes=tuple(told for told in each.attributes if told.attribute_id in ids))
        if isinstance(each, ProductChanged) and each.attributes
        else each
        for each in events
    ]


def keep(cursor: CursorWrapper, shop: Shop, fresh: Sequence[Encoded], now: datetime) -> None:
    """Write the values that these events tell and that differ from the present ones; part of `store.append`."""
    newest: dict[tuple[int, int], tuple[datetime, int, AttributeTold]] = {}
    for each in fresh:
        if isinstance(each.event, ProductChanged):
            for told in each.event.attributes or ():
                held = newest.get((told.attribute_id, told.owner_id))
                if held is None or each.version_at >= held[0]:
                    newest[told.attribute_id, told.owner_id] = (each.version_at, each.event.product_id, told)
    if not newest:
        return
    kinds = {each.id: (each.kind, each.many) for each in chosen(shop)}
    rows = [
        (at, product_id, told, read(told.raw, told.type, kinds[told.attribute_id], currency=shop.currency))
        for at, product_id, told in newest.values()
        if told.attribute_id in kinds
    ]
    values = [
        array("bigint", [told.attribute_id for _, _, told, _ in rows]),
        array("bigint", [told.owner_id for _, _, told, _ in rows]),
        array("bigint", [product_id for _, product_id, _, _ in rows]),
        array("timestamptz", [at for at, _, _, _ in rows]),
        array("text", [None if told.raw is None else told.raw[:LONGEST_RAW] for _, _, told, _ in rows]),
        array("numeric", [value.number for _, _, _, value in rows]),
        array("text", [value.text for _, _, _, value in rows]),
        array("text", [json.dumps(value.items) if value.items is not None else None for *_, value in rows]),
        array("text", [value.problem for _, _, _, value in rows]),
    ]
    cursor.execute(_CONFIRM_SQL, [shop.pk, *values])
    cursor.execute(_KEEP_SQL, [shop.pk, now, *values, shop.pk])


@scoped
def held_raw(shop: Shop, attribute_id: int, owner_ids: Sequence[int]) -> dict[int, str]:
    """The present text of one metafield by owner, as told; owners without a value are absent."""
    with scope(shop), connection.cursor() as cursor:
        cursor.execute(
            "select distinct on (owner_id) owner_id, raw from features_attributevalue where shop_id = %s"
            " and attribute_id = %s and owner_id = any(%s) order by owner_id, version_at desc, id desc",
            [shop.pk, attribute_id, list(owner_ids)],
        )
        return {owner: raw for owner, raw in cursor.fetchall() if raw is not None}


@scoped
def counted(shop: Shop, each: Chosen) -> Counted:
    """How this choice is filled in the living catalogue."""
    with scope(shop), connection.cursor() as cursor:
        cursor.execute(LIVING[each.owner] + _COUNTED_SQL, {"shop": shop.pk, "attribute": each.id})
        return Counted(*cursor.fetchone())


@scoped
def _forget(shop_id: int, row: Attribute) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from features_attributevalue where shop_id = %s and attribute_id = %s", [shop_id, row.pk]
        )
        cursor.execute(
            "update features_event set payload = jsonb_set(payload, '{attributes}', coalesce((select"
            " jsonb_agg(told) from jsonb_array_elements(payload->'attributes') told"
            " where (told->>'attribute_id')::bigint <> %(id)s), '[]'::jsonb))"
            " where shop_id = %(shop)s and kind = 'product'"
            " and payload->'attributes' @> jsonb_build_array(jsonb_build_object('attribute_id', %(id)s::bigint))",
            {"shop": shop_id, "id": row.pk},
        )
    row.delete()


def _chosen(row: Attribute) -> Chosen:
    return Chosen(
        id=row.pk,
        owner=AttributeOwner(row.owner),
        namespace=row.namespace,
        key=row.key,
        name=row.name,
        type=row.type,
        kind=AttributeKind(row.kind),
        many=row.many,
    )


_MENTIONS = "exists (select from unnest(%(texts)s::text[]) as mention where strpos({}, mention) > 0)"
_FORGET_VALUES_SQL = f"""
update features_attributevalue set raw = null, number = null, text = '', items = null, problem = ''
 where shop_id = %(shop)s and {_MENTIONS.format("raw")}
"""  # noqa: S608 constants of this file
_FORGET_EVENTS_SQL = f"""
update features_event set payload = jsonb_set(payload, '{{attributes}}', (
         select jsonb_agg(case when {_MENTIONS.format("told->>'raw'")} then told - 'raw' - 'type' else told end)
           from jsonb_array_elements(payload->'attributes') told))
 where shop_id = %(shop)s and kind = 'product' and payload ? 'attributes'
   and {_MENTIONS.format("(payload->'attributes')::text")}
"""  # noqa: S608 constants of this file
LIVING = {
    AttributeOwner.PRODUCT: "with living as (select product_id as owner_id, product_id from features_product"
    " where shop_id = %(shop)s and deleted_at is null)",
    AttributeOwner.VARIANT: "with living as (select v.variant_id as owner_id, v.product_id from features_variant v"
    " join features_product p using (shop_id, product_id) where v.shop_id = %(shop)s and p.deleted_at is null)",
}
_COUNTED_SQL = """
select count(*), count(v.raw) filter (where v.problem = ''), count(*) filter (where v.problem <> ''),
       count(distinct v.raw) filter (where v.problem = '')
  from living l
  left join lateral (select raw, problem from features_attributevalue v
                      where v.shop_id = %(shop)s and v.attribute_id = %(attribute)s and v.owner_id = l.owner_id
                      order by version_at desc, id desc limit 1) v on true
"""
_TOLD = """unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::text[], %s::numeric[], %s::text[],
       %s::text[], %s::text[])
       as u(attribute_id, owner_id, product_id, version_at, raw, number, text, items, problem)"""
_CONFIRM_SQL = f"""
update features_attributevalue v set confirmed_at = u.version_at
  from (select %s::bigint as shop_id, u.* from {_TOLD}) u
 where v.shop_id = u.shop_id and v.attribute_id = u.attribute_id and v.owner_id = u.owner_id
   and v.confirmed_at < u.version_at and v.raw is not distinct from u.raw and v.problem = u.problem
   and v.id = (select n.id from features_attributevalue n
                where n.shop_id = u.shop_id and n.attribute_id = u.attribute_id and n.owner_id = u.owner_id
                order by n.version_at desc, n.id desc limit 1)
"""  # noqa: S608 constants of this file
# A value that is older than the present one, or that says the same, is no news.
_KEEP_SQL = f"""
insert into features_attributevalue (shop_id, known_at, attribute_id, owner_id, product_id, version_at, confirmed_at,
                                     raw, number, text, items, problem)
select %s, %s, u.attribute_id, u.owner_id, u.product_id, u.version_at, u.version_at, u.raw, u.number, u.text,
       case when u.items is not null then array(select jsonb_array_elements_text(u.items::jsonb)) end, u.problem
  from {_TOLD}
  left join lateral (select v.raw, v.confirmed_at, v.problem from features_attributevalue v
                      where v.shop_id = %s and v.attribute_id = u.attribute_id and v.owner_id = u.owner_id
                      order by v.version_at desc, v.id desc limit 1) held on true
 where (held.confirmed_at is null or u.version_at >= held.confirmed_at)
   and (u.raw is distinct from held.raw or u.problem is distinct from coalesce(held.problem, ''))
"""  # noqa: S608 constants of this file
