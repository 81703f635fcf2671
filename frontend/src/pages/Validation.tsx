/** Data quality: what is stopped, how much passes, which rows are held back and why, and what is expected at all. */

import { useCallback, useMemo, useState } from "preact/hooks";
import { getOverview, getQuality, releaseHalt, type Quality, type You } from "../api";
import { WhyOff } from "../ChangeLive";
import { DayPlot, useMarkers, type KnownMarkers } from "../DayPlot";
import { Decide } from "../Decide";
import { byPerson, count, day, moment, plural } from "../format";
import { passed, passingPlot, qualitySentence, suiteName } from "../quality_words";
import { HeldRows } from "../sections/HeldRows";
import { SuiteInFull } from "../sections/SuiteInFull";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

const DAYS = 30;

export function Validation() {
  const overview = useAnswer(getOverview);
  const quality = useAnswer(useCallback((signal: AbortSignal) => getQuality(DAYS, signal), []));
  const { known } = useMarkers(DAYS);
  const [resource, setResource] = useState("orders");
  const [turn, setTurn] = useState(0);
  const problem = quality.problem ?? overview.problem;
  const facts = quality.data;
  const shop = overview.data;
  const again = () => {
    quality.ask();
    setTurn((before) => before + 1);
  };
  return (
    <s-page heading="Data quality">
      <s-link slot="breadcrumb-actions" href="/data">
        Data
      </s-link>
      {problem === null ? null : (
        <Trouble
          problem={problem}
          retry={() => {
            quality.ask();
            overview.ask();
          }}
          stale={facts !== null}
        />
      )}
      {facts === null || shop === null || known === null ? (
        problem === null ? (
          <Loading what="data quality" />
        ) : null
      ) : (
        <>
          {facts.halts.map((each) => (
            <Stopped key={each.resource} halt={each} you={shop.you} zone={shop.shop.timezone} done={again} />
          ))}
          <s-section heading="How much passes">
            <s-stack gap="base">
              <s-paragraph>{qualitySentence(facts)}</s-paragraph>
              {facts.suites.some((each) => each.days.length > 0) ? <PassingByDay quality={facts} markers={known.markers} /> : null}
              <WhyOff you={shop.you} />
            </s-stack>
          </s-section>
          <Suites quality={facts} chosen={resource} choose={setResource} you={shop.you} />
          <HeldRows you={shop.you} zone={shop.shop.timezone} turn={turn} changed={quality.ask} />
          <SuiteInFull key={resource} resource={resource} you={shop.you} zone={shop.shop.timezone} changed={again} />
        </>
      )}
    </s-page>
  );
}

function PassingByDay({ quality, markers }: { quality: Quality; markers: KnownMarkers }) {
  const spec = useMemo(() => passingPlot(quality), [quality]);
  return <DayPlot spec={spec} markers={markers} />;
}

interface StoppedProps {
  halt: Quality["halts"][number];
  you: You;
  zone: string;
  done: () => void;
}

function Stopped({ halt, you, zone, done }: StoppedProps) {
  const name = suiteName(halt.resource).toLowerCase();
  const rows = plural(halt.held, "row");
  return (
    <s-banner tone="critical" heading={`Training is stopped: ${rows} of ${name} are held together`}>
      <s-stack gap="base">
        <s-unordered-list>
          {halt.reasons.map((each) => (
            <s-list-item key={each}>{each}</s-list-item>
          ))}
        </s-unordered-list>
        <s-paragraph>
          Since {moment(halt.opened_at, zone)}. Nothing of them was written and nothing is lost. It ends by your decision, or by itself after{" "}
          {count(halt.clean_needed)} rows without a fault; {count(halt.clean_rows)} have come so far.
        </s-paragraph>
        <s-stack direction="inline" gap="base">
          <Decide
            verb="They are right"
            label={`They are right: bring in ${rows} of ${name}`}
            heading={`Bring in ${rows} of ${name}?`}
            allowed={you.may_operate}
            send={async (reason) => {
              const came = await releaseHalt(halt.resource, true, reason);
              return `${plural(came.arrived, "row")} came in${came.left > 0 ? ", more follow" : ""}${came.held > 0 ? `, ${count(came.held)} still cannot be true` : ""}`;
            }}
            done={done}
          >
            <s-paragraph>Each row is judged by itself once more: what cannot be true stays held. Training goes on.</s-paragraph>
          </Decide>
          <Decide
            verb="Leave them out"
            label={`Leave them out: ${rows} of ${name}`}
            heading={`Leave out ${rows} of ${name}?`}
            allowed={you.may_operate}
            tone="critical"
            send={async (reason) => {
              await releaseHalt(halt.resource, false, reason);
              return "Left out; training goes on";
            }}
            done={done}
          >
            <s-paragraph>They stay out, also when they come again unchanged. A corrected version from Shopify comes in as usual.</s-paragraph>
          </Decide>
        </s-stack>
      </s-stack>
    </s-banner>
  );
}

interface SuitesProps {
  quality: Quality;
  chosen: string;
  choose: (resource: string) => void;
  you: You;
}

function Suites({ quality, chosen, choose, you }: SuitesProps) {
  return (
    <s-section heading="Suites" padding="none">
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Rows of</s-table-header>
          <s-table-header listSlot="inline">Passed since {day(quality.since)}</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            Judged
          </s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            Unusual
          </s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            Held now
          </s-table-header>
          <s-table-header listSlot="labeled">Suite</s-table-header>
          <s-table-header listSlot="secondary">Look</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {quality.suites.map((each) => (
            <s-table-row key={each.resource}>
              <s-table-cell>{suiteName(each.resource)}</s-table-cell>
              <s-table-cell>{passed(each.ratio)}</s-table-cell>
              <s-table-cell>{count(each.checked)}</s-table-cell>
              <s-table-cell>{count(each.warned)}</s-table-cell>
              <s-table-cell>{count(each.held)}</s-table-cell>
              <s-table-cell>
                version {each.version}, {authorOf(each.author, you)}
              </s-table-cell>
              <s-table-cell>
                <s-button
                  disabled={each.resource === chosen}
                  accessibilityLabel={`${each.resource === chosen ? "Shown below" : "Show"}: what is expected of ${suiteName(each.resource).toLowerCase()}`}
                  onClick={() => choose(each.resource)}
                >
                  {each.resource === chosen ? "Shown" : "Show"}
                </s-button>
              </s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-section>
  );
}

export function authorOf(author: string, you: You): string {
  if (author === "system:default") return "what every shop begins with";
  if (author === "system:profile") return "learnt from your data";
  return byPerson(author, you.user_id);
}
