/** The import of the shop's history: under way as on the overview, afterwards one line for each resource. */

import { plural } from "../format";
import type { DataSection } from "../pages/Data";
import { importRemarks, RESOURCE_NAMES } from "../words";
import { ImportProgress } from "./ImportProgress";

export function HistoryIn({ overview, again }: DataSection) {
  const history = overview.history_import;
  if (history.state === "running" || history.state === "failed") {
    return <ImportProgress history={history} you={overview.you} again={again} />;
  }
  const remarks = importRemarks(history);
  return (
    <s-section heading="Your history">
      {history.state === "not_started" ? (
        <s-paragraph>The import has not begun yet. It begins by itself once the app is installed.</s-paragraph>
      ) : (
        <s-stack gap="base">
          <dl class="figures">
            {history.resources.map((each) => (
              <div key={each.resource}>
                <dt>{RESOURCE_NAMES[each.resource] ?? each.resource}</dt>
                <dd>{plural(each.done, "row")}</dd>
              </div>
            ))}
          </dl>
          <s-text color="subdued">An order is one row and one more for each of its lines; a product one and one more for each variant. What could be read was put in place; webhooks
            have kept them up to date since.</s-text>
          {remarks.map((each) => (
            <s-text key={each} color="subdued">
              {each}
            </s-text>
          ))}
        </s-stack>
      )}
    </s-section>
  );
}
