/** What changed in the shop and may explain the numbers; a note of one's own can be added and taken away. */

import { useRef, useState } from "preact/hooks";
import { addNote, type Marker, Problem, withdrawNote, type You } from "../api";
import { moment, person } from "../format";
import { changed } from "../words";

interface Props {
  markers: readonly Marker[];
  you: You;
  timeZone: string;
  again: () => void;
}

const SHORTEST_NOTE = 3;
const LONGEST_NOTE = 200;

/** What is wrong with a note, in words for its field; null when it will do. */
export function noteProblem(note: string): string | null {
  if (note.trim().length < SHORTEST_NOTE) return "Say what changed, in a few words.";
  if (note.trim().length > LONGEST_NOTE) return `Keep it under ${LONGEST_NOTE} characters.`;
  return null;
}

export function Changes({ markers, you, timeZone, again }: Props) {
  const field = useRef<HTMLElementTagNameMap["s-text-field"]>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);

  const change = async (send: () => Promise<unknown>, said: string) => {
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      await send();
      shopify.toast.show(said);
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  const add = async () => {
    const text = (field.current?.value ?? "").trim();
    const wrong = noteProblem(text);
    setFault(wrong);
    if (wrong !== null) return;
    await change(async () => {
      await addNote(text);
      if (field.current) field.current.value = "";
    }, "Noted");
  };
  const newestFirst = [...markers].reverse();
  return (
    <s-section heading="What changed">
      <s-stack gap="base">
        <s-paragraph color="subdued">
          Themes, prices, stock and your own notes of these days. The pictures above are marked where something changed, since a change of the shop often explains a
          change of the numbers.
        </s-paragraph>
        {problem === null ? null : (
          <s-banner tone="critical" heading={problem.detail.message}>
            <s-paragraph>{problem.detail.next_step}</s-paragraph>
          </s-banner>
        )}
        {newestFirst.length === 0 ? (
          <s-paragraph>Nothing changed, and nobody noted anything.</s-paragraph>
        ) : (
          <ul class="changes">
            {newestFirst.map((each) => (
              <li key={each.id}>
                <s-stack direction="inline" gap="small" alignItems="center">
                  <s-text color="subdued">{moment(each.at, timeZone)}</s-text>
                  <s-text>{changed(each)}</s-text>
                  {each.kind === "note" ? <s-text color="subdued">{person(each.by, you.user_id)}</s-text> : null}
                  {each.kind === "note" && you.may_operate ? (
                    <s-button
                      variant="tertiary"
                      disabled={busy}
                      accessibilityLabel={`Take away the note: ${each.detail}`}
                      onClick={() => void change(() => withdrawNote(each.id), "Note taken away")}
                    >
                      Take away
                    </s-button>
                  ) : null}
                </s-stack>
              </li>
            ))}
          </ul>
        )}
        {you.may_operate ? (
          <s-stack gap="small">
            <s-text-field
              ref={field}
              label="Add a note"
              name="note"
              maxLength={LONGEST_NOTE}
              details="For example: started an advertisement, changed the supplier. Write about the shop, not about a person."
              {...(fault === null ? {} : { error: fault })}
              onInput={() => setFault(null)}
            />
            <s-stack direction="inline">
              <s-button loading={busy} onClick={() => void add()}>
                Note it
              </s-button>
            </s-stack>
          </s-stack>
        ) : null}
      </s-stack>
    </s-section>
  );
}
