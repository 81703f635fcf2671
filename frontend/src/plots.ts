/** Pure: data in, a plot specification with its summary and its table twin out. */

import type { Overview, Traffic, Version, SlotKey } from "./api";
import { count, day, interval, money, percent, plural } from "./format";
import { followedSentence, headline, JUDGEMENTS, judge, SLOT_NAMES, TIERS, tiersSentence } from "./words";

const colour = __POLARIS_COLOURS__;

export interface TableTwin {
  head: { text: string; numeric: boolean }[];
  rows: string[][];
}

export interface PlotSpec {
  /** One sentence that says what the picture shows; read aloud in its place. */
  summary: string;
  height: number;
  data: Record<string, unknown>[];
  layout: Record<string, unknown>;
  table: TableTwin;
}

const FONT = "Inter, -apple-system, BlinkMacSystemFont, 'San Francisco', 'Segoe UI', Roboto, sans-serif";

function layout(height: number, more: Record<string, unknown>): Record<string, unknown> {
  return {
    height,
    margin: { l: 48, r: 12, t: 8, b: 36 },
    font: { family: FONT, size: 12, color: colour.textSecondary },
    paper_bgcolor: colour.surface,
    plot_bgcolor: colour.surface,
    hovermode: "x unified",
    legend: { orientation: "h", x: 0, y: -0.18, font: { color: colour.text } },
    bargap: 0.25,
    ...more,
  };
}

const quiet = { gridcolor: colour.border, zerolinecolor: colour.border, fixedrange: true, automargin: true };
// Calendar days, not instants: a tick for a whole day never reads "12:00".
const days = { ...quiet, type: "date", tickformat: "%-d %b", hoverformat: "%-d %b %Y", showgrid: false, nticks: 6 };

const TIER_COLOURS = { item_to_item: colour.best, trending: colour.second, newest: colour.third, none: colour.none };

export function tiersByDay(traffic: Traffic): PlotSpec {
  const x = traffic.days.map((each) => each.day);
  return {
    summary: tiersSentence(traffic),
    height: 260,
    data: TIERS.map((tier) => ({
      type: "bar",
      name: tier.short,
      x,
      y: traffic.days.map((each) => each.tiers[tier.key]),
      marker: { color: TIER_COLOURS[tier.key] },
    })).filter((trace) => trace.y.some((value) => value > 0)),
    layout: layout(260, {
      barmode: "stack",
      showlegend: true,
      legend: { orientation: "h", x: 0, y: -0.18, traceorder: "normal", font: { color: colour.text } },
      xaxis: days,
      yaxis: { ...quiet, rangemode: "tozero", tickformat: ",d" },
    }),
    table: {
      head: [
        { text: "Day", numeric: false },
        { text: "Answers", numeric: true },
        ...TIERS.map((tier) => ({ text: tier.short, numeric: true })),
        { text: "Clicks", numeric: true },
      ],
      rows: traffic.days.map((each) => [
        day(each.day),
        count(each.requests),
        ...TIERS.map((tier) => count(each.tiers[tier.key])),
        count(each.clicks),
      ]),
    },
  };
}

export function revenueByDay(traffic: Traffic): PlotSpec {
  return {
    summary: followedSentence(traffic),
    height: 240,
    data: [
      {
        type: "bar",
        name: "Net revenue",
        x: traffic.days.map((each) => each.day),
        y: traffic.days.map((each) => Number(each.attributed_net_revenue)),
        text: traffic.days.map(
          (each) =>
            `${money(each.attributed_net_revenue, traffic.currency)} from ${plural(each.attributed_orders, "order")}`,
        ),
        textposition: "none",
        hovertemplate: "%{text}<extra></extra>",
        marker: { color: colour.brand },
      },
    ],
    layout: layout(240, {
      showlegend: false,
      xaxis: days,
      yaxis: { ...quiet, title: { text: traffic.currency }, separatethousands: true },
    }),
    table: {
      head: [
        { text: "Day", numeric: false },
        { text: "Orders", numeric: true },
        { text: "Net revenue", numeric: true },
      ],
      rows: traffic.days.map((each) => [
        day(each.day),
        count(each.attributed_orders),
        money(each.attributed_net_revenue, traffic.currency),
      ]),
    },
  };
}

interface QualityRow {
  label: string;
  value: number;
  low: number;
  high: number;
  baseline: number | null;
  verdict: string;
}

function qualityRow(label: string, version: Version, slot: SlotKey): QualityRow | null {
  const measure = headline(version, slot);
  if (measure === null) return null;
  return {
    label,
    value: measure.value,
    low: measure.low ?? measure.value,
    high: measure.high ?? measure.value,
    baseline: measure.baseline,
    verdict: JUDGEMENTS[judge(measure)].text,
  };
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

function quality(rows: QualityRow[], first: string): PlotSpec {
  const height = 84 + rows.length * 40;
  const y = rows.map((row) => row.label);
  return {
    summary: rows
      .map((row) => {
        const beside = row.baseline === null ? "" : `, bestsellers ${percent(row.baseline, 1)}`;
        return `${row.label}: ${percent(row.value, 1)} (95% interval ${interval(row.low, row.high)})${beside}.`;
      })
      .join(" "),
    height,
    data: [
      {
        type: "scatter",
        mode: "markers",
        name: "Plain bestsellers",
        x: rows.map((row) => row.baseline),
        y,
        marker: { color: colour.baseline, symbol: "line-ns", size: 16, line: { width: 3, color: colour.baseline } },
        hovertemplate: "Bestsellers: %{x:.1%}<extra></extra>",
      },
      {
        type: "scatter",
        mode: "markers",
        name: "This version, with its 95% interval",
        x: rows.map((row) => row.value),
        y,
        error_x: {
          type: "data",
          symmetric: false,
          array: rows.map((row) => row.high - row.value),
          arrayminus: rows.map((row) => row.value - row.low),
          color: colour.brand,
          thickness: 2,
        },
        marker: { color: colour.brand, size: 10 },
        hovertemplate: "%{y}: %{x:.1%}<extra></extra>",
      },
    ],
    layout: layout(height, {
      hovermode: "closest",
      showlegend: true,
      legend: { orientation: "h", x: 0, y: -0.3, font: { color: colour.text } },
      margin: { l: 96, r: 16, t: 8, b: 56 },
      xaxis: { ...quiet, tickformat: ".0%", rangemode: "tozero" },
      yaxis: { ...quiet, autorange: "reversed", showgrid: false, tickfont: { color: colour.text } },
    }),
    table: {
      head: [
        { text: first, numeric: false },
        { text: "Would have shown", numeric: true },
        { text: "95% interval", numeric: true },
        { text: "Bestsellers", numeric: true },
        { text: "Verdict", numeric: false },
      ],
      rows: rows.map((row) => [
        row.label,
        percent(row.value, 1),
        interval(row.low, row.high),
        row.baseline === null ? "–" : percent(row.baseline, 1),
        row.verdict,
      ]),
    },
  };
}
