"""Every view there is. The order within an entity is the order in its packed vectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mlops.feature_store import affinity, carts, metafields, offers, rfm, seasons, versions
from mlops.feature_store.declared import Entity, Feature, View
from mlops.feature_store.metafields import Metafield
from mlops.features import attributes
from tenancy.errors import NotFound
from tenancy.models import Shop

EVERYWHERE: tuple[View, ...] = (
    rfm.CUSTOMER,
    offers.PRODUCT,
    offers.VARIANT,
    carts.PRODUCT,
    carts.VISITOR,
    affinity.COPURCHASE,
    affinity.COVIEW,
    seasons.SHOP,
)
# Stored as neighbours of a product, not as one vector each.
NEIGHBOURS = (affinity.COPURCHASE, affinity.COVIEW)


@dataclass(frozen=True)
class Service:
    """What is packed into one online vector: all views of one entity."""

    entity: Entity
    views: tuple[View, ...]

    @cached_property
    def fingerprint(self) -> str:
        return versions.fingerprint(self.views)

    @cached_property
    def digests(self) -> dict[str, str]:
        """The version of each view, in the order of the vector."""
        return {view.name: versions.digest(view) for view in self.views}

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """In the order of the vector."""
        return tuple(each for view in self.views for each in view.features)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """`view.feature`, in the order of the vector."""
        return tuple(f"{view.name}.{each}" for view in self.views for each in view.names)


def views(shop: Shop) -> tuple[View, ...]:
    """All views of a shop: those of every shop, and those of the metafields that it chose."""
    return (*EVERYWHERE, *metafields.views(chosen(shop)))


def view(shop: Shop, name: str) -> View:
    """The view of this name.

    Raises:
        NotFound: there is none.
    """
    for each in views(shop):
        if each.name == name:
            return each
    raise NotFound(
        f"there is no view {name}", code="view_not_found", next_step="Choose one of the list of features."
    )


def chosen(shop: Shop) -> tuple[Metafield, ...]:
    """The chosen metafields, as this room looks at them."""
    return tuple(
        Metafield(each.id, each.column, each.name, each.kind, each.owner, each.many)
        for each in attributes.chosen(shop)
    )


def services(of: tuple[View, ...]) -> dict[Entity, Service]:
    """What is packed together, by entity."""
    packed = [each for each in of if each not in NEIGHBOURS]
    return {
        entity: Service(entity, tuple(each for each in packed if each.entity is entity))
        for entity in Entity
        if any(each.entity is entity for each in packed)
    }
