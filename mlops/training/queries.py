"""What each slot is asked for in a window of the past, and what was right. Pure; draws come from the generator given.

- product_page: one product of an order; right are the others of that order.
- cart: an order of at least three products without one; right is the one left out.
- home: nothing is known; right is all of the order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.features.events import SlotName
from mlops.training.purchases import Purchases

# The interval of a mean over 2,000 queries is about +-0.01: more would cost time and change no decision.
MOST_QUERIES = 2_000


@dataclass(frozen=True, slots=True)
class Query:
    """Args:
    context: product ids that are known when the slot is asked.
    relevant: product ids that were bought with them.
    unit: whose query it is, for the bootstrap: a customer, or a negative number of its own for a guest.
    """

    context: tuple[int, ...]
    relevant: frozenset[int]
    unit: int


def queries(
    slot: SlotName, window: Purchases, catalogue: npt.NDArray[np.int64], generator: np.random.Generator
) -> list[Query]:
    """Queries of one slot from the orders of a window, at most `MOST_QUERIES`, in order of time.

    Args:
        catalogue: products that a model fitted before the window can know; others are neither asked nor right.
    """
    known = np.isin(window.product_ids, catalogue)[window.product]
    product, order = window.product_ids[window.product[known]], window.order[known]
    sizes = np.bincount(order, minlength=window.n_orders)
    least = {SlotName.PRODUCT_PAGE: 2, SlotName.CART: 3}.get(slot, 1)
    usable = np.flatnonzero(sizes >= least)
    if len(usable) > MOST_QUERIES:
        usable = np.sort(generator.choice(usable, MOST_QUERIES, replace=False))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    found: list[Query] = []
    for each in usable:
        basket = [int(one) for one in product[starts[each] : starts[each + 1]]]
        unit = int(window.customer[each]) if window.customer[each] >= 0 else -1 - int(each)
        pick = basket[int(generator.integers(len(basket)))]
        others = tuple(one for one in basket if one != pick)
        if slot == SlotName.PRODUCT_PAGE:
            found.append(Query((pick,), frozenset(others), unit))
        elif slot == SlotName.CART:
            found.append(Query(others, frozenset({pick}), unit))
        else:
            found.append(Query((), frozenset(basket), unit))
    return found
