"""The parts of `bench_models` by name, each from what was asked to lines of Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.backtest.bench import ablation, floors, forecasting, recommending, scaling
from mlops.backtest.bench.sets import DemandSet, RankingSet, Window, demand_sets, ranking_sets
from mlops.backtest.commands import BadInput

Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for; see `bench_models --help`."""

    data: Path | None
    window: Window
    sets: tuple[str, ...]
    work: Path
    reuse: bool
    peers: Path | None
    large: bool
    sizes: tuple[int, ...]
    seed: int

    def ranking(self) -> list[RankingSet]:
        return ranking_sets(self._folder(), self.window, self.sets)

    def demand(self) -> list[DemandSet]:
        return demand_sets(self._folder(), self.window, self.sets)

    def _folder(self) -> Path:
        if self.data is None:
            raise BadInput("--data: give the folder that holds the sets")
        return self.data


@dataclass(frozen=True, slots=True)
class Part:
    """Args:
    about: of what, for the line above the tables.
    lines: Markdown.
    failed: whether a floor was missed.
    """

    about: str
    lines: list[str]
    failed: bool = False


def recommend(asked: Asked, tell: Tell) -> Part:
    sets = asked.ranking()
    tasks = [
        task
        for each in sets
        for task in recommending.scored(
            each, asked.work, reuse=asked.reuse, peers=asked.peers, seed=asked.seed, tell=tell
        )
    ]
    missed = recommending.missed(tasks)
    lines = [*recommending.tables(tasks), *[f"Floor missed: {each}." for each in missed]]
    return Part(f"{asked.window} window, seed {asked.seed}", lines, bool(missed))


def cold_start(asked: Asked, tell: Tell) -> Part:
    sets = asked.ranking()
    tasks = [
        task
        for each in sets
        for task in recommending.scored(each, asked.work, reuse=True, peers=None, seed=asked.seed, tell=tell)
    ]
    return Part(f"{asked.window} window, seed {asked.seed}", recommending.cold_start(tasks, sets))


def forecast(asked: Asked, tell: Tell) -> Part:
    origins = [
        forecasting.scored(each, asked.work, reuse=asked.reuse, peers=asked.peers, seed=asked.seed, tell=tell)
        for each in asked.demand()
    ]
    return Part(f"{asked.window} origins, seed {asked.seed}", forecasting.tables(origins))


def floor(asked: Asked, tell: Tell) -> Part:
    found: list[floors.Floor] = []
    for each in asked.ranking():
        for one in floors.floors(
            each, sizes=asked.sizes, shapes=tuple(floors.Shape), seed=asked.seed, tell=tell
        ):
            found.append(one)
            tell(f"  {'FAILED ' if one.failed else ''}{floors.line(one)}")
    return Part(
        f"shops cut out of the training files of the {asked.window} window, seed {asked.seed}",
        [*floors.table(found), *[f"Floor missed: {floors.line(each)}" for each in found if each.failed]],
        any(each.failed for each in found),
    )


def scale(asked: Asked, tell: Tell) -> Part:
    sizes = scaling.SIZES if asked.large else scaling.SIZES[:-1]
    return Part(
        f"seed {asked.seed}", scaling.table(scaling.measured_sizes(sizes, asked.work, asked.seed, tell))
    )


def ablate(asked: Asked, tell: Tell) -> Part:
    lines: list[str] = []
    for each in asked.ranking():
        lines += ablation.recommend_table(each, asked.seed, tell)
    for demand in asked.demand():
        lines += ablation.forecast_table(demand, asked.seed, tell)
    return Part(f"{asked.window} window, seed {asked.seed}", lines)


PARTS: Mapping[str, Callable[[Asked, Tell], Part]] = {
    "recommend": recommend,
    "forecast": forecast,
    "cold-start": cold_start,
    "floors": floor,
    "scaling": scale,
    "ablation": ablate,
}


def replaced(page: str, part: str, *, mark: str) -> str:
    """The page with what stands between the two marks replaced.

    Raises:
        BadInput: it does not have both marks, once each and in order.
    """
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise BadInput(f"the page must have the lines {begin} and {end} once each, in this order")
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{part.rstrip()}\n{end}{rest.partition(end)[2]}"
