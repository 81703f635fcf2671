/** The first page: is data in, what is live and is it any good, what came of it, and how to undo. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { getIncidents, getOverview, getTraffic, type Incidents, type Overview as Facts, type Traffic } from "../api";
import { useMarkers } from "../DayPlot";
import { count, money, plural } from "../format";
import { Changes } from "../sections/Changes";
import { ImportProgress } from "../sections/ImportProgress";
import { LiveNow } from "../sections/LiveNow";
import { Results } from "../sections/Results";
import { SetupGuide, setupSteps } from "../sections/SetupGuide";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { capital, glance, importRemarks } from "../words";

const DAYS = 28;
const MOST_TOLD = 3;
const WHILE_WORKING_MS = 2_000;
const WHILE_WAITING_MS = 10_000;
/** How long the page is held back for the results, so that it is drawn once and nothing on it moves. */
const PATIENCE_MS = 2_500;

/** How soon to look again: soon while something moves, seldom until the first shopper, else not by itself. */
export function nextLookMs(overview: Facts): number | null {
  const importing = overview.history_import.state === "running" || overview.history_import.state === "not_started";
  if (importing || overview.training.state === "running") return WHILE_WORKING_MS;
  return overview.slots.every((slot) => slot.version === null) ? WHILE_WAITING_MS : null;
}

export function Overview() {
  const overview = useAnswer(getOverview, nextLookMs);
  const traffic = useAnswer(useCallback((signal: AbortSignal) => getTraffic(DAYS, signal), []));
  const incidents = useAnswer(useCallback((signal: AbortSignal) => getIncidents(null, signal), []));
  const { known, answer: markers } = useMarkers(DAYS);
  const again = () => {
    overview.ask();
    traffic.ask();
    markers.ask();
    incidents.ask();
  };
  const patient = usePatience();
  const waiting = patient && ((traffic.data === null && traffic.problem === null) || known === null || (incidents.data === null && incidents.problem === null));
  const facts = waiting ? null : overview.data;
  return (
    <s-page heading="Overview">
      {facts === null ? null : (
        <s-button slot="primary-action" onClick={again} loading={overview.loading && facts.history_import.state === "done"}>
          Refresh
        </s-button>
      )}
      {overview.problem === null ? null : <Trouble problem={overview.problem} retry={again} stale={facts !== null} />}
      {facts === null ? (
        overview.problem === null ? (
          <Loading what="your overview" />
        ) : null
      ) : (
        <>
          {incidents.data === null || incidents.data.open === 0 ? null : <OpenIncidents found={incidents.data} />}
          <AtAGlance facts={facts} traffic={traffic.data} />
          {isBusy(facts) ? <ImportProgress history={facts.history_import} you={facts.you} again={again} /> : null}
          {facts.training.state === "failed" || (facts.training.problem !== "" && anyLive(facts)) ? <TrainingFailed facts={facts} /> : null}
          {traffic.data !== null || !anyLive(facts) ? <SetupGuide overview={facts} traffic={traffic.data} /> : null}
          <LiveNow overview={facts} again={again} />
          {traffic.problem === null ? null : <Trouble problem={traffic.problem} retry={traffic.ask} stale={traffic.data !== null} />}
          {traffic.data === null ? (
            traffic.problem === null ? (
              <Loading what="what shoppers saw" />
            ) : null
          ) : setupSteps(facts, traffic.data).every((step) => !step.done) ? null : (
            <Results traffic={traffic.data} markers={known === null ? [] : known.markers} />
          )}
          {markers.problem === null ? null : <Trouble problem={markers.problem} retry={markers.ask} stale={markers.data !== null} />}
          {markers.data === null || !anyLive(facts) ? null : (
            <Changes markers={markers.data.markers} you={facts.you} timeZone={facts.shop.timezone} again={markers.ask} />
          )}
        </>
      )}
    </s-page>
  );
}

/** What is wrong now, in one line each; the Data page has all of it. */
function OpenIncidents({ found }: { found: Incidents }) {
  const open = found.incidents.filter((each) => each.closed_at === null);
  const grave = open.some((each) => each.severity === "critical");
  return (
    <s-banner tone={grave ? "critical" : "warning"} heading={`${plural(found.open, "incident is", "incidents are")} open`}>
      <s-stack gap="base">
        {open.slice(0, MOST_TOLD).map((each) => (
          <s-paragraph key={each.id}>{each.told}</s-paragraph>
        ))}
        <s-link href="/data">Look at them on the Data page</s-link>
      </s-stack>
    </s-banner>
  );
}

function usePatience(): boolean {
  const [patient, setPatient] = useState(true);
  useEffect(() => {
    const timer = setTimeout(() => setPatient(false), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  return patient;
}

function anyLive(facts: Facts): boolean {
  return facts.slots.some((slot) => slot.version !== null);
}

function isBusy(facts: Facts): boolean {
  return facts.history_import.state === "running" || facts.history_import.state === "failed";
}

function AtAGlance({ facts, traffic }: { facts: Facts; traffic: Traffic | null }) {
  const figures: [string, string][] = [
    ["Orders read", count(facts.data.orders)],
    ["Products read", count(facts.data.products)],
  ];
  if (traffic !== null && traffic.totals.requests > 0) {
    const days = `${traffic.days.length} days`;
    figures.push(
      [`Times shown, ${days}`, count(traffic.totals.shown)],
      [`Clicks, ${days}`, count(traffic.totals.clicks)],
      [`Orders that followed, ${days}`, count(traffic.totals.attributed_orders)],
      [`Net revenue that followed, ${days}`, money(traffic.totals.attributed_net_revenue, traffic.currency)],
    );
  }
  const remarks = importRemarks(facts.history_import);
  return (
    <s-section heading={facts.shop.name || facts.shop.domain}>
      <div role="status">
        <s-paragraph>{glance(facts, traffic)}</s-paragraph>
      </div>
      <dl class="figures">
        {figures.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {remarks.length === 0 ? null : (
        <s-stack gap="small-300">
          {remarks.map((each) => (
            <s-text key={each} color="subdued">
              {each}
            </s-text>
          ))}
        </s-stack>
      )}
    </s-section>
  );
}

function TrainingFailed({ facts }: { facts: Facts }) {
  return (
    <s-banner tone="warning" heading="The last training made no new version">
      <s-paragraph>
        {facts.training.problem ? `${capital(facts.training.problem)}.` : "It stopped before a new version was made."} What is live was not touched. Train again from
        the Versions page.
      </s-paragraph>
    </s-banner>
  );
}
