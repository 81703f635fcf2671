"""A few places for products that nobody has bought yet, so that the next version can know them.

Thompson sampling (Thompson 1933; Chapelle and Li 2011): each new product's chance to be clicked is drawn from what its
showings told so far, and the highest draw is shown. Everything is drawn from the exposure's id, so an answer can be
computed again. Pure but for the shelf.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from django.conf import settings

from mlops.features.newcomers import Newcomer
from storefront_proxy.eligibility import Shelf

NEW = "new"
# Before anything is known one showing in twenty is clicked.
CLICKS, REFUSALS = 1.0, 19.0
# What is like the first products of the answer goes before the rest of what is new.
FIRST = 5


def places(limit: int, share: float, draw: random.Random) -> int:
    """How many of an answer's places are for trying: in the long run that share of all, never more than one above it."""
    return int(limit * share + draw.random())


def place(shelf: Shelf, new: Sequence[Newcomer], seed: str) -> None:
    """Give new products their places in the lower half of a full answer; each displaces one product.

    Raises:
        RedisError: the fast copy does not answer.
    """
    draw = random.Random(seed)  # noqa: S311 not cryptography: the id names the draw
    count = min(places(len(shelf.shown), settings.EXPLORE_PERCENT / 100, draw), len(shelf.shown) - 1)
    if count <= 0 or not new:
        return
    around = {product_id for product_id, _, _ in shelf.shown[:FIRST]} | shelf.barred
    order = sorted(
        new,
        key=lambda each: (
            around.isdisjoint(each.alike),
            -draw.betavariate(CLICKS + each.clicked, REFUSALS + max(each.shown - each.clicked, 0)),
            each.product_id,
        ),
    )
    shelf.displace([each.product_id for each in order], count, NEW, draw)
