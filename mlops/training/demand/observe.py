"""Shell: holds what was sold yesterday against what had been forecast of it, so that intervals go on holding."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from mlops.demand import adaptation, promotions
from mlops.deployments import store as deployments
from mlops.feature_store import event_log
from mlops.features.days import day_of, days
from mlops.features.events import SlotName
from mlops.features.series import daily_demand
from mlops.predictors.demand import adapt
from mlops.predictors.demand.adapt import Adaptation
from mlops.predictors.demand.panel import Array, Doubles
from mlops.registry import loader
from mlops.training.demand.assemble import CENSORED
from mlops.training.demand.offered import offered
from tenancy.models import Shop
from tenancy.scope import scoped

LATEST_DAYS = 28  # further back nothing is caught up with


@scoped
def observe(shop: Shop, *, now: datetime) -> int:
    """Learn from every whole day since the last one that was looked at; how many. Safe to repeat and to kill anywhere.

    A day without stock teaches nothing of its variant.

    Raises:
        FileUnusable, BadArtefact: the file of the live version does not load.
    """
    found = deployments.slots(shop).get(SlotName.FORECAST)
    if found is None:
        return 0
    yesterday = day_of(now, shop.timezone) - timedelta(days=1)
    seen = adaptation.through(shop)
    book = loader.load(shop.pk, found.version.artefact_digest).book
    first = max(book.first_day, yesterday - timedelta(days=LATEST_DAYS - 1))
    if seen is not None:
        first = max(first, seen + timedelta(days=1))
    if first > yesterday:
        return 0
    bounds = days(shop.timezone, since=first, until=yesterday)
    sold = daily_demand(shop, since=first, until=yesterday)
    offers = event_log.offers(shop, since=bounds.begin, until=now)
    stock = event_log.stock(shop, since=bounds.begin, until=now)
    gone = offered(offers, stock, bounds.bounds)
    planned = promotions.between(shop, first, yesterday)
    place = {variant: row for row, variant in enumerate(book.variant_ids.tolist())}
    count = 0
    for at in range(len(bounds)):
        day = bounds.day(at)
        ahead = (day - book.first_day).days + 1
        if ahead > book.horizon:
            break
        units = np.zeros(len(book))
        of_day = sold.filter(sold["day"] == day)
        for variant, kept in zip(of_day["variant_id"].to_list(), of_day["units"].to_list(), strict=True):
            if variant in place:
                units[place[variant]] += max(kept, 0)
        without = gone.filter((gone["day"] == at) & (gone["out"] >= CENSORED))["variant_id"].to_list()
        units[[place[each] for each in without if each in place]] = np.nan
        deal = book.struck.astype(np.float64)
        for each in planned:
            if each.starts_on <= day <= each.ends_on:
                mine = each.product_ids is None or np.isin(book.product_ids, each.product_ids)
                deal = np.where(mine, np.maximum(deal, each.discount), deal)
        lift = np.exp(book.slope.astype(np.float64) * deal)
        told = book.quantiles[:, :, ahead - 1].astype(np.float64) * lift
        count += adaptation.take(shop, day, _learner(units, told, book.pattern, ahead), now=now)
    return count


def _learner(units: Doubles, told: Doubles, codes: Array, ahead: int) -> adaptation.Learn:
    steps = np.full(len(units), ahead)

    def learn(state: Adaptation) -> Adaptation:
        return adapt.observed(state, sold=units, quantiles=told, codes=codes, ahead=steps)

    return learn
