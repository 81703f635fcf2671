"""The pipeline of demand: freeze what is known, forecast (and register), deploy."""

from __future__ import annotations

import logging
from datetime import datetime

from mlops.deployments import store as deployments
from mlops.features.days import days
from mlops.features.events import SlotName
from mlops.predictors import artefact
from mlops.registry import store as registry
from mlops.registry.models import UseCase
from mlops.registry.store import Lineage
from mlops.training.demand import collect
from mlops.training.demand.learn import learn
from mlops.training.demand.observe import observe
from mlops.training.models import RunState, TrainingRun
from mlops.training.pipeline import End, Pipeline, Step
from mlops.training.revision import code_revision
from mlops.validation import suites, tallies
from tenancy import incidents
from tenancy.models import Shop

log = logging.getLogger("shelfwise.training")


def _freeze(shop: Shop, run: TrainingRun, now: datetime) -> End | None:
    stop = incidents.halted(shop)
    if stop is not None:  # it was asked for before the data went wrong
        return End(RunState.FAILED, "training_halted", f"training is stopped: {stop.told}")
    # Before another forecast takes its place, the one that is live learns from what it had said of the days up to now.
    observe(shop, now=now)
    run.validation = tallies.lineage(shop, suites.current(shop, now=now))
    run.work["panel"] = collect.freeze(shop, until=run.requested_at, now=now)
    run.work["features"] = collect.features()
    frozen = collect.thaw(shop, run.work["panel"])
    if frozen.catalogue.is_empty():
        return End(RunState.DONE, "no_products", "there are no products to forecast yet")
    if frozen.sales.is_empty():
        told = "nothing was sold on a whole day yet; a forecast needs at least one"
        return End(RunState.DONE, "no_orders", told)
    return None


def _forecast(shop: Shop, run: TrainingRun, now: datetime) -> None:
    digest = run.work["panel"]
    frozen = collect.thaw(shop, digest)
    learnt = learn(frozen, seed=run.seed, tell=lambda told: log.info("training.demand", extra={"told": told}))
    parameters = {"horizon_days": frozen.horizon, "days": frozen.days, "series": len(learnt.book)}
    about = {"parameters": parameters, "seed": run.seed, "snapshot": digest, "metrics": learnt.metrics}
    bounds = days(shop.timezone, since=frozen.first, until=learnt.book.first_day)
    run.version = registry.register(
        shop,
        use_case=UseCase.DEMAND,
        content=artefact.pack(learnt.book, about),
        metrics=learnt.metrics,
        lineage=Lineage(
            run_id=run.pk,
            snapshot_id=None,
            snapshot_digest=digest,
            data_since=bounds.begin,
            data_until=bounds.bounds[-2],
            parameters=parameters,
            seed=run.seed,
            code_revision=code_revision(),
            duration_s=round(sum(run.work.get("steps", {}).values()), 3),
            features=run.work["features"],
        ),
        now=now,
    )


def _deploy(shop: Shop, run: TrainingRun, now: datetime) -> End:
    assert run.version is not None
    deployments.deploy(shop, SlotName.FORECAST, run.version, actor=run.actor, reason=run.reason, now=now)
    return End(RunState.DONE)


DEMAND = Pipeline(
    UseCase.DEMAND,
    (
        Step("freeze", "collecting sales, stock and prices", _freeze),
        Step("forecast", "learning what each product sells", _forecast, weight=6.0),
        Step("deploy", "putting the forecast live", _deploy, weight=0.1),
    ),
)
