/** Which metafields models may learn from: choose, stop, or mark as personal; what cannot be used says why. */

import { useState } from "preact/hooks";
import { chooseMetafields, getMetafields, getOverview, Problem, type Metafield, type Metafields as Found } from "../api";
import { count, plural } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

type Wish = "chosen" | "unused" | "personal";

const WISHES: [Wish, string][] = [
  ["unused", "Not used"],
  ["chosen", "Models may learn from it"],
  ["personal", "Personal: never read"],
];
const OWNERS: [Metafield["owner"], string][] = [
  ["product", "Product metafields"],
  ["variant", "Variant metafields"],
  ["customer", "Customer metafields"],
  ["order", "Order metafields"],
];
const KINDS: Record<string, string> = {
  integer: "whole number",
  decimal: "number",
  boolean: "yes or no",
  category: "choice",
  date: "date",
  moment: "time",
  reference: "reference",
};

export function Metafields() {
  const overview = useAnswer(getOverview);
  const answer = useAnswer(getMetafields);
  const [saved, setSaved] = useState<Found | null>(null);
  const [wishes, setWishes] = useState<Record<string, Wish>>({});
  const [fault, setFault] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  // Who may change something is known first, so that nothing moves when the rest arrives.
  const data = overview.data === null ? null : (saved ?? answer.data);
  const problem = answer.problem ?? overview.problem;
  const again = () => {
    overview.ask();
    answer.ask();
  };
  const may = overview.data?.you.may_operate ?? false;
  const changes = (data?.metafields ?? []).filter((each) => {
    const wish = wishes[named(each)];
    return wish !== undefined && wish !== each.use;
  });

  const save = async () => {
    setFault(null);
    setBusy(true);
    try {
      const found = await chooseMetafields(
        changes.map((each) => ({
          owner: each.owner as "product" | "variant",
          namespace: each.namespace,
          key: each.key,
          use: wishes[named(each)] ?? "unused",
        })),
      );
      setSaved(found);
      setWishes({});
      shopify.toast.show(found.reading ? "Saved. The values are being read." : "Saved");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFault(error);
    } finally {
      setBusy(false);
    }
  };

  return (
    <s-page heading="Metafields">
      {may ? (
        <s-button
          slot="primary-action"
          variant="primary"
          onClick={() => void save()}
          {...(changes.length === 0 || busy ? { disabled: true } : {})}
        >
          Save
        </s-button>
      ) : null}
      <s-link slot="breadcrumb-actions" href="/data/fields">
        Fields taken in
      </s-link>
      {fault === null ? null : <Trouble problem={fault} retry={() => void save()} />}
      {problem === null ? null : <Trouble problem={problem} retry={again} stale={data !== null} />}
      {data === null ? (
        problem === null ? (
          <Loading what="your metafields" />
        ) : null
      ) : (
        <>
          <About data={data} may={may} />
          {data.metafields.length === 0 ? (
            <s-section heading="No metafields are defined">
              <s-paragraph>Define some in Shopify under Settings, Custom data; then choose here which models may learn from.</s-paragraph>
            </s-section>
          ) : (
            OWNERS.map(([owner, name]) => (
              <Owner
                key={owner}
                name={name}
                held={data.metafields.filter((each) => each.owner === owner)}
                may={may}
                wishes={wishes}
                wish={(each, use) => setWishes({ ...wishes, [named(each)]: use })}
              />
            ))
          )}
        </>
      )}
    </s-page>
  );
}

function About({ data, may }: { data: Found; may: boolean }) {
  const used = (owner: string) => data.metafields.filter((each) => each.owner === owner && each.use === "chosen").length;
  return (
    <s-section heading="What this does">
      <s-stack gap="base">
        {data.reading ? (
          <s-banner tone="info" heading="The values are being read">
            <s-paragraph>Your products are read once more; the counts below follow when that is done.</s-paragraph>
          </s-banner>
        ) : null}
        <s-paragraph>
          Chosen metafields come with your products in the same requests to Shopify, at no further cost. Numbers, choices, dates and
          references can be learnt from; free text, JSON and files cannot. When you stop using one, its values are erased. Values of
          product metafields follow within four hours of a change, those of variants with the next import.
        </s-paragraph>
        <s-paragraph>
          {used("product")} of at most {data.most_products} product metafields and {used("variant")} of at most {data.most_variants}{" "}
          variant metafields are used.
        </s-paragraph>
        {may ? null : <s-paragraph color="subdued">Your role may look here, but not change anything.</s-paragraph>}
      </s-stack>
    </s-section>
  );
}

function Owner({
  name,
  held,
  may,
  wishes,
  wish,
}: {
  name: string;
  held: Metafield[];
  may: boolean;
  wishes: Record<string, Wish>;
  wish: (each: Metafield, use: Wish) => void;
}) {
  if (held.length === 0) return null;
  return (
    <s-section heading={name}>
      <s-stack gap="base">
        {held.map((each) => (
          <s-grid key={named(each)} gridTemplateColumns="repeat(auto-fit, minmax(220px, 1fr))" gap="base" alignItems="center">
            <s-stack gap="small-400">
              <s-text type="strong">{each.name}</s-text>
              <s-text color="subdued">
                {each.namespace}.{each.key} · {kindOf(each)}
              </s-text>
              {each.counted ? <s-text color="subdued">{filled(each)}</s-text> : null}
              {each.reason === "" ? null : <s-text color="subdued">{each.reason}</s-text>}
            </s-stack>
            <Choice each={each} may={may} now={wishes[named(each)]} wish={wish} />
          </s-grid>
        ))}
      </s-stack>
    </s-section>
  );
}

function Choice({
  each,
  may,
  now,
  wish,
}: {
  each: Metafield;
  may: boolean;
  now: Wish | undefined;
  wish: (each: Metafield, use: Wish) => void;
}) {
  if (each.owner === "customer" || each.owner === "order") return <s-badge tone="info">Personal: never read</s-badge>;
  if (each.use === "refused") return <s-badge tone="warning">Cannot be used</s-badge>;
  if (!may) return <s-badge>{WISHES.find(([use]) => use === each.use)?.[1] ?? each.use}</s-badge>;
  return (
    <s-select
      label={`Use of ${each.name}`}
      labelAccessibilityVisibility="exclusive"
      value={now ?? each.use}
      onChange={(event) => wish(each, (event.currentTarget as HTMLElement & { value: string }).value as Wish)}
    >
      {WISHES.map(([use, name]) => (
        <s-option key={use} value={use}>
          {name}
        </s-option>
      ))}
    </s-select>
  );
}

function named(each: Metafield): string {
  return `${each.owner} ${each.namespace}.${each.key}`;
}

function kindOf(each: Metafield): string {
  const kind = KINDS[each.kind];
  // Shopify's own word for a type that nothing is learnt from: multi_line_text_field, list.json.
  return kind === undefined ? each.type.replace(/_field$/, "").replaceAll(/[_.]/g, " ").replace(/\bjson\b/i, "JSON") : each.is_list ? `list of ${kind}s` : kind;
}

function filled({ counted }: Metafield): string {
  if (!counted) return "";
  const aside = counted.aside === 0 ? "" : `; ${plural(counted.aside, "value")} could not be used`;
  return `${count(counted.values)} of ${count(counted.owners)} filled, ${plural(counted.distinct, "different value")}${aside}`;
}
