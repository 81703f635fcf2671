import { describe, expect, it } from "vitest";
import { measure, NOTHING_LIVE, overview, traffic, version } from "./sample_facts";
import { attributionRule, followedSentence, glance, importSentence, judge, places, qualitySentence, tiersSentence } from "./words";

const SHOWN = traffic([
  { requests: 40, clicks: 6, orders: 2, revenue: "75.00" },
  { requests: 60, clicks: 4, orders: 1, revenue: "-20.00" },
]);

describe("judge", () => {
  it("says better or worse only when the whole difference lies on one side of nothing", () => {
    expect(judge(measure("home", 0.24, 0.22, 0.26, 0.11))).toBe("better");
    expect(judge(measure("home", 0.2, 0.18, 0.22, 0.19))).toBe("alike");
    expect(judge(measure("home", 0.1, 0.08, 0.12, 0.19))).toBe("worse");
    expect(judge({ ...measure("home", 0.2, 0.18, 0.22, 0.19), ahead_low: 0.004 })).toBe("better");
  });

  it("does not judge what was not measured", () => {
    expect(judge(null)).toBe("unmeasured");
    expect(judge({ ...measure("home", 0.2, 0.1, 0.3, 0.1), ahead_low: null })).toBe("unmeasured");
  });
});

describe("sentences", () => {
  it("tells quality beside bestsellers, with its interval", () => {
    expect(qualitySentence(measure("home", 0.241, 0.229, 0.253, 0.112))).toBe(
      "Of the products shoppers bought next, it would have shown 24.1% among its first 20 (95% sure: 22.9% to 25.3%); plain bestsellers would have shown 11.2%.",
    );
    expect(qualitySentence(null)).toContain("too few later orders");
  });

  it("adds up the waits of an import, and admits when one is unknown", () => {
    const orders = { resource: "orders", state: "running" as const, phase: "reading" as const, note: "", skipped: 0, done: 5, total: 9, per_second: 2, eta_s: 4, problem: "" };
    const stock = { ...orders, resource: "inventory", state: "waiting" as const, eta_s: 10 };
    expect(importSentence({ state: "running", resources: [orders, stock] })).toBe("Reading orders from Shopify. About 14 seconds to go.");
    expect(importSentence({ state: "running", resources: [orders, { ...stock, eta_s: null }] })).toContain("not known yet");
  });

  it("lists places as a person would", () => {
    expect(places(["home"])).toBe("home page");
    expect(places(["product_page", "cart", "home"])).toBe("product page, cart and home page");
  });

  it("sums up what shoppers saw and what followed", () => {
    expect(tiersSentence(SHOWN)).toBe("Shoppers were answered 100 times: 100% picked for the product or cart. They clicked 10 times.");
    expect(followedSentence(SHOWN)).toBe("3 orders followed a recommendation: £55.00 of recommended products, after £20.00 of refunds and cancellations.");
    expect(followedSentence(traffic([]))).toBe("No order has followed a recommendation in this time.");
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
