/** Whether a version is any good in one place: the verdict as a badge, in words, and the numbers it stands on. */

import type { SlotKey, Version } from "./api";
import { HOW_JUDGED, JUDGEMENTS, judge, numbersSentence, verdictSentence } from "./words";

export function Verdict({ version, slot }: { version: Version; slot: SlotKey }) {
  const verdict = JUDGEMENTS[judge(version, slot)];
  return <s-badge tone={verdict.tone}>{verdict.text}</s-badge>;
}

export function Quality({ version, slot }: { version: Version; slot: SlotKey }) {
  const numbers = numbersSentence(version, slot);
  return (
    <s-stack gap="small-300">
      <s-text>{verdictSentence(version, slot)}</s-text>
      {numbers ? <s-text color="subdued">{numbers}</s-text> : null}
    </s-stack>
  );
}

/** The measure, the test and the rule, for whoever wants to know before trusting the badge. */
export function HowJudged() {
  return (
    <details class="more">
      <summary>How this is judged</summary>
      <dl class="terms">
        {HOW_JUDGED.map(({ name, text }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
