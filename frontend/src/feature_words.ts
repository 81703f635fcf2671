/** Pure: the feature store in words, and the pictures of one feature over days. */

import type { Feature, FeatureDays, FeatureView } from "./api";
import { dayPlot, fromFirst, type DayPlotSpec } from "./day_plots";
import { count, day, percent, plural } from "./format";
import { axisTitle, quiet } from "./plot_spec";
import { daysBetween } from "./quality_words";

export const ENTITIES: Record<FeatureView["entity"], string> = {
  product: "Products",
  variant: "Variants",
  customer: "Customers, as numbers",
  visitor: "Visitors who agreed to be followed",
  shop: "The shop itself",
  pair: "Pairs of products",
};

export const STATES: Record<FeatureView["state"], { name: string; tone: "success" | "warning" | "info" }> = {
  fresh: { name: "Fresh", tone: "success" },
  late: { name: "Late", tone: "warning" },
  never: { name: "Not computed yet", tone: "info" },
};

const MISSING: Record<Feature["missing"], string> = {
  impute_train_median: "the middle of what the model was trained on",
  last_value: "the last value known",
  reject: "nothing: the item is left out",
};

/** `price_ratio_28d` as a person would say it. */
export const featureName = (name: string) => {
  const said = name.replaceAll("_", " ").replace(/\brfm\b/, "RFM").replace(/ (\d+)d$/, ", $1 days");
  return said.charAt(0).toUpperCase() + said.slice(1);
};

export const windowOf = (feature: Feature) => (feature.window_days === null ? "All that is known" : plural(feature.window_days, "day"));
export const instead = (feature: Feature) => MISSING[feature.missing];

/** What the merchant must know first: is anything late? */
export function featuresSentence(views: readonly FeatureView[]): string {
  const late = views.filter((each) => each.state === "late").length;
  const never = views.filter((each) => each.state === "never").length;
  const features = views.reduce((sum, each) => sum + each.features.length, 0);
  const first = `${count(features)} features in ${plural(views.length, "view")}.`;
  if (never === views.length) return `${first} None was computed yet: that happens some minutes after the history is in.`;
  if (late > 0) return `${first} ${plural(late, "view is", "views are")} older than four and a quarter hours; recommendations go on with stand-ins.`;
  return never > 0 ? `${first} ${plural(never, "view is", "views are")} new and computed within minutes.` : `${first} All of them are fresh.`;
}

/** A number of any size, short: 0.03, 12.5, 1,234. */
export function number(value: number | null): string {
  if (value === null) return "–";
  if (value === 0 || Math.abs(value) >= 1000) return count(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

export function valuesPlot(name: string, told: FeatureDays): DayPlotSpec {
  const of = new Map(told.days.map((each) => [each.day, each]));
  const days = fromFirst(daysBetween(told.since, told.until), (each) => of.has(each));
  const line = (label: string, value: (each: FeatureDays["days"][number]) => number | null, more: Record<string, unknown>) => ({
    type: "scatter",
    mode: "lines+markers",
    name: label,
    x: days,
    y: days.map((each) => (of.has(each) ? value(of.get(each)!) : null)),
    hovertemplate: "%{y:,.4~g}",
    cliponaxis: false,
    ...more,
  });
  const last = told.days.at(-1);
  return dayPlot({
    days,
    rowDays: told.days.map((each) => each.day),
    summary:
      last === undefined || last.mean === null
        ? `${name}: no value in these days.`
        : `${name}: ${number(last.mean)} on average on ${day(last.day)}; eight of ten lie between ${number(last.quantiles[0] ?? null)} and ${number(last.quantiles[2] ?? null)}.`,
    height: 240,
    data: [
      line("Mean", (each) => each.mean, {}),
      line("10th percentile", (each) => each.quantiles[0] ?? null, { line: { dash: "dot" } }),
      line("Median", (each) => each.quantiles[1] ?? null, { line: { dash: "dash" } }),
      line("90th percentile", (each) => each.quantiles[2] ?? null, { line: { dash: "dot" } }),
    ],
    layout: { showlegend: true, yaxis: { ...quiet, title: axisTitle(name) } },
    table: {
      head: ["Day", "Mean", "10th percentile", "Median", "90th percentile"].map((text, at) => ({ text, numeric: at > 0 })),
      rows: told.days.map((each) => [day(each.day), number(each.mean), ...[0, 1, 2].map((at) => number(each.quantiles[at] ?? null))]),
    },
  });
}

export function fillPlot(name: string, told: FeatureDays): DayPlotSpec {
  const of = new Map(told.days.map((each) => [each.day, each]));
  const days = fromFirst(daysBetween(told.since, told.until), (each) => of.has(each));
  const empty = (each: FeatureDays["days"][number]) => (each.rows === 0 ? null : each.nulls / each.rows);
  const last = told.days.at(-1);
  return dayPlot({
    days,
    rowDays: told.days.map((each) => each.day),
    summary: last === undefined ? `${name}: nothing counted.` : `${name}: ${percent(empty(last) ?? 0)} of ${count(last.rows)} had no value on ${day(last.day)}; ${plural(last.distinct, "different value")}.`,
    height: 200,
    data: [
      {
        type: "scatter", mode: "lines+markers", name: "Without a value", x: days, cliponaxis: false, hovertemplate: "%{y:.1%}",
        y: days.map((each) => (of.has(each) ? empty(of.get(each)!) : null)),
      },
      {
        type: "scatter", mode: "lines+markers", name: "Different values", x: days, yaxis: "y2", cliponaxis: false, hovertemplate: "%{y:,}",
        y: days.map((each) => of.get(each)?.distinct ?? null), line: { dash: "dot" },
      },
    ],
    layout: {
      showlegend: true,
      yaxis: { ...quiet, title: axisTitle("Without a value"), tickformat: ".0%", range: [0, 1.02] },
      yaxis2: { ...quiet, title: axisTitle("Different values"), overlaying: "y", side: "right", rangemode: "tozero", showgrid: false, tickformat: ",.0f", nticks: 3 },
      margin: { l: 48, r: 56, t: 12, b: 36 },
    },
    table: {
      head: ["Day", "Counted", "Without a value", "Different values"].map((text, at) => ({ text, numeric: at > 0 })),
      rows: told.days.map((each) => [day(each.day), count(each.rows), percent(empty(each) ?? 0, 1), count(each.distinct)]),
    },
  });
}
