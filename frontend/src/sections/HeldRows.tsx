/** Rows that did not arrive: which, why, and what to do with them. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { dismissRows, getQuarantine, replayRows, type Held, type You } from "../api";
import { Decide } from "../Decide";
import { byPerson, count, moment, plural } from "../format";
import { Pager } from "../pages/Versions";
import { heldFrom, heldName, SUITE_NAMES } from "../quality_words";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { capital } from "../words";

interface Props {
  you: You;
  zone: string;
  /** Grows when something above changed what is held. */
  turn: number;
  changed: () => void;
}

const STATES = { held: "Waiting for a decision", replayed: "Replayed", dismissed: "Left out or replaced" };
const EVERYTHING = "everything";
type State = keyof typeof STATES;

export function HeldRows({ you, zone, turn, changed }: Props) {
  const [resource, setResource] = useState(EVERYTHING);
  const [state, setState] = useState<State>("held");
  const [before, setBefore] = useState<number | null>(null);
  const load = useCallback((signal: AbortSignal) => getQuarantine(resource === EVERYTHING ? "" : resource, state, before, signal), [resource, state, before]);
  const answer = useAnswer(load);
  useEffect(() => {
    if (turn > 0) answer.ask();
  }, [turn]);
  const page = answer.data;
  const done = () => {
    setBefore(null);
    answer.ask();
    changed();
  };
  return (
    <s-section heading="Rows that were held back">
      <s-stack gap="base">
        <s-grid gridTemplateColumns="repeat(auto-fit, minmax(180px, 1fr))" gap="base">
          <s-select
            label="Rows of"
            value={resource}
            onChange={(event) => {
              setBefore(null);
              setResource(event.currentTarget.value);
            }}
          >
            <s-option value={EVERYTHING}>Everything</s-option>
            {Object.entries(SUITE_NAMES).map(([key, name]) => (
              <s-option key={key} value={key}>
                {name}
              </s-option>
            ))}
          </s-select>
          <s-select
            label="State"
            value={state}
            onChange={(event) => {
              setBefore(null);
              setState(event.currentTarget.value as State);
            }}
          >
            {Object.entries(STATES).map(([key, name]) => (
              <s-option key={key} value={key}>
                {name}
              </s-option>
            ))}
          </s-select>
        </s-grid>
        {answer.problem === null ? null : <Trouble problem={answer.problem} retry={answer.ask} stale={page !== null} />}
        {page === null ? (
          answer.problem === null ? (
            <Loading what="held rows" />
          ) : null
        ) : page.total === 0 ? (
          <s-paragraph>{state === "held" ? "None. Every row that came in could be true." : "None."}</s-paragraph>
        ) : (
          <>
            {state !== "held" ? null : <Whole total={page.total} resource={resource} you={you} done={done} />}
            {page.rows.map((each) => (
              <Row key={each.id} row={each} you={you} zone={zone} done={done} />
            ))}
            <Pager next={page.next_before} first={before === null} go={setBefore} what="rows" />
          </>
        )}
      </s-stack>
    </s-section>
  );
}

function Whole({ total, resource, you, done }: { total: number; resource: string; you: You; done: () => void }) {
  if (resource === EVERYTHING) {
    return <s-paragraph>{plural(total, "row waits", "rows wait")} for a decision. Choose a kind of rows to decide about all of them at once.</s-paragraph>;
  }
  const rows = plural(total, "row");
  return (
    <s-stack direction="inline" gap="base" alignItems="center">
      <s-text>{plural(total, "row waits", "rows wait")} for a decision.</s-text>
      <Replay chosen={{ resource: resource as Held["resource"] }} what={rows} you={you} done={done} />
      <Dismiss chosen={{ resource: resource as Held["resource"] }} what={rows} you={you} done={done} />
    </s-stack>
  );
}

function Row({ row, you, zone, done }: { row: Held; you: You; zone: string; done: () => void }) {
  const what = `${heldName(row)}, number ${row.id}`;
  const chosen = { ids: [Number(row.id)] };
  return (
    <s-box padding="base" border="base" borderRadius="base">
      <s-stack gap="small-200">
        <s-stack direction="inline" gap="small-200" alignItems="center">
          <s-text type="strong">{heldName(row)}</s-text>
          <s-text color="subdued">
            from {heldFrom(row)}, {moment(row.first_seen_at, zone)}
            {row.seen > 1 ? `, met ${count(row.seen)} times` : ""}
          </s-text>
        </s-stack>
        <s-paragraph>{capital(row.reason)}</s-paragraph>
        {Object.keys(row.content).length === 0 ? null : (
          <details class="more">
            <summary>Show the row</summary>
            <pre class="mono scroll" tabIndex={0}>
              {JSON.stringify(row.content, null, 1)}
            </pre>
          </details>
        )}
        {row.state !== "held" ? (
          <s-text color="subdued">
            {STATES[row.state]}
            {row.decided_at === null ? "" : `, ${moment(row.decided_at, zone)}`}
            {row.decided_by.startsWith("staff:") ? ` ${byPerson(row.decided_by, you.user_id)}` : row.decided_by === "system:newer version" ? ": a newer version arrived" : ""}
          </s-text>
        ) : (
          <s-stack direction="inline" gap="small-200">
            {row.replayable ? <Replay chosen={chosen} what={what} you={you} done={done} /> : <s-text color="subdued">It became no event: import again once it is corrected.</s-text>}
            <Dismiss chosen={chosen} what={what} you={you} done={done} />
          </s-stack>
        )}
      </s-stack>
    </s-box>
  );
}

interface ChoiceProps {
  chosen: { ids?: number[]; resource?: Held["resource"] };
  what: string;
  you: You;
  done: () => void;
}

function Replay({ chosen, what, you, done }: ChoiceProps) {
  return (
    <Decide
      verb="Replay"
      label={`Replay: ${what}`}
      heading={`Replay ${what}?`}
      allowed={you.may_operate}
      send={async (reason) => {
        const came = await replayRows({ ...chosen, reason });
        const left = came.left > 0 ? `, ${count(came.left)} more: replay again` : "";
        return came.arrived === 0 ? "Still cannot be true; it stays held" : `${plural(came.arrived, "row")} came in${left}`;
      }}
      done={done}
    >
      <s-paragraph>It is judged once more by today's suite. What passes comes in, once; what fails stays here.</s-paragraph>
    </Decide>
  );
}

function Dismiss({ chosen, what, you, done }: ChoiceProps) {
  return (
    <Decide
      verb="Leave out"
      label={`Leave out: ${what}`}
      heading={`Leave out ${what}?`}
      allowed={you.may_operate}
      tone="critical"
      send={async (reason) => {
        const { dismissed } = await dismissRows({ ...chosen, reason });
        return `${plural(dismissed, "row")} left out`;
      }}
      done={done}
    >
      <s-paragraph>It stays out, also when it comes again unchanged. A corrected version from Shopify comes in as usual.</s-paragraph>
    </Decide>
  );
}
