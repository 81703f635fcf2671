/** What browsers tell of shoppers' visits, how many of them may be recognised, and whose visits do not count. */

import { useCallback, useMemo, useState } from "preact/hooks";
import { getStorefront, makeBrowserLink, Problem, setTestVisitor, type BrowserLink, type Storefront } from "../api";
import { DayPlot, useMarkers, type KnownMarkers } from "../DayPlot";
import { count, dayOf, plural } from "../format";
import type { DataSection } from "../pages/Data";
import { Loading, Trouble } from "../states";
import { KINDS, leftOutSentence, REASONS, storefrontByDay, toldSentence } from "../storefront_words";
import { useAnswer } from "../use_answer";

const DAYS = 28;
const WHILE_WAITING_MS = 10_000;
const VISITOR = /^[A-Za-z0-9_-]{8,64}$/;

const soon = (facts: Storefront) => (facts.pixel.state === "waiting" ? WHILE_WAITING_MS : null);

export function StorefrontEvents({ overview }: DataSection) {
  const answer = useAnswer(useCallback((signal: AbortSignal) => getStorefront(DAYS, signal), []), soon);
  const { known } = useMarkers(DAYS);
  const [changed, setChanged] = useState<Storefront | null>(null);
  const facts = changed ?? answer.data;
  const ask = () => {
    setChanged(null);
    answer.ask();
  };
  return (
    <s-section heading="Storefront events">
      {answer.problem === null ? null : <Trouble problem={answer.problem} retry={ask} stale={facts !== null} />}
      {facts === null || known === null ? (
        answer.problem === null ? (
          <Loading what="storefront events" />
        ) : null
      ) : (
        <s-stack gap="base">
          <PixelState facts={facts} ask={ask} />
          <Told facts={facts} markers={known.markers} />
          <WhoDoesNotCount facts={facts} mayOperate={overview.you.may_operate} changed={setChanged} />
        </s-stack>
      )}
    </s-section>
  );
}

function PixelState({ facts, ask }: { facts: Storefront; ask: () => void }) {
  const { state, problem } = facts.pixel;
  if (state === "on") return null;
  if (state === "not_granted") {
    return (
      <s-banner tone="info" heading="The web pixel is off">
        <s-paragraph>This shop has not granted the permission for it. Open the app again from the Shopify admin, and Shopify asks for it.</s-paragraph>
      </s-banner>
    );
  }
  return (
    <s-banner tone={state === "failed" ? "warning" : "info"} heading={state === "failed" ? "The web pixel could not be switched on" : "The web pixel is being switched on"}>
      <s-stack gap="base">
        <s-paragraph>{problem ? `${problem}. ` : ""}We try again by ourselves every few minutes. Recommendations work without it.</s-paragraph>
        <s-stack direction="inline">
          <s-button onClick={ask}>Look again</s-button>
        </s-stack>
      </s-stack>
    </s-banner>
  );
}

function Told({ facts, markers }: { facts: Storefront; markers: KnownMarkers }) {
  const plot = useMemo(() => storefrontByDay(facts), [facts]);
  const nothing = facts.kinds.length === 0 && facts.excluded.length === 0;
  const unread = facts.not_taken.reduce((sum, each) => sum + each.events, 0);
  return (
    <>
      <s-paragraph>{toldSentence(facts)}</s-paragraph>
      {nothing ? (
        <s-paragraph color="subdued">Visit your storefront and accept its consent banner; what you do there shows up here within seconds.</s-paragraph>
      ) : (
        <>
          <dl class="figures">
            {facts.kinds.map((each) => (
              <div key={each.kind}>
                <dt>{KINDS[each.kind]}</dt>
                <dd>{count(each.events)}</dd>
              </div>
            ))}
          </dl>
          <DayPlot spec={plot} markers={markers} />
        </>
      )}
      {unread === 0 ? null : <s-text color="subdued">{plural(unread, "event")} could not be read, or came without consent, and left nothing behind.</s-text>}
    </>
  );
}

function WhoDoesNotCount({ facts, mayOperate, changed }: { facts: Storefront; mayOperate: boolean; changed: (facts: Storefront) => void }) {
  return (
    <s-stack gap="base">
      <s-heading>Visits that do not count</s-heading>
      <s-paragraph>{leftOutSentence(facts)}</s-paragraph>
      {facts.excluded.length === 0 ? null : (
        <s-table>
          <s-table-header-row>
            <s-table-header listSlot="primary">Why</s-table-header>
            <s-table-header format="numeric">Events</s-table-header>
            <s-table-header format="numeric">Recommendations given</s-table-header>
          </s-table-header-row>
          <s-table-body>
            {facts.excluded.map((each) => (
              <s-table-row key={each.reason}>
                <s-table-cell>{REASONS[each.reason]}</s-table-cell>
                <s-table-cell>{count(each.events)}</s-table-cell>
                <s-table-cell>{count(each.answers)}</s-table-cell>
              </s-table-row>
            ))}
          </s-table-body>
        </s-table>
      )}
      {mayOperate ? <OwnBrowsers facts={facts} changed={changed} /> : null}
    </s-stack>
  );
}

function OwnBrowsers({ facts, changed }: { facts: Storefront; changed: (facts: Storefront) => void }) {
  const [link, setLink] = useState<BrowserLink | null>(null);
  const [fault, setFault] = useState("");
  const [visitor, setVisitor] = useState("");
  const attempt = async (work: () => Promise<void>) => {
    setFault("");
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFault(`${error.detail.message} ${error.detail.next_step}`);
    }
  };
  const mark = (name: string, test: boolean) =>
    attempt(async () => {
      changed(await setTestVisitor(name, test));
      setVisitor("");
      shopify.toast.show(test ? "Visits of this browser no longer count" : "Visits of this browser count from now on");
    });
  const wrong = visitor !== "" && !VISITOR.test(visitor);
  return (
    <s-stack gap="base">
      <s-paragraph>Open your storefront once by a link made here, in each browser that you or your people use, and those visits are left out.</s-paragraph>
      <s-stack direction="inline" gap="base" alignItems="center">
        <s-button onClick={() => void attempt(async () => setLink(await makeBrowserLink()))}>Make a link for my browser</s-button>
        {link === null ? null : (
          <s-link href={link.url} target="_blank">
            This is my browser (until {dayOf(link.until, facts.timezone)})
          </s-link>
        )}
      </s-stack>
      <s-grid gridTemplateColumns="minmax(0, 1fr) auto" gap="base" alignItems="end">
        <s-text-field
          label="Visitor id of a test browser"
          value={visitor}
          error={wrong ? "8 to 64 letters, digits, _ or -." : ""}
          onInput={(event: Event) => setVisitor((event.currentTarget as HTMLInputElement).value.trim())}
        />
        <s-button disabled={visitor === "" || wrong} onClick={() => void mark(visitor, true)}>
          Leave out
        </s-button>
      </s-grid>
      {fault === "" ? null : (
        <s-banner tone="critical" heading="That was not done">
          <s-paragraph>{fault}</s-paragraph>
        </s-banner>
      )}
      {facts.marked.map((each) => (
        <s-grid key={`${each.reason}-${each.visitor}`} gridTemplateColumns="minmax(0, 1fr) auto" gap="base" alignItems="center">
          <s-text>
            {each.visitor} · {each.reason === "staff" ? "your own people" : "test"}, since {dayOf(each.since, facts.timezone)}
          </s-text>
          <s-button accessibilityLabel={`Count visits of ${each.visitor} again`} onClick={() => void mark(each.visitor, false)}>
            Count again
          </s-button>
        </s-grid>
      ))}
    </s-stack>
  );
}
