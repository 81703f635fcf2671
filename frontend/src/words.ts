/** What the numbers mean, in the merchant's words. Pure: facts in, sentences out. */

import type { AuditEntry, Flow, HistoryImport, Marker, Measure, Overview, Reconciliation, SlotKey, Swept, Traffic, Training, Version } from "./api";
import { count, listed, money, plural, score, scoreInterval, shareOf, span, times } from "./format";

export const SLOT_NAMES: Record<SlotKey, string> = {
  product_page: "Product page",
  cart: "Cart",
  home: "Home page",
  forecast: "Demand forecast",
};

/** What the running training does, as the end of a sentence: ": step 2 of 5, collecting orders, about 40 s left". */
export function trainingStep(training: Training): string {
  if (training.step === "") return "";
  const place = training.step_number === null || training.steps === null ? "" : `step ${training.step_number} of ${training.steps}, `;
  const left = training.eta_s === null ? "" : `, about ${span(Math.max(training.eta_s, 1))} left`;
  return `: ${place}${training.step}${left}`;
}

export const TIERS = [
  { key: "item_to_item", name: "Picked for the product or cart", short: "Picked" },
  { key: "trending", name: "Trending in your shop", short: "Trending" },
  { key: "newest", name: "Newest products", short: "Newest" },
  { key: "none", name: "Nothing to show", short: "Nothing" },
] as const;

const MARKER_NAMES: Record<Marker["kind"], string> = {
  theme_published: "Another theme was published",
  scopes_changed: "The app's permissions changed",
  currency_changed: "The shop's currency changed",
  time_zone_changed: "The shop's time zone changed",
  prices_jumped: "Prices jumped",
  stock_jumped: "Stock jumped",
  note: "Note",
  note_withdrawn: "Note withdrawn",
};

/** What changed, in one line: a person's note is told in its own words. */
export function changed(marker: Marker): string {
  if (marker.kind === "note") return marker.detail;
  return marker.detail === "" ? MARKER_NAMES[marker.kind] : `${MARKER_NAMES[marker.kind]}: ${marker.detail}`;
}

export const RESOURCE_NAMES: Record<string, string> = {
  products: "Products",
  collections: "Collections",
  customers: "Customers",
  orders: "Orders",
  inventory: "Stock levels",
};

/** What our calls to Shopify were for. */
export const PHASE_NAMES: Record<Flow["calls"][number]["phase"], string> = {
  serving: "Answering shoppers",
  install: "Installing the app",
  admin: "This admin",
  webhook: "Following up on changes",
  backfill: "Bringing in the history",
  reconcile: "Comparing with Shopify",
};

const TOPIC_NAMES: Record<string, string> = {
  exposures: "What shoppers were shown and clicked",
  storefront_events: "What shoppers looked at",
};

export function topicName(topic: string): string {
  return TOPIC_NAMES[topic] ?? capital(topic.replaceAll("_", " "));
}

/** Messages are worked off every second and taken over from a dead worker after ten: a minute is not in order. */
const LONGEST_DELAY_S = 60;

export function behind(seconds: number): { tone: "success" | "warning"; text: string } {
  return seconds <= LONGEST_DELAY_S
    ? { tone: "success", text: "Up to date" }
    : { tone: "warning", text: `${span(seconds)} behind` };
}

export type Judgement = "better" | "unclear" | "mixed" | "worse" | "too_few";

/** Decides: shoppers look at the first few places of a row, and this measure counts those, the first place most. */
const RANKING = "ndcg@10";
/** May object, not decide: twenty places are more than a row shows. */
const REACH = "recall@20";
/** Below this an interval says more about luck than about the version. */
export const LEAST_CASES = 50;

export function measureOf(version: Version, slot: SlotKey, name: string): Measure | null {
  return version.measures.find((each) => each.slot === slot && each.name === name) ?? null;
}

/** The ranking score of a version in one place: what the verdict and the pictures are about. */
export function headline(version: Version, slot: SlotKey): Measure | null {
  return measureOf(version, slot, RANKING);
}

/**
 * Is it any good? One rule, fixed before any number is seen, so that no flattering measure can be picked afterwards:
 * a version is better (worse) than plain bestsellers when the whole 95% interval of the difference in ranking score,
 * taken case by case, lies above (below) nothing; mixed when the share found among the first 20 says the opposite just
 * as surely; unclear otherwise, which is not the same as alike. Nothing is claimed from fewer than `LEAST_CASES` cases.
 */
export function judge(version: Version, slot: SlotKey): Judgement {
  const ranking = headline(version, slot);
  const side = sideOf(ranking);
  if (ranking === null || side === null || ranking.cases < LEAST_CASES) return "too_few";
  if (side === 0) return "unclear";
  if (sideOf(measureOf(version, slot, REACH)) === -side) return "mixed";
  return side > 0 ? "better" : "worse";
}

/** 1 or -1: which side of nothing the whole interval of the difference lies on; 0: both; null: not measured. */
function sideOf(measure: Measure | null): 1 | -1 | 0 | null {
  if (measure === null || measure.ahead_low === null || measure.ahead_high === null) return null;
  if (measure.ahead_low > 0) return 1;
  return measure.ahead_high < 0 ? -1 : 0;
}

export const JUDGEMENTS: Record<Judgement, { text: string; tone: "success" | "info" | "warning" | "neutral" }> = {
  better: { text: "Better than bestsellers", tone: "success" },
  unclear: { text: "No clear difference", tone: "info" },
  mixed: { text: "Mixed", tone: "warning" },
  worse: { text: "Worse than bestsellers", tone: "warning" },
  too_few: { text: "Too few orders to tell", tone: "neutral" },
};

/** Whether the version is any good in a place, in one plain sentence. */
export function verdictSentence(version: Version, slot: SlotKey): string {
  const measure = headline(version, slot);
  const verdict = judge(version, slot);
  if (measure === null || verdict === "too_few") {
    const had = measure === null || measure.cases === 0 ? "" : ` (${count(measure.cases)} so far)`;
    return `Too few later orders to test it on${had}: ${LEAST_CASES} are needed. It is tested again at the next training.`;
  }
  switch (verdict) {
    case "better":
      return `It ranks what shoppers buy next ${ahead(measure)} plain bestsellers would.`;
    case "worse":
      return "It ranks what shoppers buy next worse than plain bestsellers would: better put another version live.";
    case "mixed":
      return "The first places and the first 20 tell opposite stories: neither it nor plain bestsellers is better.";
    case "unclear":
      return "The test cannot tell it from plain bestsellers: it may be a little better, or a little worse.";
  }
}

function ahead({ value, baseline }: Measure): string {
  if (baseline === null || baseline <= 0) return "better than";
  const factor = value / baseline;
  return factor >= 1.5 ? `${times(factor)} times as well as` : `${shareOf(factor - 1, 1)} better than`;
}

/** The numbers behind the verdict; empty when there are none to stand on. */
export function numbersSentence(version: Version, slot: SlotKey): string {
  const measure = headline(version, slot);
  if (measure === null || judge(version, slot) === "too_few") return "";
  const beside = measure.baseline === null ? "" : `, bestsellers ${score(measure.baseline)}`;
  return `Ranking score ${score(measure.value)}${beside}${gap(measure)}. Tested on ${plural(measure.cases, "later order")}.`;
}

function gap({ ahead: by, ahead_low: low, ahead_high: high }: Measure): string {
  if (by === null || low === null || high === null) return "";
  if (low > 0) return `; ahead by ${score(by)} (95% interval ${scoreInterval(low, high)})`;
  if (high < 0) return `; behind by ${score(-by)} (95% interval ${scoreInterval(-high, -low)})`;
  return `; difference ${score(by)} (95% interval ${scoreInterval(low, high)})`;
}

export const HOW_JUDGED: { name: string; text: string }[] = [
  {
    name: "Ranking score",
    text:
      "1 when everything that was bought next stands first in the row, 0 when none of it is among the first ten; " +
      "places near the front count more (known as NDCG at 10). Nobody can guess most purchases, so compare it with bestsellers, not with 1.",
  },
  {
    name: "The test",
    text:
      "The newest orders are held back while it learns. Product page: from one product of such an order, guess the others. " +
      "Cart: from all products but one, guess the one. Home page: knowing nothing about the visitor, guess the order.",
  },
  {
    name: "Better or worse",
    text:
      `said only when the whole 95% interval of the difference lies on one side of zero, the share found among the first 20 ` +
      `does not say the opposite, and there were at least ${LEAST_CASES} later orders.`,
  },
];

/** Where a version is live, as a list in words. */
export function places(slots: readonly string[]): string {
  return listed(slots.map((slot) => (SLOT_NAMES[slot as SlotKey] ?? slot).toLowerCase()));
}

export function importSentence(history: HistoryImport): string {
  const running = history.resources.filter((each) => each.state === "running");
  const arriving = running.filter((each) => each.phase !== "exporting");
  const names = (some: HistoryImport["resources"]) =>
    listed(some.map((each) => (RESOURCE_NAMES[each.resource] ?? each.resource).toLowerCase()));
  const now =
    running.length === 0
      ? "Waiting for Shopify to prepare your history."
      : arriving.length === 0
        ? `Shopify is preparing your ${names(running)}.`
        : `Reading ${names(arriving)} from Shopify.`;
  return `${now} ${waitSentence(history)}`;
}

/**
 * What is waited for at least. Shopify prepares the files side by side and they are read one after another, so the
 * waits of the former do not add up, and reading is still to come: more than "at least" would be a guess.
 */
function waitSentence(history: HistoryImport): string {
  let [reading, preparing] = [0, 0];
  for (const each of history.resources) {
    if (each.state === "done") continue;
    if (each.eta_s === null) return "The time left is not known yet.";
    if (each.phase === "exporting") preparing = Math.max(preparing, each.eta_s);
    else reading += each.eta_s;
  }
  const left = Math.max(reading, preparing);
  if (left < 1) return "Not long now.";
  return preparing > 0 ? `At least ${span(left)} to go.` : `About ${span(left)} to go.`;
}

/** What the merchant should know of an import that is done: what Shopify held back, what could not be understood. */
export function importRemarks(history: HistoryImport): string[] {
  if (history.state !== "done") return [];
  return history.resources.flatMap((each) => {
    const name = RESOURCE_NAMES[each.resource] ?? each.resource;
    const left = each.skipped > 0 ? [`${name}: ${plural(each.skipped, "row")} could not be understood and were left out, never guessed.`] : [];
    return each.note ? [`${name}: ${each.note}`, ...left] : left;
  });
}

/** How one resource compares with Shopify. */
export function sweptText(swept: Swept): string {
  switch (swept.state) {
    case "no_history":
      return "Waits for its import";
    case "never":
      return "Not compared yet";
    case "running":
      return swept.step === "counting" ? "Counting day by day" : "Looking at what changed";
    case "failed":
      return swept.problem;
    case "done":
      break;
  }
  if (swept.differing > 0) return `${plural(swept.differing, "difference")} could not be repaired`;
  const found = [
    [swept.missing, "missing"],
    [swept.wrong, "not up to date"],
    [swept.gone, "deleted in Shopify"],
  ] as const;
  const parts = found.filter(([number]) => number > 0).map(([number, name]) => `${count(number)} ${name}`);
  return parts.length === 0 ? "Agrees with Shopify" : `Agrees now; found ${listed(parts)}`;
}

/** The comparison as a whole, and when the next one comes. `at` words a moment. */
export function comparisonSentence(facts: Reconciliation, at: (iso: string) => string): string {
  if (facts.state === "running") return "The comparison is running. You can close this page: it goes on.";
  const next = facts.resources.map((each) => each.next_at).filter((each) => each !== null);
  const soonest = [...next].sort()[0];
  const then = soonest === undefined ? "" : ` The next one begins by itself at ${at(soonest)}.`;
  const done = facts.resources.filter((each) => each.state === "done");
  if (facts.state === "failed") return `Not everything could be compared.${then}`;
  if (done.length === 0) {
    return soonest === undefined ? "Your history has to be in before it can be compared." : `Nothing was compared yet.${then}`;
  }
  const differing = done.reduce((sum, each) => sum + each.differing, 0);
  return `${differing === 0 ? "What we keep agrees with Shopify." : "Not all of what we keep agrees with Shopify."}${then}`;
}

/** The one sentence at the top: is data in, what is live, what came of it. */
export function glance(overview: Overview, traffic: Traffic | null): string {
  const history = overview.history_import;
  const live = overview.slots.filter((slot) => slot.version !== null);
  if (overview.shop.state === "needs_reauth") {
    return "Shopify no longer accepts our key. Reload this page to renew it; shoppers are served from what is known.";
  }
  if (history.state === "failed" && live.length === 0) {
    return "Your history could not be read completely. What has arrived is kept; see below how to continue.";
  }
  if (history.state !== "done" && live.length === 0) {
    return "Your shop's history is coming in. Until it is here, nothing is shown to shoppers.";
  }
  if (live.length === 0) {
    if (overview.training.state === "done" && overview.training.problem) {
      return `Your history is in. ${capital(overview.training.problem)}.`;
    }
    return overview.training.state === "running"
      ? "Your history is in. The first version is learning from it now."
      : "Your history is in, but no version is live yet.";
  }
  const where = liveSentence(overview);
  if (traffic === null) return where;
  if (traffic.totals.requests === 0) return `${where} No shopper has seen it yet: add the block to your theme.`;
  const { attributed_orders, attributed_net_revenue } = traffic.totals;
  const worth = money(attributed_net_revenue, traffic.currency);
  return `${where} In the last ${traffic.days.length} days, ${plural(attributed_orders, "order")} followed, with ${worth} of recommended products after refunds.`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function liveSentence(overview: Overview): string {
  const byNumber = new Map<number, string[]>();
  for (const slot of overview.slots) {
    if (slot.version === null) continue;
    byNumber.set(slot.version.number, [...(byNumber.get(slot.version.number) ?? []), slot.slot]);
  }
  const parts = [...byNumber].map(([number, slots]) => `version ${number} on ${places(slots)}`);
  const text = parts.join("; ");
  return `Live now: ${text}.`;
}

export function tiersSentence(traffic: Traffic): string {
  const { requests, tiers } = traffic.totals;
  if (requests === 0) return `No shopper has seen recommendations in the last ${traffic.days.length} days.`;
  const shares = TIERS.filter((tier) => tiers[tier.key] > 0)
    .map((tier) => `${shareOf(tiers[tier.key], requests)} ${tier.name.toLowerCase()}`)
    .join(", ");
  return `Shoppers were answered ${plural(requests, "time")}: ${shares}. They clicked ${plural(traffic.totals.clicks, "time")}.`;
}

export function followedSentence(traffic: Traffic): string {
  const { attributed_orders, attributed_net_revenue } = traffic.totals;
  if (attributed_orders === 0) return `No order has followed a recommendation in the last ${traffic.days.length} days.`;
  const worth = money(attributed_net_revenue, traffic.currency);
  const off = Number(traffic.totals.taken_back) > 0 ? money(traffic.totals.taken_back, traffic.currency) : "";
  const net = off ? `, after ${off} of refunds and cancellations` : "";
  return `${plural(attributed_orders, "order")} followed a recommendation: ${worth} of recommended products${net}.`;
}

export function attributionRule(hours: number): string {
  return (
    `An order counts when a line was put in the cart from a recommendation, or when the shopper clicked that product ` +
    `in a recommendation in the ${count(hours)} hours before. Each order line counts once; refunds and cancellations are taken off. ` +
    `Attributed is not incremental: some of these orders would have come anyway.`
  );
}

const ACTIONS: Record<string, string> = {
  "terms.changed": "Buying terms changed",
  "promotion.planned": "Promotion planned",
  "promotion.cancelled": "Promotion taken out",
  "slot.deployed": "Put live",
  "slot.rolled_back": "Rolled back",
  "staff.role_changed": "Role changed",
  "import.restarted": "Import asked for again",
  "reconciliation.requested": "Comparison with Shopify asked for",
  "webhooks.replayed": "Messages from Shopify tried again",
  "training.requested": "Training asked for",
  "training.policy_changed": "Rules for new versions changed",
  "shop.installed": "App installed",
  "shop.uninstalled": "App uninstalled",
  "shop.needs_reauth": "Shopify stopped accepting our key",
  "note.withdrawn": "Note taken away",
  "metafields.changed": "Metafields chosen",
  "training.refused": "Training refused while the data is stopped",
  "validation.suite_changed": "What is expected of the data changed",
  "validation.replayed": "Held rows tried again",
  "validation.dismissed": "Held rows left out for good",
  "validation.halt_ended": "Stop of training ended",
  "data.incident": "Data differed from Shopify",
  "pixel.switched_on": "Web pixel switched on",
  "storefront.browser_link": "Link made that marks a browser as one of your own",
  "storefront.test_visitor_added": "Visits of a browser left out",
  "storefront.visitor_counts": "Visits of a browser counted again",
  "features.deprecated": "No new model may learn from a version of the features",
  "features.deleted": "A version of the features that is not computed any more was deleted",
  "privacy.data_request": "A customer's data was asked for",
  "privacy.customer_redacted": "A customer's data was erased",
  "privacy.redaction_certified": "Everything was searched for an erased customer: nothing was found",
  "privacy.redaction_incomplete": "Traces of an erased customer were found",
  "privacy.export_downloaded": "A customer's data was downloaded",
  "privacy.retention": "Data whose time was over was forgotten",
  "privacy.unlearned": "A version without the erased customers took over",
};

/** One entry of the change log in words; an action we have no words for is shown as it is. */
export function happened({ action, data }: Pick<AuditEntry, "action" | "data">): string {
  const name = ACTIONS[action] ?? action;
  const said = (key: string) => (data[key] === undefined || data[key] === null ? null : String(data[key]));
  if (action.startsWith("slot.")) {
    const place = SLOT_NAMES[said("slot") as SlotKey] ?? said("slot") ?? "";
    const from = said("from_version");
    return `${name} on ${place.toLowerCase()}: ${from === null ? "" : `version ${from} → `}version ${said("to_version") ?? "?"}`;
  }
  if (action === "staff.role_changed") {
    return `${name}: staff member ${said("user_id") ?? "?"}, ${said("from") ?? "?"} → ${said("to") ?? "?"}`;
  }
  return name;
}
