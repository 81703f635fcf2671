/** The change log: who did what, when and why. */

import { useCallback, useState } from "preact/hooks";
import { getAudit, getOverview } from "../api";
import { moment, person } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { happened } from "../words";
import { Pager } from "./Versions";

export function Audit() {
  const [before, setBefore] = useState<number | null>(null);
  const overview = useAnswer(getOverview);
  const page = useAnswer(useCallback((signal: AbortSignal) => getAudit(before, signal), [before]));
  const entries = page.data?.entries ?? null;
  const problem = page.problem ?? overview.problem;
  const again = () => {
    overview.ask();
    page.ask();
  };
  return (
    <s-page heading="Change log">
      {overview.data?.you.role === "owner" ? (
        <s-button slot="secondary-actions" href="/audit/access">
          Who read personal data
        </s-button>
      ) : null}
      {problem === null ? null : <Trouble problem={problem} retry={again} stale={entries !== null} />}
      {entries === null || overview.data === null ? (
        problem === null ? (
          <Loading what="the change log" />
        ) : null
      ) : entries.length === 0 ? (
        <s-section heading="Nothing has been changed yet">
          <s-paragraph>When a version is put live, rolled back or a role is changed, it is written here for good.</s-paragraph>
        </s-section>
      ) : (
        <s-section padding="none" accessibilityLabel="Changes, newest first">
          <s-table>
            <s-table-header-row>
              <s-table-header listSlot="secondary">When</s-table-header>
              <s-table-header listSlot="primary">What</s-table-header>
              <s-table-header listSlot="labeled">Who</s-table-header>
              <s-table-header listSlot="labeled">Why</s-table-header>
            </s-table-header-row>
            <s-table-body>
              {entries.map((entry) => (
                <s-table-row key={entry.id}>
                  <s-table-cell>
                    <span class="moment">{moment(entry.at, overview.data?.shop.timezone ?? "UTC")}</span>
                  </s-table-cell>
                  <s-table-cell>{happened(entry)}</s-table-cell>
                  <s-table-cell>{person(entry.actor, overview.data?.you.user_id ?? null)}</s-table-cell>
                  <s-table-cell>{entry.reason || "–"}</s-table-cell>
                </s-table-row>
              ))}
            </s-table-body>
          </s-table>
          <s-box padding="base">
            <s-text color="subdued">Times are those of your shop ({overview.data.shop.timezone}).</s-text>
          </s-box>
          <Pager next={page.data?.next_before ?? null} first={before === null} go={setBefore} what="changes" />
        </s-section>
      )}
    </s-page>
  );
}
