/** Small facts with good defaults, for tests. */

import type { Measure, Overview, SlotKey, Swept, Traffic, Version } from "./api";

export const measure = (slot: SlotKey, value: number, low: number, high: number, baseline: number): Measure => ({
  slot,
  name: "ndcg@10",
  value,
  low,
  high,
  baseline,
  ahead: value - baseline,
  ahead_low: low - baseline,
  ahead_high: high - baseline,
  cases: 800,
});

export const version = (number: number, more: Partial<Version> = {}): Version => ({
  id: String(100 + number),
  number,
  use_case: "recommendations",
  state: "candidate",
  created_at: "2026-11-19T23:30:00Z",
  data_from: "2025-05-20T00:00:00Z",
  data_until: "2026-11-19T00:00:00Z",
  orders: 19_874,
  duration_s: 4.2,
  measures: [measure("product_page", 0.24, 0.22, 0.26, 0.11)],
  live_in: [],
  redacted_at: null,
  unlearned_at: null,
  ...more,
});

export const overview = (more: Partial<Overview> = {}): Overview => ({
  at: "2026-11-20T12:00:00Z",
  shop: {
    domain: "birch-and-co.myshopify.com",
    name: "Birch and Co",
    currency: "GBP",
    timezone: "Europe/London",
    state: "installed",
    installed_at: "2026-11-20T09:00:00Z",
    theme_editor_url: "https://birch-and-co.myshopify.com/admin/themes/current/editor",
  },
  you: { user_id: 1001, role: "owner", may_operate: true, may_manage_team: true },
  history_import: { state: "done", resources: [] },
  data: { orders: 20, order_lines: 41, customers: 11, products: 9, variants: 12, collections: 2, refunds: 1 },
  training: { state: "done", step: "", reason: "", started_at: null, finished_at: null, problem: "", step_number: null, steps: null, eta_s: null, level: "", level_told: "", unlocks: [] },
  slots: (["product_page", "cart", "home"] as const).map((slot) => ({
    slot,
    version: version(2),
    since: "2026-11-20T10:00:00Z",
    changed_by: "system:training",
    reason: "",
    previous_good: version(1),
  })),
  attribution_window_hours: 24,
  ...more,
});

export const swept = (more: Partial<Swept> = {}): Swept => ({
  resource: "orders",
  state: "done",
  step: null,
  began_at: "2026-11-20T10:00:00Z",
  finished_at: "2026-11-20T10:00:04Z",
  next_at: "2026-11-20T14:00:00Z",
  compared: 40,
  missing: 0,
  wrong: 0,
  gone: 0,
  refreshed: 0,
  differing: 0,
  problem: "",
  ...more,
});

export const NOTHING_LIVE: Overview["slots"] = overview().slots.map((slot) => ({
  ...slot,
  version: null,
  previous_good: null,
}));

export function traffic(daily: { requests: number; clicks: number; orders: number; revenue: string }[]): Traffic {
  const days = daily.map((each, position) => ({
    day: `2026-11-${String(position + 1).padStart(2, "0")}`,
    requests: each.requests,
    tiers: { item_to_item: each.requests, trending: 0, newest: 0, none: 0 },
    shown: each.requests,
    clicks: each.clicks,
    taken_back: "0.00",
    attributed_orders: each.orders,
    attributed_net_revenue: each.revenue,
  }));
  const sum = (of: (day: (typeof days)[number]) => number) => days.reduce((total, each) => total + of(each), 0);
  return {
    since: "2026-11-01",
    until: days.at(-1)?.day ?? "2026-11-01",
    timezone: "Europe/London",
    currency: "GBP",
    attribution_window_hours: 24,
    totals: {
      requests: sum((each) => each.requests),
      tiers: { item_to_item: sum((each) => each.requests), trending: 0, newest: 0, none: 0 },
      shown: sum((each) => each.requests),
      taken_back: "20.00",
      clicks: sum((each) => each.clicks),
      attributed_orders: sum((each) => each.attributed_orders),
      attributed_net_revenue: sum((each) => Number(each.attributed_net_revenue)).toFixed(2),
    },
    days,
  };
}
