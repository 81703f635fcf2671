"""The merchant's choice of metafields: what Shopify defines, what of it can be learnt from, and changing the choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from mlops.features import attributes
from mlops.features.attribute_values import meaning
from mlops.features.attributes import MOST_CHOSEN, Chosen, Counted, IsPersonal, TooMany
from mlops.features.events import AttributeOwner
from shopify_app.graphql.client import AdminClient
from shopify_app.graphql.picks import BadName, Pick
from shopify_app.sync import backfill
from shopify_app.sync.models import Resource
from tenancy.audit import record
from tenancy.errors import UserFixable
from tenancy.models import Shop

# Shopify keeps no more definitions of one kind of object than this.
MOST_PAGES = 5
PERSONAL_OWNERS = {"customer": "CUSTOMER", "order": "ORDER"}
OWNERS = {
    AttributeOwner.PRODUCT.value: "PRODUCT",
    AttributeOwner.VARIANT.value: "PRODUCTVARIANT",
    **PERSONAL_OWNERS,
}
ABOUT_PEOPLE = "It belongs to a person or to what a person bought: the app never reads it."
MARKED = "You marked it as personal: it is neither read nor kept."
GONE = "Shopify no longer defines it: its values stay until you stop using it."


class Use(StrEnum):
    CHOSEN = "chosen"
    UNUSED = "unused"
    REFUSED = "refused"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True)
class Definition:
    """A metafield as Shopify defines it, and what becomes of it here.

    Args:
        owner: `product`, `variant`, `customer` or `order`.
        kind: what it means to a model; empty when it means nothing.
        reason: why it is refused or personal, or what else to know.
        counted: of a chosen one, how it is filled.
    """

    owner: str
    namespace: str
    key: str
    name: str
    type: str
    use: Use
    kind: str = ""
    many: bool = False
    reason: str = ""
    counted: Counted | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One wish: `use` is chosen, unused or personal."""

    owner: AttributeOwner
    namespace: str
    key: str
    use: Use


def definitions(shop: Shop, client: AdminClient) -> list[Definition]:
    """Every metafield that Shopify defines for products, variants, customers and orders, and every chosen one.

    Raises:
        as `AdminClient.run`.
    """
    held = {(each.owner.value, each.namespace, each.key): each for each in attributes.chosen(shop)}
    barred = attributes.personal(shop)
    found: list[Definition] = []
    for owner, kind in OWNERS.items():
        for node in _defined(client, kind):
            name = (owner, str(node["namespace"]), str(node["key"]))
            chosen = held.pop(name, None)
            found.append(_definition(shop, name, node, chosen, marked=name in barred))
    return found + [_gone(shop, each) for each in held.values()]


def change(
    shop: Shop, client: AdminClient, changes: Sequence[Change], *, actor: str, reason: str, now: datetime
) -> bool:
    """Carry out all of the changes or none; True when the products are read again for it, by one bulk operation.

    Raises:
        UserFixable: one of them is not possible; the message says which and why. Nothing was changed.
        as `AdminClient.run`.
    """
    types = {(each.owner, each.namespace, each.key): each for each in definitions(shop, client)}
    fresh = False
    with transaction.atomic():
        # What ends first makes room for what begins.
        for each in sorted(changes, key=lambda wish: wish.use is Use.CHOSEN):
            known = types.get((each.owner.value, each.namespace, each.key))
            if known is None:
                raise UserFixable(
                    f"Shopify defines no metafield {each.namespace[:64]}.{each.key[:64]} for this. Nothing was changed.",
                    code="metafield_not_found",
                    next_step="Reload the page: the definition may have been removed.",
                )
            fresh |= _apply(shop, each, known, now)
        if fresh:
            backfill.restart(shop, now=now, resources=(Resource.PRODUCTS,))
        told = [f"{each.use.value} {each.owner.value} {each.namespace}.{each.key}" for each in changes]
        record(shop, actor=actor, action="metafields.changed", now=now, reason=reason, data={"changes": told})
    return fresh


def _apply(shop: Shop, wish: Change, known: Definition, now: datetime) -> bool:
    """True when values are to be fetched."""
    name = f"{wish.namespace}.{wish.key}"
    if wish.use is Use.UNUSED:
        attributes.drop(shop, owner=wish.owner, namespace=wish.namespace, key=wish.key)
        return False
    if wish.use is Use.PERSONAL:
        attributes.bar(
            shop, owner=wish.owner, namespace=wish.namespace, key=wish.key, name=known.name, type=known.type, now=now
        )  # fmt: skip
        return False
    means = meaning(known.type)
    if means.kind is None:
        raise UserFixable(
            f"{name} cannot be used: {means.refused}. Nothing was changed.", code="metafield_unusable"
        )
    if known.use is Use.CHOSEN and not known.reason:
        return False
    try:
        Pick(0, wish.owner.value, wish.namespace, wish.key)
        attributes.choose(
            shop, owner=wish.owner, namespace=wish.namespace, key=wish.key, name=known.name, type=known.type,
            kind=means.kind, many=means.many, now=now,
        )  # fmt: skip
    except BadName as error:
        raise UserFixable(
            f"{name[:80]} has a name that cannot be asked for. Nothing was changed.",
            code="metafield_unusable",
        ) from error
    except IsPersonal as error:
        raise UserFixable(
            f"{name} is marked as personal. Nothing was changed.",
            code="metafield_personal",
            next_step="Set it to not used first if it is not about a person.",
        ) from error
    except TooMany as error:
        most = MOST_CHOSEN[wish.owner]
        raise UserFixable(
            f"At most {most} metafields of {wish.owner.value}s can be used at a time. Nothing was changed.",
            code="too_many_metafields",
            next_step="Stop using another one first.",
        ) from error
    return True


def _defined(client: AdminClient, kind: str) -> Iterable[dict[str, object]]:
    after = None
    for _ in range(MOST_PAGES):
        told = client.run("MetafieldDefinitions", {"owner": kind, "after": after})["metafieldDefinitions"]
        yield from told["nodes"]
        if not told["pageInfo"]["hasNextPage"]:
            return
        after = told["pageInfo"]["endCursor"]


def _definition(
    shop: Shop, name: tuple[str, str, str], node: dict[str, object], chosen: Chosen | None, *, marked: bool
) -> Definition:
    owner, namespace, key = name
    told: object = node["type"]
    type_name = str(told["name"]) if isinstance(told, dict) else ""
    means = meaning(type_name)
    use, reason = Use.UNUSED, ""
    if owner in PERSONAL_OWNERS:
        use, reason = Use.PERSONAL, ABOUT_PEOPLE
    elif marked:
        use, reason = Use.PERSONAL, MARKED
    elif chosen is not None:
        use = Use.CHOSEN
        if chosen.type != type_name:
            reason = f"Its type was {chosen.type} when you chose it: choose it again to use the new values."
    elif means.kind is None:
        use, reason = Use.REFUSED, means.refused[:1].upper() + means.refused[1:] + "."
    return Definition(
        owner, namespace, key, str(node["name"]), type_name, use,
        kind=means.kind.value if means.kind else "", many=means.many, reason=reason,
        counted=attributes.counted(shop, chosen) if chosen is not None else None,
    )  # fmt: skip


def _gone(shop: Shop, chosen: Chosen) -> Definition:
    return Definition(
        chosen.owner.value, chosen.namespace, chosen.key, chosen.name, chosen.type, Use.CHOSEN,
        kind=chosen.kind.value, many=chosen.many, reason=GONE, counted=attributes.counted(shop, chosen),
    )  # fmt: skip
