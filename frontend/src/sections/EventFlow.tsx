/** Whether what the storefront tells arrives in time, and how often Shopify was asked. */

import { getFlow, type Flow } from "../api";
import { count, plural } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { behind, PHASE_NAMES, topicName } from "../words";

const LOOK_MS = 10_000;

export function EventFlow() {
  const answer = useAnswer(getFlow, () => LOOK_MS);
  const flow = answer.data;
  return (
    <s-section heading="Event flow">
      <s-stack gap="base">
        {answer.problem === null ? null : <Trouble problem={answer.problem} retry={answer.ask} stale={flow !== null} />}
        {flow === null ? answer.problem === null ? <Loading what="the flow of events" /> : null : <Facts flow={flow} />}
      </s-stack>
    </s-section>
  );
}

function Facts({ flow }: { flow: Flow }) {
  const total = flow.calls.reduce((sum, each) => sum + each.calls, 0);
  return (
    <>
      {flow.topics.length === 0 ? <s-paragraph>Nothing from the storefront is on its way.</s-paragraph> : null}
      {flow.topics.map((each) => (
        <s-stack key={each.topic} direction="inline" gap="small-200" alignItems="center">
          <s-text type="strong">{topicName(each.topic)}</s-text>
          <s-badge tone={behind(each.behind_s).tone}>{behind(each.behind_s).text}</s-badge>
          {each.given_up === 0 ? null : <s-badge tone="critical">{`${plural(each.given_up, "message")} given up`}</s-badge>}
        </s-stack>
      ))}
      <s-paragraph>
        {total === 0
          ? "Shopify has not been asked for anything yet."
          : `Shopify was asked ${plural(total, "time")}, and ${flow.throttled === 0 ? "never" : plural(flow.throttled, "time")} too often for its limit.`}
      </s-paragraph>
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Asked for</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            Calls to Shopify
          </s-table-header>
        </s-table-header-row>
        <s-table-body>
          {flow.calls.map((each) => (
            <s-table-row key={each.phase}>
              <s-table-cell>{PHASE_NAMES[each.phase]}</s-table-cell>
              <s-table-cell>{count(each.calls)}</s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </>
  );
}
