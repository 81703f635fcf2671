"""What each generator, group of features and member of the ensemble adds: left out one at a time, on windows inside the past.

Nothing is fitted anew but what orders the candidates. A generator that is left out names nothing (candidates that it alone had named
go) and tells nothing (its columns are empty); a group of features has its columns emptied; a member of the forecaster's ensemble says
nothing. What is measured is held out of all of it. A value below 0 says that the part brings something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlops.backtest.bench.sets import DemandSet, RankingSet
from mlops.backtest.forecast_files import read_question
from mlops.backtest.measures.demand import Scales, paired, per_series, summary
from mlops.backtest.measures.intervals import Doubles, by_units
from mlops.backtest.recommend_files import read_lines, read_products
from mlops.predictors.demand.panel import Panel
from mlops.predictors.recommend.features import PER_GENERATOR, SOURCES, Slot
from mlops.training.forecast.members import NAIVE, RECENT, Answers, View, ask, fit
from mlops.training.forecast.run import capped, serve, uncensored
from mlops.training.forecast.trials import Trial, trials
from mlops.training.recommend.cold_start import fit_cold_start
from mlops.training.recommend.content import content_table
from mlops.training.recommend.examples import Examples, joined
from mlops.training.recommend.fit import gather
from mlops.training.recommend.fit_signals import fit_signals
from mlops.training.recommend.ledger import ledger
from mlops.training.recommend.ranking import Setting, attempt, learnable
from mlops.training.recommend.windows import window_length, window_starts

WINDOWS = 3  # the newest is held out, the others are learnt from
SETTING = Setting("ablation", most_trees=80)
# Names of columns; what no pattern takes is a generator's.
GROUPS: Mapping[str, str] = {
    "freshness of the item": r"^(pop_|trend_|log_orders|since_last_sale|age$)",
    "season": r"^season",
    "price": r"price",
    "who buys the item": r"^(named_share|buyers|rebuy_share|new_share|basket|log_units)",
    "the customer's own history of the item": r"^own_(?!h60|h180)",
    "what kind of customer": r"^(c_|ahead)",
    "the context's items": r"^(x_size|x_log_|x_age|x_pop|x_basket|to_x_)",
    "spread over the context": r"^x_.*:(max|share)$",
    "ranks among the candidates": r":rank$",
    "shares of the best": r":ratio$",
}
Tell = Callable[[str], object]
Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Learning:
    """Examples of one slot: those that are learnt from, and those held out."""

    older: tuple[Examples, ...]
    held_out: Examples


def recommend_table(ranking: RankingSet, seed: int, tell: Tell) -> list[str]:
    """Markdown for all slots that have enough to learn from; empty when none has."""
    found = _gathered(ranking, seed, tell)
    out: list[str] = []
    for slot, learning in found.items():
        whole = attempt(learning.older, learning.held_out, seed, SETTING).ndcg
        out += [
            f"#### {ranking.name}, {slot}",
            "",
            f"{len(whole):,} held-out queries, NDCG@10 {whole.mean():.4f} with everything (at most {SETTING.most_trees} trees).",
            "",
            "| left out | NDCG@10 | difference [95 %] |",
            "| --- | ---: | ---: |",
        ]
        for name, without in _leaving_out(slot, learning):
            tell(f"{ranking.name}, {slot}: without {name}")
            told = attempt(without.older, without.held_out, seed, SETTING).ndcg
            change = by_units(told - whole, learning.held_out.unit)
            mark = "" if change.low <= 0 <= change.high else " **helps**" if change.high < 0 else " **harms**"
            out.append(
                f"| {name} | {told.mean():.4f} | {change.value:+.4f} [{change.low:+.4f}, {change.high:+.4f}]{mark} |"
            )
        out.append("")
    return out


def _gathered(ranking: RankingSet, seed: int, tell: Tell) -> dict[Slot, _Learning]:
    book = ledger(read_lines(ranking.train, now=datetime.now(UTC) + timedelta(days=1)))
    words = {} if ranking.products is None else read_products(ranking.products)
    content = content_table(book.skus, words, codes=book.sales.dated)
    sales, now = book.sales, book.now
    length = window_length(sales, now)
    half_life = fit_cold_start(sales, now, length, seed).half_life
    slots = [slot for slot in Slot if slot != Slot.COLD]
    held: dict[Slot, list[Examples]] = {slot: [] for slot in slots}
    older: dict[Slot, list[Examples]] = {slot: [] for slot in slots}
    for place, start in enumerate(window_starts(sales, now)[:WINDOWS]):
        tell(f"{ranking.name}: generators of window {place + 1}")
        signals = fit_signals(sales.before(start), start, length, half_life=half_life, content=content)
        for slot in slots:
            found = gather(slot, sales, signals, length, place, seed, hold_out=place == 0)
            if found is None:
                continue
            if found.held_out is not None:
                held[slot].append(found.held_out)
            else:
                older[slot] += found.sampled
        del signals
    return {
        slot: _Learning(tuple(older[slot]), joined(held[slot]))
        for slot in slots
        if held[slot] and older[slot] and learnable(older[slot], joined(held[slot]))
    }


def _leaving_out(slot: Slot, learning: _Learning) -> Iterator[tuple[str, _Learning]]:
    names = learning.held_out.names
    told = [name for name in names if not np.isnan(_column(learning.held_out, name)).all()]
    for name in SOURCES[slot]:
        if name in told:
            yield (
                f"generator {name}",
                _Learning(
                    tuple(_asked(_without_generator(each, slot, name)) for each in learning.older),
                    _without_generator(learning.held_out, slot, name),
                ),
            )
    for group, pattern in GROUPS.items():
        columns = [name for name in told if re.search(pattern, name)]
        if columns:
            yield (
                f"features: {group} ({len(columns)})",
                _Learning(
                    tuple(emptied(each, columns) for each in learning.older),
                    emptied(learning.held_out, columns),
                ),
            )


def _without_generator(found: Examples, slot: Slot, name: str) -> Examples:
    others = np.zeros(len(found.item), bool)
    for each in SOURCES[slot]:
        if each != name and each in found.names:
            others |= _named(found, each)
    columns = [each for each in found.names if each == name or each.startswith(f"{name}:")]
    return kept(emptied(found, columns), others | ~_named(found, name))


def _asked(found: Examples) -> Examples:
    """Queries that have a candidate left."""
    return found.of(found.sizes > 0)


def _named(found: Examples, source: str) -> Rows:
    """bool [n_pairs], whether this source is among those that named the pair."""
    if f"{source}:rank" in found.names:
        rank = _column(found, f"{source}:rank")
        return np.asarray(rank < PER_GENERATOR)
    # What sells best has the same order for every query: its rank is not among the columns.
    value = _column(found, source)
    query = np.repeat(np.arange(len(found.sizes)), found.sizes)
    order = np.lexsort((found.item, -np.nan_to_num(value), query))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(found.sizes) - found.sizes, found.sizes)
    return np.asarray((place < PER_GENERATOR) & (value > 0))


def emptied(found: Examples, columns: Sequence[str]) -> Examples:
    """The same with these columns unknown."""
    x = found.x.copy()
    x[:, [found.names.index(name) for name in columns]] = np.nan
    return replace(found, x=x)


def kept(found: Examples, rows: Rows) -> Examples:
    """The same with these candidates alone; a query without any keeps its place, and what it misses counts."""
    query = np.repeat(np.arange(len(found.sizes)), found.sizes)
    sizes = np.bincount(query[rows], minlength=len(found.sizes))
    return replace(
        found,
        x=found.x[rows],
        bought=found.bought[rows],
        item=found.item[rows],
        sizes=sizes,
        usual=found.usual[rows],
    )


def _column(found: Examples, name: str) -> npt.NDArray[np.float32]:
    return found.x[:, found.names.index(name)].astype(np.float32)


def forecast_table(demand: DemandSet, seed: int, tell: Tell) -> list[str]:
    """Markdown: the ensemble without each of its members, and the panel without what else is known."""
    panel, truth = _panel(demand.history, demand)
    rows = np.flatnonzero(np.isfinite(truth).any(axis=1) & np.isfinite(panel.y).any(axis=1))
    scales = Scales.of(panel.y[rows], season=panel.grid.season, horizon=panel.grid.horizon, price=None)
    block = 7 if panel.grid.step == 1 else 4

    def scored(mean: Doubles, quantiles: Doubles) -> dict[str, Doubles]:
        return per_series(truth[rows], mean[rows], quantiles[:, rows], scales, block=block)

    tell(f"{demand.name}: everything")
    learnt = capped(uncensored(panel))
    measured, answers = _fitted(learnt, seed)
    whole = serve(panel, learnt, measured, answers)
    base = scored(whole.mean, whole.quantiles)
    told = summary(base)
    out = [
        f"#### {demand.name}, the last {demand.horizon} steps of {demand.origin.name}'s history",
        "",
        f"{len(rows):,} series; with everything WAPE {told['wape']:.4f}, of the total {told['wape_total']:.4f}, "
        f"RMSSE {told['rmsse']:.4f}, WSPL {told['wspl']:.4f}.",
        "",
        "| left out | WAPE | total | RMSSE | WSPL |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]

    def add(name: str, mean: Doubles, quantiles: Doubles) -> None:
        change = paired(scored(mean, quantiles), base)
        cells = [
            f"{change[each].value:+.4f} [{change[each].low:+.4f}, {change[each].high:+.4f}]"
            for each in ("wape", "wape_total", "rmsse", "wspl")
        ]
        out.append(f"| {name} | {' | '.join(cells)} |")

    for member in [name for name in answers.means if name not in (NAIVE, RECENT)]:
        tell(f"{demand.name}: without {member}")
        trials_ = [replace(each, answers=_without(each.answers, member)) for each in measured]
        found = serve(panel, learnt, trials_, _without(answers, member))
        add(f"member {member}", found.mean, found.quantiles)
    for name, part in _panels(panel):
        tell(f"{demand.name}: without {name}")
        other = capped(uncensored(part))
        found = serve(part, other, *_fitted(other, seed))
        add(name, found.mean, found.quantiles)
    return [*out, ""]


def _panel(history: Path, demand: DemandSet) -> tuple[Panel, Doubles]:
    """The history without its last horizon, and that horizon: nothing after the cut-off is looked at."""
    question = read_question(
        history, demand.future, demand.static,
        horizon=demand.horizon, freq=demand.freq, today=datetime.now(UTC).date(),
    )  # fmt: skip
    whole = question.panel
    cut = whole.grid.steps - demand.horizon
    return whole.until(cut, demand.horizon), whole.y[:, cut:].astype(np.float64)


def _fitted(panel: Panel, seed: int) -> tuple[list[Trial], Answers]:
    measured = trials(panel, seed=seed)
    view = View.of(panel)
    whole = fit(view, last=panel.grid.steps, quantiles=measured.fitted is None, seed=seed)
    if measured.fitted is not None:
        whole = replace(whole, quantiles=measured.fitted.quantiles)
    return measured.trials, ask(whole, view)


def _without(answers: Answers, member: str) -> Answers:
    return replace(answers, means={name: each for name, each in answers.means.items() if name != member})


def _panels(panel: Panel) -> Iterator[tuple[str, Panel]]:
    """The panel without one kind of what is known, as far as there is such."""
    if panel.known:
        yield "what is known ahead (prices, deals, holidays)", replace(panel, known={})
    if panel.levels:
        yield "levels", replace(panel, levels={}, labels={})
    if panel.words:
        yield "words of titles", replace(panel, words=())
    if panel.grid.steps > panel.grid.year + 4 * panel.grid.horizon:
        start = panel.grid.steps - panel.grid.year
        shorter = replace(panel.grid, first=panel.grid.day(start), steps=panel.grid.year)
        yield (
            "all but the last year",
            replace(
                panel,
                grid=shorter,
                y=panel.y[:, start:],
                known={name: each[:, start:] for name, each in panel.known.items()},
                in_stock=None if panel.in_stock is None else panel.in_stock[:, start:],
                price=None if panel.price is None else panel.price[:, start:],
            ),
        )
