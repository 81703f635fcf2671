/** Pure: a forecast day by day as a picture, and what a discount would make of it. */

import type { DemandSeries } from "./api";
import { dayPlot, type DayPlotSpec } from "./day_plots";
import { count, day, percent } from "./format";
import { axisTitle, quiet } from "./plot_spec";

const colour = __POLARIS_COLOURS__;
/** How much of the past is shown beside four weeks to come. */
const PAST_DAYS = 84;

export const units = (value: number) => (value >= 10 || Number.isInteger(value) ? count(Math.round(value)) : value.toFixed(1));

/** A colour as thin as `alpha`, from `#rrggbb` or `rgb(...)`. */
export function tint(of: string, alpha: number): string {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(of);
  const parts = hex ? hex.slice(1).map((each) => parseInt(each, 16)) : (of.match(/[\d.]+/g) ?? ["0", "0", "0"]).slice(0, 3).map(Number);
  return `rgba(${parts.join(",")},${alpha})`;
}

export interface WhatIf {
  /** Share of the price, 0 to 1, on every day to come; null: as planned. */
  discount: number | null;
}

/** Mean demand of the days to come: as planned, or at one discount throughout. */
export function expected(series: DemandSeries, whatIf: WhatIf): number[] {
  return series.ahead.map((each) =>
    whatIf.discount === null || series.slope === null ? each.mean : each.plain * Math.exp(series.slope * whatIf.discount),
  );
}

export const total = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0);

export function demandByDay(series: DemandSeries, whatIf: WhatIf = { discount: null }): DayPlotSpec {
  const past = series.history.slice(-PAST_DAYS);
  const then = past.map((each) => each.day);
  const ahead = series.ahead.map((each) => each.day);
  const mean = expected(series, whatIf);
  // What multiplies the mean multiplies its interval.
  const factor = series.ahead.map((each, at) => (each.mean > 0 ? (mean[at] ?? 0) / each.mean : 1));
  const scaled = (pick: (each: DemandSeries["ahead"][number]) => number) => series.ahead.map((each, at) => pick(each) * (factor[at] ?? 1));
  const out = past.filter((each) => each.without_stock >= 0.5).length;
  const band = (name: string, low: number[], high: number[], fill: string) => [
    { type: "scatter", mode: "lines", x: ahead, y: low, line: { width: 0 }, hoverinfo: "skip", showlegend: false },
    { type: "scatter", mode: "lines", name, x: ahead, y: high, line: { width: 0 }, fill: "tonexty", fillcolor: fill, hoverinfo: "skip" },
  ];
  const reduced = [
    ...past.filter((each) => each.discount > 0.01).map((each) => each.day),
    ...series.ahead.filter((each) => (whatIf.discount ?? each.discount) > 0.01).map((each) => each.day),
  ];
  const soldOut = past.filter((each) => each.without_stock >= 0.5).map((each) => each.day);
  return dayPlot({
    days: [...then, ...ahead],
    summary:
      `${units(total(past.map((each) => each.sold ?? 0)))} units were sold on the last ${past.length} days; about ${units(total(mean))} are expected on the next ${ahead.length}.` +
      (out === 0 ? "" : ` On ${count(out)} of the past days it was out of stock.`),
    height: 320,
    data: [
      ...band("9 of 10 days lie here", scaled((each) => Math.floor(each.q05)), scaled((each) => Math.ceil(each.q95)), tint(colour.brand, 0.14)),
      ...band("Half of the days lie here", scaled((each) => Math.floor(each.q25)), scaled((each) => Math.ceil(each.q75)), tint(colour.brand, 0.24)),
      { type: "scatter", mode: "lines", name: "Sold", x: then, y: past.map((each) => each.sold), line: { color: colour.textSecondary, width: 1.5 } },
      { type: "scatter", mode: "lines", name: "Expected", x: ahead, y: mean.map((each) => Math.round(each * 100) / 100), line: { color: colour.brand, width: 2 } },
      ...(soldOut.length === 0
        ? []
        : [{ type: "scatter", mode: "markers", name: "Out of stock", x: soldOut, y: soldOut.map(() => 0), marker: { color: colour.text, symbol: "x", size: 7 }, hoverinfo: "x+name" }]),
      ...(reduced.length === 0
        ? []
        : [{ type: "scatter", mode: "markers", name: "At a discount", x: reduced, y: reduced.map(() => 0), marker: { color: colour.best, symbol: "diamond", size: 6 }, hoverinfo: "x+name" }]),
    ],
    layout: { showlegend: true, yaxis: { ...quiet, title: axisTitle("Units a day"), rangemode: "tozero" } },
    table: {
      head: [
        { text: "Day", numeric: false },
        { text: "Sold", numeric: true },
        { text: "Expected", numeric: true },
        { text: "9 of 10 days", numeric: true },
        { text: "Without stock", numeric: true },
        { text: "Discount", numeric: true },
      ],
      rows: [
        ...past.map((each) => [day(each.day), each.sold === null ? "–" : units(each.sold), "", "", each.without_stock > 0 ? percent(each.without_stock) : "", each.discount > 0 ? percent(each.discount) : ""]),
        ...series.ahead.map((each, at) => {
          const off = whatIf.discount ?? each.discount;
          return [
            day(each.day),
            "",
            units(mean[at] ?? 0),
            `${units(Math.floor(each.q05 * (factor[at] ?? 1)))} to ${units(Math.ceil(each.q95 * (factor[at] ?? 1)))}`,
            "",
            off > 0 ? percent(off) : "",
          ];
        }),
      ],
    },
  });
}
