"""Did prices or stock jump since yesterday? Pure: two pictures of the catalogue in, sentences out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from mlops.features.events import MarkerKind

# A price that moved by less is a rounding, not a decision.
LEAST_MOVE = Decimal("0.05")
# Fewer than a tenth of the catalogue is daily business; fewer than five variants are an anecdote.
LEAST_SHARE = 0.10
LEAST_VARIANTS = 5


@dataclass(frozen=True, slots=True)
class Offered:
    """How a variant was offered at one moment; `price` in the shop's currency."""

    price: Decimal
    sellable: bool


Catalogue = Mapping[int, Offered]


@dataclass(frozen=True, slots=True)
class Jump:
    kind: MarkerKind
    detail: str


def jumps(before: Catalogue, after: Catalogue) -> tuple[Jump, ...]:
    """What jumped between two pictures, judged by the variants that are in both: new and removed ones are no jump.

    Prices jumped when at least `LEAST_SHARE` of the variants (and `LEAST_VARIANTS`) moved by `LEAST_MOVE` or more, stock
    when that share changed between sold out and for sale, each way counted against the other.
    """
    both = before.keys() & after.keys()
    if not both:
        return ()
    least = max(LEAST_VARIANTS, LEAST_SHARE * len(both))
    found = []
    moves = [
        (after[each].price - before[each].price) / before[each].price for each in both if before[each].price
    ]
    moved = [move for move in moves if abs(move) >= LEAST_MOVE]
    if len(moved) >= least:
        told = f"{len(moved)} of {len(both)} variants, the middle one by {_percent(median(moved))}"
        found.append(Jump(MarkerKind.PRICES_JUMPED, told))
    out = sum(before[each].sellable and not after[each].sellable for each in both)
    back = sum(after[each].sellable and not before[each].sellable for each in both)
    if abs(out - back) >= least:
        what = f"{out} sold out, {back} came back" if back else f"{out} sold out"
        told = what if out else f"{back} came back"
        found.append(Jump(MarkerKind.STOCK_JUMPED, f"{told}, of {len(both)} variants"))
    return tuple(found)


def _percent(share: Decimal) -> str:
    return f"{share:+.0%}".replace("-", "−")
