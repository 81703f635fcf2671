/** How much of what came in could be true: one line for each kind of row, with its days as a small picture. */

import { useCallback } from "preact/hooks";
import { getQuality, type Quality } from "../api";
import { marksOn, markSentence, type Mark } from "../day_plots";
import { MarkList, useMarkers } from "../DayPlot";
import { count, plural } from "../format";
import { daysBetween, passed, qualitySentence, suiteName } from "../quality_words";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

const DAYS = 30;

export function Passing() {
  const answer = useAnswer(useCallback((signal: AbortSignal) => getQuality(DAYS, signal), []));
  const { known } = useMarkers(DAYS);
  const quality = answer.data;
  const shown = quality?.suites.filter((each) => each.checked > 0) ?? [];
  const days = quality === null ? [] : daysBetween(quality.since, quality.until);
  const marks = marksOn(days, known?.markers ?? []);
  return (
    <s-section heading="Data quality">
      <s-stack gap="base">
        {answer.problem === null ? null : <Trouble problem={answer.problem} retry={answer.ask} stale={quality !== null} />}
        {quality === null || known === null ? (
          answer.problem === null ? (
            <Loading what="data quality" />
          ) : null
        ) : (
          <>
            <s-paragraph>{qualitySentence(quality)}</s-paragraph>
            {shown.length === 0 ? null : (
              <dl class="figures">
                {shown.map((each) => (
                  <div key={each.resource}>
                    <dt>
                      {suiteName(each.resource)}
                      {each.held > 0 ? `: ${plural(each.held, "row")} held` : ""}
                    </dt>
                    <dd>
                      {passed(each.ratio)}
                      <Sparkline suite={each} days={days} marks={marks} />
                    </dd>
                  </div>
                ))}
              </dl>
            )}
            {shown.length === 0 ? null : <MarkList marks={marks} known={known.markers !== null} />}
            <s-link href="/data/quality">Look at suites and held rows</s-link>
          </>
        )}
      </s-stack>
    </s-section>
  );
}

const WIDTH = 120;
const HEIGHT = 24;

/** The pass ratio by day; its lowest point touches the ground, days without rows are left out, days on which the shop changed have a line. */
function Sparkline({ suite, days, marks }: { suite: Quality["suites"][number]; days: readonly string[]; marks: readonly Mark[] }) {
  const across = (one: string) => (days.indexOf(one) / Math.max(1, days.length - 1)) * (WIDTH - 4) + 2;
  const lowest = Math.min(0.99, ...suite.days.map((each) => each.ratio));
  const points = suite.days.map((each) => {
    const y = HEIGHT - 3 - ((each.ratio - lowest) / (1 - lowest)) * (HEIGHT - 6);
    return [across(each.day), y] as const;
  });
  const said = `${suiteName(suite.resource)}: ${plural(suite.days.length, "day")} with rows, lowest ${passed(Math.min(...suite.days.map((each) => each.ratio)))}, ${count(suite.checked)} rows. ${markSentence(marks)}`.trim();
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} role="img" aria-label={said}>
      {marks.map((each) => (
        <line key={each.day} x1={across(each.day)} x2={across(each.day)} y1="0" y2={HEIGHT} stroke="currentColor" stroke-width="1" stroke-dasharray="2 2" />
      ))}
      <polyline points={points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ")} fill="none" stroke="currentColor" stroke-width="1.5" />
      {points.map(([x, y]) => (
        <circle key={x} cx={x} cy={y} r="1.8" fill="currentColor" />
      ))}
    </svg>
  );
}
