"""`backtest shop`: both models at rolling origins of a shop's own past, as a report for its merchant.

The code that learns and answers is that of `backtest recommend`, of `backtest forecast` and of production.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mlops.backtest.commands import BadInput, Tell
from mlops.backtest.report.whole import report
from mlops.backtest.rolling import forecast as demand
from mlops.backtest.rolling import recommend as recommending
from mlops.backtest.rolling.demand_findings import forecasts
from mlops.backtest.rolling.findings import limits, recommendations, sufficiency
from mlops.backtest.rolling.panel import daily_panel
from mlops.backtest.store.folder import read_folder
from mlops.backtest.store.history import History
from mlops.training.recommend.content import content_table
from mlops.training.recommend.ledger import ledger

HELP = "measure both models on a shop's own past, and write a report that opens in a browser"
HORIZON = 28
LONGEST, MOST_ORIGINS = 91, 12


def add_arguments(parser: ArgumentParser) -> None:
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument(
        "--store",
        type=Path,
        metavar="FOLDER",
        help="Shopify's CSV exports: orders_export*.csv and products_export*.csv, also .gz; nothing else is needed",
    )
    whose.add_argument(
        "--shop", metavar="DOMAIN", help="an installed shop (name.myshopify.com); needs its database"
    )
    parser.add_argument("--out", type=Path, required=True, help="the report to write (.html)")
    parser.add_argument("--json", type=Path, help="the same numbers as JSON")
    parser.add_argument(
        "--origins",
        type=_between(1, MOST_ORIGINS),
        default=2,
        help="moments of the past at which both models are fitted anew and measured (default: %(default)s); "
        "each takes about as long as training both",
    )
    parser.add_argument(
        "--horizon",
        type=_between(7, LONGEST),
        default=HORIZON,
        help="days to forecast (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of every random draw (default: %(default)s)")


def run(options: Mapping[str, Any], tell: Tell) -> None:
    """Read, measure, write.

    Raises:
        BadInput: a file cannot be used; nothing was written.
    """
    for name, endings in (("out", (".html", ".htm")), ("json", (".json",))):
        _refuse_name(options[name], endings)
    now = datetime.now(UTC)
    history = _history(options, now, tell)
    found = measured(
        history,
        origins=options["origins"],
        horizon=options["horizon"],
        seed=options["seed"],
        now=now,
        tell=tell,
    )
    from plotly.offline import get_plotlyjs  # takes a second, which no other command needs

    files = {options["out"]: report(found, get_plotlyjs())}
    if options["json"] is not None:
        files[options["json"]] = json.dumps(found, indent=1, allow_nan=False) + "\n"
    _write(files)
    tell(f"the report is in {options['out']}")


def _history(options: Mapping[str, Any], now: datetime, tell: Tell) -> History:
    if options["store"] is not None:
        return read_folder(options["store"], now + timedelta(days=1), tell)
    from mlops.backtest.store.installed import read_shop  # a folder needs no database, nor its driver

    return read_shop(options["shop"], now, tell)


def measured(
    history: History, *, origins: int, horizon: int, seed: int, now: datetime, tell: Tell
) -> dict[str, Any]:
    """What was found, as plain data.

    Args:
        now: the day of the report; nothing is learnt from it.
    """
    book = ledger(history.lines)
    texts = {sku: {"title": each.title, **each.words} for sku, each in history.products.items()}
    content = content_table(book.skus, texts, codes=book.sales.dated)
    tell(f"{len(book.sales):,} order lines, {len(book.skus):,} products, {len(book.customers):,} customers")
    rolled = recommending.roll(
        book.sales,
        book.now,
        origins=recommending.origins_of(book.sales, book.now, origins),
        content=content,
        seed=seed,
        tell=tell,
    )
    panel, left_out = daily_panel(history, horizon)
    steps = demand.origins_of(panel, origins, horizon)
    foretold = demand.roll(panel, origins=steps, seed=seed, tell=tell)
    found: dict[str, Any] = {
        "shop": history.name,
        "made_on": str(now.date()),
        "seed": seed,
        "currency": history.currency,
        "notes": list(history.notes),
        "sufficiency": sufficiency(history),
        "recommendations": recommendations(history, book, rolled, seed=seed),
        "forecasts": forecasts(history, panel, foretold, left_out=left_out) if foretold else None,
    }
    found["limits"] = limits(history, found, now.date())
    return found


def _refuse_name(path: Path | None, endings: tuple[str, ...]) -> None:
    """Refuse a file that could not be written, before anything is read."""
    if path is None:
        return
    if not path.name.endswith(endings):
        raise BadInput(f"{path}: the name must end in {' or '.join(endings)}")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise BadInput(f"{path}: is a folder")


def _write(files: Mapping[Path, str]) -> None:
    """All of them, or none."""
    parts = {path: path.with_name(f".{path.name}.part") for path in files}
    try:
        for path, text in files.items():
            parts[path].write_text(text, encoding="utf-8")
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise BadInput(f"{error.filename or 'the report'}: cannot be written: {error.strerror}") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _between(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not least <= value <= most:
            raise ArgumentTypeError(f"{value} is not between {least} and {most}")
        return value

    return read
