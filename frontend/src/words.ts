/** What the numbers mean, in the merchant's words. Pure: facts in, sentences out. */

import type { AuditEntry, HistoryImport, Measure, Overview, SlotKey, Traffic, Version } from "./api";
import { count, interval, money, percent, plural, shareOf, span } from "./format";

export const SLOT_NAMES: Record<SlotKey, string> = {
  product_page: "Product page",
  cart: "Cart",
  home: "Home page",
  forecast: "Demand forecast",
};

export const TIERS = [
  { key: "item_to_item", name: "Picked for the product or cart", short: "Picked" },
  { key: "trending", name: "Trending in your shop", short: "Trending" },
  { key: "newest", name: "Newest products", short: "Newest" },
  { key: "none", name: "Nothing to show", short: "Nothing" },
] as const;

export const RESOURCE_NAMES: Record<string, string> = {
  products: "Products",
  collections: "Collections",
  customers: "Customers",
  orders: "Orders",
  inventory: "Stock levels",
};

export type Judgement = "better" | "alike" | "worse" | "unmeasured";

/** The measure we explain to people: of what was bought next, how much the version would have shown. */
export function headline(version: Version, slot: SlotKey): Measure | null {
  return measureOf(version, slot, "recall@20") ?? measureOf(version, slot, "ndcg@10");
}

export function measureOf(version: Version, slot: SlotKey, name: string): Measure | null {
  return version.measures.find((each) => each.slot === slot && each.name === name) ?? null;
}

/** Better or worse only when the whole interval of the difference, case by case, lies on one side of nothing. */
export function judge(measure: Measure | null): Judgement {
  if (measure === null || measure.ahead_low === null || measure.ahead_high === null) return "unmeasured";
  if (measure.ahead_low > 0) return "better";
  if (measure.ahead_high < 0) return "worse";
  return "alike";
}

export const JUDGEMENTS: Record<Judgement, { text: string; tone: "success" | "info" | "warning" | "neutral" }> = {
  better: { text: "Better than bestsellers", tone: "success" },
  alike: { text: "About as good as bestsellers", tone: "info" },
  worse: { text: "Worse than bestsellers", tone: "warning" },
  unmeasured: { text: "Not measured yet", tone: "neutral" },
};

export function qualitySentence(measure: Measure | null): string {
  if (measure === null) return "There were too few later orders to test it on. It is measured again at the next training.";
  const what =
    measure.name === "recall@20"
      ? `Of the products shoppers bought next, it would have shown ${percent(measure.value, 1)} among its first 20`
      : `Its ranking score (NDCG at 10) is ${percent(measure.value, 1)}`;
  const range =
    measure.low === null || measure.high === null ? "" : ` (95% sure: ${interval(measure.low, measure.high)})`;
  const beside = measure.baseline === null ? "" : `; plain bestsellers would have shown ${percent(measure.baseline, 1)}`;
  return `${what}${range}${beside}.`;
}

/** Where a version is live, as a list in words. */
export function places(slots: readonly string[]): string {
  const names = slots.map((slot) => (SLOT_NAMES[slot as SlotKey] ?? slot).toLowerCase());
  if (names.length <= 1) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

export function importSentence(history: HistoryImport): string {
  const running = history.resources.filter((each) => each.state === "running");
  const left = longestWait(history);
  const now = running.map((each) => (RESOURCE_NAMES[each.resource] ?? each.resource).toLowerCase()).join(" and ");
  const wait = left === null ? "The time left is not known yet." : `About ${span(left)} to go.`;
  return now ? `Reading ${now} from Shopify. ${wait}` : `Waiting for Shopify to prepare your history. ${wait}`;
}

/** The imports follow one another, so their waits add up; unknown as soon as one of them is unknown. */
function longestWait(history: HistoryImport): number | null {
  let sum = 0;
  for (const each of history.resources) {
    if (each.state === "done") continue;
    if (each.eta_s === null) return null;
    sum += each.eta_s;
  }
  return sum;
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

function capital(text: string): string {
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
  if (requests === 0) return "No shopper has seen recommendations in this time.";
  const shares = TIERS.filter((tier) => tiers[tier.key] > 0)
    .map((tier) => `${shareOf(tiers[tier.key], requests)} ${tier.name.toLowerCase()}`)
    .join(", ");
  return `Shoppers were answered ${plural(requests, "time")}: ${shares}. They clicked ${plural(traffic.totals.clicks, "time")}.`;
}

export function followedSentence(traffic: Traffic): string {
  const { attributed_orders, attributed_net_revenue } = traffic.totals;
  if (attributed_orders === 0) return "No order has followed a recommendation in this time.";
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
  "slot.deployed": "Put live",
  "slot.rolled_back": "Rolled back",
  "staff.role_changed": "Role changed",
  "import.restarted": "Import asked for again",
  "training.requested": "Training asked for",
  "shop.installed": "App installed",
  "shop.uninstalled": "App uninstalled",
  "shop.needs_reauth": "Shopify stopped accepting our key",
  "privacy.data_request": "A customer's data was asked for",
  "privacy.customer_redacted": "A customer's data was erased",
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
