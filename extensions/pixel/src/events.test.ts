import { expect, test } from "vitest";
import { happened, OWN, searched, STANDARD } from "./events";

const variant = { id: "111", title: "Small", sku: "C-1", price: { amount: 9.99, currencyCode: "GBP" }, product: { id: "11", title: "Candle", vendor: "Wax" } };
const person = { email: "ann@example.com", phone: "+44 20 7946 0958", shippingAddress: { address1: "1 High St" }, customer: { id: "7", firstName: "Ann" } };
const of = (name: string, data: unknown) => STANDARD[name]?.(data as Record<string, unknown>);

test("ids, quantities and prices are read, and nothing else", () => {
  expect(of("product_viewed", { productVariant: variant })).toEqual({ product: "11", variant: "111", price: "9.99", currency: "GBP" });
  expect(of("product_added_to_cart", { cartLine: { merchandise: variant, quantity: 2, ...person } })).toEqual({ product: "11", variant: "111", price: "9.99", currency: "GBP", quantity: 2 });
  const checkout = { token: "t", currencyCode: "GBP", lineItems: [{ quantity: 2, variant, title: "Candle" }, null], order: { id: "gid://shopify/Order/5001", customer: { id: "7" } }, ...person };
  expect(of("checkout_completed", { checkout })).toEqual({ lines: [["11", "111", 2, "9.99"], [null, null, 0, null]], currency: "GBP", order: "5001" });
  expect(of("page_viewed", { ...person })).toEqual({});
  const told = JSON.stringify([of("checkout_completed", { checkout }), of("page_viewed", person)]);
  expect(told).not.toMatch(/ann|Ann|High|7946|"t"/);
});

test.each(Object.keys(STANDARD))("%s of any shape is read without throwing", (name) => {
  for (const data of [{}, { productVariant: null }, { cart: 7 }, { checkout: { lineItems: "x", order: [] } }, { cartLine: { quantity: Number.NaN } }, { searchResult: { query: {} } }]) {
    expect(() => of(name, data)).not.toThrow();
  }
});

test("an event needs an id and a time", () => {
  const event = { id: "sh-12345678-ABCD", timestamp: "2026-11-20T12:00:00.000Z" };
  expect(happened("page_viewed", event, { product: null })).toEqual({ id: "sh-12345678-ABCD", kind: "page_viewed", at: Date.UTC(2026, 10, 20, 12) });
  expect(happened("page_viewed", { ...event, id: "short" }, {})).toBeNull();
  expect(happened("page_viewed", { ...event, timestamp: "later" }, {})).toBeNull();
});

test.each(["ann@example.com", "+44 (0)20 7946 0958", "4111-1111-1111-1111", "٠٢٠٧٩٤٦٠٩٥٨", "   ", 7, null])("%s is no search term", (query) => {
  expect(searched(query)).toBeNull();
});

test("a search term has one spelling", () => {
  expect(searched("  Beeswax   CANDLE 12 cm ")).toBe("beeswax candle 12 cm");
  expect(searched("x".repeat(500))).toHaveLength(80);
});

test("what the block publishes", () => {
  const [kind, read] = OWN["shelfwise:clicked"] ?? ["", () => ({})];
  expect([kind, read({ exposure: "exposure-0123456789", product_id: "11", email: "a@b" })]).toEqual(["recommendation_clicked", { exposure: "exposure-0123456789", product: "11" }]);
});
