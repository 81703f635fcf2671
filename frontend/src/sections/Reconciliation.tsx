/** How our books compare with Shopify's, and the button that compares them now. */

import { useState } from "preact/hooks";
import { compareNow, getReconciliation, Problem, type Reconciliation as Facts, type Swept } from "../api";
import { count, moment } from "../format";
import type { DataSection } from "../pages/Data";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { comparisonSentence, RESOURCE_NAMES, sweptText } from "../words";

const WHILE_RUNNING_MS = 2_000;

export const nextComparisonLookMs = (facts: Facts) => (facts.state === "running" ? WHILE_RUNNING_MS : null);

export function Reconciliation({ overview }: DataSection) {
  const answer = useAnswer(getReconciliation, nextComparisonLookMs);
  const facts = answer.data;
  const zone = overview.shop.timezone;
  return (
    <s-section heading="Compared with Shopify">
      <s-stack gap="base">
        {answer.problem === null ? null : <Trouble problem={answer.problem} retry={answer.ask} stale={facts !== null} />}
        {facts === null ? (
          answer.problem === null ? (
            <div class="comparison-waits">
              <Loading what="the last comparison" />
            </div>
          ) : null
        ) : (
          <>
            <div role="status">
              <s-paragraph>{comparisonSentence(facts, (iso) => moment(iso, zone))}</s-paragraph>
            </div>
            {facts.resources.every((each) => each.began_at === null) ? null : <Listing resources={facts.resources} zone={zone} />}
            <CompareNow facts={facts} mayOperate={overview.you.may_operate} again={answer.ask} />
          </>
        )}
      </s-stack>
    </s-section>
  );
}

function Listing({ resources, zone }: { resources: Swept[]; zone: string }) {
  return (
    <s-table>
      <s-table-header-row>
        <s-table-header listSlot="primary">What</s-table-header>
        <s-table-header listSlot="secondary">Result</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">
          Looked at
        </s-table-header>
        <s-table-header listSlot="labeled" format="numeric">
          Repaired
        </s-table-header>
        <s-table-header listSlot="labeled">When</s-table-header>
      </s-table-header-row>
      <s-table-body>
        {resources.map((each) => (
          <s-table-row key={each.resource}>
            <s-table-cell>{RESOURCE_NAMES[each.resource] ?? each.resource}</s-table-cell>
            <s-table-cell>{sweptText(each)}</s-table-cell>
            <s-table-cell>{count(each.compared)}</s-table-cell>
            <s-table-cell>{count(each.missing + each.wrong + each.gone)}</s-table-cell>
            <s-table-cell>{each.finished_at === null ? "–" : moment(each.finished_at, zone)}</s-table-cell>
          </s-table-row>
        ))}
      </s-table-body>
    </s-table>
  );
}

function CompareNow({ facts, mayOperate, again }: { facts: Facts; mayOperate: boolean; again: () => void }) {
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  if (facts.resources.every((each) => each.state === "no_history")) return null;
  if (!mayOperate) return <s-text color="subdued">Your role is viewer. An operator or an owner can compare now.</s-text>;
  const compare = async () => {
    setSending(true);
    setProblem(null);
    try {
      await compareNow("compared by hand from the data page");
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setSending(false);
    }
  };
  return (
    <s-stack gap="small-200">
      {problem === null ? null : <s-paragraph tone="critical">{`${problem.detail.message} ${problem.detail.next_step}`}</s-paragraph>}
      <s-stack direction="inline">
        <s-button loading={sending} disabled={facts.state === "running"} onClick={() => void compare()}>
          Compare with Shopify now
        </s-button>
      </s-stack>
    </s-stack>
  );
}
