/** One suite: what is expected, its versions, what changed between two, and a bound changed by hand. */

import { useCallback, useRef, useState } from "preact/hooks";
import { changeSuite, getSuite, Problem, type Expectation, type Suite, type You } from "../api";
import { Decide } from "../Decide";
import { moment } from "../format";
import { authorOf } from "../pages/Validation";
import { BOUND_NAMES, boundOf, changeSentence, expectationName, SEVERITIES, suiteName } from "../quality_words";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { capital } from "../words";

interface Props {
  resource: string;
  you: You;
  zone: string;
  changed: () => void;
}

export function SuiteInFull({ resource, you, zone, changed }: Props) {
  const [number, setNumber] = useState<number | null>(null);
  const [compare, setCompare] = useState<number | null>(null);
  const answer = useAnswer(useCallback((signal: AbortSignal) => getSuite(resource, number, compare, signal), [resource, number, compare]));
  const suite = answer.data;
  return (
    <s-section heading={`What is expected of ${suiteName(resource).toLowerCase()}`}>
      <s-stack gap="base">
        {answer.problem === null ? null : <Trouble problem={answer.problem} retry={answer.ask} stale={suite !== null} />}
        {suite === null ? (
          answer.problem === null ? (
            <Loading what="the suite" />
          ) : null
        ) : (
          <>
            <s-grid gridTemplateColumns="repeat(auto-fit, minmax(180px, 1fr))" gap="base">
              <s-select
                label="Version"
                value={String(suite.version.number)}
                onChange={(event) => {
                  setCompare(null);
                  setNumber(Number(event.currentTarget.value));
                }}
              >
                {suite.versions.map((each) => (
                  <s-option key={each.number} value={String(each.number)}>
                    {`${each.number}${each.number === suite.newest ? " (holds now)" : ""}`}
                  </s-option>
                ))}
              </s-select>
              <s-select
                label="Compared with"
                value={suite.compared_with === null ? "" : String(suite.compared_with)}
                onChange={(event) => setCompare(event.currentTarget.value === "" ? null : Number(event.currentTarget.value))}
              >
                {suite.compared_with === null ? <s-option value="">–</s-option> : null}
                {suite.versions
                  .filter((each) => each.number !== suite.version.number)
                  .map((each) => (
                    <s-option key={each.number} value={String(each.number)}>
                      {`version ${each.number}`}
                    </s-option>
                  ))}
              </s-select>
            </s-grid>
            <s-text color="subdued">
              Version {suite.version.number}: {authorOf(suite.version.author, you)}, {moment(suite.version.created_at, zone)}. {capital(suite.version.reason)}
            </s-text>
            <Differences suite={suite} />
            <s-table>
              <s-table-header-row>
                <s-table-header listSlot="primary">What</s-table-header>
                <s-table-header listSlot="secondary">Allowed</s-table-header>
                <s-table-header listSlot="labeled">Otherwise</s-table-header>
                <s-table-header listSlot="inline">Edit</s-table-header>
              </s-table-header-row>
              <s-table-body>
                {suite.expectations.map((each) => (
                  <s-table-row key={each.name}>
                    <s-table-cell>{expectationName(each)}</s-table-cell>
                    <s-table-cell>{each.allowed}</s-table-cell>
                    <s-table-cell>
                      {SEVERITIES[each.severity]}
                      {each.by_hand ? " (set by hand)" : ""}
                    </s-table-cell>
                    <s-table-cell>
                      {suite.version.number === suite.newest ? (
                        <ChangeBound
                          suite={suite}
                          expectation={each}
                          you={you}
                          done={() => {
                            setNumber(null);
                            setCompare(null);
                            answer.ask();
                            changed();
                          }}
                        />
                      ) : (
                        "–"
                      )}
                    </s-table-cell>
                  </s-table-row>
                ))}
              </s-table-body>
            </s-table>
          </>
        )}
      </s-stack>
    </s-section>
  );
}

function Differences({ suite }: { suite: Suite }) {
  if (suite.compared_with === null) return null;
  return (
    <s-box padding="base" border="base" borderRadius="base">
      <s-stack gap="small-200">
        <s-text type="strong">
          Changed from version {suite.compared_with} to version {suite.version.number}
        </s-text>
        {suite.changes.length === 0 ? (
          <s-paragraph>Nothing: they expect the same.</s-paragraph>
        ) : (
          <ul class="plain">
            {suite.changes.map((each) => (
              <li key={each.name}>{changeSentence(each)}</li>
            ))}
          </ul>
        )}
      </s-stack>
    </s-box>
  );
}

interface ChangeProps {
  suite: Suite;
  expectation: Expectation;
  you: You;
  done: () => void;
}

/** Bounds as they were typed are compared with what stands: only what was touched is sent. */
function ChangeBound({ suite, expectation, you, done }: ChangeProps) {
  const fields = useRef<Record<string, string>>({});
  const severity = useRef<Expectation["severity"]>(expectation.severity);
  const name = expectationName(expectation);
  const send = async (reason: string) => {
    const bounds: Record<string, unknown> = {};
    for (const [bound, typed] of Object.entries(fields.current)) {
      const read = boundOf(bound, typed);
      if (read === null) throw refusal(`${BOUND_NAMES[bound] ?? bound}: type a number.`);
      bounds[bound] = read.value;
    }
    await changeSuite(suite.resource, { expectation: expectation.name, base: suite.newest, severity: severity.current, bounds, reason });
    return "A new version of the suite holds now";
  };
  return (
    <Decide verb="Edit" label={`Edit: ${name}`} heading={`Change what is expected: ${name}`} allowed={you.may_operate} send={send} done={done}>
      <s-paragraph>It makes a new version; rows that came before stay as they were judged.</s-paragraph>
      {expectation.editable.map((bound) => (
        <s-text-field
          key={bound}
          label={BOUND_NAMES[bound] ?? bound}
          value={shown(expectation.bounds[bound])}
          onInput={(event) => {
            fields.current[bound] = event.currentTarget.value;
          }}
        />
      ))}
      <s-select
        label="When it does not hold"
        value={expectation.severity}
        onChange={(event) => {
          severity.current = event.currentTarget.value as Expectation["severity"];
        }}
      >
        {Object.entries(SEVERITIES).map(([key, text]) => (
          <s-option key={key} value={key}>
            {text}
          </s-option>
        ))}
      </s-select>
    </Decide>
  );
}

function shown(bound: unknown): string {
  if (bound === null || bound === undefined) return "";
  return Array.isArray(bound) ? bound.join(", ") : String(bound);
}

function refusal(message: string): Problem {
  return new Problem({ code: "bad_bounds", message, next_step: "Correct it and try again.", field: null, request_id: "" }, 400);
}
