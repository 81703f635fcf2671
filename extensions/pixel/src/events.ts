/**
 * From Shopify's events to ours: ids, quantities, prices and a search term, read one by one. Whatever else an event
 * carries (titles, addresses, e-mail, Shopify's client id, the page's address) is never looked at.
 */

export interface Happened {
  id: string;
  kind: string;
  at: number;
  [field: string]: unknown;
}

/** An event of Shopify's, of which only what is read here is known. */
export type Told = {
  id?: unknown;
  timestamp?: unknown;
  data?: unknown;
  customData?: unknown;
};

type Line = [product: string | null, variant: string | null, quantity: number, price: string | null];
type Fields = Record<string, unknown>;

const MOST_LINES = 50;
const LONGEST_SEARCH = 80;
// Seven digits, whatever stands between them: a telephone, card or order number.
const NUMBER_OF_SOMEONE = /(?:\p{Nd}[\s().+/_-]*){7}/u;

/** What we are told of, by Shopify's name for it. */
export const STANDARD: Record<string, (data: Fields) => Fields> = {
  page_viewed: () => ({}),
  product_viewed: (data) => variantOf(data.productVariant),
  collection_viewed: (data) => ({ collection: number(object(data.collection).id) }),
  search_submitted: (data) => ({ search: searched(object(data.searchResult).query) }),
  product_added_to_cart: (data) => lineOf(data.cartLine),
  product_removed_from_cart: (data) => lineOf(data.cartLine),
  cart_viewed: (data) => ({ lines: list(object(data.cart).lines).map(cartLine), ...currency(object(object(data.cart).cost).totalAmount) }),
  checkout_started: (data) => checkout(data.checkout),
  checkout_completed: (data) => ({ ...checkout(data.checkout), order: number(object(object(data.checkout).order).id) }),
};

/** What the theme block publishes, by its name for it. */
export const OWN: Record<string, [kind: string, read: (data: Fields) => Fields]> = {
  "shelfwise:shown": ["recommendations_shown", (data) => ({ exposure: exposure(data.exposure) })],
  "shelfwise:clicked": ["recommendation_clicked", (data) => ({ exposure: exposure(data.exposure), product: number(data.product_id) })],
};

/** The event as it is sent; null when it is not one that can be told apart and dated. */
export function happened(kind: string, event: Told, fields: Fields): Happened | null {
  const id = text(event.id)?.replace(/[^\w-]/g, "").slice(0, 64) ?? "";
  const at = Date.parse(String(event.timestamp));
  if (id.length < 8 || !Number.isFinite(at)) return null;
  const known = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return { id, kind, at, ...Object.fromEntries(known) };
}

/** A search term that is nobody's address or number, or null. */
export function searched(query: unknown): string | null {
  const term = text(query)?.normalize("NFKC").replace(/\s+/g, " ").trim().toLowerCase() ?? "";
  return term === "" || term.includes("@") || NUMBER_OF_SOMEONE.test(term) ? null : term.slice(0, LONGEST_SEARCH);
}

export function object(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function variantOf(value: unknown): Fields {
  const variant = object(value);
  const price = object(variant.price);
  return { product: number(object(variant.product).id), variant: number(variant.id), price: amount(price.amount), ...currency(price) };
}

function lineOf(value: unknown): Fields {
  const line = object(value);
  return { ...variantOf(line.merchandise), quantity: count(line.quantity) };
}

function checkout(value: unknown): Fields {
  const found = object(value);
  const lines = list(found.lineItems).map((each): Line => {
    const line = object(each);
    const { product, variant, price } = variantOf(line.variant) as Record<string, string | null>;
    return [product ?? null, variant ?? null, count(line.quantity) ?? 0, price ?? null];
  });
  return { lines, ...currency({ currencyCode: found.currencyCode }) };
}

function cartLine(value: unknown): Line {
  const { product, variant, price, quantity } = lineOf(value) as Record<string, string | number | null>;
  return [(product as string) ?? null, (variant as string) ?? null, (quantity as number) ?? 0, (price as string) ?? null];
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, MOST_LINES) : [];
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** The number at the end of an id, which Shopify gives bare or as a gid. */
function number(value: unknown): string | null {
  return /(?:^|\/)([1-9]\d{0,17})$/.exec(String(value ?? ""))?.[1] ?? null;
}

function count(value: unknown): number | null {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 1e6 ? value : null;
}

function amount(value: unknown): string | null {
  const found = typeof value === "number" ? value : Number.parseFloat(String(value));
  return Number.isFinite(found) && found >= 0 && found < 1e12 ? String(Math.round(found * 1e4) / 1e4) : null;
}

function currency(money: unknown): Fields {
  const code = text(object(money).currencyCode);
  return { currency: code !== null && /^[A-Z]{3}$/.test(code) ? code : null };
}

function exposure(value: unknown): string | null {
  const id = text(value);
  return id !== null && /^[\w-]{16,40}$/.test(id) ? id : null;
}
