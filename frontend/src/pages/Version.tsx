/** One version in full: what it learnt from, how good it is, where it was live, and what it takes to make it again. */

import type { ComponentChild } from "preact";
import { useCallback } from "preact/hooks";
import { deploy, getOverview, getVersion, type SlotKey, type VersionDetail } from "../api";
import { ChangeLive, WhyOff } from "../ChangeLive";
import { count, dayOf, interval, moment, percent, person, plural, score, scoreInterval, span } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { HowJudged, Quality, Verdict } from "../Quality";
import { passed, suiteName } from "../quality_words";
import { places, SLOT_NAMES } from "../words";

const STOREFRONT: SlotKey[] = ["product_page", "cart", "home"];
const SHARE = { one: (value: number) => percent(value, 1), between: interval };
/** Name and way of writing of each measure; one we have no words for is shown as a score. */
const MEASURES: Record<string, { name: string } & typeof SHARE> = {
  "ndcg@10": { name: "Ranking score (NDCG at 10)", one: score, between: scoreInterval },
  "recall@20": { name: "Bought next, found among the first 20", ...SHARE },
  "coverage@10": { name: "Products ever shown in the first 10", ...SHARE },
};

export function Version({ id }: { id: string }) {
  const overview = useAnswer(getOverview);
  const detail = useAnswer(useCallback((signal: AbortSignal) => getVersion(id, signal), [id]));
  const again = () => {
    overview.ask();
    detail.ask();
  };
  const problem = detail.problem ?? overview.problem;
  const facts = overview.data;
  const found = detail.data;
  return (
    <s-page heading={found === null ? "Version" : `Version ${found.version.number}`}>
      <s-link slot="breadcrumb-actions" href="/versions">
        Versions
      </s-link>
      {problem === null ? null : <Trouble problem={problem} retry={again} stale={found !== null} />}
      {found === null || facts === null ? (
        problem === null ? (
          <Loading what="this version" />
        ) : null
      ) : (
        <>
          {found.version.redacted_at === null ? null : (
            <s-banner
              tone={found.version.unlearned_at === null ? "warning" : "info"}
              heading="This version learnt from a customer who was erased since"
            >
              <s-paragraph>
                {found.version.unlearned_at === null
                  ? `Erased ${moment(found.version.redacted_at, facts.shop.timezone)}. While it serves, a version without them is trained within days.`
                  : `A version without them serves since ${moment(found.version.unlearned_at, facts.shop.timezone)}.`}
              </s-paragraph>
            </s-banner>
          )}
          <s-section heading="Where it answers">
            <s-stack gap="large">
              <s-paragraph>
                {found.version.live_in.length > 0 ? `Live on ${places(found.version.live_in)}.` : "Not live anywhere."}
              </s-paragraph>
              {STOREFRONT.map((slot) => {
                const live = found.version.live_in.includes(slot);
                const current = facts.slots.find((each) => each.slot === slot)?.version ?? null;
                return (
                  <s-stack key={slot} gap="small-200">
                    <s-stack direction="inline" gap="small-200" alignItems="center">
                      <s-text type="strong">{SLOT_NAMES[slot]}</s-text>
                      <Verdict version={found.version} slot={slot} />
                      {live ? <s-badge tone="success">Live</s-badge> : null}
                    </s-stack>
                    <Quality version={found.version} slot={slot} />
                    {live ? null : (
                      <ChangeLive
                        kind="deploy"
                        slot={slot}
                        from={current}
                        to={found.version}
                        you={facts.you}
                        timeZone={facts.shop.timezone}
                        send={(reason) => deploy(slot, found.version.id, reason)}
                        done={again}
                      />
                    )}
                  </s-stack>
                );
              })}
              <WhyOff you={facts.you} />
              <HowJudged />
            </s-stack>
          </s-section>
          <Measures detail={found} />
          <History detail={found} you={facts.you.user_id} zone={facts.shop.timezone} />
          <Origin detail={found} zone={facts.shop.timezone} />
        </>
      )}
    </s-page>
  );
}

function Measures({ detail }: { detail: VersionDetail }) {
  const { measures } = detail.version;
  if (measures.length === 0) return null;
  return (
    <s-section heading="All measures" padding="none">
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Measure</s-table-header>
          <s-table-header listSlot="secondary">Place</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            This version
          </s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            95% interval
          </s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            Bestsellers
          </s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            Later orders
          </s-table-header>
        </s-table-header-row>
        <s-table-body>
          {measures.map((each) => {
            const { name, one, between } = MEASURES[each.name] ?? { name: each.name, one: score, between: scoreInterval };
            return (
              <s-table-row key={`${each.slot} ${each.name}`}>
                <s-table-cell>{name}</s-table-cell>
                <s-table-cell>{SLOT_NAMES[each.slot]}</s-table-cell>
                <s-table-cell>{one(each.value)}</s-table-cell>
                <s-table-cell>{each.low === null || each.high === null ? "–" : between(each.low, each.high)}</s-table-cell>
                <s-table-cell>{each.baseline === null ? "–" : one(each.baseline)}</s-table-cell>
                <s-table-cell>{count(each.cases)}</s-table-cell>
              </s-table-row>
            );
          })}
        </s-table-body>
      </s-table>
    </s-section>
  );
}

function History({ detail, you, zone }: { detail: VersionDetail; you: number; zone: string }) {
  if (detail.changes.length === 0) return null;
  return (
    <s-section heading="When it was put live or taken away" padding="none">
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">When</s-table-header>
          <s-table-header listSlot="secondary">Change</s-table-header>
          <s-table-header listSlot="labeled">Who</s-table-header>
          <s-table-header listSlot="labeled">Why</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {detail.changes.map((each) => (
            <s-table-row key={each.at + each.slot}>
              <s-table-cell>{moment(each.at, zone)}</s-table-cell>
              <s-table-cell>
                {SLOT_NAMES[each.slot]}: {each.from_number === null ? "nothing" : `version ${each.from_number}`} →{" "}
                {each.to_number === null ? "nothing" : `version ${each.to_number}`}
              </s-table-cell>
              <s-table-cell>{person(each.actor, you)}</s-table-cell>
              <s-table-cell>{each.reason || "–"}</s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-section>
  );
}

const METHODS: Record<string, string> = {
  co_purchase: "What is bought together, then what is trending (co_purchase)",
  two_stage: "Several ways to name products, one learnt order (two_stage)",
};

/** Names as the trainer has them: they are for whoever wants to train the same again. */
function Settings({ parameters }: { parameters: VersionDetail["parameters"] }) {
  const flat = Object.entries(parameters).flatMap(([key, value]): [string, unknown][] =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? Object.entries(value).map(([inner, each]) => [`${key}: ${inner}`, each])
      : [[key, value]],
  );
  if (flat.length === 0) return <>–</>;
  return (
    <ul class="plain">
      {flat.map(([key, value]) => (
        <li key={key}>
          {key.replaceAll("_", " ")}: {typeof value === "string" ? value : JSON.stringify(value)}
        </li>
      ))}
    </ul>
  );
}

/** Which suites its data had gone through when it was trained. */
function Passed({ validation }: { validation: VersionDetail["validation"] }) {
  const judged = validation.filter((each) => each.checked > 0);
  if (judged.length === 0) return <>–</>;
  return (
    <ul class="plain">
      {judged.map((each) => (
        <li key={each.suite}>
          {suiteName(each.suite)}: {passed(each.pass_ratio)} of {plural(each.checked, "row")} passed suite version {each.version}
        </li>
      ))}
    </ul>
  );
}

function Origin({ detail, zone }: { detail: VersionDetail; zone: string }) {
  const { version } = detail;
  const rows: [string, ComponentChild][] = [
    ["Trained", moment(version.created_at, zone)],
    ["Training took", version.duration_s === null ? "–" : span(version.duration_s)],
    ["Learnt from", version.orders === null ? "–" : `${plural(version.orders, "order")}; test and cancelled orders are left out`],
    [
      "Orders between",
      version.data_from === null || version.data_until === null
        ? "–"
        : `${dayOf(version.data_from, zone)} and ${dayOf(version.data_until, zone)}`,
    ],
    ["Data quality", <Passed validation={detail.validation} />],
    ["Grew from", detail.parent_number === null ? "–" : `version ${detail.parent_number}`],
    ["Method", METHODS[detail.kind] ?? detail.kind],
    ["Settings", <Settings parameters={detail.parameters} />],
    ["Random seed", detail.seed === null ? "–" : String(detail.seed)],
    ["Code revision", detail.code_revision || "–"],
    ["Data snapshot (SHA-256)", detail.snapshot || "–"],
    ["Model file (SHA-256)", detail.digest],
  ];
  return (
    <s-section heading="How it was made">
      <dl class="pairs">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class={/SHA|Code/.test(name) ? "mono" : ""}>{value}</dd>
          </div>
        ))}
      </dl>
    </s-section>
  );
}
