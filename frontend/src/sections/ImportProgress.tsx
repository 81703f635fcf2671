/** How far the history has come: rows, pace and time left, resource by resource. */

import { useState } from "preact/hooks";
import { Problem, restartImport, type HistoryImport, type You } from "../api";
import { count, plural, span } from "../format";
import { importSentence, RESOURCE_NAMES } from "../words";

type Resource = HistoryImport["resources"][number];

export function ImportProgress({ history, you, again }: { history: HistoryImport; you: You; again: () => void }) {
  const failed = history.state === "failed";
  return (
    <s-section heading={failed ? "The import stopped" : "Bringing in your history"}>
      <s-stack gap="base">
        {failed ? <Stopped history={history} you={you} again={again} /> : <s-paragraph>{importSentence(history)}</s-paragraph>}
        {history.resources.map((each) => (
          <OneResource key={each.resource} resource={each} />
        ))}
        {failed ? null : (
          <s-text color="subdued">
            You can close this page: the import goes on. Names, e-mail, phone numbers and addresses of customers are never read.
          </s-text>
        )}
      </s-stack>
    </s-section>
  );
}

const PHASES: Record<NonNullable<Resource["phase"]>, string> = {
  exporting: "Shopify is preparing them: ",
  reading: "Reading: ",
  writing: "Putting in place: ",
};

export function stateText(resource: Resource): string {
  const { state, phase, done, total, per_second, eta_s } = resource;
  if (state === "waiting") return "Waiting";
  if (state === "failed") return `Stopped after ${count(done)}`;
  if (state === "done") return `${count(done)} · done`;
  const of = total === null ? count(done) : `${count(done)} of ${count(total)}`;
  const pace = per_second === null ? "" : ` · ${count(Math.round(per_second))} a second`;
  const left = eta_s === null ? "" : ` · about ${span(eta_s)} left`;
  return (phase === null ? "" : PHASES[phase]) + of + pace + left;
}

function OneResource({ resource }: { resource: Resource }) {
  const name = RESOURCE_NAMES[resource.resource] ?? resource.resource;
  const whole = resource.state === "done" ? Math.max(1, resource.done) : (resource.total ?? 0);
  // Without a known total the bar would lie: it then shows motion, not progress.
  const bar = whole > 0 ? { value: Math.min(resource.done, whole), max: whole } : {};
  return (
    <div class="progress">
      <s-stack direction="inline" gap="small-200" justifyContent="space-between">
        <s-text type="strong">{name}</s-text>
        <s-text fontVariantNumeric="tabular-nums" color="subdued">
          {stateText(resource)}
        </s-text>
      </s-stack>
      <progress aria-label={`${name}: ${stateText(resource)}`} {...(resource.state === "waiting" ? { value: 0, max: 1 } : bar)} />
      {resource.note ? <s-text color="subdued">{resource.note}</s-text> : null}
      {resource.skipped > 0 ? (
        <s-text color="subdued">{plural(resource.skipped, "row")} could not be understood and were left out, never guessed.</s-text>
      ) : null}
      {resource.problem ? <s-text tone={resource.state === "failed" ? "critical" : "caution"}>{resource.problem}</s-text> : null}
    </div>
  );
}

function Stopped({ history, you, again }: { history: HistoryImport; you: You; again: () => void }) {
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const kept = history.resources.reduce((sum, each) => sum + each.done, 0);
  const restart = async () => {
    setSending(true);
    setProblem(null);
    try {
      await restartImport("import continued from the overview");
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setSending(false);
    }
  };
  return (
    <s-banner tone="critical" heading="Shopify's answer could not be read to the end">
      <s-stack gap="base">
        <s-paragraph>{count(kept)} rows have arrived and are kept; nothing is counted twice when it continues.</s-paragraph>
        {problem === null ? null : <s-paragraph tone="critical">{`${problem.detail.message} ${problem.detail.next_step}`}</s-paragraph>}
        {you.may_operate ? (
          <s-stack direction="inline">
            <s-button loading={sending} onClick={() => void restart()}>
              Continue the import
            </s-button>
          </s-stack>
        ) : (
          <s-paragraph>Your role is viewer: ask an operator or an owner to continue it.</s-paragraph>
        )}
      </s-stack>
    </s-banner>
  );
}
