"""The sets of a data folder, found by their files. Pure but for listing folders.

FOLDER/<set>/bench/{validation,test}/train.parquet, <task>.queries.parquet, <task>.truth.parquet
FOLDER/<set>/bench/{validation,test}/peers/<task>.<peer>.parquet     answers of others, where there are any
FOLDER/<set>/products.csv.gz or products.parquet                     words of products, where there are any
FOLDER/<set>/bench/origin_<k>/history.parquet, future.parquet, actuals.parquet
FOLDER/<set>/bench/static.parquet, windows.json                      levels, freq and horizon
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mlops.backtest.commands import BadInput

PRODUCTS = ("products.csv.gz", "products.parquet", "products.csv")


class Window(StrEnum):
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class RankingSet:
    """Queries about one training file.

    Args:
        folder: of the window.
        tasks: by name.
        products: None where there is no such file.
    """

    name: str
    folder: Path
    tasks: tuple[str, ...]
    products: Path | None

    @property
    def train(self) -> Path:
        return self.folder / "train.parquet"

    def queries(self, task: str) -> Path:
        return self.folder / f"{task}.queries.parquet"

    def truth(self, task: str) -> Path:
        return self.folder / f"{task}.truth.parquet"

    def peers(self, task: str) -> dict[str, Path]:
        """Answers of others by name."""
        found = sorted((self.folder / "peers").glob(f"{task}.*.parquet"))
        return {path.name.removeprefix(f"{task}.").removesuffix(".parquet"): path for path in found}


@dataclass(frozen=True, slots=True)
class DemandSet:
    """One origin of a set of series; `levels` are columns of the static file."""

    name: str
    origin: Path
    static: Path | None
    levels: tuple[str, ...]
    freq: str
    horizon: int

    @property
    def history(self) -> Path:
        return self.origin / "history.parquet"

    @property
    def future(self) -> Path | None:
        path = self.origin / "future.parquet"
        return path if path.is_file() else None

    @property
    def actuals(self) -> Path:
        return self.origin / "actuals.parquet"


def ranking_sets(data: Path, window: Window, only: Sequence[str] = ()) -> list[RankingSet]:
    """Every set with tasks in this window, by name.

    Raises:
        BadInput: the folder is not there.
    """
    found = []
    for path in _folders(data, only):
        folder = path / "bench" / window
        tasks = sorted(
            each.name.removesuffix(".queries.parquet") for each in folder.glob("*.queries.parquet")
        )
        tasks = [task for task in tasks if (folder / f"{task}.truth.parquet").is_file()]
        if tasks and (folder / "train.parquet").is_file():
            products = next((path / name for name in PRODUCTS if (path / name).is_file()), None)
            found.append(RankingSet(path.name, folder, tuple(tasks), products))
    return found


def demand_sets(data: Path, window: Window, only: Sequence[str] = ()) -> list[DemandSet]:
    """The last origin of each set of series for the test, all before it for validation.

    Raises:
        BadInput: the folder is not there.
    """
    found = []
    for path in _folders(data, only):
        bench = path / "bench"
        origins = sorted(each for each in bench.glob("origin_*") if (each / "actuals.parquet").is_file())
        if not origins or not (bench / "windows.json").is_file():
            continue
        told = json.loads((bench / "windows.json").read_text(encoding="utf-8"))
        static = bench / "static.parquet"
        for origin in origins[-1:] if window is Window.TEST else origins[:-1]:
            found.append(
                DemandSet(
                    path.name,
                    origin,
                    static if static.is_file() else None,
                    tuple(told.get("levels", ())),
                    str(told["freq"])[:1],
                    int(told["horizon"]),
                )
            )
    return found


def _folders(data: Path, only: Sequence[str]) -> list[Path]:
    if not data.is_dir():
        raise BadInput(f"{data}: there is no such folder; give the folder that holds the sets")
    missing = [name for name in only if not (data / name).is_dir()]
    if missing:
        raise BadInput(f"{data}: holds no set {', '.join(missing)}")
    return sorted(path for path in data.iterdir() if path.is_dir() and (not only or path.name in only))
