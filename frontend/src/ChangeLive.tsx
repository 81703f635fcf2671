/** The dialog that puts another version in front of shoppers: from, to, their numbers, and a reason for the record. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Problem, type Slot, type SlotKey, type Version, type You } from "./api";
import { moment } from "./format";
import { Quality, Verdict } from "./Quality";
import { SLOT_NAMES } from "./words";

interface Props {
  kind: "rollback" | "deploy";
  slot: SlotKey;
  from: Version | null;
  to: Version;
  you: You;
  timeZone: string;
  /** Sends the change; rejects with a `Problem`. */
  send: (reason: string) => Promise<Slot>;
  /** Called after the change was made, or when the slot turned out to have changed meanwhile. */
  done: () => void;
}

export const SHORTEST_REASON = 3;
export const LONGEST_REASON = 500;

/** What is wrong with a reason, in words for its field; null when it will do. */
export function reasonProblem(reason: string): string | null {
  if (reason.trim().length < SHORTEST_REASON) return "Say why in a few words: it is kept in the change log.";
  if (reason.length > LONGEST_REASON) return `Keep it under ${LONGEST_REASON} characters.`;
  return null;
}

export function ChangeLive({ kind, slot, from, to, you, timeZone, send, done }: Props) {
  const id = useId().replaceAll(":", "");
  const modal = useRef<HTMLElementTagNameMap["s-modal"]>(null);
  const field = useRef<HTMLElementTagNameMap["s-text-area"]>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [sending, setSending] = useState(false);
  const rollback = kind === "rollback";
  const verb = rollback ? "Roll back" : "Put live";
  const place = SLOT_NAMES[slot];
  const label = rollback ? `Roll back to version ${to.number}` : `Put live on ${place.toLowerCase()}`;

  const submit = async () => {
    const reason = (field.current?.value ?? "").trim();
    const wrong = reasonProblem(reason);
    setFault(wrong);
    if (wrong !== null || sending) return;
    setSending(true);
    setProblem(null);
    try {
      await send(reason);
      modal.current?.hideOverlay();
      shopify.toast.show(`${place}: version ${to.number} is live`);
      done();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      if (error.status === 409) done();
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

  if (!you.may_operate) {
    return (
      <s-stack direction="inline">
        <s-button disabled accessibilityLabel={`${verb}: ${place}`}>
          {verb}
        </s-button>
      </s-stack>
    );
  }

  return (
    <>
      <s-stack direction="inline">
        <s-button
          variant={rollback ? "secondary" : "primary"}
          {...(rollback ? { tone: "critical" as const } : {})}
          commandFor={id}
          command="--show"
          // What is read aloud begins with what is written, so that saying the written words presses the button.
          accessibilityLabel={rollback ? `${label}: ${place}` : `${label}: version ${to.number}`}
        >
          {label}
        </s-button>
      </s-stack>
      <s-modal
        id={id}
        ref={modal}
        heading={rollback ? `Roll back the ${place.toLowerCase()} to version ${to.number}?` : `Put version ${to.number} live on the ${place.toLowerCase()}?`}
        accessibilityLabel={`${verb}: ${place}`}
      >
        <s-stack gap="base">
          {problem === null ? null : (
            <s-banner tone="critical" heading={problem.detail.message}>
              <s-paragraph>{problem.detail.next_step}</s-paragraph>
            </s-banner>
          )}
          <s-paragraph>
            Shoppers see the other version within two seconds. Nothing is deleted: you can change back at any time.
          </s-paragraph>
          <s-grid gridTemplateColumns="repeat(auto-fit, minmax(200px, 1fr))" gap="base">
            {from === null ? null : <Side title="Live now" version={from} slot={slot} timeZone={timeZone} />}
            <Side title="Will be live" version={to} slot={slot} timeZone={timeZone} />
          </s-grid>
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
        <s-button
          slot="primary-action"
          variant="primary"
          {...(rollback ? { tone: "critical" as const } : {})}
          loading={sending}
          onClick={() => void submit()}
        >
          {verb}
        </s-button>
        <s-button slot="secondary-actions" commandFor={id} command="--hide">
          Cancel
        </s-button>
      </s-modal>
    </>
  );
}

/** Said once on a page whose buttons are off for this member. */
export function WhyOff({ you }: { you: You }) {
  if (you.may_operate) return null;
  return <s-text color="subdued">Your role is viewer: you may look, not change. An owner can make you an operator on the Team page.</s-text>;
}

function Side({ title, version, slot, timeZone }: { title: string; version: Version; slot: SlotKey; timeZone: string }) {
  return (
    <s-box padding="base" border="base" borderRadius="base">
      <s-stack gap="small-200">
        <s-text color="subdued">{title}</s-text>
        <s-text type="strong">Version {version.number}</s-text>
        <s-stack direction="inline">
          <Verdict version={version} slot={slot} />
        </s-stack>
        <Quality version={version} slot={slot} />
        <s-text color="subdued">Trained {moment(version.created_at, timeZone)}</s-text>
      </s-stack>
    </s-box>
  );
}
