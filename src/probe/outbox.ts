/** What a node has not yet acknowledged, of reports or of observations. */

import type { VipId } from "../config/config.ts";
import type { Outcome } from "../health/report.ts";
import { REPORTS_PER_MESSAGE_MAX, type Reports } from "./protocol.ts";

/** What is from before a longer outage would only tell of the past. */
const AGE_MS_MAX = 60_000;

/** A report and when, by the agent's clock, its probe ended. */
export interface TimedReport {
  readonly vip: VipId;
  readonly endedAtMs: number;
  readonly outcome: Outcome;
}

/** What an outbox keeps, and how it is sent. */
export interface OutboxOptions<Item, Message> {
  /** Beyond these the oldest go. */
  readonly itemsMax: number;
  readonly perMessageMax: number;
  readonly messageOf: (sequence: number, items: readonly Item[], nowMs: number) => Message;
}

interface Batch<Item> {
  readonly sequence: number;
  readonly items: readonly Item[];
}

/** Reports; so many of them are about 20 MB. */
export const reportsOutbox: OutboxOptions<TimedReport, Reports> = {
  itemsMax: 50_000,
  perMessageMax: REPORTS_PER_MESSAGE_MAX,
  messageOf: (sequence, items, nowMs) => ({
    kind: "reports",
    sequence,
    reports: items.map(({ vip, endedAtMs, outcome }) => ({
      vip,
      agoMs: Math.max(0, Math.round(nowMs - endedAtMs)),
      outcome,
    })),
  }),
};

/**
 * What one session has to say to one node: first loose, then sealed in numbered batches, gone when acknowledged.
 *
 * A batch keeps its number however often it is sent, so that a node can tell what it already has.
 */
export class Outbox<Item extends { readonly endedAtMs: number }, Message> {
  readonly #options: OutboxOptions<Item, Message>;
  #loose: Item[] = [];
  #sealed: Batch<Item>[] = [];
  #sequence = 0;
  #count = 0;

  constructor(options: OutboxOptions<Item, Message>) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Keeps an item; the oldest makes room for it. */
  add(item: Item): void {
    this.#loose.push(item);
    this.#count += 1;
    if (this.#count > this.#options.itemsMax) this.#dropOldest();
  }

  /** Seals what is loose, and returns it ready to be sent. */
  seal(nowMs: number): readonly Message[] {
    const { perMessageMax } = this.#options;
    const fresh = this.#loose.filter((item) => isFresh(item, nowMs));
    this.#count -= this.#loose.length - fresh.length;
    this.#loose = [];
    const batches: Batch<Item>[] = [];
    for (let at = 0; at < fresh.length; at += perMessageMax) {
      this.#sequence += 1;
      batches.push({ sequence: this.#sequence, items: fresh.slice(at, at + perMessageMax) });
    }
    this.#sealed.push(...batches);
    return batches.map((batch) => this.#messageOf(batch, nowMs));
  }

  /** All sealed batches again, for a new connection. */
  resend(nowMs: number): readonly Message[] {
    this.#keep((batch) => batch.items.some((item) => isFresh(item, nowMs)));
    return this.#sealed.map((batch) => this.#messageOf(batch, nowMs));
  }

  /** Forgets every batch up to and including this one. */
  acknowledge(sequence: number): void {
    this.#keep((batch) => batch.sequence > sequence);
  }

  /** Forgets all items but these; a batch keeps its number, and what else it holds. */
  keep(isWanted: (item: Item) => boolean): void {
    this.#loose = this.#loose.filter(isWanted);
    this.#sealed = this.#sealed.map(({ sequence, items }) => ({ sequence, items: items.filter(isWanted) }));
    this.#keep(({ items }) => items.length > 0);
  }

  #messageOf({ sequence, items }: Batch<Item>, nowMs: number): Message {
    return this.#options.messageOf(sequence, items, nowMs);
  }

  #dropOldest(): void {
    const [oldest] = this.#sealed;
    if (oldest !== undefined) this.acknowledge(oldest.sequence);
    else {
      this.#loose.shift();
      this.#count -= 1;
    }
  }

  #keep(wanted: (batch: Batch<Item>) => boolean): void {
    this.#sealed = this.#sealed.filter(wanted);
    this.#count = this.#sealed.reduce((count, batch) => count + batch.items.length, this.#loose.length);
  }
}

/** Whether a report counts that was made while no node may have been to be heard: its failure may be the agent's own. */
export function isOwned({ endedAtMs, outcome }: TimedReport, afterMs: number, untilMs: number): boolean {
  return outcome.kind === "success" || endedAtMs <= afterMs || endedAtMs > untilMs;
}

function isFresh({ endedAtMs }: { readonly endedAtMs: number }, nowMs: number): boolean {
  return nowMs - endedAtMs <= AGE_MS_MAX;
}
