/** The reports that a node has not yet acknowledged. */

import type { VipId } from "../config/config.ts";
import type { Outcome } from "../health/report.ts";
import { REPORTS_PER_MESSAGE_MAX, type Reports } from "./protocol.ts";

/** Reports of a longer outage would only tell of the past. */
const AGE_MS_MAX = 60_000;

/** About 20 MB; beyond it the oldest go. */
const REPORTS_MAX = 50_000;

/** A report and when, by the agent's clock, its probe ended. */
export interface TimedReport {
  readonly vip: VipId;
  readonly endedAtMs: number;
  readonly outcome: Outcome;
}

interface Batch {
  readonly sequence: number;
  readonly reports: readonly TimedReport[];
}

/**
 * One session's reports for one node: first loose, then sealed in numbered batches, gone when acknowledged.
 *
 * A batch keeps its number however often it is sent, so that a node can tell what it already has.
 */
export class Outbox {
  #loose: TimedReport[] = [];
  #sealed: Batch[] = [];
  #sequence = 0;
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Keeps a report; the oldest makes room for it. */
  add(report: TimedReport): void {
    this.#loose.push(report);
    this.#count += 1;
    if (this.#count > REPORTS_MAX) this.#dropOldest();
  }

  /** Seals what is loose, and returns it ready to be sent. */
  seal(nowMs: number): readonly Reports[] {
    const fresh = this.#loose.filter((report) => isFresh(report, nowMs));
    this.#count -= this.#loose.length - fresh.length;
    this.#loose = [];
    const batches: Batch[] = [];
    for (let at = 0; at < fresh.length; at += REPORTS_PER_MESSAGE_MAX) {
      this.#sequence += 1;
      const reports = fresh.slice(at, at + REPORTS_PER_MESSAGE_MAX);
      batches.push({ sequence: this.#sequence, reports });
    }
    this.#sealed.push(...batches);
    return batches.map((batch) => messageOf(batch, nowMs));
  }

  /** All sealed batches again, for a new connection. */
  resend(nowMs: number): readonly Reports[] {
    this.#keep((batch) => batch.reports.some((report) => isFresh(report, nowMs)));
    return this.#sealed.map((batch) => messageOf(batch, nowMs));
  }

  /** Forgets every batch up to and including this one. */
  acknowledge(sequence: number): void {
    this.#keep((batch) => batch.sequence > sequence);
  }

  /** Forgets the failures that ended in this time; a batch keeps its number, and what else it holds. */
  disown(afterMs: number, untilMs: number): void {
    const isOwned = ({ endedAtMs, outcome }: TimedReport): boolean =>
      outcome.kind === "success" || endedAtMs <= afterMs || endedAtMs > untilMs;
    this.#loose = this.#loose.filter(isOwned);
    this.#sealed = this.#sealed.map(({ sequence, reports }) => ({
      sequence,
      reports: reports.filter(isOwned),
    }));
    this.#keep(({ reports }) => reports.length > 0);
  }

  #dropOldest(): void {
    const [oldest] = this.#sealed;
    if (oldest !== undefined) this.acknowledge(oldest.sequence);
    else {
      this.#loose.shift();
      this.#count -= 1;
    }
  }

  #keep(wanted: (batch: Batch) => boolean): void {
    this.#sealed = this.#sealed.filter(wanted);
    this.#count = this.#sealed.reduce((count, batch) => count + batch.reports.length, this.#loose.length);
  }
}

function isFresh(report: TimedReport, nowMs: number): boolean {
  return nowMs - report.endedAtMs <= AGE_MS_MAX;
}

function messageOf({ sequence, reports }: Batch, nowMs: number): Reports {
  return {
    kind: "reports",
    sequence,
    reports: reports.map(({ vip, endedAtMs, outcome }) => ({
      vip,
      agoMs: Math.max(0, Math.round(nowMs - endedAtMs)),
      outcome,
    })),
  };
}
