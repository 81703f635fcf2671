"""From what a request names to the object of the request's shop. There is no other way to an object here.

Another shop's id answers exactly like a missing one.
"""

from __future__ import annotations

from mlops.features.events import STOREFRONT_SLOTS, SlotName
from mlops.registry import store as registry
from mlops.registry.models import Version
from tenancy.errors import NotFound

_LONGEST_ID = 18  # digits that fit the column


def access_version(version_id: str) -> Version:
    """The version of the open scope's shop.

    Raises:
        NotFound: malformed, missing, or another shop's.
    """
    if not (version_id.isascii() and version_id.isdecimal() and len(version_id) <= _LONGEST_ID):
        raise NotFound(
            "there is no such version", code="version_not_found", next_step="Reload the list of versions."
        )
    return registry.access_version(int(version_id))


def delivery_number(delivery_id: str) -> int:
    """The number of a webhook delivery; whose it is, `dead_letters` knows.

    Raises:
        NotFound: no delivery has such a number.
    """
    if not (delivery_id.isascii() and delivery_id.isdecimal() and len(delivery_id) <= _LONGEST_ID):
        raise NotFound(
            "There is no such delivery.",
            code="delivery_not_found",
            next_step="Reload the list of deliveries.",
        )
    return int(delivery_id)


def access_slot(name: str) -> SlotName:
    """A slot that can be changed by hand.

    Raises:
        NotFound: there is none of this name.
    """
    try:
        slot = SlotName(name)
    except ValueError:
        slot = SlotName.FORECAST
    if slot not in STOREFRONT_SLOTS:
        raise NotFound("There is no such place.", code="slot_not_found", next_step="Go back to the overview.")
    return slot
