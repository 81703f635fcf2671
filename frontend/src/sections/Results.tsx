/** What shoppers saw, and what followed from it. */

import { useMemo } from "preact/hooks";
import type { Marker, Traffic } from "../api";
import { Plot } from "../Plot";
import { revenueByDay, tiersByDay } from "../plots";
import { attributionRule, followedSentence, tiersSentence } from "../words";

export function Results({ traffic, markers }: { traffic: Traffic; markers: readonly Marker[] }) {
  const tiers = useMemo(() => tiersByDay(traffic, markers), [traffic, markers]);
  const revenue = useMemo(() => revenueByDay(traffic, markers), [traffic, markers]);
  const nothing = traffic.totals.requests === 0;
  return (
    <>
      <s-section heading="What shoppers saw">
        <s-paragraph>{tiersSentence(traffic)}</s-paragraph>
        {nothing ? null : <Plot spec={tiers} />}
      </s-section>
      <s-section heading="What followed">
        <s-stack gap="base">
          <s-paragraph>{followedSentence(traffic)}</s-paragraph>
          {traffic.totals.attributed_orders === 0 ? null : <Plot spec={revenue} />}
          <s-text color="subdued">{attributionRule(traffic.attribution_window_hours)}</s-text>
        </s-stack>
      </s-section>
    </>
  );
}
