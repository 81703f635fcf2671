/** One product day by day: what it sold, what is expected, what a discount would change, and when to order. */

import { useCallback, useMemo, useState } from "preact/hooks";
import { getDemandSeries, type DemandSeries } from "../api";
import { DayPlot, useMarkers } from "../DayPlot";
import { demandByDay, expected, total, units } from "../demand_plots";
import { advice, cover, quality, servedBy } from "../demand_words";
import { count, day, percent, plural } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

const MARKED_DAYS = 84;
const LARGEST_PERCENT = 60;

export function DemandOf({ id }: { id: string }) {
  const answer = useAnswer(useCallback((signal: AbortSignal) => getDemandSeries(id, signal), [id]));
  const { data, problem } = answer;
  return (
    <s-page heading={data?.name ?? "Demand"}>
      <s-link slot="breadcrumb-actions" href="/demand">
        Demand
      </s-link>
      {problem === null ? null : <Trouble problem={problem} retry={answer.ask} stale={data !== null} />}
      {data === null ? (
        problem === null ? (
          <Loading what="the product" />
        ) : null
      ) : (
        <>
          <Days series={data} />
          <Order series={data} />
        </>
      )}
    </s-page>
  );
}

function Days({ series }: { series: DemandSeries }) {
  const { known } = useMarkers(MARKED_DAYS);
  const [off, setOff] = useState<number | null>(null);
  const whatIf = useMemo(() => ({ discount: off === null ? null : off / 100 }), [off]);
  const spec = useMemo(() => demandByDay(series, whatIf), [series, whatIf]);
  const planned = total(series.ahead.map((each) => each.mean));
  const now = total(expected(series, whatIf));
  const plain = total(series.ahead.map((each) => each.plain));
  return (
    <s-section heading="By day">
      <s-stack gap="base">
        {known === null ? <Loading what="the days" /> : <DayPlot spec={spec} markers={known.markers} />}
        {series.promotions.length === 0 ? null : (
          <s-paragraph>
            Planned: {series.promotions.map((each) => `${each.name}, ${each.percent} % off, ${day(each.starts_on)} to ${day(each.ends_on)}`).join("; ")}.
            Without any discount about {units(plain)} units would be expected instead of {units(planned)}.
          </s-paragraph>
        )}
        {series.slope === null || series.slope === 0 ? (
          <s-paragraph color="subdued">
            What a discount would do is not known: nothing was reduced while the app was watching, and no past promotion is in the calendar.
          </s-paragraph>
        ) : (
          <div class="what-if">
            <label for="what-if">What if every day had a discount of</label>
            <input
              id="what-if"
              type="range"
              min={0}
              max={LARGEST_PERCENT}
              step={5}
              value={off ?? 0}
              aria-valuetext={off === null ? "as planned" : `${off} percent`}
              onInput={(event) => setOff(Number(event.currentTarget.value))}
            />
            <output for="what-if">
              {off === null ? "as planned" : `${off} %`}: about <strong>{units(now)}</strong> units
              {off === null || planned <= 0 ? "" : `, ${percent(Math.abs(now / planned - 1))} ${now >= planned ? "more" : "less"} than planned`}
            </output>
            {off === null ? null : <s-button onClick={() => setOff(null)}>As planned</s-button>}
          </div>
        )}
      </s-stack>
    </s-section>
  );
}

function Order({ series }: { series: DemandSeries }) {
  const row = series.row;
  if (row === null) return null;
  const said: [string, string][] = [
    ["Next 28 days", `${units(row.forecast)} units, ${units(row.low)} to ${units(row.high)} in 9 of 10 cases`],
    ["Stock", row.stock === null ? "Not tracked" : plural(row.stock, "unit")],
    ["Lasts", `${cover(row)}${row.runs_out_on === null ? "" : `, until ${day(row.runs_out_on)}`}`],
    ["Order when below", `${plural(row.reorder_point, "unit")}, with ${plural(row.lead_days, "day")} until it arrives`],
    ["Now", advice(row)],
    ["Lost for want of stock", row.lost_units < 0.5 ? "Nothing in the last 28 days" : `about ${plural(Math.round(row.lost_units), "unit")} in the last 28 days`],
    ["Forecast by", servedBy(row)],
    ["How good", `${quality(row)}${row.accuracy.days === 0 ? "" : `, on ${count(row.accuracy.days)} past days`}`],
    ["Error", row.accuracy.mase === null ? "–" : `MASE ${row.accuracy.mase.toFixed(2)}, last week repeated ${row.accuracy.naive_mase?.toFixed(2) ?? "–"}`],
    ["Kind of demand", `${row.pattern}, class ${row.importance}`],
  ];
  return (
    <s-section heading="To order">
      <dl class="pairs">
        {said.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </s-section>
  );
}
