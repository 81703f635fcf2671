"""Recommendation tasks of a data folder: our answers beside those of others, all from the same files.

All tasks of a set are asked at once: one training, as a shop has one. Answers stay in the work folder and are taken from there
again with `--reuse`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlops.backtest.bench.answers import NEW_DAYS, Truth, read_truth
from mlops.backtest.bench.cost import Cost, Failed, manage, measured
from mlops.backtest.bench.peer_ranking import LIBRARY, RULES
from mlops.backtest.bench.sets import RankingSet
from mlops.backtest.measures.intervals import Doubles, Interval
from mlops.backtest.measures.ranking import METRICS, NDCG, compared, share_found, summary

OURS = "Shelfwise"
GROUPS = (("no orders", 0, 0), ("1 order", 1, 1), ("2 to 5 orders", 2, 5), ("6 or more", 6, 10**9))
FEWEST = 20  # queries or purchases, below which a row says nothing
Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Scored:
    """One system on one task.

    Args:
        values: float64 [n_queries, len(METRICS)].
        fresh: float64 [n_queries], hits@20 among products first sold in the last 14 days.
        cost: of its process over all tasks of the set; None for answers that lay in the folder.
    """

    name: str
    values: Doubles
    coverage: float
    fresh: Doubles
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class Task:
    """All systems on one task; ours comes first."""

    set_name: str
    name: str
    truth: Truth
    systems: tuple[Scored, ...]
    queries_of_set: int

    def of(self, name: str) -> Scored:
        return next(each for each in self.systems if each.name == name)


def scored(
    ranking: RankingSet, work: Path, *, reuse: bool, peers: Path | None, seed: int, tell: Tell
) -> list[Task]:
    """Every task of the set.

    Args:
        peers: Python of an environment with the group `peers`; None leaves other libraries out.
    """
    folder = work / ranking.name / ranking.folder.name
    folder.mkdir(parents=True, exist_ok=True)
    queries = _all_queries(ranking, folder)
    systems: dict[str, tuple[Path, Cost]] = {}
    ours = folder / "ours.parquet"
    products: list[str | Path] = [] if ranking.products is None else ["--products", ranking.products]
    command = manage(
        "backtest", "recommend", "--train", ranking.train, *products, "--queries", queries, "--out", ours,
        "--seed", str(seed), "--report", folder / "ours.json",
    )  # fmt: skip
    systems[OURS] = (ours, _run(command, ours, reuse=reuse, tell=tell))
    for peer in (*RULES, *(LIBRARY if peers else ())):
        out = folder / f"{peer}.parquet"
        told: list[str | Path] = [
            peers if peers and peer in LIBRARY else sys.executable,
            "-m",
            "mlops.backtest.bench.peer_ranking",
            "--peer",
            peer,
        ]
        told += ["--train", ranking.train, "--queries", queries, "--out", out]
        try:
            systems[peer] = (out, _run(told, out, reuse=reuse, tell=tell))
        except Failed as error:
            tell(f"  {peer} is left out: {str(error).strip().splitlines()[-1]}")
    return [_task(ranking, task, folder, systems) for task in ranking.tasks]


def _all_queries(ranking: RankingSet, folder: Path) -> Path:
    """The queries of all tasks as one file; their ids begin with the task."""
    parts = []
    for task in ranking.tasks:
        table = pl.read_parquet(ranking.queries(task))
        parts.append(
            table.with_columns(
                (pl.lit(f"{task}/") + pl.col("query_id").cast(pl.String)).alias("query_id"),
                pl.col("customer_id").cast(pl.String),
                pl.col("context_skus").cast(pl.List(pl.String)),
            ).select("query_id", "at", "customer_id", "context_skus", "exclude_owned", "k")
        )
    path = folder / "queries.parquet"
    pl.concat(parts, how="vertical_relaxed").write_parquet(path)
    return path


def _run(command: Sequence[str | Path], out: Path, *, reuse: bool, tell: Tell) -> Cost:
    told = out.with_suffix(".cost.json")
    if reuse and out.is_file() and told.is_file():
        return Cost(**json.loads(told.read_text()))
    tell(f"  {out.stem} ({out.parent.parent.name})")
    cost = measured(command)
    told.write_text(json.dumps(asdict(cost)))
    return cost


def _task(ranking: RankingSet, task: str, folder: Path, systems: dict[str, tuple[Path, Cost]]) -> Task:
    truth = read_truth(ranking, task)
    found = []
    total = 0
    for name, (path, cost) in systems.items():
        answers = pl.read_parquet(path)
        total = answers["query_id"].n_unique()
        mine = answers.filter(pl.col("query_id").str.starts_with(f"{task}/")).with_columns(
            pl.col("query_id").str.strip_prefix(f"{task}/")
        )
        part = folder / f".{task}.part.parquet"
        mine.write_parquet(part)
        try:
            found.append(Scored(name, *truth.values(part), cost))
        finally:
            part.unlink()
    for name, path in ranking.peers(task).items():
        found.append(Scored(f"{name} (given)", *truth.values(path), None))
    return Task(ranking.name, task, truth, tuple(found), total)


def tables(tasks: Sequence[Task]) -> list[str]:
    """Markdown: a table for each task, customers known and unknown, customers of few orders, and the cost."""
    out: list[str] = []
    for task in tasks:
        ours = task.of(OURS)
        out += [
            f"#### {task.set_name}, {task.name}",
            "",
            f"{len(ours.values):,} queries of {len(np.unique(task.truth.unit)):,} units, catalogue {task.truth.catalogue:,}.",
            "",
            "| system | NDCG@10 [95 %] | Recall@10 | Recall@20 | HitRate@10 | MRR@10 | coverage@10 | Shelfwise against it, NDCG@10 |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for each in sorted(task.systems, key=lambda one: (one.name != OURS, -one.values[:, NDCG].mean())):
            told = summary(each.values, task.truth.unit)
            cells = [f"{told[name].value:.4f}" for name in METRICS[1:]]
            cells.insert(0, _interval(told["ndcg@10"]))
            name = f"**{each.name}**" if each.name == OURS else each.name
            out.append(
                f"| {name} | {' | '.join(cells)} | {each.coverage:.3f} | "
                f"{'' if each.name == OURS else _against(ours.values, each.values, task.truth.unit)} |"
            )
        out += ["", *_by_known(task)]
    return [*out, *_costs(tasks)]


def _by_known(task: Task) -> list[str]:
    known = task.truth.known
    if known.all() or not known.any():
        return []
    out = ["| NDCG@10 | customer known | unknown |", "| --- | ---: | ---: |"]
    for each in task.systems:
        column = each.values[:, NDCG]
        out.append(f"| {each.name} | {column[known].mean():.4f} | {column[~known].mean():.4f} |")
    return [*out, ""]


def _costs(tasks: Sequence[Task]) -> list[str]:
    out = [
        "| set | system | CPU s, learning and answering | queries | peak MiB |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for name in dict.fromkeys(task.set_name for task in tasks):
        first = next(task for task in tasks if task.set_name == name)
        out += [
            f"| {name} | {each.name} | {each.cost.cpu_s:,.0f} | {first.queries_of_set:,} | {each.cost.peak_mib:,.0f} |"
            for each in first.systems
            if each.cost is not None
        ]
    return [*out, ""]


def cold_start(tasks: Sequence[Task], sets: Sequence[RankingSet]) -> list[str]:
    """Markdown: NDCG@10 by how many orders the customer had made, and recall of new products, beside bestsellers."""
    out = [
        "| set, task | customers with | queries | Shelfwise | bestsellers | bestsellers lately | Shelfwise against lately |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for task in tasks:
        if task.name not in ("next_purchase", "next_new", "cold_start", "next_item"):
            continue
        ranking = next(each for each in sets if each.name == task.set_name)
        orders = _orders(ranking, task.truth)
        for name, least, most in GROUPS:
            rows = (orders >= least) & (orders <= most)
            if rows.sum() < FEWEST:
                continue
            cells = [
                _interval(_mean(task.of(each), rows, task.truth))
                for each in (OURS, "bestsellers", "bestsellers_lately")
            ]
            against = _against(
                task.of(OURS).values[rows], task.of("bestsellers_lately").values[rows], task.truth.unit[rows]
            )
            out.append(
                f"| {task.set_name}, {task.name} | {name} | {rows.sum():,} | {' | '.join(cells)} | {against} |"
            )
    return [*out, "", *_new_products(tasks)]


def _new_products(tasks: Sequence[Task]) -> list[str]:
    names = (OURS, "bestsellers", "bestsellers_lately", "bought_together")
    out = [
        f"| purchases of products first sold within {NEW_DAYS} days | purchases | {' | '.join(names)} |",
        "| --- | ---: |" + " ---: |" * len(names),
    ]
    for task in tasks:
        wanted = np.diff(task.truth.fresh_truth.indptr).astype(np.float64)
        if wanted.sum() < FEWEST:
            continue
        cells = [_interval(share_found(task.of(name).fresh, wanted, task.truth.unit)) for name in names]
        out.append(
            f"| {task.set_name}, {task.name}: recall@20 | {int(wanted.sum()):,} | {' | '.join(cells)} |"
        )
    return [*out, ""]


def missed(tasks: Sequence[Task]) -> list[str]:
    """Tasks on which we are worse than the better of bestsellers lately and own repeats, beyond the interval."""
    out = []
    for task in tasks:
        rules = [task.of(name) for name in ("bestsellers_lately", "own_repeats")]
        floor = max(rules, key=lambda each: float(each.values[:, NDCG].mean()))
        if compared(task.of(OURS).values, floor.values, task.truth.unit).difference.high < 0:
            out.append(f"{task.set_name}, {task.name}: worse than {floor.name}")
    return out


def _orders(ranking: RankingSet, truth: Truth) -> Any:
    lines = pl.read_parquet(ranking.train, columns=["order_id", "customer_id", "cancelled"])
    counted = (
        lines.filter(~pl.col("cancelled"))
        .group_by(pl.col("customer_id").cast(pl.String))
        .agg(pl.col("order_id").n_unique().alias("n"))
    )
    asked = pl.DataFrame({"customer_id": truth.customer})
    return (
        asked.join(counted, on="customer_id", how="left", maintain_order="left")["n"].fill_null(0).to_numpy()
    )


def _mean(system: Scored, rows: Any, truth: Truth) -> Interval:
    return summary(system.values[rows], truth.unit[rows])["ndcg@10"]


def _interval(each: Interval) -> str:
    return f"{each.value:.4f} [{each.low:.4f}, {each.high:.4f}]"


def _against(ours: Doubles, theirs: Doubles, unit: Any) -> str:
    found = compared(ours, theirs, unit)
    if found.relative is None:
        each = found.difference
        return f"{each.value:+.4f} [{each.low:+.4f}, {each.high:+.4f}]"
    each = found.relative
    return f"{each.value:+.1%} [{each.low:+.1%}, {each.high:+.1%}]"
