/**
 * Events between the page and the collector: gathered, sent, tried again a few times, given up.
 *
 * The sandbox may end at any moment, without a word. So what is not confirmed yet is also kept in the page's session
 * storage, and the pixel of the next page sends it; the collector knows an event by its id and keeps it once.
 */

import type { Happened } from "./events";

export interface Privacy {
  analyticsProcessingAllowed: boolean;
  preferencesProcessingAllowed: boolean;
}

export interface Storage {
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<unknown>;
  removeItem(key: string): Promise<unknown>;
}

export interface World {
  endpoint: string;
  /** How many languages the browser asks for; none: there is no person before it. */
  languages: number;
  local: Storage;
  session: Storage;
  privacy: () => Privacy;
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  now: () => number;
  later: (work: () => void, ms: number) => unknown;
}

export const VISITOR = "shelfwise:visitor";
export const STAFF = "shelfwise:staff";
export const WAITING = "shelfwise:waiting";
export const GATHER_MS = 500;
export const MOST_EVENTS = 20;
export const MOST_WAITING = 200;
/** Below the collector's 32 kB, with room for what stands round the events. */
const MOST_CHARACTERS = 20_000;
/** After which pauses a batch is sent again; then it is given up. */
export const PAUSES_MS = [2_000, 8_000, 30_000];
const URGENT = new Set(["product_added_to_cart", "checkout_started", "checkout_completed", "recommendation_clicked"]);

export class Outbox {
  private waiting: Happened[] = [];
  private sending = false;
  private due = false;
  /** Until what the page before left has been taken up, writing would overwrite it. */
  private resumed = false;
  private failures = 0;

  constructor(private readonly world: World) {}

  /** Take up what the page before could not send. */
  async resume(): Promise<void> {
    const kept = await read(this.world.session, WAITING);
    this.resumed = true;
    if (!this.allowed()) return this.clear();
    if (!Array.isArray(kept)) return this.keep();
    const known = new Set(this.waiting.map((each) => each.id));
    this.waiting = [...(kept as Happened[]).filter((each) => typeof each?.id === "string" && !known.has(each.id)), ...this.waiting].slice(0, MOST_WAITING);
    await this.keep();
    if (this.waiting.length) this.plan(GATHER_MS);
  }

  put(event: Happened | null): void {
    if (event === null || !this.allowed() || this.waiting.length >= MOST_WAITING) return;
    this.waiting.push(event);
    void this.keep();
    if (URGENT.has(event.kind) || this.waiting.length >= MOST_EVENTS) void this.flush();
    else this.plan(GATHER_MS);
  }

  /** Send what waits, now; ends when it is sent or put off. Never throws. */
  async flush(): Promise<void> {
    if (this.sending || !this.waiting.length) return;
    this.sending = true;
    try {
      while (this.waiting.length && this.allowed()) if (!(await this.send(this.batch()))) break;
    } catch {
      /* a sandbox without storage or network: the page goes on */
    } finally {
      this.sending = false;
    }
  }

  /** The visitor took the consent back: unsent events go, the browser forgets its id, the collector is told of it. */
  async withdraw(): Promise<void> {
    try {
      this.resumed = true;
      await this.clear();
      const visitor = await this.visitor();
      await this.world.local.removeItem(VISITOR);
      if (visitor !== null) await this.ask({ events: [], forget: visitor });
    } catch {
      /* the block on the page tells it as well */
    }
  }

  private allowed(): boolean {
    return this.world.privacy().analyticsProcessingAllowed === true;
  }

  private personal(): boolean {
    return this.allowed() && this.world.privacy().preferencesProcessingAllowed === true;
  }

  private batch(): Happened[] {
    const batch: Happened[] = [];
    let size = 0;
    for (const each of this.waiting.slice(0, MOST_EVENTS)) {
      size += JSON.stringify(each).length;
      if (batch.length && size > MOST_CHARACTERS) break;
      batch.push(each);
    }
    return batch;
  }

  /** Whether it is settled, for good or for bad. */
  private async send(batch: Happened[]): Promise<boolean> {
    let response: Response | null = null;
    try {
      response = await this.ask({ visitor: this.personal() ? await this.visitor() : null, events: batch });
    } catch {
      /* no network: tried again below */
    }
    const busy = response === null || response.status === 429 || response.status === 408 || response.status >= 500;
    if (busy && this.failures < PAUSES_MS.length) {
      this.plan(PAUSES_MS[this.failures++] ?? 0);
      return false;
    }
    this.failures = 0;
    const sent = new Set(batch);
    this.waiting = this.waiting.filter((each) => !sent.has(each));
    await this.keep();
    if (response?.ok) await this.learn(response);
    return true;
  }

  private async ask(told: Record<string, unknown>): Promise<Response> {
    const { analyticsProcessingAllowed: analytics, preferencesProcessingAllowed: preferences } = this.world.privacy();
    const staff = await read(this.world.local, STAFF);
    const body = JSON.stringify({
      v: 1,
      sent_at: this.world.now(),
      consent: { analytics, preferences },
      languages: this.world.languages,
      ...(typeof staff === "string" ? { staff } : {}),
      ...told,
    });
    // Plain text needs no preflight, which a page that is closing would not wait for.
    return this.world.fetch(this.world.endpoint, { method: "POST", body, headers: { "Content-Type": "text/plain" }, keepalive: true, credentials: "omit" });
  }

  /** Keep the visitor id that the collector made, unless the block was given one meanwhile: the first one stays. */
  private async learn(response: Response): Promise<void> {
    const { visitor } = (await response.json()) as { visitor?: unknown };
    if (isVisitor(visitor) && this.personal() && (await this.visitor()) === null) {
      await this.world.local.setItem(VISITOR, JSON.stringify(visitor));
    }
  }

  private async visitor(): Promise<string | null> {
    const kept = await read(this.world.local, VISITOR);
    return isVisitor(kept) ? kept : null;
  }

  private async keep(): Promise<void> {
    if (!this.resumed) return;
    try {
      if (this.waiting.length && this.allowed()) await this.world.session.setItem(WAITING, JSON.stringify(this.waiting));
      else await this.world.session.removeItem(WAITING);
    } catch {
      /* storage is blocked or full: what the page closes on is lost */
    }
  }

  private async clear(): Promise<void> {
    this.waiting = [];
    await this.keep();
  }

  private plan(ms: number): void {
    if (this.due) return;
    this.due = true;
    this.world.later(() => {
      this.due = false;
      void this.flush();
    }, ms);
  }
}

function isVisitor(value: unknown): value is string {
  return typeof value === "string" && /^[\w-]{8,64}$/.test(value);
}

async function read(storage: Storage, key: string): Promise<unknown> {
  try {
    return JSON.parse((await storage.getItem(key)) ?? "null");
  } catch {
    return null; // blocked, or not ours
  }
}
