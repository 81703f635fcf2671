import { describe, expect, it } from "vitest";
import type { Expectation, Held, Quality } from "./api";
import { boundOf, changeSentence, daysBetween, fieldName, heldFrom, passed, passingPlot, qualitySentence } from "./quality_words";

const expectation = (more: Partial<Expectation> = {}): Expectation => ({
  name: "lines.quantity:range",
  field: "lines.quantity",
  check: "range",
  severity: "quarantine",
  bounds: { min: 0, max: null },
  by_hand: false,
  editable: ["max", "min"],
  allowed: "at least 0",
  ...more,
});

const suite = (resource: "orders" | "products", days: Quality["suites"][number]["days"]): Quality["suites"][number] => {
  const sum = (of: "checked" | "warned" | "quarantined") => days.reduce((so_far, each) => so_far + each[of], 0);
  const checked = sum("checked");
  return {
    resource, version: 1, author: "system:default", since: "2026-11-01T00:00:00Z", held: 0, days, checked,
    warned: sum("warned"), quarantined: sum("quarantined"), ratio: checked === 0 ? null : (checked - sum("quarantined")) / checked,
  };
};
const one = (day: string, checked: number, quarantined: number) => ({ day, checked, quarantined, warned: 1, ratio: (checked - quarantined) / checked });
const quality: Quality = {
  since: "2026-11-01", until: "2026-11-04", halts: [],
  suites: [suite("orders", [one("2026-11-02", 100, 0), one("2026-11-04", 50, 5)]), suite("products", [])],
};

describe("data quality in words", () => {
  it("never rounds a held row away", () => {
    expect(passed(1)).toBe("100%");
    expect(passed(0.99999)).toBe("99.99%");
    expect(passed(0.9667)).toBe("96.67%");
    expect(passed(null)).toBe("–");
  });

  it("sums up what came in", () => {
    expect(qualitySentence(quality)).toBe("150 rows were judged since Nov 1, 2026; 96.67% arrived. 5 rows were held back. 2 rows were unusual and arrived.");
    expect(qualitySentence({ ...quality, suites: [suite("orders", [])] })).toBe("No row has come in yet in these days.");
  });

  it("draws gaps where nothing came, and the table tells the same", () => {
    const spec = passingPlot(quality).plain;
    expect(spec.data).toHaveLength(1);
    expect(spec.data[0]?.["y"]).toEqual([null, 1, null, 0.9]);
    expect(spec.table.rows).toEqual([["Nov 2, 2026", "100% of 100"], ["Nov 4, 2026", "90.00% of 50"]]);
  });

  it("says what changed between two suites", () => {
    const before = expectation();
    expect(changeSentence({ name: before.name, before, after: expectation({ allowed: "0 to 500", severity: "warn" }) })).toBe(
      "line: quantity – lowest and highest: at least 0 → 0 to 500; Hold the row → Count it",
    );
    expect(changeSentence({ name: before.name, before: null, after: before })).toBe("line: quantity – lowest and highest: new, at least 0");
    expect(fieldName("")).toBe("The whole batch");
  });

  it("reads what was typed, and nothing else", () => {
    expect(boundOf("max", " 500 ")).toEqual({ value: 500 });
    expect(boundOf("max", "")).toEqual({ value: null });
    expect(boundOf("times", "")).toBeNull();
    expect(boundOf("max", "many")).toBeNull();
    expect(boundOf("values", "GBP, EUR,GBP")).toEqual({ value: ["GBP", "EUR"] });
  });

  it("tells where a row came from", () => {
    const row = { came_by: "backfill", line_number: 1200, delivery: "" } as Held;
    expect(heldFrom(row)).toBe("line 1,200 of the import");
    expect(heldFrom({ ...row, came_by: "webhook", line_number: null, delivery: "w-1" })).toBe("a webhook (w-1)");
    expect(daysBetween("2026-11-29", "2026-12-01")).toEqual(["2026-11-29", "2026-11-30", "2026-12-01"]);
  });
});
