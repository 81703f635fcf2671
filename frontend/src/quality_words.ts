/** Pure: data quality in words, and its picture. */

import type { Expectation, Held, Quality, SuiteChange } from "./api";
import { dayPlot, type DayPlotSpec } from "./day_plots";
import { count, day, percent, plural } from "./format";
import { axisTitle, quiet } from "./plot_spec";
import { RESOURCE_NAMES } from "./words";

export const SUITE_NAMES: Record<string, string> = { ...RESOURCE_NAMES, refunds: "Refunds", inventory: "Stock levels" };
export const suiteName = (resource: string) => SUITE_NAMES[resource] ?? resource;

export const SEVERITIES: Record<Expectation["severity"], string> = {
  warn: "Count it",
  quarantine: "Hold the row",
  halt: "Hold the batch, stop training",
};

const WAYS: Record<string, string> = {
  backfill: "the import",
  webhook: "a webhook",
  reconciliation: "the comparison with Shopify",
};

const CHECKS: Record<Expectation["check"], string> = {
  type: "kind of value",
  range: "lowest and highest",
  usual: "usual here",
  set: "known values",
  unique: "each once",
  fresh: "time",
  given: "product of a living variant",
  near_known: "near the known price",
  pass_share: "share that passes",
  null_share: "share without a product",
  scale: "prices all too high",
  row_band: "orders a day",
};

/** `lines.unit_price` as a person would say it. */
export function fieldName(field: string): string {
  if (field === "") return "The whole batch";
  return field.replaceAll("_", " ").replace(/^lines\./, "line: ").replace(/^variants\./, "variant: ");
}

export const expectationName = (each: Pick<Expectation, "field" | "check">) => `${fieldName(each.field)} – ${CHECKS[each.check]}`;

/** Pass ratios lie near 1: rounding must not turn one held row in ten thousand into a clean hundred. */
export function passed(ratio: number | null): string {
  if (ratio === null) return "–";
  if (ratio === 1) return "100%";
  return percent(Math.min(ratio, 0.9999), 2);
}

export function heldFrom(row: Held): string {
  const way = WAYS[row.came_by] ?? row.came_by;
  if (row.line_number !== null) return `line ${count(row.line_number)} of ${way}`;
  return row.delivery ? `${way} (${row.delivery})` : way;
}

export function heldName(row: Held): string {
  return row.subject_id === null ? suiteName(row.resource) : `${suiteName(row.resource)}: ${row.subject_id}`;
}

export function changeSentence(change: SuiteChange): string {
  const { before, after } = change;
  if (after === null) return `${before === null ? change.name : expectationName(before)}: no longer expected`;
  if (before === null) return `${expectationName(after)}: new, ${after.allowed}`;
  const parts = [];
  if (before.allowed !== after.allowed) parts.push(`${before.allowed} → ${after.allowed}`);
  if (before.severity !== after.severity) parts.push(`${SEVERITIES[before.severity]} → ${SEVERITIES[after.severity]}`);
  return `${expectationName(after)}: ${parts.join("; ") || "measured anew"}`;
}

export function qualitySentence(quality: Quality): string {
  const judged = quality.suites.reduce((sum, each) => sum + each.checked, 0);
  if (judged === 0) return "No row has come in yet in these days.";
  const held = quality.suites.reduce((sum, each) => sum + each.quarantined, 0);
  const unusual = quality.suites.reduce((sum, each) => sum + each.warned, 0);
  const first = `${plural(judged, "row was", "rows were")} judged since ${day(quality.since)}; ${passed((judged - held) / judged)} arrived.`;
  const second = held === 0 ? "None was held back." : `${plural(held, "row was", "rows were")} held back.`;
  return `${first} ${second}${unusual === 0 ? "" : ` ${plural(unusual, "row was", "rows were")} unusual and arrived.`}`;
}

/** One line for each kind of row that anything happened to; days on which nothing came are gaps. */
export function passingPlot(quality: Quality): DayPlotSpec {
  const shown = quality.suites.filter((each) => each.days.length > 0);
  const days = daysBetween(quality.since, quality.until);
  const of = new Map(shown.map((each) => [each.resource, new Map(each.days.map((one) => [one.day, one]))]));
  const lowest = Math.min(1, ...shown.flatMap((each) => each.days.map((one) => one.ratio)));
  const withRows = days.filter((one) => shown.some((each) => of.get(each.resource)?.has(one)));
  return dayPlot({
    days,
    rowDays: withRows,
    summary: qualitySentence(quality),
    height: 240,
    data: shown.map((each) => ({
      type: "scatter",
      mode: "lines+markers",
      name: suiteName(each.resource),
      x: days,
      y: days.map((one) => of.get(each.resource)?.get(one)?.ratio ?? null),
      hovertemplate: "%{y:.2%}",
      cliponaxis: false,
    })),
    layout: {
      showlegend: shown.length > 1,
      yaxis: { ...quiet, title: axisTitle("Rows that arrived"), tickformat: ".1%", range: [Math.max(0, lowest - 0.02), 1] },
    },
    table: {
      head: [{ text: "Day", numeric: false }, ...shown.map((each) => ({ text: suiteName(each.resource), numeric: true }))],
      rows: withRows.map((one) => [
        day(one),
        ...shown.map((each) => {
          const here = of.get(each.resource)?.get(one);
          return here === undefined ? "–" : `${passed(here.ratio)} of ${count(here.checked)}`;
        }),
      ]),
    },
  });
}

export function daysBetween(since: string, until: string): string[] {
  const found: string[] = [];
  for (let at = Date.parse(`${since}T00:00:00Z`); at <= Date.parse(`${until}T00:00:00Z`); at += 86_400_000) {
    found.push(new Date(at).toISOString().slice(0, 10));
  }
  return found;
}

/** What was typed for a bound: a number, a list of words, or nothing for "no bound". `null`: it is none of these. */
export function boundOf(name: string, typed: string): { value: number | string[] | null } | null {
  const text = typed.trim();
  if (name === "values") {
    const words = text.split(",").map((each) => each.trim());
    return { value: [...new Set(words)] };
  }
  if (text === "") return name === "min" || name === "max" || name === "behind_h" ? { value: null } : null;
  const number = Number(text);
  return Number.isFinite(number) ? { value: number } : null;
}

export const BOUND_NAMES: Record<string, string> = {
  min: "Lowest",
  max: "Highest",
  values: "Known values, with commas between",
  ahead_h: "Hours ahead of us at most",
  behind_h: "Hours behind us at most",
  times: "Times the known price",
  least: "Rows from which on it counts",
  recent_days: "Days that an order is recent",
  mads: "Times the usual spread",
};
