import { describe, expect, it } from "vitest";
import type { Marker } from "./api";
import { dayPlot, fromFirst, markName, marksOn, withMarks } from "./day_plots";

const marker = (id: number, day: string, kind: Marker["kind"], detail: string): Marker => ({ id, kind, at: `${day}T10:00:00Z`, day, detail, by: "" });
const MARKERS = [
  marker(1, "2026-10-01", "note", "long ago"),
  marker(2, "2026-11-01", "theme_published", "Dawn"),
  marker(3, "2026-11-03", "note", "new supplier"),
  marker(4, "2026-11-03", "prices_jumped", "9 of 9"),
];
const DAYS = ["2026-11-01", "2026-11-02", "2026-11-03"];
const spec = dayPlot({
  summary: "Three days.", height: 200, days: DAYS, rowDays: ["2026-11-01", "2026-11-02"],
  data: [{ type: "bar", x: DAYS, y: [1, 2, 0] }], layout: { showlegend: false },
  table: { head: [{ text: "Day", numeric: false }, { text: "Rows", numeric: true }], rows: [["Nov 1", "1"], ["Nov 2", "2"]] },
});

describe("days on which the shop changed", () => {
  it("are numbered, oldest first, one for each day; days that are not shown have none", () => {
    const marks = marksOn(DAYS, MARKERS);
    expect(marks.map(markName)).toEqual(["Nov 1, 2026: Another theme was published: Dawn", "Nov 3, 2026: new supplier; Prices jumped: 9 of 9"]);
    expect(marks.map((each) => each.number)).toEqual([1, 2]);
  });

  it("have a line with their number in the picture, and their words in the table and the sentence", () => {
    const { layout, summary, table } = withMarks(spec, marksOn(DAYS, MARKERS));
    const { shapes, annotations } = layout as { shapes: { x0: string }[]; annotations: { x: string; text: string; hovertext: string }[] };
    expect(shapes.map((each) => each.x0)).toEqual(["2026-11-01", "2026-11-03"]);
    expect(annotations.map((each) => [each.text, each.hovertext])).toEqual([["1", "Another theme was published: Dawn"], ["2", "new supplier; Prices jumped: 9 of 9"]]);
    expect(summary).toBe("Three days. The shop changed on 2 days of these.");
    expect(table.rows).toEqual([["Nov 1", "1", "Another theme was published: Dawn"], ["Nov 2", "2", ""]]);
  });

  it("leave a picture as it is when there are none", () => {
    expect(withMarks(spec, marksOn(DAYS, []))).toBe(spec.plain);
  });

  it("a picture begins with the first day in use, and shows a week at least", () => {
    const days = Array.from({ length: 28 }, (_, position) => position);
    expect(fromFirst(days, (each) => each >= 26)).toEqual([21, 22, 23, 24, 25, 26, 27]);
    expect(fromFirst(days, (each) => each >= 3)[0]).toBe(3);
    expect(fromFirst(days, () => false)).toHaveLength(28);
  });
});
