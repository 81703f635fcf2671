/** Can these books be trusted: what came in, how it compares with Shopify, what was given up, what is wrong now. */

import type { ComponentType } from "preact";
import { getOverview, type Overview } from "../api";
import { DeadLetters } from "../sections/DeadLetters";
import { EventFlow } from "../sections/EventFlow";
import { Passing } from "../sections/Passing";
import { HistoryIn } from "../sections/HistoryIn";
import { Incidents } from "../sections/Incidents";
import { Reconciliation } from "../sections/Reconciliation";
import { StorefrontEvents } from "../sections/StorefrontEvents";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { nextLookMs } from "./Overview";

export interface DataSection {
  overview: Overview;
  /** Ask for the overview again, after something was changed. */
  again: () => void;
}

/** Top to bottom. A section asks for its own facts and shows its own loading, empty and error states. */
const SECTIONS: ComponentType<DataSection>[] = [Incidents, Passing, Reconciliation, HistoryIn, DeadLetters, EventFlow, StorefrontEvents];

export function Data() {
  const overview = useAnswer(getOverview, nextLookMs);
  const facts = overview.data;
  return (
    <s-page heading="Data">
      <s-button slot="secondary-actions" href="/data/quality">
        Data quality
      </s-button>
      <s-button slot="secondary-actions" href="/data/fields">
        Fields taken in
      </s-button>
      <s-button slot="secondary-actions" href="/data/metafields">
        Metafields
      </s-button>
      <s-button slot="secondary-actions" href="/data/features">
        Features
      </s-button>
      {overview.problem === null ? null : <Trouble problem={overview.problem} retry={overview.ask} stale={facts !== null} />}
      {facts === null ? (
        overview.problem === null ? (
          <Loading what="your data" />
        ) : null
      ) : (
        <div class="in-order">
          {SECTIONS.map((Section, place) => (
            <div key={place}>
              <Section overview={facts} again={overview.ask} />
            </div>
          ))}
        </div>
      )}
    </s-page>
  );
}
