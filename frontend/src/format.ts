/** Money, counts, shares, days, spans and people, as the reader's language writes them. Pure. */

const locale = (): string => globalThis.shopify?.config?.locale ?? "en";

export function count(value: number): string {
  return new Intl.NumberFormat(locale()).format(value);
}

/** `value` is a decimal string, as the API gives money: it never passes through arithmetic here. */
export function money(value: string, currency: string): string {
  if (!/^[A-Z]{3}$/.test(currency)) return value;
  return new Intl.NumberFormat(locale(), { style: "currency", currency }).format(Number(value));
}

export function percent(share: number, digits = 0): string {
  return new Intl.NumberFormat(locale(), {
    style: "percent",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(share);
}

/** A share of `whole` in percent, or a dash when there is no whole. Shares above none are never shown as 0 %. */
export function shareOf(part: number, whole: number): string {
  if (whole <= 0) return "–";
  const share = part / whole;
  if (share > 0 && share < 0.005) return `< ${percent(0.01)}`;
  return percent(share, share < 0.1 && share > 0 ? 1 : 0);
}

/** A calendar day of the shop, `2026-11-20`: never shifted by the reader's own zone. */
export function day(isoDay: string): string {
  const [year = 1970, month = 1, date = 1] = isoDay.split("-").map(Number);
  return new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }).format(
    new Date(Date.UTC(year, month - 1, date)),
  );
}

/** A moment, in the shop's own zone. */
export function moment(iso: string, timeZone: string): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short", timeZone }).format(new Date(iso));
}

/** The day of a moment, in the shop's own zone. */
export function dayOf(iso: string, timeZone: string): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeZone }).format(new Date(iso));
}

export function interval(low: number, high: number): string {
  return `${percent(low, 1)} to ${percent(high, 1)}`;
}

/** A ranking score between 0 and 1. Three digits: scores of real shops differ in the second. */
export function score(value: number): string {
  return new Intl.NumberFormat(locale(), { minimumFractionDigits: 3, maximumFractionDigits: 3 }).format(value);
}

export function scoreInterval(low: number, high: number): string {
  return `${score(low)} to ${score(high)}`;
}

/** A factor, as precisely as anyone should say it: 2.1, 14. */
export function times(factor: number): string {
  return new Intl.NumberFormat(locale(), { maximumSignificantDigits: 2 }).format(factor);
}

/** Names as a person would list them. */
export function listed(names: readonly string[]): string {
  return names.length <= 1 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** Seconds as words a person would say; rounded up, because a promise kept late is worse than one kept early. */
export function span(seconds: number): string {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return plural(Math.ceil(seconds), "second");
  if (seconds < 90 * 60) return plural(Math.ceil(seconds / 60), "minute");
  if (seconds < 36 * 3600) return plural(Math.ceil(seconds / 3600), "hour");
  return plural(Math.ceil(seconds / 86400), "day");
}

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** The same within a sentence. */
export function byPerson(actor: string, you: number | null): string {
  const name = person(actor, you);
  return `by ${name === "You" || name.startsWith("Staff member") ? name.charAt(0).toLowerCase() + name.slice(1) : name}`;
}

/** `staff:42`, `system:training` or `flow`, in words. */
export function person(actor: string, you: number | null): string {
  const [kind, name = ""] = actor.split(":");
  if (kind === "staff") return Number(name) === you ? "You" : `Staff member ${name}`;
  if (kind === "system") return "Shelfwise";
  if (kind === "flow") return "Shopify Flow";
  return actor || "Shelfwise";
}
