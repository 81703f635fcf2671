/** Pure: data in, a plot specification with its summary and its table twin out. */

import type { Measure, Overview, Traffic, Version, SlotKey } from "./api";
import { dayPlot, fromFirst, type DayPlotSpec } from "./day_plots";
import { count, day, money, plural, score, scoreInterval } from "./format";
import { axisTitle, layout, quiet, type PlotSpec } from "./plot_spec";
import { followedSentence, headline, JUDGEMENTS, judge, SLOT_NAMES, TIERS, tiersSentence } from "./words";

const colour = __POLARIS_COLOURS__;

/** The days from the first with anything on it. */
export function inUse(traffic: Traffic): Traffic["days"] {
  return fromFirst(traffic.days, (each) => each.requests > 0 || each.attributed_orders > 0 || Number(each.attributed_net_revenue) !== 0);
}

const TIER_COLOURS = { item_to_item: colour.best, trending: colour.second, newest: colour.third, none: colour.none };

export function tiersByDay(traffic: Traffic): DayPlotSpec {
  const shown = inUse(traffic);
  const x = shown.map((each) => each.day);
  return dayPlot({
    days: x,
    summary: tiersSentence(traffic),
    height: 260,
    data: TIERS.map((tier) => ({
      type: "bar",
      name: tier.short,
      x,
      y: shown.map((each) => each.tiers[tier.key]),
      marker: { color: TIER_COLOURS[tier.key] },
    })).filter((trace) => trace.y.some((value) => value > 0)),
    layout: {
      barmode: "stack",
      showlegend: true,
      legend: { orientation: "h", x: 0, y: -0.2, traceorder: "normal", font: { color: colour.text } },
      yaxis: { ...quiet, title: axisTitle("Answers a day"), rangemode: "tozero", tickformat: ",d" },
    },
    table: {
      head: [
        { text: "Day", numeric: false },
        { text: "Answers", numeric: true },
        ...TIERS.map((tier) => ({ text: tier.short, numeric: true })),
        { text: "Clicks", numeric: true },
      ],
      rows: shown.map((each) => [
        day(each.day),
        count(each.requests),
        ...TIERS.map((tier) => count(each.tiers[tier.key])),
        count(each.clicks),
      ]),
    },
  });
}

export function revenueByDay(traffic: Traffic): DayPlotSpec {
  const shown = inUse(traffic);
  const x = shown.map((each) => each.day);
  return dayPlot({
    days: x,
    summary: followedSentence(traffic),
    height: 240,
    data: [
      {
        type: "bar",
        name: "Net revenue",
        x,
        y: shown.map((each) => Number(each.attributed_net_revenue)),
        text: shown.map(
          (each) =>
            `${money(each.attributed_net_revenue, traffic.currency)} from ${plural(each.attributed_orders, "order")}`,
        ),
        textposition: "none",
        hovertemplate: "%{text}<extra></extra>",
        marker: { color: colour.brand },
      },
    ],
    layout: {
      showlegend: false,
      yaxis: { ...quiet, title: axisTitle(`Net revenue a day (${traffic.currency})`), separatethousands: true },
    },
    table: {
      head: [
        { text: "Day", numeric: false },
        { text: "Orders", numeric: true },
        { text: `Net revenue (${traffic.currency})`, numeric: true },
      ],
      rows: shown.map((each) => [
        day(each.day),
        count(each.attributed_orders),
        money(each.attributed_net_revenue, traffic.currency),
      ]),
    },
  });
}

interface QualityRow {
  label: string;
  measure: Measure;
  ahead: number;
  low: number;
  high: number;
  verdict: string;
}

/** Null when the difference from bestsellers is not known: then there is nothing to judge by. */
function qualityRow(label: string, version: Version, slot: SlotKey): QualityRow | null {
  const measure = headline(version, slot);
  if (measure === null || measure.ahead === null || measure.ahead_low === null || measure.ahead_high === null) return null;
  const { ahead, ahead_low: low, ahead_high: high } = measure;
  return { label, measure, ahead, low, high, verdict: JUDGEMENTS[judge(version, slot)].text };
}

/** The live versions beside plain bestsellers, place by place. Null when none has been measured. */
export function liveQuality(slots: Overview["slots"]): PlotSpec | null {
  const rows = slots
    .filter((slot) => slot.version !== null)
    .map((slot) => qualityRow(SLOT_NAMES[slot.slot], slot.version as Version, slot.slot))
    .filter((row) => row !== null);
  return rows.length === 0 ? null : quality(rows, "Place");
}

/** One place over the versions, oldest first. Null when none has been measured. */
export function qualityOverVersions(versions: Version[], slot: SlotKey): PlotSpec | null {
  const rows = [...versions]
    .sort((one, other) => one.number - other.number)
    .map((version) => qualityRow(`Version ${version.number}`, version, slot))
    .filter((row) => row !== null);
  return rows.length === 0 ? null : quality(rows, "Version");
}

/**
 * The difference from bestsellers, not the two scores side by side: both are measured on the same cases and move
 * together, so the interval of the difference decides the verdict, and intervals of the scores may overlap regardless.
 */
function quality(rows: QualityRow[], first: string): PlotSpec {
  const height = 76 + rows.length * 40;
  return {
    summary: rows
      .map(({ label, measure, ahead, low, high, verdict }) => {
        const beside = measure.baseline === null ? "" : `, bestsellers ${score(measure.baseline)}`;
        return `${label}: ranking score ${score(measure.value)}${beside}, difference ${score(ahead)} (95% interval ${scoreInterval(low, high)}). ${verdict}.`;
      })
      .join(" "),
    height,
    data: [
      {
        type: "scatter",
        mode: "markers",
        x: rows.map((row) => row.ahead),
        y: rows.map((row) => row.label),
        error_x: {
          type: "data",
          symmetric: false,
          array: rows.map((row) => row.high - row.ahead),
          arrayminus: rows.map((row) => row.ahead - row.low),
          color: colour.brand,
          thickness: 2,
        },
        marker: { color: colour.brand, size: 10 },
        text: rows.map((row) => `${score(row.ahead)} (95% interval ${scoreInterval(row.low, row.high)})`),
        hovertemplate: "%{y}: %{text}<extra></extra>",
      },
    ],
    layout: layout(height, {
      hovermode: "closest",
      showlegend: false,
      margin: { l: 96, r: 16, t: 24, b: 44 },
      xaxis: { ...quiet, title: axisTitle("Score ahead of bestsellers, 95% interval"), tickformat: ".2f", rangemode: "tozero", zeroline: false },
      yaxis: { ...quiet, autorange: "reversed", showgrid: false, tickfont: { color: colour.text } },
      shapes: [{ type: "line", x0: 0, x1: 0, yref: "paper", y0: 0, y1: 1, line: { color: colour.baseline, width: 2 } }],
      annotations: [
        { x: 0, yref: "paper", y: 1, xanchor: "left", yanchor: "bottom", text: "Plain bestsellers", showarrow: false, font: { color: colour.textSecondary } },
      ],
    }),
    table: {
      head: [
        { text: first, numeric: false },
        { text: "Ranking score", numeric: true },
        { text: "Bestsellers", numeric: true },
        { text: "Ahead by", numeric: true },
        { text: "95% interval", numeric: true },
        { text: "Verdict", numeric: false },
      ],
      rows: rows.map(({ label, measure, ahead, low, high, verdict }) => [
        label,
        score(measure.value),
        measure.baseline === null ? "–" : score(measure.baseline),
        score(ahead),
        scoreInterval(low, high),
        verdict,
      ]),
    },
  };
}
