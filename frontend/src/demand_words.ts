/** What numbers of demand mean, in words. Pure. */

import type { Demand, DemandRow } from "./api";
import { count, percent, plural } from "./format";

export const SHOWN: [string, string][] = [
  ["all", "All products"],
  ["order", "To be ordered now"],
  ["sold_out", "Sold out"],
  ["naive", "Forecast by last week"],
  ["new", "New, or not sold yet"],
  ["dying", "Not selling any more"],
];
export const SORTS: [string, string][] = [
  ["order", "What to order first"],
  ["forecast", "Expected units"],
  ["cover", "How long the stock lasts"],
  ["stock", "Stock"],
  ["lost", "Lost for want of stock"],
  ["accuracy", "How good the forecast is"],
  ["title", "Title"],
];

const KNOWLEDGE: Record<string, string> = {
  nothing: "Nothing has been sold yet, so nothing is expected.",
  guess: "Your history is too short to measure a forecast on it. What you see are rules of thumb until there are two months.",
  measured: "Measured on your own past weeks. Seasons are not known yet: that takes a year and two months.",
  season: "Measured on your own past weeks; last year's season is known.",
};
export const knowledge = (key: string) => KNOWLEDGE[key] ?? "";

export function measured(whole: NonNullable<Demand["whole"]>): string {
  if (whole.wape === null || whole.wape_naive === null || whole.bias === null || whole.coverage_90 === null) return "";
  const better = 1 - whole.wape / whole.wape_naive;
  const error = better >= 0 ? `${percent(better)} less` : `${percent(-better)} more`;
  const bias = Math.abs(whole.bias) < 0.005 ? "neither too high nor too low" : `${percent(Math.abs(whole.bias))} too ${whole.bias > 0 ? "high" : "low"}`;
  return (
    `On past weeks that it had not seen, its daily errors were ${error} than those of repeating last week, its sum was ${bias}, ` +
    `and ${percent(whole.coverage_90)} of the days lay where 90 % should.`
  );
}

export function servedBy(row: DemandRow): string {
  if (row.served === "naive") return "Last week repeated: the model was not better";
  if (row.served === "relatives") return "No past of its own: as similar products began";
  return row.accuracy.days === 0 ? "Model, not measured yet" : "Model";
}

export function quality(row: DemandRow): string {
  const { bias, coverage_90, fva } = row.accuracy;
  const parts = [
    fva === null || row.served === "naive" ? "" : against(fva),
    bias === null ? "" : `bias ${bias > 0 ? "+" : "−"}${percent(Math.abs(bias))}`,
    coverage_90 === null ? "" : `${percent(coverage_90)} within 90 %`,
  ].filter(Boolean);
  return parts.length === 0 ? "Too little sold to measure" : parts.join(", ");
}

function against(fva: number): string {
  if (Math.abs(fva) < 0.005) return "as good as last week";
  return fva > 0 ? `${percent(fva)} better than last week` : `${percent(-fva)} worse on single days than last week`;
}

export function cover(row: DemandRow): string {
  if (row.stock === null) return "Stock is not tracked";
  if (row.stock <= 0) return "Sold out";
  return row.cover_days === null ? "For months" : plural(row.cover_days, "day");
}

export function advice(row: DemandRow): string {
  if (row.order > 0) return `Order ${count(row.order)}`;
  return row.stock === null ? "–" : "Enough";
}
