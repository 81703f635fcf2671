/** Who read what is linked to people, and why. For owners. */

import { useCallback, useState } from "preact/hooks";
import { downloadAccessLog, getAccessLog, getOverview, Problem, type AccessEntry } from "../api";
import { count, moment, person } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { Pager } from "./Versions";

const PURPOSES: Record<AccessEntry["purpose"], string> = {
  keeping: "Keeping orders and customers up to date",
  reconciling: "Comparing with Shopify",
  attribution: "Finding what an order followed from",
  training: "Learning what is bought together",
  features: "Computing what models know of customers and products",
  figures: "Counting",
  data_request: "A customer asked for their data",
  erasure: "Forgetting a customer",
  retention: "Forgetting what has lapsed",
  quality: "Looking at rows that were put aside",
  operation: "Running the app",
};

const TABLES: Record<string, string> = {
  features_customer: "customers",
  features_order: "orders",
  features_event: "changes of orders",
  features_exposure: "recommendations shown",
  features_outcome: "clicks and purchases that followed",
  features_storefront_event: "visits",
  features_excluded_visitor: "browsers that are left out",
  sync_customerreference: "customer numbers",
  validation_heldrow: "rows put aside",
  frame: "lines to learn from",
  export: "exports for customers",
};

/** `1,200 orders, 3 visits`: the largest first. */
export function ofWhat(tables: AccessEntry["tables"]): string {
  return Object.entries(tables)
    .sort((one, other) => other[1] - one[1])
    .map(([table, rows]) => `${count(rows)} ${TABLES[table] ?? table}`)
    .join(", ");
}

export function Access() {
  const [before, setBefore] = useState<number | null>(null);
  const [fault, setFault] = useState<Problem | null>(null);
  const overview = useAnswer(getOverview);
  const page = useAnswer(useCallback((signal: AbortSignal) => getAccessLog(before, signal), [before]));
  const entries = page.data?.entries ?? null;
  const problem = page.problem ?? overview.problem;
  const again = () => {
    overview.ask();
    page.ask();
  };
  const save = async () => {
    setFault(null);
    try {
      await downloadAccessLog();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFault(error);
    }
  };
  return (
    <s-page heading="Who read personal data">
      <s-button slot="primary-action" onClick={() => void save()} {...(entries === null ? { disabled: true } : {})}>
        Download as CSV
      </s-button>
      <s-link slot="breadcrumb-actions" href="/audit">
        Change log
      </s-link>
      {problem === null ? null : <Trouble problem={problem} retry={again} stale={entries !== null} />}
      {fault === null ? null : <Trouble problem={fault} retry={() => void save()} stale />}
      {entries === null || overview.data === null ? (
        problem === null ? (
          <Loading what="the access log" />
        ) : null
      ) : entries.length === 0 ? (
        <s-section heading="Nobody has read anything yet">
          <s-paragraph>
            Each time that something linked to a customer or a browser is read, by a person or by Shelfwise itself, it is written here.
          </s-paragraph>
        </s-section>
      ) : (
        <s-section padding="none" accessibilityLabel="Reads, newest first">
          <s-table>
            <s-table-header-row>
              <s-table-header listSlot="secondary">When</s-table-header>
              <s-table-header listSlot="primary">Why</s-table-header>
              <s-table-header listSlot="labeled">Who</s-table-header>
              <s-table-header listSlot="labeled">What</s-table-header>
            </s-table-header-row>
            <s-table-body>
              {entries.map((entry) => (
                <s-table-row key={entry.id}>
                  <s-table-cell>{moment(entry.at, overview.data?.shop.timezone ?? "UTC")}</s-table-cell>
                  <s-table-cell>{PURPOSES[entry.purpose]}</s-table-cell>
                  <s-table-cell>{person(entry.actor, overview.data?.you.user_id ?? null)}</s-table-cell>
                  <s-table-cell>{ofWhat(entry.tables)}</s-table-cell>
                </s-table-row>
              ))}
            </s-table-body>
          </s-table>
          <s-box padding="base">
            <s-text color="subdued">
              Times are those of your shop ({overview.data.shop.timezone}). Reads by Shelfwise itself are counted together by the minute. No names,
              addresses or contact details are kept, so none can be read.
            </s-text>
          </s-box>
          <Pager next={page.data?.next_before ?? null} first={before === null} go={setBefore} what="reads" />
        </s-section>
      )}
    </s-page>
  );
}
