import { expect, test } from "vitest";
import type { DemandRow, DemandSeries } from "./api";
import { demandByDay, expected, tint, total, units } from "./demand_plots";
import { advice, cover, quality, servedBy } from "./demand_words";

const ahead = (mean: number, discount = 0) => ({ day: "2026-11-21", mean, plain: 4, q05: 0, q25: 2.5, q75: 6.2, q95: 9.1, discount });
const series: DemandSeries = {
  name: "Lamp",
  row: null,
  history: [
    { day: "2026-11-19", sold: 5, without_stock: 0, discount: 0 },
    { day: "2026-11-20", sold: 0, without_stock: 1, discount: 0 },
  ],
  ahead: [ahead(4), { ...ahead(8, 0.2), day: "2026-11-22" }],
  slope: Math.log(2) / 0.2,
  promotions: [],
};
const row = {
  served: "model", stock: 10, cover_days: 3, order: 0, accuracy: { days: 80, mase: 1, naive_mase: 2, bias: -0.1, coverage_90: 0.92, fva: 0.25 },
} as DemandRow; // prettier-ignore

test("a discount of every day multiplies the days at full price", () => {
  expect(expected(series, { discount: null })).toEqual([4, 8]);
  expect(total(expected(series, { discount: 0 }))).toBeCloseTo(8);
  expect(total(expected(series, { discount: 0.2 }))).toBeCloseTo(16);
  expect(expected({ ...series, slope: null }, { discount: 0.2 })).toEqual([4, 8]);
});

test("the table says what the picture says, rounded outward", () => {
  const { plain, days } = demandByDay(series);
  expect(days).toEqual(["2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"]);
  expect(plain.summary).toContain("out of stock");
  expect(plain.table.rows[1]?.slice(1)).toEqual(["0", "", "", "100%", ""]);
  expect(plain.table.rows[2]?.slice(1)).toEqual(["", "4", "0 to 10", "", ""]);
  expect(plain.table.rows[3]?.slice(1)).toEqual(["", "8", "0 to 10", "", "20%"]);
});

test("numbers and colours are told plainly", () => {
  expect([units(0), units(1), units(0.25), units(9.96), units(1234.4)]).toEqual(["0", "1", "0.3", "10.0", "1,234"]);
  expect(tint("#005bd3", 0.5)).toBe("rgba(0,91,211,0.5)");
  expect(tint("rgb(1, 2, 3)", 0.2)).toBe("rgba(1,2,3,0.2)");
});

test("what serves a product and how good it is are not made better than they are", () => {
  expect(quality(row)).toBe("25% better than last week, bias −10%, 92% within 90 %");
  expect(quality({ ...row, accuracy: { ...row.accuracy, fva: -0.3 } })).toContain("30% worse on single days");
  expect(servedBy({ ...row, served: "naive" })).toContain("the model was not better");
  expect(quality({ ...row, served: "naive" })).not.toContain("last week");
  expect(quality({ ...row, accuracy: { days: 0, mase: null, naive_mase: null, bias: null, coverage_90: null, fva: null } })).toBe("Too little sold to measure");
  expect([cover(row), cover({ ...row, stock: null }), cover({ ...row, stock: 0 }), cover({ ...row, cover_days: null })]).toEqual([
    "3 days", "Stock is not tracked", "Sold out", "For months",
  ]);
  expect([advice(row), advice({ ...row, order: 12 }), advice({ ...row, stock: null })]).toEqual(["Enough", "Order 12", "–"]);
});
