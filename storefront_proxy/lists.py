"""What a recommender says to a query: within a time limit, never an exception, and from memory where nobody is named.

A list without a person depends on the version, the products and the day alone, so each process keeps it. A list of a
customer is private: it is made for one answer and not kept.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict

from mlops.predictors.protocols import Query, Recommended
from storefront_proxy.versions import Serving

log = logging.getLogger("shelfwise.storefront")

CANDIDATES = 200
# Of the 45 ms that an answer may take; the ranker's stand-in answers when it is spent.
BUDGET_S = 0.020
# A list of 200 products is 3.5 kB: at most 15 MB a process.
MOST_KEPT = 4_096
KEPT_S = 900.0
# What was made in haste is made again soon.
HASTY_S = 15.0

_Key = tuple[str, tuple[int, ...], tuple[int, ...], int]
_lock = threading.Lock()
_kept: OrderedDict[_Key, tuple[float, Recommended]] = OrderedDict()


def ask(serving: Serving, query: Query, *, budget_s: float = BUDGET_S) -> Recommended | None:
    """The answer; None when the recommender failed, which is logged: other tiers answer then."""
    now = time.monotonic()
    name = (serving.pointer.digest, query.context, query.recent, int(query.day))
    if query.customer is None:
        with _lock:
            held = _kept.get(name)
            if held is not None and held[0] > now:
                _kept.move_to_end(name)
                return held[1]
    late = False

    def too_late() -> bool:
        nonlocal late
        late = time.monotonic() - now > budget_s
        return late

    try:
        found = serving.predictor.recommend(query, CANDIDATES, late=too_late)
    except Exception:
        # Whatever a learnt model does wrong, the shop's visitors get products.
        log.exception("storefront.recommender_failed", extra={"version_id": serving.pointer.version_id})
        return None
    if query.customer is None:
        with _lock:
            _kept[name] = (now + (HASTY_S if late else KEPT_S), found)
            _kept.move_to_end(name)
            while len(_kept) > MOST_KEPT:
                _kept.popitem(last=False)
    return found


def forget() -> None:
    """Drop this process's memory."""
    with _lock:
        _kept.clear()
