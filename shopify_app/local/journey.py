"""The demo's way through the product, each step with its check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from shopify_app.local.merchant import Json, Merchant
from shopify_app.local.stack import ROOT
from shopify_app.local.terminal import Terminal

STOREFRONT_SLOTS = ("product_page", "cart", "home")
# The store's own word for each count, and the app's.
COUNTS = {"orders": "orders", "lines": "order_lines", "customers": "customers", "products": "products"}


class StepFailed(RuntimeError):
    """A step did not come to its end; the message says what was seen."""


class Journey:
    """Install, import, train twice, shop, attribute; `walk` does all and returns what it saw.

    Args:
        marked: the supervisor's mark, for the shoppers' process.
    """

    def __init__(
        self, merchant: Merchant, terminal: Terminal, *, marked: Mapping[str, str] | None = None
    ) -> None:
        self.merchant = merchant
        self.terminal = terminal
        self.marked = marked or {}

    def walk(self, *, shoppers_seconds: int) -> Json:
        """Returns the facts of every step, ready for JSON.

        Raises:
            StepFailed: a step failed its check.
        """
        facts: Json = {}
        with self.terminal.step("the merchant opens the app: it installs itself"):
            self.install()
        with self.terminal.step("the shop's history flows in"):
            facts["import"] = self.import_history()
        facts["counts"] = self.check_counts()
        with self.terminal.step("the first model is trained and deployed"):
            self.wait_for_version(1)
        with self.terminal.step("a second model, so that there is one to go back to"):
            self.merchant.press("training", reason="a second version for the demo")
            facts["versions"] = self.wait_for_version(2)
        with self.terminal.step(f"shoppers visit the storefront for {shoppers_seconds} s"):
            facts["shoppers"] = self.send_shoppers(shoppers_seconds)
        with self.terminal.step("their orders are tied to what they were shown"):
            facts["traffic"] = self.wait_for_attribution(facts["shoppers"])
        facts["counts"] = self.check_counts()
        facts["admin_api"] = self.check_throttle()
        return facts

    def install(self) -> None:
        self.merchant.grant_all_orders()
        status = self.merchant.open_app()
        if status != 200:
            raise StepFailed(f"the embedded page answered {status}")
        shop = self.merchant.ask("overview")["shop"]
        self.terminal.note(f"{shop['domain']}: {shop['state']}")

    def import_history(self) -> Json:
        started = time.monotonic()

        def look() -> Json | None:
            found = self.merchant.ask("overview")["history_import"]
            if found["state"] == "failed":
                raise StepFailed(f"the import failed: {json.dumps(found['resources'])}")
            self.terminal.progress("  ".join(_progress(each) for each in found["resources"]))
            return found if found["state"] == "done" else None

        found = self._until(look, minutes=20, what="the import")
        return {"seconds": round(time.monotonic() - started, 1), "resources": found["resources"]}

    def check_counts(self) -> Json:
        """The store's own counts against the app's tables; both are returned.

        Raises:
            StepFailed: they still differ after 60 s (deliveries may be on their way).
        """

        def look() -> Json | None:
            store = self.merchant.store(f"shops/{self.merchant.shop}/counts")
            ours = self.merchant.ask("overview")["data"]
            pairs = {name: {"store": store[name], "app": ours[mine]} for name, mine in COUNTS.items()}
            self._counts = pairs
            return pairs if all(pair["store"] == pair["app"] for pair in pairs.values()) else None

        try:
            pairs = self._until(look, minutes=1, what="equal counts")
        except StepFailed as error:
            raise StepFailed(
                f"the store and the app count differently: {json.dumps(self._counts)}"
            ) from error
        self.terminal.note(
            "  ".join(f"{name} {pair['app']:,}" for name, pair in pairs.items()) + "  (store = app)"
        )
        return pairs

    def wait_for_version(self, number: int) -> Json:
        """Wait until every storefront slot is served by version `number` or later, or the gates kept it from going live."""

        def look() -> Json | None:
            overview = self.merchant.ask("overview")
            training = overview["training"]
            if training["state"] == "failed":
                raise StepFailed(f"training failed: {training['problem']}")
            self.terminal.progress(f"training: {training['step']}")
            live = {s["slot"]: s["version"]["number"] for s in overview["slots"] if s["version"]}
            ready = all(live.get(slot, 0) >= number for slot in STOREFRONT_SLOTS)
            if training["state"] == "done" and training["problem"] and not ready:
                if not live:
                    raise StepFailed(f"no version went live: {training['problem']}")
                # The gate did its work; the storefront goes on with what it has.
                self.terminal.note(f"{training['problem']}; what was live stays live")
                return overview
            return overview if ready and training["state"] == "done" else None

        overview = self._until(look, minutes=15, what=f"version {number}")
        versions: Json = {}
        for slot in overview["slots"]:
            if slot["version"] is None:
                continue
            versions[slot["slot"]] = {
                "version": slot["version"]["number"],
                "previous_good": slot["previous_good"]["number"] if slot["previous_good"] else None,
            }
            for measure in slot["version"]["measures"]:
                if measure["slot"] == slot["slot"] and measure["baseline"] is not None:
                    self.terminal.note(
                        f"{slot['slot']}: version {slot['version']['number']}, {measure['name']} "
                        f"{measure['value']:.4f} (popularity {measure['baseline']:.4f})"
                    )
        return versions

    def settle_training(self) -> None:
        """Wait until no training run is under way.

        Raises:
            StepFailed: the run failed.
        """

        def look() -> Json | None:
            training: Json = self.merchant.ask("overview")["training"]
            if training["state"] == "failed":
                raise StepFailed(f"training failed: {training['problem']}")
            return training if training["state"] == "done" else None

        self._until(look, minutes=5, what="the end of the training")

    def send_shoppers(self, seconds: int) -> Json:
        command = [sys.executable, "-m", "devstore", "shop", "--url", self.merchant.devstore_url]
        command += ["--shop", self.merchant.shop, "--seconds", str(seconds)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **self.marked},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            start_new_session=True,
        )
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            raise StepFailed(f"the shoppers ended with code {done.returncode}")
        found: Json = json.loads(lines[-1])
        if not found.get("orders"):
            raise StepFailed(f"no shopper bought anything: {lines[-1][:500]}")
        return found

    def wait_for_attribution(self, shoppers: Json) -> Json:
        def look() -> Json | None:
            totals: Json = self.merchant.ask("traffic?days=1")["totals"]
            all_in = totals["requests"] >= shoppers["recommendations"]["status"].get("200", 0)
            return totals if all_in and totals["clicks"] and totals["attributed_orders"] else None

        totals = self._until(
            look, minutes=1, what=f"attributed orders (shoppers placed {shoppers['orders']})"
        )
        self.terminal.note(
            f"{totals['requests']:,} answers, {totals['clicks']:,} clicks, "
            f"{totals['attributed_orders']:,} attributed orders, net {totals['attributed_net_revenue']}"
        )
        return totals

    def check_throttle(self) -> Json:
        """What the Admin API says of our use: share of the budget, and no THROTTLED answer.

        Raises:
            StepFailed: Shopify had to throttle us.
        """
        stats = self.merchant.store("stats")
        found: Json = stats.get(self.merchant.shop) or stats.get("shops", {}).get(self.merchant.shop) or stats
        if found.get("throttled"):
            raise StepFailed(f"{found['throttled']} Admin API calls were throttled")
        self.terminal.note(f"Admin API: {json.dumps(found)}")
        return found

    def _until(self, look: Callable[[], Json | None], *, minutes: float, what: str) -> Json:
        deadline = time.monotonic() + minutes * 60
        while time.monotonic() < deadline:
            found = look()
            if found is not None:
                return found
            time.sleep(0.5)
        raise StepFailed(f"{what} did not come within {minutes:g} minutes")


_PHASES = {"exporting": "Shopify writes ", "reading": "read ", "writing": "kept "}


def _progress(resource: dict[str, Any]) -> str:
    done = f"{resource['done']:,}"
    if resource["state"] == "done":
        return f"{resource['resource']} {done} ✓"
    phase = _PHASES.get(resource["phase"] or "", "")
    total = f" of {resource['total']:,}" if resource["total"] else ""
    rate = f", {resource['per_second']:,.0f}/s" if resource["per_second"] else ""
    eta = f", {resource['eta_s']:.0f} s left" if resource["eta_s"] else ""
    return f"{resource['resource']}: {phase}{done}{total}{rate}{eta}"
