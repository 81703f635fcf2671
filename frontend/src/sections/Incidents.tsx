/** What was not as it should be: open ones first, then what was repaired. */

import { useCallback, useState } from "preact/hooks";
import { getIncidents, type Incident } from "../api";
import { moment, plural } from "../format";
import type { DataSection } from "../pages/Data";
import { Pager } from "../pages/Versions";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

export function Incidents({ overview }: DataSection) {
  const [before, setBefore] = useState<number | null>(null);
  const answer = useAnswer(useCallback((signal: AbortSignal) => getIncidents(before, signal), [before]));
  const page = answer.data;
  const zone = overview.shop.timezone;
  return (
    <s-section heading="Incidents">
      <s-stack gap="base">
        {answer.problem === null ? null : <Trouble problem={answer.problem} retry={answer.ask} stale={page !== null} />}
        {page === null ? (
          answer.problem === null ? (
            <Loading what="incidents" />
          ) : null
        ) : page.incidents.length === 0 ? (
          <s-paragraph>None. Nothing was found to be wrong with your data.</s-paragraph>
        ) : (
          <>
            <s-paragraph>{page.open === 0 ? "None is open." : `${plural(page.open, "incident is", "incidents are")} open.`}</s-paragraph>
            {page.incidents.map((each) => (
              <One key={each.id} incident={each} zone={zone} />
            ))}
            <Pager next={page.next_before} first={before === null} go={setBefore} what="incidents" />
          </>
        )}
      </s-stack>
    </s-section>
  );
}

function One({ incident, zone }: { incident: Incident; zone: string }) {
  const open = incident.closed_at === null;
  const badge = !open ? ("success" as const) : incident.severity === "critical" ? ("critical" as const) : ("warning" as const);
  return (
    <s-box padding="base" border="base" borderRadius="base">
      <s-stack gap="small-200">
        <s-stack direction="inline" gap="small-200" alignItems="center">
          <s-badge tone={badge}>{open ? "Open" : "Closed"}</s-badge>
          <s-text color="subdued">{moment(incident.opened_at, zone)}</s-text>
          {open && incident.halts_training ? <s-badge tone="critical">Training waits for it</s-badge> : null}
        </s-stack>
        <s-paragraph>{incident.told}</s-paragraph>
        {incident.next_step ? <s-paragraph color="subdued">{incident.next_step}</s-paragraph> : null}
      </s-stack>
    </s-box>
  );
}
