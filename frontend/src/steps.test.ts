import { describe, expect, it } from "vitest";
import { reasonProblem } from "./ChangeLive";
import { nextLookMs } from "./pages/Overview";
import { routeOf } from "./router";
import { NOTHING_LIVE, overview, traffic } from "./sample_facts";
import { happened } from "./words";
import { stateText } from "./sections/ImportProgress";
import { setupSteps } from "./sections/SetupGuide";

describe("setup guide", () => {
  it("marks a step done only by what has happened", () => {
    const fresh = overview({ slots: NOTHING_LIVE, history_import: { state: "not_started", resources: [] } });
    expect(setupSteps(fresh, null).map((step) => step.done)).toEqual([false, false, false, false]);
    expect(setupSteps(overview(), traffic([])).map((step) => step.done)).toEqual([true, true, false, false]);
    const shown = traffic([{ requests: 1, clicks: 0, orders: 0, revenue: "0.00" }]);
    expect(setupSteps(overview(), shown).every((step) => step.done)).toBe(true);
  });

  it("does not promise a training that has come and gone without orders", () => {
    const nothing = { ...overview().training, problem: "there are no orders to learn from yet" };
    const [, learn] = setupSteps(overview({ slots: NOTHING_LIVE, training: nothing }), null);
    expect(learn).toMatchObject({ done: false, link: { href: "/versions" } });
    expect(learn?.detail).toBe("There are no orders to learn from yet. Once orders have come in, train a version on the Versions page.");
  });
});

describe("polling", () => {
  it("looks often only while something moves", () => {
    expect(nextLookMs(overview({ history_import: { state: "running", resources: [] } }))).toBe(2000);
    expect(nextLookMs(overview({ training: { ...overview().training, state: "running" } }))).toBe(2000);
    expect(nextLookMs(overview({ slots: NOTHING_LIVE }))).toBe(10000);
    expect(nextLookMs(overview())).toBeNull();
  });
});

describe("routes", () => {
  it("knows its own addresses and no others", () => {
    expect(routeOf("/")).toEqual({ page: "overview" });
    expect(routeOf("/overview")).toEqual({ page: "overview" });
    expect(routeOf("/versions/7")).toEqual({ page: "version", id: "7" });
    expect(routeOf("/versions/%E0%A4%A")).toEqual({ page: "version", id: "%E0%A4%A" });
    expect(routeOf("/data")).toEqual({ page: "data" });
    expect(routeOf("/team/7").page).toBe("missing");
    expect(routeOf("/admin").page).toBe("missing");
  });
});

describe("small sentences", () => {
  it("shows pace and time left of an import", () => {
    const orders = { resource: "orders", state: "running" as const, phase: "reading" as const, note: "", skipped: 0, done: 12040, total: 20031, per_second: 2313.4, eta_s: 3.5, problem: "" };
    expect(stateText(orders)).toBe("Reading: 12,040 of 20,031 · 2,313 a second · about 4 seconds left");
    expect(stateText({ ...orders, total: null, per_second: null, eta_s: null })).toBe("Reading: 12,040");
    expect(stateText({ ...orders, state: "failed" })).toBe("Stopped after 12,040");
  });

  it("asks for a reason worth keeping", () => {
    expect(reasonProblem("  ")).not.toBeNull();
    expect(reasonProblem("Sold out")).toBeNull();
    expect(reasonProblem("x".repeat(501))).not.toBeNull();
  });

  it("tells a change in words, and an unknown one as it is", () => {
    const slot = { slot: "home", from_version: 2, to_version: 1, from_version_id: 12, to_version_id: 11 };
    expect(happened({ action: "slot.rolled_back", data: slot })).toBe("Rolled back on home page: version 2 → version 1");
    expect(happened({ action: "slot.deployed", data: { ...slot, from_version: null } })).toBe("Put live on home page: version 1");
    expect(happened({ action: "staff.role_changed", data: { user_id: 7, from: "viewer", to: "owner" } })).toBe(
      "Role changed: staff member 7, viewer → owner",
    );
    expect(happened({ action: "shop.renamed", data: {} })).toBe("shop.renamed");
  });
});
