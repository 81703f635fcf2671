/** Deliveries from Shopify that were given up: why, and one more try. */

import { useCallback, useState } from "preact/hooks";
import { getDeadLetters, Problem, replayDelivery, type Delivery } from "../api";
import { moment, plural } from "../format";
import type { DataSection } from "../pages/Data";
import { Pager } from "../pages/Versions";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { capital } from "../words";

export function DeadLetters({ overview }: DataSection) {
  const [before, setBefore] = useState<number | null>(null);
  const answer = useAnswer(useCallback((signal: AbortSignal) => getDeadLetters(before, signal), [before]));
  const page = answer.data;
  return (
    <s-section heading="Messages from Shopify that were given up">
      <s-stack gap="base">
        {answer.problem === null ? null : <Trouble problem={answer.problem} retry={answer.ask} stale={page !== null} />}
        {page === null ? (
          answer.problem === null ? (
            <Loading what="what was given up" />
          ) : null
        ) : page.total === 0 ? (
          <s-paragraph>None. Every message from Shopify was understood and kept.</s-paragraph>
        ) : (
          <>
            <s-paragraph>
              {plural(page.total, "message")} could not be worked off. The comparison with Shopify brings in what they would have told; trying one again
              is safe at any time.
            </s-paragraph>
            <s-table>
              <s-table-header-row>
                <s-table-header listSlot="primary">About</s-table-header>
                <s-table-header listSlot="secondary">Why</s-table-header>
                <s-table-header listSlot="labeled">Came in</s-table-header>
                <s-table-header listSlot="inline">Again</s-table-header>
              </s-table-header-row>
              <s-table-body>
                {page.deliveries.map((each) => (
                  <s-table-row key={each.id}>
                    <s-table-cell>{each.topic}</s-table-cell>
                    <s-table-cell>{capital(each.problem)}</s-table-cell>
                    <s-table-cell>{moment(each.received_at, overview.shop.timezone)}</s-table-cell>
                    <s-table-cell>{overview.you.may_operate ? <Replay delivery={each} again={answer.ask} /> : "–"}</s-table-cell>
                  </s-table-row>
                ))}
              </s-table-body>
            </s-table>
            <Pager next={page.next_before} first={before === null} go={setBefore} what="messages" />
          </>
        )}
      </s-stack>
    </s-section>
  );
}

function Replay({ delivery, again }: { delivery: Delivery; again: () => void }) {
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const replay = async () => {
    setSending(true);
    setProblem(null);
    try {
      await replayDelivery(delivery.id, "tried again from the data page");
      shopify.toast.show("Sent back to work");
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setSending(false);
    }
  };
  return (
    <s-stack gap="small-300">
      <s-button loading={sending} accessibilityLabel={`Try again: ${delivery.topic}, number ${delivery.id}`} onClick={() => void replay()}>
        Try again
      </s-button>
      {problem === null ? null : <s-text tone="critical">{`${problem.detail.message} ${problem.detail.next_step}`}</s-text>}
    </s-stack>
  );
}
