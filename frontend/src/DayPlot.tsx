/** Every picture over days: with a line at each day on which the shop changed, and the same as a numbered list. */

import { useCallback, useMemo } from "preact/hooks";
import { getMarkers, type Marker } from "./api";
import { markName, marksOn, withMarks, type DayPlotSpec, type Mark } from "./day_plots";
import { plural } from "./format";
import { Plot } from "./Plot";
import { useAnswer, type Answer } from "./use_answer";

/** What changed in the last `days` days. Null: not known, since it could not be asked for. */
export type KnownMarkers = readonly Marker[] | null;

/** Asks once for a page's pictures; `null` until it is known whether there is anything to mark. */
export function useMarkers(days: number): { known: { markers: KnownMarkers } | null; answer: Answer<{ markers: Marker[] }> } {
  const answer = useAnswer(useCallback((signal: AbortSignal) => getMarkers(days, signal), [days]));
  const settled = answer.data !== null || answer.problem !== null;
  return { known: settled ? { markers: answer.data?.markers ?? null } : null, answer };
}

export function DayPlot({ spec, markers }: { spec: DayPlotSpec; markers: KnownMarkers }) {
  const marks = useMemo(() => marksOn(spec.days, markers ?? []), [spec, markers]);
  const marked = useMemo(() => withMarks(spec, marks), [spec, marks]);
  return (
    <div>
      <Plot spec={marked} />
      <MarkList marks={marks} known={markers !== null} />
    </div>
  );
}

/** The numbers of a picture's lines, in words. */
export function MarkList({ marks, known }: { marks: readonly Mark[]; known: boolean }) {
  if (!known) return <s-text color="subdued">What changed in the shop could not be read just now, so nothing is marked.</s-text>;
  if (marks.length === 0) return null;
  return (
    <details class="more marks">
      <summary>What changed: {plural(marks.length, "marked day")}</summary>
      <ol>
        {marks.map((each) => (
          <li key={each.day}>{markName(each)}</li>
        ))}
      </ol>
    </details>
  );
}
