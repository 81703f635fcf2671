/** How the shop buys: what its suppliers take, and how seldom it wants to be sold out. */

import { useEffect, useState } from "preact/hooks";
import { changeBuyingTerms, getBuyingTerms, Problem, type BuyingTerms as Found } from "../api";
import { plural } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

type Name = "lead_days" | "late_days" | "review_days" | "minimum" | "pack" | "fill_a" | "fill_b" | "fill_c";
const FIELDS: [Name, string, string][] = [
  ["lead_days", "Days until an order arrives", "days"],
  ["late_days", "A late one takes", "days"],
  ["review_days", "You look at the stock every", "days"],
  ["minimum", "Smallest order", "units"],
  ["pack", "Units in a case", "units"],
  ["fill_a", "In stock when asked for: class A", "%"],
  ["fill_b", "Class B", "%"],
  ["fill_c", "Class C", "%"],
];
const NARROW: Name[] = ["lead_days", "late_days", "minimum", "pack"];

export function BuyingTerms({ may, changed }: { may: boolean; changed: () => void }) {
  const answer = useAnswer(getBuyingTerms);
  const [saved, setSaved] = useState<Found | null>(null);
  const [of, setOf] = useState<"shop" | "vendor" | "variant">("shop");
  const [key, setKey] = useState("");
  const [typed, setTyped] = useState<Partial<Record<Name, string>>>({});
  const [fault, setFault] = useState<Problem | null>(null);
  const data = saved ?? answer.data;
  useEffect(() => setTyped({}), [of]);
  const held = of === "shop" ? data?.shop : data?.own.find((each) => each.of === of && each.key === key.trim());

  const save = async () => {
    setFault(null);
    try {
      const values = Object.fromEntries(
        Object.entries(typed).map(([name, text]) => [name, text === "" ? null : name.startsWith("fill_") ? Number(text) / 100 : Number(text)]),
      );
      setSaved(await changeBuyingTerms({ of, key: of === "shop" ? "" : key.trim(), ...values }));
      setTyped({});
      shopify.toast.show("Saved");
      changed();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFault(error);
    }
  };
  const ready = Object.keys(typed).length > 0 && (of === "shop" || key.trim() !== "");

  return (
    <s-section heading="How you buy">
      <s-stack gap="base">
        <s-paragraph>
          Of 100 units that are asked for, so many are to be in stock. Class A are the products that bring 80 % of your revenue, B the next 15 %.
          Stock on its way is not told to the app: take off what you have ordered already.
        </s-paragraph>
        {fault === null ? null : <Trouble problem={fault} retry={() => setFault(null)} />}
        {answer.problem === null ? null : <Trouble problem={answer.problem} retry={answer.ask} stale={data !== null} />}
        {data === null ? (
          answer.problem === null ? (
            <Loading what="your terms" />
          ) : null
        ) : (
          <>
            <s-grid gridTemplateColumns="repeat(auto-fit, minmax(170px, 1fr))" gap="base" alignItems="end">
              <s-select label="For" value={of} onChange={(event) => setOf(valueOf(event) as typeof of)}>
                <s-option value="shop">The whole shop</s-option>
                <s-option value="vendor">One vendor</s-option>
                <s-option value="variant">One variant</s-option>
              </s-select>
              {of === "shop" ? null : (
                <s-text-field
                  label={of === "vendor" ? "Name of the vendor" : "Number of the variant"}
                  value={key}
                  onInput={(event) => setKey(valueOf(event))}
                />
              )}
              {FIELDS.filter(([name]) => of === "shop" || NARROW.includes(name)).map(([name, label, unit]) => (
                <s-number-field
                  key={`${of}-${name}`}
                  label={label}
                  suffix={unit}
                  value={typed[name] ?? shown(name, held?.[name] ?? null)}
                  {...(may ? {} : { disabled: true })}
                  onInput={(event) => setTyped({ ...typed, [name]: valueOf(event) })}
                />
              ))}
            </s-grid>
            {data.own.length === 0 ? null : (
              <details class="more">
                <summary>{plural(data.own.length, "vendor or variant", "vendors and variants")} with terms of their own</summary>
                <ul>
                  {data.own.map((each) => (
                    <li key={`${each.of}-${each.key}`}>
                      {each.of === "vendor" ? each.key : `Variant ${each.key}`}:{" "}
                      {FIELDS.filter(([name]) => each[name] !== null)
                        .map(([name, label, unit]) => `${label} ${shown(name, each[name])} ${unit}`)
                        .join(", ")}
                    </li>
                  ))}
                </ul>
              </details>
            )}
            {may ? (
              <s-stack direction="inline">
                <s-button onClick={() => void save()} {...(ready ? {} : { disabled: true })}>
                  Save terms
                </s-button>
              </s-stack>
            ) : null}
          </>
        )}
      </s-stack>
    </s-section>
  );
}

function shown(name: Name, value: number | null): string {
  if (value === null) return "";
  return name.startsWith("fill_") ? String(Math.round(value * 1000) / 10) : String(value);
}

function valueOf(event: Event): string {
  return (event.currentTarget as HTMLElement & { value: string }).value;
}
