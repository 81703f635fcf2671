/** Which version answers where, how good it is beside plain bestsellers, and the way back. */

import { useMemo } from "preact/hooks";
import { rollBack, type Overview, type Slot } from "../api";
import { moment, person } from "../format";
import { Plot } from "../Plot";
import { liveQuality } from "../plots";
import { ChangeLive } from "../ChangeLive";
import { headline, JUDGEMENTS, judge, qualitySentence, SLOT_NAMES } from "../words";

export function LiveNow({ overview, again }: { overview: Overview; again: () => void }) {
  const slots = overview.slots.filter((slot) => slot.slot !== "forecast");
  const spec = useMemo(() => liveQuality(slots), [overview]);
  if (slots.every((slot) => slot.version === null)) return null;
  return (
    <s-section heading="Live now">
      <s-stack gap="large">
        <s-grid gridTemplateColumns="repeat(auto-fit, minmax(240px, 1fr))" gap="base">
          {slots.map((slot) => (
            <s-box key={slot.slot} padding="base" border="base" borderRadius="base">
              <Place slot={slot} overview={overview} again={again} />
            </s-box>
          ))}
        </s-grid>
        {spec === null ? null : (
          <div>
            <s-heading>Measured on later orders it had not seen</s-heading>
            <s-paragraph color="subdued">
              Share of the products shoppers bought next that each version would have shown among its first 20. A version is
              called better only when it is ahead of bestsellers beyond chance, purchase by purchase.
            </s-paragraph>
            <Plot spec={spec} />
          </div>
        )}
      </s-stack>
    </s-section>
  );
}

function Place({ slot, overview, again }: { slot: Slot; overview: Overview; again: () => void }) {
  const name = SLOT_NAMES[slot.slot];
  const { version, previous_good: back } = slot;
  const zone = overview.shop.timezone;
  if (version === null) {
    return (
      <s-stack gap="small-300">
        <s-text type="strong">{name}</s-text>
        <s-text color="subdued">No version is live here yet; shoppers see trending and newest products.</s-text>
      </s-stack>
    );
  }
  const measure = headline(version, slot.slot);
  const verdict = JUDGEMENTS[judge(measure)];
  const since =
    slot.since === null ? "" : `Since ${moment(slot.since, zone)}, by ${person(slot.changed_by, overview.you.user_id)}`;
  return (
    <s-stack gap="small-200">
      <s-stack direction="inline" gap="small-200" alignItems="center">
        <s-text type="strong">{name}</s-text>
        <s-link href={`/versions/${encodeURIComponent(version.id)}`}>Version {version.number}</s-link>
        <s-badge tone={verdict.tone}>{verdict.text}</s-badge>
      </s-stack>
      <s-text>{qualitySentence(measure)}</s-text>
      <s-text color="subdued">
        {since}
        {slot.reason ? `: “${slot.reason}”` : ""}
      </s-text>
      {back === null ? (
        <s-text color="subdued">There is no earlier version to roll back to yet.</s-text>
      ) : (
        <ChangeLive
          kind="rollback"
          slot={slot.slot}
          from={version}
          to={back}
          you={overview.you}
          timeZone={zone}
          send={(reason) => rollBack(slot.slot, version.id, reason)}
          done={again}
        />
      )}
    </s-stack>
  );
}
