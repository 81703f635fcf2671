/** A button that asks for a reason before it acts; for whoever may not act, the button is off. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Problem } from "./api";
import { LONGEST_REASON, reasonProblem } from "./ChangeLive";

interface Props {
  verb: string;
  /** What is read aloud; it begins with the verb. */
  label: string;
  heading: string;
  allowed: boolean;
  tone?: "critical";
  primary?: boolean;
  children?: ComponentChildren;
  /** Sends it and says what came of it; rejects with a `Problem`. */
  send: (reason: string) => Promise<string>;
  done: () => void;
}

export function Decide({ verb, label, heading, allowed, tone, primary = false, children, send, done }: Props) {
  const id = useId().replaceAll(":", "");
  const modal = useRef<HTMLElementTagNameMap["s-modal"]>(null);
  const field = useRef<HTMLElementTagNameMap["s-text-area"]>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [sending, setSending] = useState(false);

  const submit = async () => {
    const reason = (field.current?.value ?? "").trim();
    const wrong = reasonProblem(reason);
    setFault(wrong);
    if (wrong !== null || sending) return;
    setSending(true);
    setProblem(null);
    try {
      const told = await send(reason);
      modal.current?.hideOverlay();
      shopify.toast.show(told);
      done();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setSending(false);
    }
  };

  // An opened dialog begins afresh: yesterday's refusal is not shown again.
  useEffect(() => {
    const element = modal.current;
    const fresh = () => {
      setFault(null);
      setProblem(null);
    };
    element?.addEventListener("show", fresh);
    return () => element?.removeEventListener("show", fresh);
  }, []);

  const look = { ...(tone ? { tone } : {}), variant: primary ? ("primary" as const) : ("secondary" as const) };
  if (!allowed) {
    return (
      <s-button disabled accessibilityLabel={label}>
        {verb}
      </s-button>
    );
  }
  return (
    <>
      <s-button {...look} commandFor={id} command="--show" accessibilityLabel={label}>
        {verb}
      </s-button>
      <s-modal id={id} ref={modal} heading={heading} accessibilityLabel={label}>
        <s-stack gap="base">
          {problem === null ? null : (
            <s-banner tone="critical" heading={problem.detail.message}>
              <s-paragraph>{problem.detail.next_step}</s-paragraph>
            </s-banner>
          )}
          {children}
          <s-text-area
            ref={field}
            label="Why?"
            name="reason"
            required
            rows={2}
            maxLength={LONGEST_REASON}
            details="Kept in the change log with your staff number."
            {...(fault === null ? {} : { error: fault })}
            onInput={() => setFault(null)}
          />
        </s-stack>
        <s-button slot="primary-action" variant="primary" {...(tone ? { tone } : {})} loading={sending} onClick={() => void submit()}>
          {verb}
        </s-button>
        <s-button slot="secondary-actions" commandFor={id} command="--hide">
          Cancel
        </s-button>
      </s-modal>
    </>
  );
}
