import { describe, expect, it } from "vitest";
import type { FeatureView } from "./api";
import { featureName, featuresSentence, fillPlot, number, valuesPlot } from "./feature_words";

const view = (state: FeatureView["state"]): FeatureView => ({
  name: "v", entity: "product", told: "", owner: "", digest: "d", state, computed_at: null, features: [], versions: [],
});
const told = {
  since: "2026-11-01",
  until: "2026-11-03",
  days: [
    { day: "2026-11-01", digest: "d", rows: 4, nulls: 1, distinct: 2, mean: 2.5, quantiles: [1, 2, 4] },
    { day: "2026-11-03", digest: "d", rows: 4, nulls: 4, distinct: 0, mean: null, quantiles: [] },
  ],
};

describe("features in words", () => {
  it("says first what is late", () => {
    expect(featuresSentence([view("fresh"), view("fresh")])).toContain("All of them are fresh");
    expect(featuresSentence([view("fresh"), view("late")])).toContain("1 view is older than four and a quarter hours");
    expect(featuresSentence([view("never")])).toContain("None was computed yet");
    expect(featuresSentence([view("fresh"), view("never")])).toContain("1 view is new");
  });

  it("names a feature as a person would, and numbers of any size shortly", () => {
    expect(featureName("price_ratio_28d")).toBe("Price ratio, 28 days");
    expect(featureName("customer_rfm")).toBe("Customer RFM");
    expect([null, 0, 0.012345, 12.5, 1234.5].map(number)).toEqual(["–", "0", "0.0123", "12.5", "1,235"]);
  });

  it("a day without a count is a gap, and the table says the same as the picture", () => {
    const values = valuesPlot("Price", told);
    expect(values.plain.data[0]?.["y"]).toEqual([2.5, null, null]);
    expect(values.rowDays).toEqual(["2026-11-01", "2026-11-03"]);
    expect(values.plain.table.rows[0]?.slice(1)).toEqual(["2.5", "1", "2", "4"]);
    expect(values.plain.summary).toBe("Price: no value in these days.");
    const fill = fillPlot("Price", told);
    expect(fill.plain.data[0]?.["y"]).toEqual([0.25, null, 1]);
    expect(fill.plain.data[1]?.["y"]).toEqual([2, null, 0]);
    expect(fill.plain.table.rows[1]?.slice(1)).toEqual(["4", "100.0%", "0"]);
  });
});
