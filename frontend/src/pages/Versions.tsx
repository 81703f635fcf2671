/** Every version that was ever registered, newest first, and how good each is beside plain bestsellers. */

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { getOverview, getVersions, Problem, train, type SlotKey, type Version, type You } from "../api";
import { reasonProblem } from "../ChangeLive";
import { count, listed, moment } from "../format";
import { Plot } from "../Plot";
import { qualityOverVersions } from "../plots";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { HowJudged, Verdict } from "../Quality";
import { places, SLOT_NAMES, trainingStep } from "../words";

const STOREFRONT: SlotKey[] = ["product_page", "cart", "home"];

export function Versions() {
  const [before, setBefore] = useState<number | null>(null);
  const [slot, setSlot] = useState<SlotKey>("product_page");
  const overview = useAnswer(getOverview, (facts) => (facts.training.state === "running" ? 3_000 : null));
  const page = useAnswer(useCallback((signal: AbortSignal) => getVersions(before, signal), [before]));
  const spec = useMemo(() => (page.data ? qualityOverVersions(page.data.versions, slot) : null), [page.data, slot]);
  const zone = overview.data?.shop.timezone ?? "UTC";
  const again = () => {
    overview.ask();
    page.ask();
  };
  const problem = page.problem ?? overview.problem;
  const versions = page.data?.versions ?? null;
  const training = overview.data?.training;
  const trainingState = training?.state;
  const stateBefore = useRef(trainingState);
  useEffect(() => {
    // A training that ended while the page was open has left a new version to list.
    if (stateBefore.current === "running" && trainingState !== "running") page.ask();
    stateBefore.current = trainingState;
  }, [trainingState]);
  return (
    <s-page heading="Versions">
      {problem === null ? null : <Trouble problem={problem} retry={again} stale={versions !== null} />}
      {versions === null || (overview.data === null && overview.problem === null) ? (
        problem === null ? (
          <Loading what="versions" />
        ) : null
      ) : (
        <>
          <s-section heading="Train a new version">
            {training?.state === "running" ? (
              <s-stack direction="inline" gap="base" alignItems="center">
                <s-spinner accessibilityLabel="Training" />
                <s-text>Learning from your orders now{trainingStep(training)}. What is live is not touched.</s-text>
              </s-stack>
            ) : overview.data === null ? null : (
              <Train you={overview.data.you} again={again} />
            )}
            {training === undefined || training.level === "" ? null : (
              <s-stack gap="small-300">
                <s-text type="strong">What your history can teach: {training.level}</s-text>
                <s-text>{training.level_told}</s-text>
                {training.unlocks.length === 0 ? null : (
                  <s-text color="subdued">The next level needs {listed(training.unlocks)}.</s-text>
                )}
              </s-stack>
            )}
          </s-section>
          {versions.length === 0 ? (
            <s-section heading="No version yet">
              <s-paragraph>The first one is trained by itself as soon as your history is in.</s-paragraph>
            </s-section>
          ) : (
            <>
              <s-section heading="How good they are">
                <s-stack gap="base">
                  <s-box maxInlineSize="280px">
                    <s-select
                      label="Place"
                      value={slot}
                      onChange={(event) => setSlot((event.currentTarget as HTMLElement & { value: string }).value as SlotKey)}
                    >
                      {STOREFRONT.map((each) => (
                        <s-option key={each} value={each}>
                          {SLOT_NAMES[each]}
                        </s-option>
                      ))}
                    </s-select>
                  </s-box>
                  {spec === null ? (
                    <s-paragraph color="subdued">None of these versions had enough later orders to be tested here.</s-paragraph>
                  ) : (
                    <div>
                      <s-paragraph color="subdued">
                        Each version was tested on the newest orders of its own time: its lead over
                        bestsellers says how good it is, its place among other versions does not.
                      </s-paragraph>
                      <Plot spec={spec} />
                      <HowJudged />
                    </div>
                  )}
                </s-stack>
              </s-section>
              <s-section heading="All versions" padding="none">
                <Listing versions={versions} slot={slot} zone={zone} />
                <Pager next={page.data?.next_before ?? null} first={before === null} go={setBefore} what="versions" />
              </s-section>
            </>
          )}
        </>
      )}
    </s-page>
  );
}

function Listing({ versions, slot, zone }: { versions: Version[]; slot: SlotKey; zone: string }) {
  return (
    <s-table>
      <s-table-header-row>
        <s-table-header listSlot="primary">Version</s-table-header>
        <s-table-header listSlot="inline">Live on</s-table-header>
        <s-table-header listSlot="secondary">{SLOT_NAMES[slot]}</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">
          Orders learnt from
        </s-table-header>
        <s-table-header listSlot="labeled">Trained</s-table-header>
      </s-table-header-row>
      <s-table-body>
        {versions.map((version) => {
          return (
            <s-table-row key={version.id}>
              <s-table-cell>
                <s-link href={`/versions/${encodeURIComponent(version.id)}`}>Version {version.number}</s-link>
              </s-table-cell>
              <s-table-cell>
                {version.live_in.length > 0 ? <s-badge tone="success">{places(version.live_in)}</s-badge> : "–"}
              </s-table-cell>
              <s-table-cell>
                <Verdict version={version} slot={slot} />
              </s-table-cell>
              <s-table-cell>{version.orders === null ? "–" : count(version.orders)}</s-table-cell>
              <s-table-cell>{moment(version.created_at, zone)}</s-table-cell>
            </s-table-row>
          );
        })}
      </s-table-body>
    </s-table>
  );
}

export function Pager(props: { next: number | null; first: boolean; go: (before: number | null) => void; what: string }) {
  if (props.first && props.next === null) return null;
  return (
    <s-box padding="base">
      <s-stack direction="inline" gap="base">
        <s-button disabled={props.first} onClick={() => props.go(null)}>
          Newest {props.what}
        </s-button>
        <s-button disabled={props.next === null} onClick={() => props.go(props.next)}>
          Older {props.what}
        </s-button>
      </s-stack>
    </s-box>
  );
}

function Train({ you, again }: { you: You; again: () => void }) {
  const field = useRef<HTMLElementTagNameMap["s-text-field"]>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [sending, setSending] = useState(false);
  if (!you.may_operate) {
    return <s-text color="subdued">Your role is viewer. An operator or an owner can train a new version.</s-text>;
  }
  const ask = async () => {
    const reason = (field.current?.value ?? "").trim();
    const wrong = reasonProblem(reason);
    setFault(wrong);
    if (wrong !== null) return;
    setSending(true);
    try {
      await train(reason);
      shopify.toast.show("Training begins");
      again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFault(`${error.detail.message} ${error.detail.next_step}`);
    } finally {
      setSending(false);
    }
  };
  return (
    <s-stack gap="base">
      <s-text-field
        ref={field}
        label="Why now?"
        placeholder="New collection is in the shop"
        details="Kept in the change log. What is live stays live until the new version is ready."
        {...(fault === null ? {} : { error: fault })}
        onInput={() => setFault(null)}
      />
      <s-stack direction="inline">
        <s-button loading={sending} onClick={() => void ask()}>
          Train a new version
        </s-button>
      </s-stack>
    </s-stack>
  );
}
