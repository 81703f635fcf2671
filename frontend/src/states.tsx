/** What every page shows while it waits, and when an answer did not come. */

import type { Problem } from "./api";
import { capital } from "./words";

export function Loading({ what }: { what: string }) {
  return (
    <s-section>
      <s-stack direction="inline" gap="base" alignItems="center" data-waits="">
        <s-spinner accessibilityLabel={`Loading ${what}`} size="base" />
        <s-text color="subdued">Loading {what}…</s-text>
      </s-stack>
    </s-section>
  );
}

/** What happened, what to do next, and the button that does it. `stale`: older numbers are still on the page. */
export function Trouble({ problem, retry, stale = false }: { problem: Problem; retry: () => void; stale?: boolean }) {
  const { code, message, next_step, request_id } = problem.detail;
  // Asking again cannot help: it is not the shop's any more, or it is not there.
  const gone = code === "not_installed" || problem.status === 404;
  return (
    <s-banner tone={gone ? "info" : stale ? "warning" : "critical"} heading={capital(message)}>
      <s-stack gap="base">
        <s-paragraph>
          {stale && !gone ? "The numbers below are from before. " : ""}
          {next_step}
        </s-paragraph>
        {request_id && !gone ? <s-paragraph color="subdued">Request {request_id}</s-paragraph> : null}
        {gone ? null : (
          <s-stack direction="inline">
            <s-button onClick={retry}>Try again</s-button>
          </s-stack>
        )}
      </s-stack>
    </s-banner>
  );
}
