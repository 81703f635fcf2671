"""`backtest recommend` end to end, on real files: useful answers, also for shops with next to nothing in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.backtest.commands import BadInput
from mlops.backtest.recommend import run
from tests.mlops.backtest.shops import line, lines, queries, query, themed_shop, written


def answered(folder: Path, train: pl.DataFrame, asked: pl.DataFrame, *, seed: int = 1) -> pl.DataFrame:
    """What the command answers, checked for what every answer promises."""
    out = folder / "answers.parquet"
    out.unlink(missing_ok=True)
    options = {
        "train": written(train, folder / "train.parquet"),
        "queries": written(asked, folder / "queries.parquet"),
        "products": None,
        "report": None,
        "sequence": "auto",
        "out": out,
        "seed": seed,
    }
    run(options, lambda _: None)
    found = pl.read_parquet(out)
    sold = train.filter(~pl.col("cancelled") & (pl.col("quantity").fill_null(1) > 0))
    catalogue = set(sold["sku"].to_list())
    for one in asked.to_dicts():
        mine = found.filter(pl.col("query_id") == one["query_id"]).sort("rank")
        skus, scores = mine["sku"].to_list(), mine["score"].to_numpy()
        owned = set(sold.filter(pl.col("customer_id").eq_missing(one["customer_id"]))["sku"].to_list())
        allowed = (
            catalogue
            - set(one["context_skus"])
            - (owned if one["exclude_owned"] and one["customer_id"] else set())
        )
        assert mine["rank"].to_list() == list(range(1, len(skus) + 1))
        assert len(skus) == len(set(skus)) == min(one["k"], len(allowed))
        assert set(skus) <= allowed
        assert np.isfinite(scores).all()
        assert all(
            a > b or (a == b and x < y)
            for a, b, x, y in zip(scores, scores[1:], skus, skus[1:], strict=False)
        )
    return found


def every_kind(day: float, customer: str, sku: str, other: str) -> pl.DataFrame:
    return queries(
        [
            query("home", day, customer),
            query("new", day, customer, exclude_owned=True),
            query("page", day, context=(sku,)),
            query("page-known", day, customer, context=(sku,)),
            query("cart", day, customer, context=(sku, other)),
            query("cold", day, "a stranger"),
            query("nobody", day),
            query("strange", day, context=("never sold",), k=3),
        ]
    )


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([line("o1", "c1", 0, "a")], id="one line"),
        pytest.param([line(f"o{n}", "c1", n, "a") for n in range(30)], id="one product"),
        pytest.param([line(f"o{n}", "c1", n, f"p{n % 7}") for n in range(40)], id="one customer"),
        pytest.param([line(f"o{n}", f"c{n}", 0, f"p{n % 9}") for n in range(40)], id="one day"),
        pytest.param(
            [line(f"o{n}", f"c{n}", n / 4, f"p{n % 9}") for n in range(400)], id="nobody comes again"
        ),
        pytest.param([line(f"o{n}", None, n / 4, f"p{n % 9}") for n in range(400)], id="guests alone"),
        pytest.param(
            [line(f"o{n // 2}", f"c{n // 2 % 3}", n, f"p{n % 5}") for n in range(20)], id="twenty lines"
        ),
        pytest.param(
            [line(f"o{n}", f"c{n % 5}", n, f"p{n % 9}", unit_price=None, quantity=None) for n in range(90)],
            id="no prices, no quantities",
        ),
        pytest.param(
            [line(f"o{n}", f"c{n % 5}", n, f"p{n % 9}", unit_price=10.0**7) for n in range(90)],
            id="vast prices",
        ),
        pytest.param(
            [line("o1", "c1", 3, "a")] * 50 + [line("o0", "c2", 0, "b")], id="the same line again and again"
        ),
    ],
)
def test_degenerate_shops_are_answered(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    answered(tmp_path, lines(rows), every_kind(1000, "c1", str(rows[0]["sku"]), str(rows[-1]["sku"])))


orders = st.lists(
    st.tuples(
        st.integers(0, 12),  # order
        st.one_of(st.none(), st.integers(0, 4)),  # customer
        st.integers(0, 40),  # day
        st.integers(0, 6),  # sku
        st.integers(-1, 3),  # quantity
        st.one_of(st.none(), st.floats(0, 1e7)),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders)
def test_any_small_shop_is_answered_or_refused(
    tmp_path: Path, made: list[tuple[int, int | None, int, int, int, float | None, bool]]
) -> None:
    rows = [
        line(
            f"o{order}-{who}",
            None if who is None else f"c{who}",
            day,
            f"p{sku}",
            quantity=units,
            unit_price=price,
            cancelled=back,
        )
        for order, who, day, sku, units, price, back in made
    ]
    asked = every_kind(50, "c1", "p1", "p2")
    if not any(units > 0 and not back for *_, units, _, back in made):
        with pytest.raises(BadInput, match="no line is a sale"):
            answered(tmp_path, lines(rows), asked)
        assert not (tmp_path / "answers.parquet").exists()
    else:
        answered(tmp_path, lines(rows), asked)


def test_tastes_are_learnt(tmp_path: Path) -> None:
    """Themes are what is bought together: nine in ten answers must keep to the customer's, or the product's."""
    customers = [f"c{n}" for n in range(60)]
    asked = queries(
        [query(f"new-{who}", 161, who, exclude_owned=True) for who in customers]
        + [query(f"page-{n}", 161, context=(f"p{n:02d}",)) for n in range(60)]
        + [query(f"cart-{n}", 161, context=(f"p{n:02d}", f"p{n + 6:02d}")) for n in range(60)]
    )
    found = answered(tmp_path, themed_shop(customers=90, days=160, products=180), asked)
    theme = pl.col("query_id").str.extract(r"(\d+)$").cast(pl.Int64) % 6
    kept = found.with_columns(
        (pl.col("sku").str.slice(1).cast(pl.Int64) % 6 == theme).alias("kept"),
        pl.col("query_id").str.extract(r"^(\w+)-").alias("slot"),
    )
    shares = dict(kept.filter(pl.col("rank") <= 3).group_by("slot").agg(pl.col("kept").mean()).rows())
    assert set(shares) == {"new", "page", "cart"}
    assert min(shares.values()) > 0.9, shares


def test_bare_sequences_tell_what_comes_next(tmp_path: Path) -> None:
    """Each customer walks round a ring of forty products from a place of its own; the next step is certain."""
    rows = [
        line(f"{who}-{step}", f"c{who:03d}", step, f"p{(who + step) % 40:02d}", unit_price=None)
        for who in range(300)
        for step in range(4 + who % 5)
    ]
    asked = queries([query(f"q{who}", 4 + who % 5, f"c{who:03d}", exclude_owned=True) for who in range(300)])
    found = answered(tmp_path, lines(rows), asked)
    first = found.filter(pl.col("rank") == 1).sort("query_id")
    right = [
        sku == f"p{(int(name[1:]) + 4 + int(name[1:]) % 5) % 40:02d}"
        for name, sku in first.select("query_id", "sku").rows()
    ]
    assert np.mean(right) > 0.9


def test_same_files_same_bytes(tmp_path: Path) -> None:
    asked = every_kind(141, "c1", "p01", "p02")
    shop = themed_shop(customers=60, days=140)
    once = answered(tmp_path, shop, asked)
    shuffled = shop.sample(fraction=1.0, shuffle=True, seed=1)
    assert once.equals(answered(tmp_path, shuffled, asked))


def test_the_command_refuses_with_code_2_and_writes_nothing(tmp_path: Path) -> None:
    train = written(lines([line("o1", "c1", 0, "a")]).drop("cancelled"), tmp_path / "train.csv")
    asked = written(queries([query("q1", 5)]), tmp_path / "queries.csv")
    out = tmp_path / "answers.csv"
    done = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "backtest",
            "recommend",
            "--train",
            train,
            "--queries",
            asked,
            "--out",
            out,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert f"{train}: column cancelled is missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()
