import { beforeEach, expect, test } from "vitest";
import type { Happened } from "./events";
import { GATHER_MS, MOST_EVENTS, MOST_WAITING, Outbox, PAUSES_MS, STAFF, VISITOR, WAITING, type Storage } from "./outbox";

/** A browser's storage, as the sandbox gives it; `broken` throws as a blocked one does. */
class Held implements Storage {
  readonly items = new Map<string, string>();
  broken = false;
  private touch() {
    if (this.broken) throw new Error("blocked");
  }
  async getItem(key: string) {
    this.touch();
    return this.items.get(key) ?? null;
  }
  async setItem(key: string, value: string) {
    this.touch();
    this.items.set(key, value);
  }
  async removeItem(key: string) {
    this.touch();
    this.items.delete(key);
  }
}

let local: Held;
let session: Held;
let privacy: { analyticsProcessingAllowed: boolean; preferencesProcessingAllowed: boolean };
let sent: Record<string, any>[];
let answers: (Response | Error)[];
let timers: [() => void, number][];
let number = 0;

const made = (kind = "page_viewed"): Happened => ({ id: `event-${String(++number).padStart(8, "0")}`, kind, at: 1 });
const outbox = () =>
  new Outbox({
    endpoint: "https://app.test/collect", languages: 2, local, session, privacy: () => privacy, now: () => 5, later: (work, ms) => timers.push([work, ms]),
    fetch: async (_url, init) => {
      sent.push(JSON.parse(String(init.body)));
      const answer = answers.shift() ?? new Response("{}", { status: 202 });
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
const settle = () => new Promise((done) => setTimeout(done, 5));
const tick = async () => {
  const [work] = timers.shift() ?? [];
  work?.();
  await settle();
};

beforeEach(() => {
  [local, session, sent, answers, timers] = [new Held(), new Held(), [], [], []];
  privacy = { analyticsProcessingAllowed: true, preferencesProcessingAllowed: true };
});

test("events are gathered and sent together", async () => {
  const box = outbox();
  box.put(made());
  box.put(made("product_viewed"));
  expect([sent.length, timers.map(([, ms]) => ms)]).toEqual([0, [GATHER_MS]]);
  await tick();
  expect(sent.map((each) => each.events.length)).toEqual([2]);
  expect(sent[0]).toMatchObject({ v: 1, sent_at: 5, consent: { analytics: true, preferences: true }, languages: 2 });
});

test("what leads away from the page, and a full batch, are sent at once", async () => {
  outbox().put(made("checkout_started"));
  await settle();
  expect(sent).toHaveLength(1);
  const box = outbox();
  for (let each = 0; each < MOST_EVENTS; each++) box.put(made());
  await settle();
  expect(sent[1]?.events).toHaveLength(MOST_EVENTS);
});

test("the collector's visitor id is kept, and used; one that is there already stays", async () => {
  answers = [new Response(JSON.stringify({ visitor: "made-by-the-server-1" }), { status: 202 }), new Response(JSON.stringify({ visitor: "another-one-12345" }), { status: 202 })];
  const box = outbox();
  box.put(made("checkout_started"));
  await settle();
  expect(sent[0]?.visitor).toBeNull();
  expect(local.items.get(VISITOR)).toBe('"made-by-the-server-1"');
  box.put(made("checkout_started"));
  await settle();
  expect(sent[1]?.visitor).toBe("made-by-the-server-1");
  expect(local.items.get(VISITOR)).toBe('"made-by-the-server-1"');
});

test("without consent nothing is sent or stored; with analytics alone nobody is named", async () => {
  local.items.set(VISITOR, '"visitor-0123456789"');
  privacy.analyticsProcessingAllowed = false;
  session.items.set(WAITING, JSON.stringify([made()]));
  const box = outbox();
  await box.resume();
  box.put(made("checkout_started"));
  await settle();
  expect([sent, session.items.size, timers.length]).toEqual([[], 0, 0]);
  privacy = { analyticsProcessingAllowed: true, preferencesProcessingAllowed: false };
  box.put(made("checkout_started"));
  await settle();
  expect(sent[0]).toMatchObject({ visitor: null, consent: { analytics: true, preferences: false } });
});

test("withdrawing drops what waits, forgets the id and says so", async () => {
  local.items.set(VISITOR, '"visitor-0123456789"');
  const box = outbox();
  box.put(made());
  await settle();
  privacy = { analyticsProcessingAllowed: false, preferencesProcessingAllowed: false };
  await box.withdraw();
  await tick();
  expect(sent).toEqual([{ v: 1, sent_at: 5, consent: { analytics: false, preferences: false }, languages: 2, events: [], forget: "visitor-0123456789" }]);
  expect([local.items.size, session.items.size]).toEqual([0, 0]);
});

test.each([503, 429, 408, 0])("a collector that answers %i is asked again, a few times", async (status) => {
  const busy = () => (status ? new Response("", { status }) : new Error("offline"));
  answers = [busy(), busy(), busy(), busy(), busy()];
  const box = outbox();
  const event = made("checkout_started");
  box.put(event);
  await settle();
  const pauses: number[] = [];
  while (timers.length) {
    pauses.push(timers[0]?.[1] ?? 0);
    await tick();
  }
  expect(pauses).toEqual(PAUSES_MS);
  expect(sent).toHaveLength(1 + PAUSES_MS.length);
  expect(new Set(sent.map((each) => each.events[0].id))).toEqual(new Set([event.id]));
  expect(session.items.size).toBe(0);
});

test("a refused batch is given up", async () => {
  answers = [new Response("", { status: 400 })];
  outbox().put(made("checkout_started"));
  await settle();
  expect([sent.length, timers.length, session.items.size]).toEqual([1, 0, 0]);
});

test("what a closed page left is sent by the next one, once", async () => {
  const closed = outbox();
  await closed.resume();
  const left = made();
  closed.put(left);
  await settle();
  expect(sent).toHaveLength(0);
  const next = outbox();
  next.put(made()); // heard before the storage has answered
  await next.resume();
  timers.splice(0, 1); // the timer of the page that is gone
  await tick();
  expect(sent[0]?.events).toHaveLength(2);
  expect(sent[0]?.events[0].id).toBe(left.id);
  expect(session.items.size).toBe(0);
});

test("memory is bounded and blocked storage harms nobody", async () => {
  local.broken = session.broken = true;
  answers = Array.from({ length: 50 }, () => new Error("offline"));
  const box = outbox();
  await box.resume();
  for (let each = 0; each < MOST_WAITING * 3; each++) box.put(made("checkout_started"));
  await settle();
  await box.withdraw();
  session.broken = false;
  session.items.set(WAITING, '{"not": "a list"}');
  await box.resume();
  expect(sent.every((each) => each.events.length <= MOST_EVENTS)).toBe(true);
});

test("a member of staff's pass travels along", async () => {
  local.items.set(STAFF, '"1790000000.AbCdEfGhIjKl"');
  outbox().put(made("checkout_started"));
  await settle();
  expect(sent[0]?.staff).toBe("1790000000.AbCdEfGhIjKl");
});
