/** Which version answers where, how good it is beside plain bestsellers, and the way back. */

import { useMemo } from "preact/hooks";
import { rollBack, type Overview, type Slot, type Training } from "../api";
import { byPerson, moment } from "../format";
import { Plot } from "../Plot";
import { liveQuality } from "../plots";
import { ChangeLive, WhyOff } from "../ChangeLive";
import { HowJudged, Quality, Verdict } from "../Quality";
import { SLOT_NAMES, trainingStep } from "../words";

export function LiveNow({ overview, again }: { overview: Overview; again: () => void }) {
  const slots = overview.slots.filter((slot) => slot.slot !== "forecast");
  const spec = useMemo(() => liveQuality(slots), [overview]);
  if (slots.every((slot) => slot.version === null)) return null;
  return (
    <s-section heading="Live now">
      <s-stack gap="large">
        {overview.training.state === "running" ? <Learning training={overview.training} /> : null}
        <s-grid gridTemplateColumns="repeat(auto-fit, minmax(240px, 1fr))" gap="base">
          {slots.map((slot) => (
            <s-box key={slot.slot} padding="base" border="base" borderRadius="base">
              <Place slot={slot} overview={overview} again={again} />
            </s-box>
          ))}
        </s-grid>
        <WhyOff you={overview.you} />
        {spec === null ? null : (
          <div>
            <s-heading>Is it any good? Tested on later orders it had not seen</s-heading>
            <Plot spec={spec} />
            <HowJudged />
          </div>
        )}
      </s-stack>
    </s-section>
  );
}

function Learning({ training }: { training: Training }) {
  return (
    <s-stack direction="inline" gap="base" alignItems="center">
      <s-spinner accessibilityLabel="Training" />
      <s-text>A new version is learning{trainingStep(training)}. Until it is ready, the versions below stay live.</s-text>
    </s-stack>
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
  const since =
    slot.since === null ? "" : `Since ${moment(slot.since, zone)}, ${byPerson(slot.changed_by, overview.you.user_id)}`;
  return (
    <s-stack gap="small-200">
      <s-stack direction="inline" gap="small-200" alignItems="center">
        <s-text type="strong">{name}</s-text>
        <s-link href={`/versions/${encodeURIComponent(version.id)}`}>Version {version.number}</s-link>
        <Verdict version={version} slot={slot.slot} />
      </s-stack>
      <Quality version={version} slot={slot.slot} />
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
