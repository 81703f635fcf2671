"""As-of joins on two times: when something came to be (`version_at`) and when we knew it (`known_at`). Pure.

A row may be used at a moment `t` when both are at or before `t`. Of several versions of one subject the newest that may be
used is the one that stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import polars as pl

# Joins are done for so many asked rows at once that about this many rows come out: some 100 MB.
MOST_ROWS = 1_000_000


def seen() -> pl.Expr:
    """The moment from which a row may be used."""
    return pl.max_horizontal("version_at", "known_at")


def standing(frame: pl.DataFrame, subject: str) -> pl.DataFrame:
    """The rows with `since` and `until`: at which moments the version that they belong to is the one that stands.

    Those that never stand, because a newer version was known before them, are left out. Versions of a subject are
    ordered by `version_at`, then as they were told.

    Args:
        frame: has `subject`, `event`, `version_at` and `known_at`; rows of one event are one version.
    """
    versions = (
        frame.select(subject, "event", "version_at", since=seen())
        .unique(["event", subject])
        .sort(subject, "version_at", "event")
        .with_columns(
            # The earliest moment at which any newer version was there.
            until=pl.col("since").reverse().cum_min().reverse().shift(-1).over(subject)
        )
        .filter(pl.col("until").is_null() | (pl.col("until") > pl.col("since")))
    )
    return frame.join(versions.drop("version_at"), on=[subject, "event"], how="inner")


def stands() -> pl.Expr:
    """Of rows from `standing` joined with `at`: whether their version stands then."""
    return (pl.col("since") <= pl.col("at")) & (pl.col("until").is_null() | (pl.col("until") > pl.col("at")))


def counts(gone_at: str, at: str | pl.Expr = "at") -> pl.Expr:
    """Whether a row still counts at `at`: it was not known yet that it does not."""
    moment = pl.col(at) if isinstance(at, str) else at
    return pl.col(gone_at).is_null() | (pl.col(gone_at) > moment)


def within(moment: str, window: timedelta) -> pl.Expr:
    """Whether a moment lies in the window that ends at `at`: after its begin, up to and with its end."""
    return (pl.col(moment) > pl.col("at") - window) & (pl.col(moment) <= pl.col("at"))


def numbered(asked: pl.DataFrame) -> pl.DataFrame:
    """`asked` with `ask`: its row number, by which answers find back."""
    return asked.with_row_index("ask")


def answers(asked: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """One row per asked row, in order, with what was found for its `ask`; null where nothing was."""
    return numbered(asked).select("ask").join(found, on="ask", how="left", maintain_order="left").drop("ask")


def in_parts(
    asked: pl.DataFrame, counted: pl.DataFrame, on: str, compute: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """`compute` of `asked` part by part, so that a join with `counted` on a column stays within `MOST_ROWS` rows.

    Args:
        asked: with `ask`.
    """
    sizes = counted.group_by(on).len("rows")
    weights = asked.join(sizes, on=on, how="left", maintain_order="left")["rows"].fill_null(0) + 1
    return pl.concat([compute(part) for part in _parts(asked, weights)])


def _parts(asked: pl.DataFrame, weights: pl.Series) -> Iterator[pl.DataFrame]:
    numbers: Sequence[int] = (weights.cum_sum() // MOST_ROWS).to_list()
    begin = 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[begin]:
            yield asked[begin:at]
            begin = at
    if not numbers:
        yield asked
