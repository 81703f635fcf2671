"""What speaks for an answer is told in words that a merchant knows."""

from __future__ import annotations

import pytest

from mlops.backtest.rolling.reasons import Reason, reason_of
from mlops.predictors.recommend.features import SOURCES


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("own_h180:rank", Reason.OWN),
        ("own_since", Reason.OWN),
        ("x_own_sessions", Reason.OWN),
        ("knn60_h15:ratio", Reason.ALIKE),
        ("customer_h60", Reason.PROFILE),
        ("fresh_h60:rank", Reason.PROFILE),
        ("x_given_h365", Reason.CONTEXT),
        ("x_content:rank", Reason.CONTENT),
        ("pop_h30", Reason.SELLS),
        ("trend_h10_h365", Reason.SELLS),
        ("season_lift", Reason.SEASON),
        ("price_to_customer", Reason.PRICE),
        ("c_orders", Reason.CUSTOMER),
        ("rebuy_share", Reason.NATURE),
    ],
)
def test_a_feature_speaks_of_one_thing(name: str, reason: Reason) -> None:
    assert reason_of(name) is reason


def test_every_generator_has_a_reason() -> None:
    names = {name for sources in SOURCES.values() for name in sources}
    assert {name for name in names if reason_of(name) is Reason.OTHER} == set()
