/** From install to the first shopper, in four steps; gone once shoppers are served. */

import type { Overview, Traffic } from "../api";
import { count } from "../format";
import { capital, importSentence, trainingStep } from "../words";

export interface Step {
  title: string;
  detail: string;
  done: boolean;
  link?: { text: string; href: string };
}

const WHILE_COMING: Partial<Record<Overview["history_import"]["state"], string>> = {
  not_started: "The import starts by itself in a moment.",
  failed: "It stopped on the way. What has arrived is kept; continue it above.",
};

export function setupSteps(overview: Overview, traffic: Traffic | null): Step[] {
  const imported = overview.history_import.state === "done";
  const live = overview.slots.some((slot) => slot.version !== null);
  const shown = (traffic?.totals.requests ?? 0) > 0;
  const learning = overview.training.state === "running";
  const nothingLearnt = overview.training.state === "done" && overview.training.problem !== "";
  return [
    {
      title: "Bring in your history",
      detail: imported
        ? `${count(overview.data.orders)} orders and ${count(overview.data.products)} products are here.`
        : WHILE_COMING[overview.history_import.state] ?? importSentence(overview.history_import),
      done: imported,
    },
    {
      title: "Learn from it",
      detail: live
        ? "The first version is live."
        : learning
          ? `Learning now${trainingStep(overview.training)}.`
          : nothingLearnt
            ? `${capital(overview.training.problem)}. Once orders have come in, train a version on the Versions page.`
            : "Starts by itself when the history is in. Nothing for you to do.",
      done: live,
      ...(nothingLearnt && !live ? { link: { text: "Go to Versions", href: "/versions" } } : {}),
    },
    {
      title: "Add the block to your theme",
      detail: "Opens the theme editor with the recommendations block placed on the product page. Save there to publish it.",
      done: shown,
      link: { text: "Open the theme editor", href: overview.shop.theme_editor_url },
    },
    {
      title: "First shopper",
      detail: shown ? "Shoppers see recommendations." : "Open a product page of your shop: this step is done when the block has answered once.",
      done: shown,
    },
  ];
}

export function SetupGuide({ overview, traffic }: { overview: Overview; traffic: Traffic | null }) {
  const steps = setupSteps(overview, traffic);
  const done = steps.filter((step) => step.done).length;
  if (done === steps.length) return null;
  const next = steps.findIndex((step) => !step.done);
  return (
    <s-section heading="Setup guide">
      <s-stack gap="base">
        <s-text color="subdued">
          {done} of {steps.length} steps done
        </s-text>
        <ol class="steps">
          {steps.map((step, position) => (
            <li key={step.title} {...(position === next ? { "aria-current": "step" as const } : {})}>
              <s-stack gap="small-300">
                <s-stack direction="inline" gap="small-200" alignItems="center">
                  <s-text type="strong">{step.title}</s-text>
                  {step.done ? <s-badge tone="success">Done</s-badge> : position === next ? <s-badge tone="info">Now</s-badge> : null}
                </s-stack>
                <s-text color="subdued">{step.detail}</s-text>
                {step.link && !step.done ? (
                  <s-stack direction="inline">
                    <s-button href={step.link.href} {...(step.link.href.startsWith("/") ? {} : { target: "_top" as const })} variant={position === next ? "primary" : "secondary"}>
                      {step.link.text}
                    </s-button>
                  </s-stack>
                ) : null}
              </s-stack>
            </li>
          ))}
        </ol>
      </s-stack>
    </s-section>
  );
}
