/**
 * Shelfwise's web pixel: tells the app what shoppers do, while they allow it.
 *
 * Runs in Shopify's strict sandbox: no page, no DOM, storage and cookies by message only. It never throws into it.
 */

import { register } from "@shopify/web-pixels-extension";
import { happened, object, OWN, STANDARD, type Told } from "./events";
import { Outbox, STAFF, type Privacy } from "./outbox";

register(({ analytics, browser, customerPrivacy, init, settings }) => {
  let privacy: Privacy = init.customerPrivacy;
  const outbox = new Outbox({
    endpoint: String(settings.endpoint ?? ""),
    languages: init.context.navigator.languages?.length ?? 1,
    local: browser.localStorage,
    session: browser.sessionStorage,
    privacy: () => privacy,
    fetch: (url, options) => fetch(url, options),
    now: () => Date.now(),
    later: (work, ms) => setTimeout(work, ms),
  });

  const hear = (name: string, answer: (event: Told) => void) => {
    try {
      analytics.subscribe(name, (event: unknown) => {
        try {
          answer(object(event));
        } catch {
          /* an event of a shape that we do not know */
        }
      });
    } catch {
      /* a name that this shop's Shopify does not know */
    }
  };

  for (const [name, read] of Object.entries(STANDARD)) {
    hear(name, (event) => outbox.put(happened(name, event, read(object(event.data)))));
  }
  for (const [name, [kind, read]] of Object.entries(OWN)) {
    hear(name, (event) => outbox.put(happened(kind, event, read(object(event.customData)))));
  }
  // The block says when the page is about to go, which the sandbox cannot see.
  hear("shelfwise:leaving", () => void outbox.flush());

  customerPrivacy.subscribe("visitorConsentCollected", (event) => {
    const before = privacy;
    privacy = event.customerPrivacy;
    const withdrawn =
      (before.analyticsProcessingAllowed && !privacy.analyticsProcessingAllowed) ||
      (before.preferencesProcessingAllowed && !privacy.preferencesProcessingAllowed);
    if (withdrawn) void outbox.withdraw();
  });

  // The link in the admin that says "this is my browser" leads to a page of the shop with a pass behind the #.
  const pass = /^#shelfwise-staff=(\d{1,12}\.[\w-]{1,24})$/.exec(String(init.context.document?.location?.hash ?? ""))?.[1];
  if (pass) void browser.localStorage.setItem(STAFF, JSON.stringify(pass)).catch(() => undefined);

  void outbox.resume();
});
