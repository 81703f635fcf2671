/**
 * Pictures over calendar days. The only way to a day axis, and its result can be drawn only by `DayPlot`, which marks
 * the days on which the shop changed: no day picture of the admin is without them.
 */

import type { Marker } from "./api";
import { day, plural } from "./format";
import { layout, quiet, type PlotSpec, type TableTwin } from "./plot_spec";
import { changed } from "./words";

const colour = __POLARIS_COLOURS__;

export interface DayPlotSpec {
  /** The picture without its marks. */
  plain: PlotSpec;
  /** The days along the axis, and the day of each row of the table: ISO dates of the shop's zone. */
  days: readonly string[];
  rowDays: readonly string[];
}

interface DayPicture {
  summary: string;
  height: number;
  data: Record<string, unknown>[];
  days: readonly string[];
  /** Layout other than the day axis. */
  layout: Record<string, unknown>;
  table: TableTwin;
  /** When the table leaves days out. */
  rowDays?: readonly string[];
}

export function dayPlot({ days, rowDays = days, ...picture }: DayPicture): DayPlotSpec {
  const plain = { ...picture, layout: layout(picture.height, { ...picture.layout, xaxis: dayAxis(days) }) };
  return { plain, days, rowDays };
}

const MOST_TICKS = 6;
const FEWEST_DAYS = 7;

/** Calendar days, not instants: every tick is a whole day, and the newest day always has one. */
function dayAxis(days: readonly string[]): Record<string, unknown> {
  const step = Math.max(1, Math.ceil((days.length - 1) / (MOST_TICKS - 1)));
  const tickvals = days.filter((_, position) => (days.length - 1 - position) % step === 0);
  return { ...quiet, type: "date", tickvals, tickformat: "%-d %b", hoverformat: "%-d %b %Y", showgrid: false, ticklen: 6, tickcolor: colour.surface };
}

/** The days from the first with anything on it, at least a week: weeks before the app was in use are not a trend. */
export function fromFirst<Day>(days: readonly Day[], used: (day: Day) => boolean): Day[] {
  const first = days.findIndex(used);
  return days.slice(Math.max(0, Math.min(first < 0 ? 0 : first, days.length - FEWEST_DAYS)));
}

/** A day on which something changed; `number` is what the picture shows at its line. */
export interface Mark {
  number: number;
  day: string;
  told: string[];
}

/** The marks of a picture over these days, oldest first; what changed on one day is one mark. */
export function marksOn(days: readonly string[], markers: readonly Marker[]): Mark[] {
  return days
    .map((each) => ({ day: each, told: markers.filter((marker) => marker.day === each).map(changed) }))
    .filter(({ told }) => told.length > 0)
    .map((each, position) => ({ ...each, number: position + 1 }));
}

export const markSentence = (marks: readonly Mark[]) =>
  marks.length === 0 ? "" : `The shop changed on ${plural(marks.length, "day")} of these.`;

export const markName = ({ day: on, told }: Mark) => `${day(on)}: ${told.join("; ")}`;

/** The picture with a numbered line at each mark, and the table with a column that says what it was. */
export function withMarks({ plain, rowDays }: DayPlotSpec, marks: readonly Mark[]): PlotSpec {
  if (marks.length === 0) return plain;
  const told = new Map(marks.map((each) => [each.day, each.told.join("; ")]));
  return {
    ...plain,
    summary: `${plain.summary} ${markSentence(marks)}`,
    layout: {
      ...plain.layout,
      // Room above for the numbers.
      margin: { l: 48, r: 12, t: 22, b: 36 },
      shapes: marks.map((each) => ({
        type: "line", x0: each.day, x1: each.day, yref: "paper", y0: 0, y1: 1, line: { color: colour.textSecondary, width: 1, dash: "dot" },
      })),
      annotations: marks.map((each) => ({
        x: each.day, yref: "paper", y: 1, yanchor: "bottom", showarrow: false, text: String(each.number), hovertext: each.told.join("; "),
        font: { size: 11, color: colour.textSecondary },
      })),
    },
    table: {
      head: [...plain.table.head, { text: "What changed", numeric: false }],
      rows: plain.table.rows.map((row, position) => [...row, told.get(rowDays[position] ?? "") ?? ""]),
    },
  };
}
