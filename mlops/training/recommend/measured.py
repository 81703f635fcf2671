"""The measured model on the test window: every question of the window, asked of it and of what it must beat. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.features.events import SlotName
from mlops.predictors.recommend.features import Slot, eligible_items, owned_places
from mlops.predictors.recommend.signals import Batch, Signals
from mlops.predictors.recommend.two_stage import Choice, TwoStage, chunks
from mlops.training import measures
from mlops.training.gates import Beside
from mlops.training.measures import DEPTH, NAMES, NOBODY, Catalogue, Items
from mlops.training.recommend.sales import GUEST, Sales
from mlops.training.recommend.windows import Asked, ask

# The interval of a mean over 1,500 queries is about +-0.015: more would cost time and change no decision.
MOST_ASKED = 1_500
POPULARITY, OWN, PREVIOUS = "popularity", "own_frequency", "previous_version"
# What each place of the storefront is asked. The home page is asked by whoever comes: known customers and newcomers.
QUESTIONS: Mapping[SlotName, tuple[Slot, ...]] = {
    SlotName.PRODUCT_PAGE: (Slot.PAGE,),
    SlotName.CART: (Slot.CART,),
    SlotName.HOME: (Slot.HOME, Slot.COLD),
}
NDCG = NAMES.index("ndcg@10")


@dataclass(frozen=True, slots=True)
class Answered:
    """The queries of one kind, with the answers by who gave them (`model`, and its rivals)."""

    asked: Asked
    answers: dict[str, Items]


def answered(sales: Sales, model: TwoStage, length: float, seed: int) -> dict[Slot, Answered]:
    """What would have been asked in the window after the model's cut-off; kinds that nobody asked are left out."""
    now = model.signals.now
    found = {}
    own = own_counts(sales.before(now))
    for slot in Slot:
        generator = np.random.default_rng([seed, 99, list(Slot).index(slot)])
        asked = ask(slot, sales, now, length, generator, MOST_ASKED)
        if len(asked):
            plain = baselines(model.signals, asked.batch, own)
            found[slot] = Answered(asked, {"model": answers_of(model, asked.batch), **plain})
    return found


def answers_of(model: TwoStage, batch: Batch) -> Items:
    """The first `DEPTH` items of each query."""
    found = np.full((len(batch), DEPTH), NOBODY, np.int64)
    for row, answer in enumerate(model.recommend(batch, np.full(len(batch), DEPTH, np.int64))):
        found[row, : len(answer.item)] = answer.item
    return found


def own_counts(sales: Sales) -> sparse.csr_matrix:
    """Customers by items: in how many orders."""
    return sales.customers_matrix()


def baselines(signals: Signals, batch: Batch, own: sparse.csr_matrix) -> dict[str, Items]:
    """What costs nothing: decayed popularity, and what the customer bought most often, then popularity."""
    found = {name: np.full((len(batch), DEPTH), NOBODY, np.int64) for name in (POPULARITY, OWN)}
    popular = signals.popularity["popular"].astype(np.float64)
    popular = popular / max(float(popular.max(initial=0.0)), 1e-12) / 2
    for part in chunks(len(batch), signals):
        rows = batch.take(part)
        eligible = eligible_items(signals, rows, owned_places(signals, rows))
        counts = np.zeros(eligible.shape)
        known = np.flatnonzero(rows.customer != GUEST)
        counts[known] = own[rows.customer[known]].toarray()
        for name, scores in ((POPULARITY, np.broadcast_to(popular, counts.shape)), (OWN, counts + popular)):
            found[name][part] = _first(np.where(eligible, scores, -np.inf))
    return found


def catalogue_of(
    sales: Sales, signals: Signals, content: sparse.csr_matrix | None, in_stock: npt.NDArray[np.bool_] | None
) -> Catalogue:
    """What could be answered at the model's cut-off."""
    before = sales.before(signals.now)
    orders = max(len(np.unique(before.order)), 1)
    return Catalogue(
        eligible=signals.known,
        share=np.bincount(before.item, minlength=sales.n_items) / orders,
        alike=content,
        in_stock=in_stock,
    )


def better_baseline(found: Answered) -> str:
    """The baseline with the higher NDCG@10; popularity on a tie."""
    told = {name: _ndcg(found, name).mean() for name in (POPULARITY, OWN)}
    return OWN if told[OWN] > told[POPULARITY] else POPULARITY


def giving_way(slot: Slot, found: Answered, seed: int) -> Choice | None:
    """The baseline that answers in the model's place, where the model is worse beyond the interval; None where it is not."""
    name = better_baseline(found)
    gain = _ndcg(found, "model") - _ndcg(found, name)
    (interval,) = measures.intervals(gain[:, None], found.asked.unit, seed)
    if interval.high >= 0:
        return None
    known = "own_h180" if name == OWN and slot not in (Slot.NEW,) else "popular"
    return Choice(known, "popular")


def report(found: Mapping[Slot, Answered], catalogue: Catalogue, seed: int) -> dict[str, Any]:
    """The measures by place of the storefront (`slots`) and by kind of question (`questions`), ready for JSON."""
    slots, questions = {}, {}
    for slot, each in found.items():
        questions[slot.value] = _report([each], catalogue, seed)
    for place, kinds in QUESTIONS.items():
        held = [found[slot] for slot in kinds if slot in found]
        slots[place.value] = _report(held, catalogue, seed) if held else {"queries": 0}
    return {"slots": slots, "questions": questions}


def beside(found: Mapping[Slot, Answered], rival: str, seed: int) -> Beside | None:
    """The model beside a rival over the storefront's places, each place counting the same; None where it did not answer.

    Relative: the mean difference of NDCG@10 by the rival's mean; the interval draws customers.
    """
    ours, theirs, units = [], [], []
    for kinds in QUESTIONS.values():
        held = [found[slot] for slot in kinds if slot in found and rival in found[slot].answers]
        count = sum(len(each.asked) for each in held)
        for each in held:
            ours.append(_ndcg(each, "model") / count)
            theirs.append(_ndcg(each, rival) / count)
            units.append(each.asked.unit)
    if not ours or not float(np.concatenate(theirs).sum()):
        return None
    return relative(
        np.concatenate(ours), np.concatenate(theirs), np.concatenate(units), rival.replace("_", " "), seed
    )


def besides(found: Mapping[Slot, Answered], seed: int) -> dict[str, Any]:
    """The model beside the better baseline of each place and beside the version before, ready for JSON."""
    baselines = []
    for place, kinds in QUESTIONS.items():
        held = {slot: found[slot] for slot in kinds if slot in found}
        for slot, each in held.items():
            name = better_baseline(each)
            told = beside({slot: each}, name, seed)
            if told is not None:
                baselines.append({**asdict(told), "name": f"{name.replace('_', ' ')} on {place.value}"})
    previous = beside(found, PREVIOUS, seed)
    return {"baselines": baselines, "previous": None if previous is None else asdict(previous)}


def relative(
    ours: npt.NDArray[np.float64],
    theirs: npt.NDArray[np.float64],
    units: npt.NDArray[Any],
    name: str,
    seed: int,
) -> Beside:
    """The gain of sums relative to the rival's, with the 95 % interval over drawn units."""
    _, unit = np.unique(units, return_inverse=True)
    n = int(unit.max()) + 1
    gain, base = np.bincount(unit, ours - theirs, n), np.bincount(unit, theirs, n)
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=measures.RESAMPLES)
    drawn = (times @ gain) / np.maximum(times @ base, 1e-12)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Beside(name, float((ours - theirs).sum() / theirs.sum()), float(low), float(high))


def _report(held: list[Answered], catalogue: Catalogue, seed: int) -> dict[str, Any]:
    rivals = set.intersection(*(set(each.answers) for each in held))
    return measures.report(
        {name: np.concatenate([each.answers[name] for each in held]) for name in sorted(rivals)},
        [items for each in held for items in each.asked.relevant],
        np.concatenate([each.asked.unit for each in held]),
        catalogue,
        baseline=POPULARITY,
        seed=seed,
    )


def _ndcg(found: Answered, name: str) -> npt.NDArray[np.float64]:
    return measures.per_query(found.answers[name], found.asked.relevant)[:, NDCG]


def _first(scores: npt.NDArray[np.float64]) -> Items:
    """The best `DEPTH` of each row, equal ones by item; `NOBODY` where nothing is left."""
    width = min(DEPTH, scores.shape[1])
    order = np.argsort(-scores, axis=1, kind="stable")[:, :width]
    found = np.where(np.take_along_axis(scores, order, axis=1) > -np.inf, order, NOBODY)
    return np.pad(found, ((0, 0), (0, DEPTH - width)), constant_values=NOBODY)
