import { expect, test } from "vitest";
import type { Storefront } from "./api";
import { day } from "./format";
import { leftOutSentence, storefrontByDay, toldSentence } from "./storefront_words";

const quiet = { personal: 0, kinds: [], excluded: [] };
const busy = {
  personal: 3,
  kinds: [{ kind: "page_viewed" as const, events: 4 }, { kind: "checkout_completed" as const, events: 1 }],
  excluded: [{ reason: "bot" as const, events: 2, answers: 1 }],
};
const days = Array.from({ length: 28 }, (_, place) => ({ day: `2026-11-${String(place + 1).padStart(2, "0")}`, ...(place === 27 ? busy : quiet) }));
const facts = (more: Partial<Storefront> = {}): Storefront =>
  ({ pixel: { state: "on", problem: "" }, timezone: "Europe/London", days, ...busy, not_taken: [], marked: [], ...more }) as Storefront;

test("the sentences say how much, whose and what was left out", () => {
  expect(toldSentence(facts())).toBe("Shoppers did 5 things that we were allowed to hear of in 28 days; 60% of it by visitors who also allow to be recognised.");
  expect(leftOutSentence(facts())).toMatch(/^2 events of crawlers/);
  expect(toldSentence(facts({ ...quiet }))).toMatch(/^No browser/);
  expect(leftOutSentence(facts({ ...quiet }))).toMatch(/^Nothing was left out/);
});

test("the picture holds a week at least, and its table says the same", () => {
  const plot = storefrontByDay(facts()).plain;
  expect(plot.table.rows).toHaveLength(7);
  expect(plot.table.rows[6]).toEqual([day("2026-11-28"), "4", "0", "0", "0", "1", "0", "60%", "2"]);
  expect(plot.data.map((each) => each.name)).toEqual(["Pages", "Checkout", "Left out"]);
});
