/** What shoppers saw, and what followed from it. */

import { useMemo } from "preact/hooks";
import type { Traffic } from "../api";
import { DayPlot, type KnownMarkers } from "../DayPlot";
import { revenueByDay, tiersByDay } from "../plots";
import { attributionRule, followedSentence, tiersSentence } from "../words";

export function Results({ traffic, markers }: { traffic: Traffic; markers: KnownMarkers }) {
  const tiers = useMemo(() => tiersByDay(traffic), [traffic]);
  const revenue = useMemo(() => revenueByDay(traffic), [traffic]);
  const nothing = traffic.totals.requests === 0;
  return (
    <>
      <s-section heading="What shoppers saw">
        <s-paragraph>{tiersSentence(traffic)}</s-paragraph>
        {nothing ? null : <DayPlot spec={tiers} markers={markers} />}
      </s-section>
      <s-section heading="What followed">
        <s-stack gap="base">
          <s-paragraph>{followedSentence(traffic)}</s-paragraph>
          {traffic.totals.attributed_orders === 0 ? null : <DayPlot spec={revenue} markers={markers} />}
          <s-text color="subdued">{attributionRule(traffic.attribution_window_hours)}</s-text>
        </s-stack>
      </s-section>
    </>
  );
}
