"""What is known of a shop at one moment, as arrays: the input of every generator and feature. Pure.

`Signals` is fitted by `mlops.training.recommend.fit_signals`; it is read here and never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import sparse

if TYPE_CHECKING:
    from mlops.predictors.recommend.sequence import SequenceModel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Batch:
    """Queries.

    Args:
        customer: int32 [n_queries], `UNKNOWN` where nobody is named or the customer has no history.
        at: float64 [n_queries], day of the query on the clock of the sales.
        context: CSR [n_queries, n_items], 1 for each item that is seen or lies in the cart.
        exclude_owned: bool [n_queries], whether what the customer owns may not be answered.
    """

    customer: Ints
    at: npt.NDArray[np.float64]
    context: sparse.csr_matrix
    exclude_owned: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: npt.NDArray[np.intp] | slice) -> Batch:
        return Batch(self.customer[rows], self.at[rows], self.context[rows], self.exclude_owned[rows])


@dataclass(frozen=True, slots=True)
class Signals:
    """Everything that was learnt from the sales before `now`.

    Args:
        now: day of the cut-off.
        known: bool [n_items], sold at least once before `now`.
        item_features: float32 [n_items, n_item_features]; NaN = not known.
        item_names: their names.
        customer_features: float32 [n_customers, n_customer_features].
        customer_names: their names.
        own: customers by items; the data are positions in `own_features`.
        own_features: float32 [n_pairs, n_own_features], one row per (customer, item) that was bought.
        own_names: their names.
        vectors: customers by items by name (`h60`: by days, `r1.5`: by orders back), and `sessions`, orders by items;
            `...:items` is the same by item, weighted as its generator needs it.
        tables: items by items by name: row = what is seen or owned, column = what goes with it.
        popularity: float32 [n_items] shares by name.
        session_day, session_customer: float64, int32 [n_sessions], of the rows of `sessions`.
        sequence: what reads each customer's orders in their order; None where it was not learnt or not worth it.
    """

    now: float
    known: npt.NDArray[np.bool_]
    item_features: Floats
    item_names: tuple[str, ...]
    customer_features: Floats
    customer_names: tuple[str, ...]
    own: sparse.csr_matrix
    own_features: Floats
    own_names: tuple[str, ...]
    vectors: dict[str, sparse.csr_matrix]
    tables: dict[str, sparse.csr_matrix]
    popularity: dict[str, Floats]
    session_day: npt.NDArray[np.float64]
    session_customer: Ints
    sequence: SequenceModel | None = None

    @property
    def n_items(self) -> int:
        return len(self.known)
