/** Discounts that the merchant plans, or remembers: the forecast knows the ones to come and learns from the past ones. */

import { useState } from "preact/hooks";
import { cancelPromotion, getPromotions, planPromotion, Problem } from "../api";
import { day, plural } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

export function PromotionCalendar({ may, lifted, changed }: { may: boolean; lifted: number; changed: () => void }) {
  const answer = useAnswer(getPromotions);
  const [name, setName] = useState("");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [off, setOff] = useState("");
  const [products, setProducts] = useState("");
  const [fault, setFault] = useState<Problem | null>(null);
  const ready = name.trim() !== "" && from !== "" && to !== "" && Number(off) >= 1;

  const tried = async (work: () => Promise<unknown>) => {
    setFault(null);
    try {
      await work();
      answer.ask();
      changed();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFault(error);
    }
  };
  const plan = () =>
    tried(async () => {
      const chosen = products.split(/[\s,;]+/).filter(Boolean).map(Number);
      await planPromotion({ name: name.trim(), starts_on: from, ends_on: to, percent: Number(off), products: chosen.length === 0 ? null : chosen });
      setName("");
      setFrom("");
      setTo("");
      setOff("");
      setProducts("");
      shopify.toast.show("Planned");
    });

  return (
    <s-section heading="Promotions">
      <s-stack gap="base">
        <s-paragraph>
          {lifted === 0
            ? "No past discount is known, so a planned one changes nothing yet. Enter past promotions too, and ask for a new forecast: they teach what a discount does."
            : `What a discount does was learnt from ${plural(lifted, "past day")} with one, your struck-out prices among them.`}
        </s-paragraph>
        {fault === null ? null : <Trouble problem={fault} retry={() => setFault(null)} />}
        {answer.problem === null ? null : <Trouble problem={answer.problem} retry={answer.ask} stale={answer.data !== null} />}
        {answer.data === null ? (
          answer.problem === null ? (
            <Loading what="the promotions" />
          ) : null
        ) : answer.data.promotions.length === 0 ? (
          <s-text color="subdued">None is entered.</s-text>
        ) : (
          <ul class="changes">
            {answer.data.promotions.map((each) => (
              <li key={each.id}>
                <s-stack direction="inline" gap="small-200" alignItems="center">
                  <s-text>
                    {each.name}: {each.percent} % off {each.products === null ? "everything" : plural(each.products.length, "product")}, {day(each.starts_on)} to{" "}
                    {day(each.ends_on)}
                  </s-text>
                  {may ? (
                    <s-button accessibilityLabel={`Take out ${each.name}`} onClick={() => void tried(() => cancelPromotion(each.id))}>
                      Take out
                    </s-button>
                  ) : null}
                </s-stack>
              </li>
            ))}
          </ul>
        )}
        {may ? (
          <s-grid gridTemplateColumns="repeat(auto-fit, minmax(150px, 1fr))" gap="base" alignItems="end">
            <s-text-field label="Name of the promotion" value={name} maxLength={100} onInput={(event) => setName(valueOf(event))} />
            <s-date-field label="First day" value={from} onChange={(event) => setFrom(valueOf(event))} />
            <s-date-field label="Last day" value={to} onChange={(event) => setTo(valueOf(event))} />
            <s-number-field label="Discount" suffix="%" min={1} max={90} value={off} onInput={(event) => setOff(valueOf(event))} />
            <s-text-field label="Product numbers (none: all)" value={products} onInput={(event) => setProducts(valueOf(event))} />
            <s-button onClick={() => void plan()} {...(ready ? {} : { disabled: true })}>
              Enter promotion
            </s-button>
          </s-grid>
        ) : null}
      </s-stack>
    </s-section>
  );
}

function valueOf(event: Event): string {
  return (event.currentTarget as HTMLElement & { value: string }).value;
}
