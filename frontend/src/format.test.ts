import { describe, expect, it } from "vitest";
import { byPerson, count, day, dayOf, interval, listed, money, percent, person, plural, score, scoreInterval, shareOf, span, times } from "./format";

describe("format", () => {
  it("writes money with its currency, and leaves an unknown currency alone", () => {
    expect(money("1234.50", "GBP")).toBe("£1,234.50");
    expect(money("-20.00", "EUR")).toBe("-€20.00");
    expect(money("1200", "JPY")).toBe("¥1,200");
    expect(money("12.00", "")).toBe("12.00");
  });

  it("names the calendar day of the shop, whatever the reader's zone", () => {
    expect(day("2026-03-29")).toBe("Mar 29, 2026");
    expect(day("2026-01-01")).toBe("Jan 1, 2026");
  });

  it("cuts days of moments in the shop's zone", () => {
    expect(dayOf("2026-06-30T23:30:00Z", "Europe/London")).toBe("Jul 1, 2026");
    expect(dayOf("2026-06-30T23:30:00Z", "America/New_York")).toBe("Jun 30, 2026");
  });

  it("never shows a small share as nothing", () => {
    expect(shareOf(1, 1000)).toBe("< 1%");
    expect(shareOf(0, 1000)).toBe("0%");
    expect(shareOf(70, 1000)).toBe("7.0%");
    expect(shareOf(5, 0)).toBe("–");
  });

  it("rounds waits up and counts in the unit a person would use", () => {
    expect(span(0.4)).toBe("less than a second");
    expect(span(1)).toBe("1 second");
    expect(span(89.2)).toBe("90 seconds");
    expect(span(91)).toBe("2 minutes");
    expect(span(3 * 3600)).toBe("3 hours");
    expect(span(50 * 3600)).toBe("3 days");
  });

  it("writes counts, shares and intervals", () => {
    expect(count(20031)).toBe("20,031");
    expect(percent(0.2413, 1)).toBe("24.1%");
    expect(interval(0.229, 0.253)).toBe("22.9% to 25.3%");
    expect(score(0.22)).toBe("0.220");
    expect(scoreInterval(0.0741, 0.1194)).toBe("0.074 to 0.119");
    expect([times(2.112), times(14.4)]).toEqual(["2.1", "14"]);
    expect([listed([]), listed(["a"]), listed(["a", "b", "c"])]).toEqual(["", "a", "a, b and c"]);
    expect(plural(1, "order")).toBe("1 order");
    expect(plural(2, "order")).toBe("2 orders");
  });

  it("names who acted without inventing a name", () => {
    expect(person("staff:1001", 1001)).toBe("You");
    expect(person("staff:1002", 1001)).toBe("Staff member 1002");
    expect(person("system:training", 1001)).toBe("Shelfwise");
    expect(person("flow", null)).toBe("Shopify Flow");
  });
});

it("names a person within a sentence", () => {
  expect(["staff:7", "staff:8", "system:training", "flow"].map((each) => byPerson(each, 7))).toEqual(["by you", "by staff member 8", "by Shelfwise", "by Shopify Flow"]);
});
