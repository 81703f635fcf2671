import { describe, expect, it } from "vitest";
import { inUse, liveQuality, qualityOverVersions, revenueByDay, tiersByDay } from "./plots";
import { measure, NOTHING_LIVE, overview, traffic, version } from "./sample_facts";

const SHOWN = traffic([
  { requests: 40, clicks: 6, orders: 2, revenue: "75.00" },
  { requests: 0, clicks: 0, orders: 0, revenue: "-20.00" },
]);

describe("plots and their table twins say the same", () => {
  it("answers by tier: one trace for each tier that spoke", () => {
    const spec = tiersByDay(SHOWN).plain;
    expect(spec.data.map((trace) => trace["name"])).toEqual(["Picked"]);
    expect(spec.data[0]?.["y"]).toEqual([40, 0]);
    expect(spec.table.head.map((column) => column.text)).toEqual(["Day", "Answers", "Picked", "Trending", "Newest", "Nothing", "Clicks"]);
    expect(spec.table.rows).toEqual([
      ["Nov 1, 2026", "40", "40", "0", "0", "0", "6"],
      ["Nov 2, 2026", "0", "0", "0", "0", "0", "0"],
    ]);
  });

  it("revenue: a refund day goes below zero in both", () => {
    const spec = revenueByDay(SHOWN).plain;
    expect(spec.data[0]?.["y"]).toEqual([75, -20]);
    expect(spec.table.rows.map((row) => row[2])).toEqual(["£75.00", "-£20.00"]);
    expect(spec.summary).toContain("2 orders followed a recommendation: £55.00");
  });

  it("quality: the difference from bestsellers with its interval, which is what the verdict stands on", () => {
    const spec = liveQuality(overview().slots);
    const own = spec?.data[0] as { x: number[]; error_x: { array: number[]; arrayminus: number[] } };
    expect(own.x[0]).toBeCloseTo(0.13);
    expect(own.error_x.array[0]).toBeCloseTo(0.02);
    expect(own.error_x.arrayminus[0]).toBeCloseTo(0.02);
    expect(spec?.table.rows).toEqual([["Product page", "0.240", "0.110", "0.130", "0.110 to 0.150", "Better than bestsellers"]]);
    expect(spec?.summary).toBe("Product page: ranking score 0.240, bestsellers 0.110, difference 0.130 (95% interval 0.110 to 0.150). Better than bestsellers.");
  });

  it("starts with the first day in use, and shows a week at least", () => {
    const idle = { requests: 0, clicks: 0, orders: 0, revenue: "0.00" };
    const late = traffic([...Array<typeof idle>(20).fill(idle), { ...idle, requests: 3 }]);
    expect(inUse(late).map((each) => each.day)[0]).toBe("2026-11-15");
    expect(inUse(late)).toHaveLength(7);
    const early = traffic([idle, { ...idle, revenue: "-5.00" }, ...Array<typeof idle>(20).fill(idle)]);
    expect(inUse(early)[0]?.day).toBe("2026-11-02");
  });

  it("labels every axis, and the newest day", () => {
    const many = traffic(Array.from({ length: 28 }, () => ({ requests: 1, clicks: 0, orders: 0, revenue: "0.00" })));
    const { xaxis, yaxis } = tiersByDay(many).plain.layout as { xaxis: { tickvals: string[] }; yaxis: { title: { text: string } } };
    expect(xaxis.tickvals.length).toBeLessThanOrEqual(6);
    expect(xaxis.tickvals.at(-1)).toBe(many.days.at(-1)?.day);
    expect(yaxis.title.text).toBe("Answers a day");
    expect(revenueByDay(many).plain.layout["yaxis"]).toMatchObject({ title: { text: "Net revenue a day (GBP)" } });
    expect(liveQuality(overview().slots)?.layout["xaxis"]).toMatchObject({ title: { text: "Score ahead of bestsellers, 95% interval" } });
  });

  it("draws nothing rather than an empty frame", () => {
    expect(liveQuality(NOTHING_LIVE)).toBeNull();
    expect(qualityOverVersions([version(1, { measures: [] })], "home")).toBeNull();
  });

  it("puts versions in the order they were made", () => {
    const newest = version(3, { measures: [measure("cart", 0.3, 0.2, 0.4, 0.1)] });
    const oldest = version(1, { measures: [measure("cart", 0.2, 0.1, 0.3, 0.1)] });
    expect(qualityOverVersions([newest, oldest], "cart")?.table.rows.map((row) => row[0])).toEqual(["Version 1", "Version 3"]);
  });

  it("takes every colour from Polaris", () => {
    const colours = JSON.stringify([tiersByDay(SHOWN), revenueByDay(SHOWN), liveQuality(overview().slots)]).match(/#[0-9a-f]{3,8}\b/gi);
    expect(colours).toBeNull();
    expect(JSON.stringify(tiersByDay(SHOWN))).toContain("rgba(4, 123, 93, 1)");
  });
});
