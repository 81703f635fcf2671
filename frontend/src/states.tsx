/** What every page shows while it waits, and when an answer did not come. */

import type { Problem } from "./api";

export function Loading({ what }: { what: string }) {
  return (
    <s-section>
      <s-stack direction="inline" gap="base" alignItems="center">
        <s-spinner accessibilityLabel={`Loading ${what}`} size="base" />
        <s-text color="subdued">Loading {what}…</s-text>
      </s-stack>
    </s-section>
  );
}

/** What happened, what to do next, and the button that does it. `stale`: older numbers are still on the page. */
export function Trouble({ problem, retry, stale = false }: { problem: Problem; retry: () => void; stale?: boolean }) {
  const { message, next_step, request_id } = problem.detail;
  return (
    <s-banner tone={stale ? "warning" : "critical"} heading={message}>
      <s-stack gap="base">
        <s-paragraph>
          {stale ? "The numbers below are from before. " : ""}
          {next_step}
        </s-paragraph>
        {request_id ? <s-paragraph color="subdued">Request {request_id}</s-paragraph> : null}
        <s-stack direction="inline">
          <s-button onClick={retry}>Try again</s-button>
        </s-stack>
      </s-stack>
    </s-banner>
  );
}
