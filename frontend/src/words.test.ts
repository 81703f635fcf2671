import { describe, expect, it } from "vitest";
import type { Measure } from "./api";
import { measure, NOTHING_LIVE, overview, swept, traffic, version } from "./sample_facts";
import {
  attributionRule,
  behind,
  comparisonSentence,
  followedSentence,
  glance,
  importRemarks,
  importSentence,
  judge,
  trainingStep,
  LEAST_CASES,
  numbersSentence,
  places,
  sweptText,
  tiersSentence,
  topicName,
  verdictSentence,
} from "./words";

const SHOWN = traffic([
  { requests: 40, clicks: 6, orders: 2, revenue: "75.00" },
  { requests: 60, clicks: 4, orders: 1, revenue: "-20.00" },
]);

/** A version with one ranking measure on the home page, and perhaps the share found among the first 20. */
function tested(ranking: Partial<Measure>, reach?: Partial<Measure>) {
  const base = measure("home", 0.2, 0.18, 0.22, 0.1);
  const measures = [{ ...base, ...ranking }];
  return version(2, { measures: reach ? [...measures, { ...base, name: "recall@20", ...reach }] : measures });
}

describe("judge", () => {
  it("says better or worse only when the whole difference lies on one side of nothing", () => {
    expect(judge(tested({ ahead_low: 0.07, ahead_high: 0.12 }), "home")).toBe("better");
    expect(judge(tested({ ahead_low: -0.004, ahead_high: 0.12 }), "home")).toBe("unclear");
    expect(judge(tested({ ahead_low: -0.12, ahead_high: -0.004 }), "home")).toBe("worse");
  });

  it("lets the first 20 object, and not decide", () => {
    const better = { ahead_low: 0.07, ahead_high: 0.12 };
    expect(judge(tested(better, { ahead_low: -0.2, ahead_high: -0.1 }), "home")).toBe("mixed");
    expect(judge(tested(better, { ahead_low: -0.2, ahead_high: 0.1 }), "home")).toBe("better");
    expect(judge(tested({ ahead_low: -0.1, ahead_high: 0.1 }, { ahead_low: 0.1, ahead_high: 0.2 }), "home")).toBe("unclear");
  });

  it("does not judge what was not measured, or hardly", () => {
    expect(judge(tested({}), "cart")).toBe("too_few");
    expect(judge(tested({ ahead_low: null }), "home")).toBe("too_few");
    expect(judge(tested({ cases: LEAST_CASES - 1 }), "home")).toBe("too_few");
    expect(judge(tested({ cases: LEAST_CASES }), "home")).toBe("better");
    expect(verdictSentence(tested({ cases: 7 }), "home")).toContain("(7 so far)");
    expect(numbersSentence(tested({ cases: 7 }), "home")).toBe("");
  });

  it("reads a real shop's product page as clearly better, with the interval", () => {
    const real = tested({ value: 0.22, low: 0.207, high: 0.233, baseline: 0.07, ahead: 0.15, ahead_low: 0.137, ahead_high: 0.163, cases: 2000 });
    expect(judge(real, "home")).toBe("better");
    expect(verdictSentence(real, "home")).toBe("It ranks what shoppers buy next 3.1 times as well as plain bestsellers would.");
    expect(numbersSentence(real, "home")).toBe(
      "Ranking score 0.220, bestsellers 0.070; ahead by 0.150 (95% interval 0.137 to 0.163). Tested on 2,000 later orders.",
    );
  });

  it("does not make a small lead sound large, or a deficit sound like a lead", () => {
    const small = tested({ value: 0.11, baseline: 0.096, ahead: 0.014, ahead_low: 0.01, ahead_high: 0.02 });
    expect(verdictSentence(small, "home")).toContain("15% better than plain bestsellers");
    const behind = tested({ value: 0.08, baseline: 0.1, ahead: -0.02, ahead_low: -0.03, ahead_high: -0.01 });
    expect(verdictSentence(behind, "home")).toContain("worse than plain bestsellers");
    expect(numbersSentence(behind, "home")).toContain("behind by 0.020 (95% interval 0.010 to 0.030)");
  });

  it("gives the difference its sign when neither is ahead", () => {
    const unclear = tested({ ahead: -0.01, ahead_low: -0.03, ahead_high: 0.01 });
    expect(numbersSentence(unclear, "home")).toContain("difference -0.010 (95% interval -0.030 to 0.010)");
  });
});

describe("sentences", () => {
  it("adds up the waits of an import, and admits when one is unknown", () => {
    const orders = { resource: "orders", state: "running" as const, phase: "reading" as const, note: "", skipped: 0, done: 5, total: 9, per_second: 2, eta_s: 4, problem: "" };
    const stock = { ...orders, resource: "inventory", state: "waiting" as const, eta_s: 10 };
    expect(importSentence({ state: "running", resources: [orders, stock] })).toBe("Reading orders from Shopify. About 14 seconds to go.");
    expect(importSentence({ state: "running", resources: [orders, { ...stock, eta_s: null }] })).toContain("not known yet");
    expect(importSentence({ state: "running", resources: [{ ...orders, eta_s: 0.2 }] })).toBe("Reading orders from Shopify. Not long now.");
  });

  it("promises no end while Shopify still prepares the files", () => {
    const one = { resource: "orders", state: "running" as const, phase: "exporting" as const, note: "", skipped: 0, done: 5, total: 9, per_second: 2, eta_s: 12.3, problem: "" };
    const resources = [one, { ...one, resource: "customers", eta_s: 3 }, { ...one, resource: "products", eta_s: 1 }];
    expect(importSentence({ state: "running", resources })).toBe("Shopify is preparing your orders, customers and products. At least 13 seconds to go.");
  });

  it("keeps telling what an import left out after it is done", () => {
    const orders = { resource: "orders", state: "done" as const, phase: null, note: "Only 60 days.", skipped: 2, done: 9, total: 9, per_second: 2, eta_s: 0, problem: "" };
    expect(importRemarks({ state: "done", resources: [orders, { ...orders, resource: "products", note: "", skipped: 0 }] })).toEqual([
      "Orders: Only 60 days.",
      "Orders: 2 rows could not be understood and were left out, never guessed.",
    ]);
    expect(importRemarks({ state: "running", resources: [orders] })).toEqual([]);
  });

  it("lists places as a person would", () => {
    expect(places(["home"])).toBe("home page");
    expect(places(["product_page", "cart", "home"])).toBe("product page, cart and home page");
  });

  it("sums up what shoppers saw and what followed", () => {
    expect(tiersSentence(SHOWN)).toBe("Shoppers were answered 100 times: 100% picked for the product or cart. They clicked 10 times.");
    expect(followedSentence(SHOWN)).toBe("3 orders followed a recommendation: £55.00 of recommended products, after £20.00 of refunds and cancellations.");
    expect(followedSentence(traffic([]))).toBe("No order has followed a recommendation in the last 0 days.");
  });

  it("states the attribution rule with the window in force", () => {
    expect(attributionRule(24)).toContain("in the 24 hours before");
    expect(attributionRule(24)).toContain("Attributed is not incremental");
  });
});

describe("glance", () => {
  it("follows a shop from install to its first shopper", () => {
    const importing = overview({ slots: NOTHING_LIVE, history_import: { state: "running", resources: [] } });
    expect(glance(importing, null)).toContain("history is coming in");
    const stopped = overview({ slots: NOTHING_LIVE, history_import: { state: "failed", resources: [] } });
    expect(glance(stopped, null)).toContain("What has arrived is kept");
    const at = { state: "running" as const, step: "collecting orders", step_number: 2, steps: 5 };
    expect(trainingStep({ ...overview().training, ...at })).toBe(": step 2 of 5, collecting orders");
    expect(trainingStep({ ...overview().training, ...at, eta_s: 42 })).toContain("step 2 of 5, collecting orders, about 42 seconds left");
    expect(trainingStep(overview().training)).toBe("");
    const training = { ...overview().training, state: "running" as const };
    expect(glance(overview({ slots: NOTHING_LIVE, training }), null)).toContain("learning from it now");
    expect(glance(overview({ slots: NOTHING_LIVE }), null)).toContain("no version is live yet");
    const nothing = { ...overview().training, problem: "there are no orders to learn from yet" };
    expect(glance(overview({ slots: NOTHING_LIVE, training: nothing }), null)).toBe(
      "Your history is in. There are no orders to learn from yet.",
    );
    expect(glance(overview(), traffic([]))).toContain("No shopper has seen it yet");
    expect(glance(overview(), SHOWN)).toBe(
      "Live now: version 2 on product page, cart and home page. In the last 2 days, 3 orders followed, with £55.00 of recommended products after refunds.",
    );
  });

  it("names each version when places differ", () => {
    const slots = overview().slots.map((slot) => (slot.slot === "home" ? { ...slot, version: version(1) } : slot));
    expect(glance(overview({ slots }), null)).toBe("Live now: version 2 on product page and cart; version 1 on home page.");
  });

  it("puts a lapsed key first", () => {
    expect(glance(overview({ shop: { ...overview().shop, state: "needs_reauth" } }), SHOWN)).toContain("no longer accepts our key");
  });
});

describe("the comparison with Shopify", () => {
  const at = (iso: string) => iso.slice(11, 16);

  it("says what was found, and never that all is well when it is not", () => {
    expect(sweptText(swept())).toBe("Agrees with Shopify");
    expect(sweptText(swept({ missing: 2, gone: 1 }))).toBe("Agrees now; found 2 missing and 1 deleted in Shopify");
    expect(sweptText(swept({ missing: 2, differing: 1 }))).toBe("1 difference could not be repaired");
    expect(sweptText(swept({ state: "failed", problem: "Shopify denies a field." }))).toBe("Shopify denies a field.");
  });

  it("names the next one, unless one runs", () => {
    const orders = swept();
    const agreed = comparisonSentence({ state: "resting", resources: [orders, swept({ resource: "products", next_at: "2026-11-20T15:00:00Z" })] }, at);
    expect(agreed).toBe("What we keep agrees with Shopify. The next one begins by itself at 14:00.");
    expect(comparisonSentence({ state: "running", resources: [orders] }, at)).toContain("is running");
    expect(comparisonSentence({ state: "resting", resources: [swept({ differing: 3 })] }, at)).toContain("Not all");
    expect(comparisonSentence({ state: "failed", resources: [orders, swept({ state: "failed" })] }, at)).toContain("Not everything");
    const empty = swept({ state: "no_history", began_at: null, finished_at: null, next_at: null });
    expect(comparisonSentence({ state: "resting", resources: [empty] }, at)).toContain("has to be in before");
  });
});

describe("the flow of events", () => {
  it("is up to date for a minute, and then tells how far it is behind", () => {
    expect(behind(60)).toEqual({ tone: "success", text: "Up to date" });
    expect(behind(61)).toEqual({ tone: "warning", text: "61 seconds behind" });
    expect(behind(7200).text).toBe("2 hours behind");
  });

  it("names a topic that is new here by its own name", () => {
    expect(topicName("exposures")).toBe("What shoppers were shown and clicked");
    expect(topicName("late_arrivals")).toBe("Late arrivals");
  });
});
