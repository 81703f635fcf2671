/** Privacy: who asked for their data, who was erased and how that was proven, and how long what is kept. */

import { useState } from "preact/hooks";
import { getCertificate, getOverview, getPrivacy, Problem, takeExport, type Privacy as Facts } from "../api";
import { moment } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

type Row = Facts["requests"][number];
type Erased = Facts["redactions"][number];

export function Privacy() {
  const overview = useAnswer(getOverview);
  const answer = useAnswer(getPrivacy);
  const [refused, setRefused] = useState<Problem | null>(null);
  const [busy, setBusy] = useState("");
  const facts = answer.data;
  const zone = overview.data?.shop.timezone ?? "UTC";
  const owner = overview.data?.you.role === "owner";
  const problem = answer.problem ?? overview.problem;
  const again = () => {
    overview.ask();
    answer.ask();
  };
  const take = async (name: string, ask: () => Promise<object>) => {
    setBusy(name);
    setRefused(null);
    try {
      save(`${name}.json`, await ask());
      answer.ask();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setRefused(error);
    } finally {
      setBusy("");
    }
  };
  return (
    <s-page heading="Privacy">
      {problem === null ? null : <Trouble problem={problem} retry={again} stale={facts !== null} />}
      {refused === null ? null : (
        <s-banner tone="critical" heading={refused.detail.message}>
          <s-paragraph>{refused.detail.next_step}</s-paragraph>
        </s-banner>
      )}
      {facts === null || overview.data === null ? (
        problem === null ? (
          <Loading what="privacy requests" />
        ) : null
      ) : (
        <>
          <Requests rows={facts.requests} zone={zone} owner={owner} busy={busy} take={take} />
          <Redactions rows={facts.redactions} zone={zone} busy={busy} take={take} />
          <Flagged rows={facts.versions} zone={zone} />
          <Periods rows={facts.periods} />
        </>
      )}
    </s-page>
  );
}

type Take = (name: string, ask: () => Promise<object>) => Promise<void>;

interface RequestsProps {
  rows: Row[];
  zone: string;
  owner: boolean;
  busy: string;
  take: Take;
}

function Requests({ rows, zone, owner, busy, take }: RequestsProps) {
  if (rows.length === 0) {
    return (
      <s-section heading="Customers who asked for their data">
        <s-paragraph>Nobody has asked. When a customer does, Shopify tells us and an export waits here for the owner.</s-paragraph>
      </s-section>
    );
  }
  return (
    <s-section heading="Customers who asked for their data" padding="none">
      <s-box padding="base">
        <s-paragraph>
          Download the file and give it to the customer before it is due. Each download is written to the change log.
          {owner ? "" : " Only an owner may download it."}
        </s-paragraph>
      </s-box>
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Request</s-table-header>
          <s-table-header listSlot="labeled">Asked</s-table-header>
          <s-table-header listSlot="labeled">Answer due</s-table-header>
          <s-table-header listSlot="labeled">State</s-table-header>
          <s-table-header listSlot="inline">Export</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {rows.map((row) => (
            <s-table-row key={row.request_id}>
              <s-table-cell>{row.request_id}</s-table-cell>
              <s-table-cell>{moment(row.asked_at, zone)}</s-table-cell>
              <s-table-cell>{moment(row.due_at, zone)}</s-table-cell>
              <s-table-cell>{stateOf(row, zone)}</s-table-cell>
              <s-table-cell>
                {row.deleted_at !== null ? (
                  "–"
                ) : (
                  <s-button
                    disabled={!owner || busy !== ""}
                    loading={busy === `request-${row.request_id}`}
                    accessibilityLabel={`Download the export of request ${row.request_id}`}
                    onClick={() => void take(`request-${row.request_id}`, () => takeExport(row.request_id))}
                  >
                    Download
                  </s-button>
                )}
              </s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-section>
  );
}

function stateOf(row: Row, zone: string) {
  if (row.deleted_at !== null) return <s-badge>Export deleted</s-badge>;
  if (row.downloaded_at !== null) return <s-badge tone="success">Downloaded {moment(row.downloaded_at, zone)}</s-badge>;
  if (new Date(row.due_at) < new Date()) return <s-badge tone="critical">Overdue</s-badge>;
  return <s-badge tone="warning">Ready, not downloaded</s-badge>;
}

function Redactions({ rows, zone, busy, take }: { rows: Erased[]; zone: string; busy: string; take: Take }) {
  if (rows.length === 0) {
    return (
      <s-section heading="Erased customers">
        <s-paragraph>Nobody has been erased. When Shopify asks for it, everything is erased, searched and certified here.</s-paragraph>
      </s-section>
    );
  }
  return (
    <s-section heading="Erased customers" padding="none">
      <s-box padding="base">
        <s-paragraph>
          Their orders stay as sales of nobody. Afterwards every table, key, file and log is searched, and a certificate says what
          was found. It names nobody.
        </s-paragraph>
      </s-box>
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Erased</s-table-header>
          <s-table-header listSlot="labeled">Search</s-table-header>
          <s-table-header listSlot="inline">Certificate</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {rows.map((row) => (
            <s-table-row key={row.id}>
              <s-table-cell>{moment(row.erased_at, zone)}</s-table-cell>
              <s-table-cell>{searchOf(row)}</s-table-cell>
              <s-table-cell>
                {row.has_certificate ? (
                  <s-button
                    disabled={busy !== ""}
                    loading={busy === `certificate-${row.id}`}
                    accessibilityLabel={`Download certificate ${row.id}`}
                    onClick={() => void take(`certificate-${row.id}`, () => getCertificate(row.id))}
                  >
                    Download
                  </s-button>
                ) : (
                  "–"
                )}
              </s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-section>
  );
}

function searchOf(row: Erased) {
  if (row.state === "certified") return <s-badge tone="success">Nothing found</s-badge>;
  if (row.state === "found") return <s-badge tone="critical">Traces in {row.places_with_hits} places</s-badge>;
  return <s-badge tone="info">Searching</s-badge>;
}

function Flagged({ rows, zone }: { rows: Facts["versions"]; zone: string }) {
  if (rows.length === 0) return null;
  return (
    <s-section heading="Versions that learnt from an erased customer">
      <s-unordered-list>
        {rows.map((row) => (
          <s-list-item key={row.number}>
            Version {row.number}:{" "}
            {row.unlearned_at === null
              ? `while it serves, a new one is trained without them by ${moment(row.retrained_by, zone)}.`
              : `replaced since ${moment(row.unlearned_at, zone)}.`}
          </s-list-item>
        ))}
      </s-unordered-list>
    </s-section>
  );
}

function Periods({ rows }: { rows: Facts["periods"] }) {
  return (
    <s-section heading="How long what is kept" padding="none">
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">What</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            Days
          </s-table-header>
          <s-table-header listSlot="labeled">Setting</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {rows.map((row) => (
            <s-table-row key={row.name}>
              <s-table-cell>{row.told}</s-table-cell>
              <s-table-cell>{row.days}</s-table-cell>
              <s-table-cell>{row.setting}</s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-section>
  );
}

/** Hand a JSON file to the browser. */
function save(name: string, content: object) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
