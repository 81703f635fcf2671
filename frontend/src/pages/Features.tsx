/** What models know of products and customers as numbers: how fresh it is, who stands on it, and how it moves over time. */

import { useCallback, useMemo, useState } from "preact/hooks";
import { downloadFeatures, getFeatureDays, getFeatures, getOverview, Problem, type Feature, type FeatureView } from "../api";
import { DayPlot, useMarkers, type KnownMarkers } from "../DayPlot";
import { ENTITIES, featureName, featuresSentence, fillPlot, instead, STATES, valuesPlot, windowOf } from "../feature_words";
import { count, moment, plural } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

const DAYS = 90;

export function Features() {
  const overview = useAnswer(getOverview);
  const answer = useAnswer(getFeatures);
  const { known } = useMarkers(DAYS);
  const [chosen, setChosen] = useState<string | null>(null);
  const [fault, setFault] = useState<Problem | null>(null);
  const data = overview.data === null || known === null ? null : answer.data;
  const problem = answer.problem ?? overview.problem;
  const zone = overview.data?.shop.timezone ?? "UTC";

  const save = async () => {
    setFault(null);
    try {
      await downloadFeatures();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFault(error);
    }
  };

  const view = data?.views.find((each) => each.name === chosen) ?? data?.views[0];
  return (
    <s-page heading="Features">
      <s-button slot="primary-action" onClick={() => void save()} {...(data === null ? { disabled: true } : {})}>
        Download as CSV
      </s-button>
      <s-link slot="breadcrumb-actions" href="/data">
        Data
      </s-link>
      {fault === null ? null : <Trouble problem={fault} retry={() => void save()} />}
      {problem === null ? null : (
        <Trouble
          problem={problem}
          retry={() => {
            overview.ask();
            answer.ask();
          }}
          stale={data !== null}
        />
      )}
      {data === null || view === undefined ? (
        problem === null ? (
          <Loading what="the features" />
        ) : null
      ) : (
        <>
          <s-section heading="In short">
            <s-stack gap="base">
              <s-paragraph>{featuresSentence(data.views)}</s-paragraph>
              <s-paragraph color="subdued">
                Models learn from these numbers and serve with the same ones. They are computed every four hours, and what an order or
                a product changes within a minute. A version that a model stands on stays.
              </s-paragraph>
            </s-stack>
          </s-section>
          <Views views={data.views} zone={zone} />
          <s-section heading="Look inside a view">
            <s-select label="View" value={view.name} onChange={(event) => setChosen(valueOf(event))}>
              {data.views.map((each) => (
                <s-option key={each.name} value={each.name}>
                  {featureName(each.name)}
                </s-option>
              ))}
            </s-select>
          </s-section>
          <Inside key={view.name} view={view} zone={zone} markers={known?.markers ?? null} />
        </>
      )}
    </s-page>
  );
}

function Views({ views, zone }: { views: FeatureView[]; zone: string }) {
  return (
    <s-section padding="none" heading="Views">
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">View</s-table-header>
          <s-table-header listSlot="inline">State</s-table-header>
          <s-table-header listSlot="labeled">Computed</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            Vectors
          </s-table-header>
          <s-table-header listSlot="labeled">Models on it</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {views.map((each) => {
            const current = each.versions.find((one) => one.current);
            const state = STATES[each.state];
            return (
              <s-table-row key={each.name}>
                <s-table-cell>
                  <s-stack gap="small-400">
                    <s-text type="strong">{featureName(each.name)}</s-text>
                    <s-text color="subdued">
                      <span class="light">
                        {each.told} {ENTITIES[each.entity]}; {plural(each.features.length, "feature")}; kept by {each.owner}.
                      </span>
                    </s-text>
                  </s-stack>
                </s-table-cell>
                <s-table-cell>
                  <s-badge tone={state.tone}>{state.name}</s-badge>
                </s-table-cell>
                <s-table-cell>{each.computed_at === null ? "–" : moment(each.computed_at, zone)}</s-table-cell>
                <s-table-cell>{current === undefined ? "–" : count(current.entities)}</s-table-cell>
                <s-table-cell>{modelsOn(each)}</s-table-cell>
              </s-table-row>
            );
          })}
        </s-table-body>
      </s-table>
    </s-section>
  );
}

/** Of all versions: one that is not computed any more and still stood on is what somebody must train anew. */
function modelsOn(view: FeatureView): string {
  const told = view.versions
    .filter((each) => each.models.length > 0)
    .map((each) => `${each.models.join(", ")}${each.current ? "" : ` (older version ${each.digest.slice(0, 8)})`}`);
  return told.length === 0 ? "None" : told.join("; ");
}

function Inside({ view, zone, markers }: { view: FeatureView; zone: string; markers: KnownMarkers }) {
  const [name, setName] = useState(view.features[0]?.name ?? "");
  const feature = view.features.find((each) => each.name === name);
  return (
    <>
      <Versions view={view} zone={zone} />
      <s-section padding="none" heading={`${featureName(view.name)}: its features`}>
        <s-table>
          <s-table-header-row>
            <s-table-header listSlot="primary">Feature</s-table-header>
            <s-table-header listSlot="labeled">Looks back</s-table-header>
            <s-table-header listSlot="labeled">Fresh for</s-table-header>
            <s-table-header listSlot="labeled">When it is missing</s-table-header>
          </s-table-header-row>
          <s-table-body>
            {view.features.map((each) => (
              <s-table-row key={each.name}>
                <s-table-cell>
                  <s-stack gap="small-400">
                    <s-text type="strong">{featureName(each.name)}</s-text>
                    <s-text color="subdued">
                      <span class="light">{each.told}</span>
                    </s-text>
                  </s-stack>
                </s-table-cell>
                <s-table-cell>{windowOf(each)}</s-table-cell>
                <s-table-cell>{each.fresh_hours} h</s-table-cell>
                <s-table-cell>{instead(each)}</s-table-cell>
              </s-table-row>
            ))}
          </s-table-body>
        </s-table>
      </s-section>
      <s-section heading="Day by day">
        <s-stack gap="base">
          <s-select label="Feature" value={name} onChange={(event) => setName(valueOf(event))}>
            {view.features.map((each) => (
              <s-option key={each.name} value={each.name}>
                {featureName(each.name)}
              </s-option>
            ))}
          </s-select>
          {feature === undefined ? null : <OverDays key={feature.name} view={view} feature={feature} markers={markers} />}
        </s-stack>
      </s-section>
    </>
  );
}

function Versions({ view, zone }: { view: FeatureView; zone: string }) {
  if (view.versions.length === 0) return null;
  return (
    <s-section heading={`${featureName(view.name)}: its versions`}>
      <s-unordered-list>
        {view.versions.map((each) => (
          <s-list-item key={each.digest}>
            {each.digest.slice(0, 8)}: {each.deprecated_at === null ? (each.current ? "computed now" : "not computed any more") : "deprecated"}, since{" "}
            {moment(each.first_at, zone)}. {each.models.length === 0 ? "No model stands on it." : `${each.models.join(", ")} on it.`}
          </s-list-item>
        ))}
      </s-unordered-list>
    </s-section>
  );
}

function OverDays({ view, feature, markers }: { view: FeatureView; feature: Feature; markers: KnownMarkers }) {
  const answer = useAnswer(
    useCallback((signal: AbortSignal) => getFeatureDays(view.name, feature.name, DAYS, signal), [view.name, feature.name]),
  );
  const name = featureName(feature.name);
  const told = answer.data;
  const values = useMemo(() => (told === null ? null : valuesPlot(name, told)), [told, name]);
  const fill = useMemo(() => (told === null ? null : fillPlot(name, told)), [told, name]);
  if (told === null || values === null || fill === null) {
    return answer.problem === null ? <Loading what={name.toLowerCase()} /> : <Trouble problem={answer.problem} retry={answer.ask} />;
  }
  if (told.days.length === 0) {
    return (
      <s-paragraph>
        {view.entity === "pair"
          ? "Of pairs no distribution is kept: only the nearest neighbours of each product are stored."
          : "Nothing was counted yet. The first refresh of each day counts how the values are spread."}
      </s-paragraph>
    );
  }
  return (
    <s-stack gap="base">
      <s-paragraph color="subdued">{feature.told}</s-paragraph>
      <DayPlot spec={values} markers={markers} />
      <DayPlot spec={fill} markers={markers} />
    </s-stack>
  );
}

function valueOf(event: Event): string {
  return (event.currentTarget as HTMLElement & { value: string }).value;
}
