/** Pure: data in, a plot specification with its summary and its table twin out. */

import type { Marker, Measure, Overview, Traffic, Version, SlotKey } from "./api";
import { count, day, money, plural, score, scoreInterval } from "./format";
import { changed, followedSentence, headline, JUDGEMENTS, judge, SLOT_NAMES, TIERS, tiersSentence } from "./words";

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

export function layout(height: number, more: Record<string, unknown>): Record<string, unknown> {
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

export const quiet = { gridcolor: colour.border, zerolinecolor: colour.border, fixedrange: true, automargin: true };
export const axisTitle = (text: string) => ({ text, font: { size: 12 } });

const MOST_TICKS = 6;
const FEWEST_DAYS = 7;

/** Calendar days, not instants: every tick is a whole day, and the newest day always has one. */
export function dayAxis(days: readonly string[]): Record<string, unknown> {
  const step = Math.max(1, Math.ceil((days.length - 1) / (MOST_TICKS - 1)));
  const tickvals = days.filter((_, position) => (days.length - 1 - position) % step === 0);
  return { ...quiet, type: "date", tickvals, tickformat: "%-d %b", hoverformat: "%-d %b %Y", showgrid: false, ticklen: 6, tickcolor: colour.surface };
}

/** The days from the first with anything on it, at least a week: weeks before the app was in use are not a trend. */
export function inUse(traffic: Traffic): Traffic["days"] {
  const first = traffic.days.findIndex((each) => each.requests > 0 || each.attributed_orders > 0 || Number(each.attributed_net_revenue) !== 0);
  const from = first < 0 ? 0 : first;
  return traffic.days.slice(Math.max(0, Math.min(from, traffic.days.length - FEWEST_DAYS)));
}

/** What changed on each of these days, for the picture (a line with a number) and for the table (a column). */
interface Marked {
  shapes: Record<string, unknown>[];
  annotations: Record<string, unknown>[];
  told: Map<string, string>;
}

function marked(days: readonly string[], markers: readonly Marker[]): Marked {
  const told = new Map<string, string>();
  for (const day of days) {
    const here = markers.filter((each) => each.day === day).map(changed);
    if (here.length > 0) told.set(day, here.join("; "));
  }
  const marks = [...told].map(([day, text], position) => ({ day, text, number: String(position + 1) }));
  return {
    told,
    shapes: marks.map(({ day }) => ({
      type: "line", x0: day, x1: day, yref: "paper", y0: 0, y1: 1, line: { color: colour.textSecondary, width: 1, dash: "dot" },
    })),
    annotations: marks.map(({ day, text, number }) => ({
      x: day, yref: "paper", y: 1, yanchor: "bottom", showarrow: false, text: number, hovertext: text, font: { size: 11, color: colour.textSecondary },
    })),
  };
}

/** The layout's part of it; room above for the numbers only where there are any. */
function drawn({ shapes, annotations }: Marked): Record<string, unknown> {
  return shapes.length === 0 ? {} : { shapes, annotations, margin: { l: 48, r: 12, t: 22, b: 36 } };
}

/** The table's last column, when there is anything to say in it. */
function withChanges(table: TableTwin, days: readonly string[], { told }: Marked): TableTwin {
  if (told.size === 0) return table;
  return {
    head: [...table.head, { text: "What changed", numeric: false }],
    rows: table.rows.map((row, position) => [...row, told.get(days[position] ?? "") ?? ""]),
  };
}

const TIER_COLOURS = { item_to_item: colour.best, trending: colour.second, newest: colour.third, none: colour.none };

export function tiersByDay(traffic: Traffic, markers: readonly Marker[] = []): PlotSpec {
  const shown = inUse(traffic);
  const x = shown.map((each) => each.day);
  const marks = marked(x, markers);
  return {
    summary: tiersSentence(traffic),
    height: 260,
    data: TIERS.map((tier) => ({
      type: "bar",
      name: tier.short,
      x,
      y: shown.map((each) => each.tiers[tier.key]),
      marker: { color: TIER_COLOURS[tier.key] },
    })).filter((trace) => trace.y.some((value) => value > 0)),
    layout: layout(260, {
      ...drawn(marks),
      barmode: "stack",
      showlegend: true,
      legend: { orientation: "h", x: 0, y: -0.2, traceorder: "normal", font: { color: colour.text } },
      xaxis: dayAxis(x),
      yaxis: { ...quiet, title: axisTitle("Answers a day"), rangemode: "tozero", tickformat: ",d" },
    }),
    table: withChanges({
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
    }, x, marks),
  };
}

export function revenueByDay(traffic: Traffic, markers: readonly Marker[] = []): PlotSpec {
  const shown = inUse(traffic);
  const x = shown.map((each) => each.day);
  const marks = marked(x, markers);
  return {
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
    layout: layout(240, {
      ...drawn(marks),
      showlegend: false,
      xaxis: dayAxis(x),
      yaxis: { ...quiet, title: axisTitle(`Net revenue a day (${traffic.currency})`), separatethousands: true },
    }),
    table: withChanges({
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
    }, x, marks),
  };
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
