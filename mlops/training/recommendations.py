"""The pipeline of recommendations: the two-stage recommender (`mlops.training.recommend`) in steps that may die.

    snapshot -> plan -> windows -> try -> rank -> measure -> judge -> refit -> register -> deploy

The frozen history is cut into windows (`shop_history.Plan`). `windows` keeps the rankers' examples of each, `try` chooses each
slot's setting on the newest of them but one, `rank` fits the rankers of the measured model, and `measure` asks it what was asked
in the newest window, which nothing before has seen. `refit` then fits the same recipes to all windows, that one included, and
`register` fits the generators to everything. The windows' examples serve both models, so measuring costs a sixth more, not twice.

What is large lies in sealed files (`workfiles`) that the run names; the generators are fitted anew where they are needed.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlops.deployments import store as deployments
from mlops.features import snapshots
from mlops.features.events import STOREFRONT_SLOTS
from mlops.predictors import artefact
from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.shop import ShopRecommender, neighbours_of
from mlops.predictors.recommend.two_stage import RANKER, TwoStage
from mlops.registry import store as registry
from mlops.registry.models import Lifecycle, UseCase
from mlops.registry.store import Lineage
from mlops.training import leaks, sufficiency, workfiles
from mlops.training import recommend_work as work
from mlops.training.gates import Beside, Judged, Promotion, Verdict, judge
from mlops.training.models import RunState, TrainingRun
from mlops.training.pipeline import End, Pipeline, Step
from mlops.training.policies import policy_of
from mlops.training.recommend import measured
from mlops.training.recommend.cold_start import fit_cold_start
from mlops.training.recommend.fit import gather, holds_out
from mlops.training.recommend.ranking import Trial, attempt, decide, learnable
from mlops.training.recommend.recipes import BY_NAME, RANKED, SETTINGS, Recipe, best, to_try, usual
from mlops.training.recommend.shop_history import plan
from mlops.training.revision import code_revision
from mlops.validation import suites, tallies
from tenancy import incidents
from tenancy.models import Shop

# The time for which the usual number of queries is made.
USUAL_SECONDS = 600
# Seconds that must be left, in windows' worth: fitting the generators for the test window and asking, then for now.
TO_MEASURE, TO_REGISTER = 1.6, 1.2
# What rankers leave: a little more than that, because reading examples and saving rankers takes time too.
TO_FINISH = 1.3 * (TO_MEASURE + TO_REGISTER)
# Trials beyond the first setting may bring a run to this share of its budget: the machine has other work.
SEARCH_SHARE = 0.4
# Of fewer queries the best of several settings is the luckiest.
ENOUGH_TO_CHOOSE = 300
MOST_HALVINGS = 2


def _snapshot(shop: Shop, run: TrainingRun, now: datetime) -> End | None:
    stop = incidents.halted(shop)
    if stop is not None:  # it was asked for before the data went wrong
        return End(RunState.FAILED, "training_halted", f"training is stopped: {stop.told}")
    run.validation = tallies.lineage(shop, suites.current(shop, now=now))
    run.snapshot = snapshots.take(shop, until=run.requested_at, now=now)
    found = sufficiency.sufficiency(sufficiency.facts(snapshots.read(run.snapshot)))
    run.work["sufficiency"] = found.to_json()
    if not run.snapshot.orders:
        told = "there are no orders to learn from yet; the storefront shows the newest products"
        return End(RunState.DONE, "no_orders", told)
    return None


def _plan(shop: Shop, run: TrainingRun, now: datetime) -> str | None:
    history = work.history(run)
    found = plan(history)
    cut = history.now if found.test_from is None else found.test_from
    cold = fit_cold_start(history.sales.before(cut), cut, found.length, run.seed)
    run.work |= {
        "length": found.length,
        "test_from": found.test_from,
        "starts": list(found.starts),
        "half_life": cold.half_life,
        # A run with less time asks fewer questions of each window, rather than of fewer windows.
        "share": min(1.0, work.budget(run).seconds / USUAL_SECONDS),
        "windows": [],
        "trials": [],
        "recipes": {},
        "rankers": {},
        "refits": {},
    }
    if found.test_from is None:
        run.work["metrics"] = {"measured": False, "orders": run.snapshot.orders if run.snapshot else 0}
        return "judge"
    return None


def _windows(shop: Shop, run: TrainingRun, now: datetime) -> str | None:
    """One window: the generators on what was sold before it, and the examples of every slot."""
    done, budget, began = run.work, work.budget(run), time.monotonic()
    place, starts = len(done["windows"]), done["starts"]
    if place >= len(starts):
        return None
    each = work.seconds_of_a_window(done)
    if place and not budget.fits(each, keep=each * (TO_MEASURE + TO_REGISTER)):
        done["cut_short"] = f"{len(starts) - place} of {len(starts)} windows did not fit the budget"
        return None
    history = work.history(run)
    signals = work.signals(history, starts[place], done)
    slots: dict[str, Any] = {}
    for slot in RANKED:
        newer = [window["slots"][slot.value] for window in done["windows"] if slot.value in window["slots"]]
        hold = holds_out(
            place,
            learns=any(window["held_out"] is None for window in newer),
            held=sum(window["queries"] for window in newer if window["held_out"] is not None),
        )
        found = gather(
            slot, history.sales, signals, done["length"], place, run.seed, hold_out=hold, share=done["share"]
        )
        if found is not None:
            slots[slot.value] = {
                "held_out": None
                if found.held_out is None
                else workfiles.keep_examples(shop.pk, found.held_out),
                "sampled": [workfiles.keep_examples(shop.pk, part) for part in found.sampled],
                "queries": 0 if found.held_out is None else len(found.held_out.sizes),
            }
        del found
        gc.collect()
    done["windows"].append(
        {"start": starts[place], "slots": slots, "seconds": round(time.monotonic() - began, 3)}
    )
    return "windows" if place + 1 < len(starts) else None


def _try(shop: Shop, run: TrainingRun, now: datetime) -> End | str | None:
    """One setting on one slot, measured on the held-out window; and whether a feature knows too much."""
    done, budget = run.work, work.budget(run)
    trials: list[dict[str, Any]] = done["trials"]
    wanted = to_try(work.setting_before(run), work.slots(done))
    if len(trials) >= len(wanted):
        return None
    setting, slot = wanted[len(trials)]
    fitted = [each for each in trials if each["trees"]]
    keep = work.seconds_of_a_window(done) * TO_FINISH
    took = max((each["seconds"] for each in fitted if each["slot"] == slot.value), default=0.0)
    first = len(trials) < len(work.slots(done))
    told: dict[str, Any] = {
        "slot": slot.value,
        "setting": setting.name,
        "trees": 0,
        "ndcg@10": None,
        "seconds": 0.0,
    }
    trials.append(told)
    if len(fitted) >= budget.models:
        told["skipped"] = f"{budget.models} models are tried"
    elif not first and work.held_out_queries(done, slot) < ENOUGH_TO_CHOOSE:
        told["skipped"] = f"fewer than {ENOUGH_TO_CHOOSE} queries cannot tell settings apart"
    elif not budget.fits(took, keep=keep) or (
        not first and budget.left() - took < budget.seconds * (1 - SEARCH_SHARE)
    ):
        told["skipped"] = "it would not fit the budget"
    else:
        older, _, held_out = work.examples(shop, done, slot)
        if held_out is None:
            told["skipped"] = "nobody asked this"
            return "try"
        if first:
            leak = leaks.leaks(held_out.x, held_out.bought, held_out.names)
            if leak:
                named = ", ".join(f"{each.feature} (AUC {each.auc:.3f})" for each in leak[:5])
                return End(
                    RunState.FAILED,
                    "leak",
                    f"a feature of {slot.value} tells what was bought by itself, so it must have seen it: {named};"
                    " nothing was registered, and what serves was not touched",
                )
        if not learnable(older, held_out):
            told["skipped"] = "too few purchases to learn an order from"
            return "try"
        began = time.monotonic()
        trial = attempt(older, held_out, run.seed, setting, until=budget.until(keep=keep))
        told |= {
            "trees": trial.trees,
            "ndcg@10": round(float(trial.ndcg.mean()), 6),
            "queries": len(trial.ndcg),
            "seconds": round(time.monotonic() - began, 3),
            "each": workfiles.keep(shop.pk, {"ndcg": trial.ndcg}),
        }
    return "try" if len(trials) < len(wanted) else None


def _rank(shop: Shop, run: TrainingRun, now: datetime) -> str | None:
    """One slot's recipe, and its ranker on the windows before the test window."""
    done, budget = run.work, work.budget(run)
    slot = work.next_slot(done["recipes"])
    if slot is None:
        return None
    older, newest, held_out = work.examples(shop, done, slot)
    trial = best(
        [
            Trial(BY_NAME[each["setting"]], each["trees"], workfiles.read(shop.pk, each["each"])["ndcg"])
            for each in done["trials"]
            if each["slot"] == slot.value and each["trees"]
        ]
    )
    recipe = usual(slot)
    if held_out is not None:
        choice, told = decide(slot, held_out, trial)
        recipe = Recipe(recipe.setting, 0, choice)
        done.setdefault("validation", {})[slot.value] = told
        if trial is not None and RANKER in (choice.known, choice.unknown):
            recipe = Recipe(trial.setting.name, trial.trees, choice)
            keep = work.seconds_of_a_window(done) * TO_FINISH
            ranker = work.fitted([*newest, *older], recipe, run.seed, budget.until(keep=keep))
            done["rankers"][slot.value] = work.keep_ranker(shop, ranker)
    done["recipes"][slot.value] = recipe.to_json()
    return "rank" if work.next_slot(done["recipes"]) is not None else None


def _measure(shop: Shop, run: TrainingRun, now: datetime) -> str | None:
    """Ask the measured model what was asked in the test window; keep that window's examples for the last fit."""
    done, budget = run.work, work.budget(run)
    each = work.seconds_of_a_window(done)
    if done["windows"] and not budget.fits(each * TO_MEASURE, keep=each * TO_REGISTER):
        done["metrics"] = {"measured": False, "why": "the budget ended before it could be measured"}
        return "judge"
    history = work.history(run)
    sales, test_from = history.sales, done["test_from"]
    signals = work.signals(history, test_from, done)
    cold = fit_cold_start(sales.before(test_from), test_from, done["length"], run.seed)
    newcomers = cold.scores(signals.popularity)
    recipes = work.recipes(done)
    model = TwoStage(
        signals, newcomers, work.rankers(shop, done["rankers"]), {s: recipes[s].choice for s in recipes}
    )
    found = measured.answered(sales, model, done["length"], run.seed)
    before = work.previous_model(shop, run, signals, newcomers, model)
    if before is not None:
        for each_asked in found.values():
            each_asked.answers[measured.PREVIOUS] = measured.answers_of(before, each_asked.asked.batch)
    model, gave_way = work.give_way(run, found, model)
    catalogue = measured.catalogue_of(
        sales, signals, history.content, work.in_stock(shop, history, test_from)
    )
    run.work["metrics"] = {
        "measured": True,
        "catalogue": int(signals.known.sum()),
        "baseline": f"popularity, half-life {done['half_life']}",
        "test_from": work.moment(test_from).isoformat(),
        "test_until": work.moment(history.now).isoformat(),
        **measured.report(found, catalogue, run.seed),
        "gave_way": gave_way,
        "previous": work.previous_told(run, before),
    }
    done["beside"] = measured.besides(found, run.seed)
    done["test_examples"] = {}
    for slot in RANKED:
        if slot.value in done["rankers"]:
            examples = gather(
                slot,
                sales,
                signals,
                done["length"],
                len(done["starts"]),
                run.seed,
                hold_out=False,
                share=done["share"],
            )
            if examples is not None:
                digests = [workfiles.keep_examples(shop.pk, part) for part in examples.sampled]
                done["test_examples"][slot.value] = digests
    return None


def _judge(shop: Shop, run: TrainingRun, now: datetime) -> None:
    done = run.work
    policy = policy_of(shop, run)
    values = work.values(done["metrics"])
    told = done.get("beside", {})
    baselines = [Beside(**each) for each in told.get("baselines", [])]
    previous = Beside(**told["previous"]) if told.get("previous") else None
    found = judge(policy, values, baselines=baselines, previous=previous)
    serving = deployments.slots(shop)
    if (
        not done["metrics"]["measured"]
        and done["metrics"].get("why")
        and serving
        and policy.promotion is not Promotion.ALWAYS
    ):
        found = Judged(Verdict.SHELVE, (done["metrics"]["why"],), found.checked)
    done["metrics"]["judged"] = {
        "verdict": found.verdict.value,
        "promotion": policy.promotion.value,
        "reasons": list(found.reasons),
        "checked": list(found.checked),
        "retrain": found.retrain,
    }


def _refit(shop: Shop, run: TrainingRun, now: datetime) -> str | None:
    """One slot's ranker, of the recipe that was measured, on all windows."""
    done, budget = run.work, work.budget(run)
    slot = next(
        (each for each in RANKED if each.value in done["rankers"] and each.value not in done["refits"]), None
    )
    if slot is None:
        return None
    keep = work.seconds_of_a_window(done) * TO_REGISTER
    took = max((each["seconds"] for each in done["trials"] if each["slot"] == slot.value), default=0.0)
    recipe = work.recipes(done)[slot]
    tests = done.get("test_examples", {}).get(slot.value, [])
    if tests and budget.fits(took, keep=keep):
        older, newest, _ = work.examples(shop, done, slot)
        parts = [*(workfiles.read_examples(shop.pk, each) for each in tests), *newest, *older]
        done["refits"][slot.value] = work.keep_ranker(
            shop, work.fitted(parts, recipe, run.seed, budget.until(keep=keep))
        )
    else:  # the best there is: the ranker that was measured
        done["refits"][slot.value] = done["rankers"][slot.value]
    return "refit"


def _register(shop: Shop, run: TrainingRun, now: datetime) -> None:
    snapshot = run.snapshot
    assert snapshot is not None
    done, history = run.work, work.history(run)
    recipes = work.recipes(done) if done["recipes"] else {slot: usual(slot) for slot in RANKED}
    signals = work.signals(history, history.now, done)
    cold = fit_cold_start(history.sales, history.now, done["length"], run.seed)
    plain = Slot.COLD.value in done["metrics"].get("gave_way", {})
    newcomers = signals.popularity["popular"] if plain else cold.scores(signals.popularity)
    rankers = work.rankers(shop, done["refits"])
    model = TwoStage(signals, newcomers, rankers, {slot: recipes[slot].choice for slot in RANKED})
    recommender = ShopRecommender(
        history.product_ids,
        history.customers,
        model,
        neighbours_of(history.content, len(history.product_ids)),
    )
    parameters = work.parameters(run, recipes)
    about = {
        "parameters": parameters,
        "seed": run.seed,
        "snapshot": snapshot.digest,
        "catalogue": snapshot.catalogue_digest,
        "orders": snapshot.orders,
        "lines": snapshot.lines,
    }
    metrics = {**done["metrics"], "sufficiency": done["sufficiency"], "trials": work.trials_told(done)}
    run.version = registry.register(
        shop,
        use_case=UseCase.RECOMMENDATIONS,
        content=artefact.pack(recommender, about),
        metrics=metrics,
        lineage=Lineage(
            run_id=run.pk,
            snapshot_id=snapshot.pk,
            snapshot_digest=snapshot.digest,
            data_since=snapshot.since,
            data_until=snapshot.until,
            parameters=parameters,
            seed=run.seed,
            code_revision=code_revision(),
            duration_s=round(sum(done.get("steps", {}).values()), 3),
            features=work.features(shop, now) if done["metrics"]["measured"] else {},
        ),
        now=now,
    )


def _deploy(shop: Shop, run: TrainingRun, now: datetime) -> End:
    version, judged = run.version, run.work["metrics"]["judged"]
    assert version is not None
    if judged["verdict"] != Verdict.PROMOTE:
        why = "; ".join(judged["reasons"])
        kept = Lifecycle.STAGING if judged["verdict"] == Verdict.STAGE else Lifecycle.SHELVED
        registry.move(version, kept, actor=run.actor, reason=why, now=now)
        told = "is kept warm and does not serve" if kept == Lifecycle.STAGING else "was shelved"
        return End(RunState.DONE, kept.value, f"version {version.number} {told}: {why}")
    for slot in STOREFRONT_SLOTS:
        deployments.deploy(shop, slot, version, actor=run.actor, reason=run.reason, now=now)
    return End(RunState.DONE)


def _smaller(run: TrainingRun) -> str | None:
    """Begin anew with half of the lines, at most twice."""
    halvings = run.work.get("halvings", 0)
    if halvings >= MOST_HALVINGS or run.snapshot is None:
        return None
    kept = {name: run.work[name] for name in ("steps", "sufficiency") if name in run.work}
    run.work = {**kept, "halvings": halvings + 1}
    return "plan"


def _parts_of_windows(done: Mapping[str, Any]) -> tuple[int, int]:
    return min(len(done["windows"]), max(len(done["starts"]) - 1, 0)), len(done["starts"])


def _parts_of_trials(done: Mapping[str, Any]) -> tuple[int, int]:
    count = len(SETTINGS) * len(work.slots(done))
    return min(len(done["trials"]), max(count - 1, 0)), count


RECOMMENDATIONS = Pipeline(
    UseCase.RECOMMENDATIONS,
    (
        Step("snapshot", "collecting orders", _snapshot),
        Step("plan", "cutting the history into windows", _plan),
        Step("windows", "learning from a window of the past", _windows, weight=6.0, parts=_parts_of_windows),
        Step("try", "trying settings on your own orders", _try, weight=5.0, parts=_parts_of_trials),
        Step("rank", "putting products in order", _rank, weight=3.0),
        Step("measure", "measuring on later orders", _measure, weight=2.0),
        Step("judge", "judging whether it may serve", _judge, weight=0.1),
        Step("refit", "learning the order from all windows", _refit, weight=3.0),
        Step("register", "learning from all orders", _register, weight=1.5),
        Step("deploy", "putting it live", _deploy, weight=0.1),
    ),
    smaller=_smaller,
)
