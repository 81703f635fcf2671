/** Pure: what browsers told, as sentences, a picture and its table twin. */

import type { Storefront } from "./api";
import { dayPlot, fromFirst, type DayPlotSpec } from "./day_plots";
import { count, day, plural, shareOf } from "./format";
import { axisTitle, quiet } from "./plot_spec";

const colour = __POLARIS_COLOURS__;

type Kind = Storefront["kinds"][number]["kind"];
type Reason = Storefront["excluded"][number]["reason"];

export const KINDS: Record<Kind, string> = {
  page_viewed: "Pages viewed",
  product_viewed: "Products viewed",
  collection_viewed: "Collections viewed",
  search_submitted: "Searches",
  product_added_to_cart: "Added to cart",
  product_removed_from_cart: "Removed from cart",
  cart_viewed: "Carts viewed",
  checkout_started: "Checkouts started",
  checkout_completed: "Checkouts completed",
  recommendations_shown: "Recommendations shown",
  recommendation_clicked: "Recommendations clicked",
};

export const REASONS: Record<Reason, string> = {
  bot: "Crawlers, by the name they give",
  headless: "Browsers that a program drives",
  rate: "More than 60 pages a minute",
  staff: "Browsers of your own people",
  test: "Test visitors",
};

/** Fewer colours than kinds: what a merchant looks at together is drawn together. */
const GROUPS: { name: string; colour: string; kinds: Kind[] }[] = [
  { name: "Pages", colour: colour.none, kinds: ["page_viewed"] },
  { name: "Products", colour: colour.second, kinds: ["product_viewed"] },
  { name: "Collections and searches", colour: colour.baseline, kinds: ["collection_viewed", "search_submitted"] },
  { name: "Cart", colour: colour.third, kinds: ["product_added_to_cart", "product_removed_from_cart", "cart_viewed"] },
  { name: "Checkout", colour: colour.best, kinds: ["checkout_started", "checkout_completed"] },
  { name: "Recommendations", colour: colour.brand, kinds: ["recommendations_shown", "recommendation_clicked"] },
];

type Day = Storefront["days"][number];
const events = (each: Day | Storefront, kinds: readonly Kind[]) =>
  each.kinds.filter((found) => kinds.includes(found.kind)).reduce((sum, found) => sum + found.events, 0);
const all = (each: Day | Storefront) => each.kinds.reduce((sum, found) => sum + found.events, 0);
const leftOut = (each: Day | Storefront) => each.excluded.reduce((sum, found) => sum + found.events, 0);

export function toldSentence(facts: Storefront): string {
  const counted = all(facts);
  const span = `${facts.days.length} days`;
  if (counted + leftOut(facts) === 0) return `No browser has told anything in ${span}.`;
  return (
    `Shoppers did ${plural(counted, "thing")} that we were allowed to hear of in ${span}; ${shareOf(facts.personal, counted)} of it ` +
    `by visitors who also allow to be recognised.`
  );
}

export function leftOutSentence(facts: Storefront): string {
  const some = leftOut(facts);
  if (some === 0 && facts.excluded.length === 0) return "Nothing was left out: no crawler, no staff, no test visitor was seen.";
  return `${plural(some, "event")} of crawlers, programs, staff and test visitors ${some === 1 ? "is" : "are"} kept, and left out of every figure of this app.`;
}

export function storefrontByDay(facts: Storefront): DayPlotSpec {
  const shown = fromFirst(facts.days, (each) => all(each) + leftOut(each) > 0);
  const x = shown.map((each) => each.day);
  const bars = [
    ...GROUPS.map((group) => ({ name: group.name, colour: group.colour, y: shown.map((each) => events(each, group.kinds)) })),
    { name: "Left out", colour: colour.border, y: shown.map(leftOut) },
  ];
  return dayPlot({
    days: x,
    summary: `${toldSentence(facts)} ${leftOutSentence(facts)}`,
    height: 280,
    data: bars
      .filter((each) => each.y.some((value) => value > 0))
      .map((each) => ({ type: "bar", name: each.name, x, y: each.y, marker: { color: each.colour } })),
    layout: {
      barmode: "stack",
      showlegend: true,
      legend: { orientation: "h", x: 0, y: -0.2, traceorder: "normal", font: { color: colour.text } },
      yaxis: { ...quiet, title: axisTitle("Events a day"), rangemode: "tozero", tickformat: ",d" },
    },
    table: {
      head: [
        { text: "Day", numeric: false },
        ...GROUPS.map((group) => ({ text: group.name, numeric: true })),
        { text: "Recognised", numeric: true },
        { text: "Left out", numeric: true },
      ],
      rows: shown.map((each) => [
        day(each.day),
        ...GROUPS.map((group) => count(events(each, group.kinds))),
        shareOf(each.personal, all(each)),
        count(leftOut(each)),
      ]),
    },
  });
}
