/** The history of what plans are made from: each change on record, so that any second of the past can be rebuilt. */

import type { RegionId, VantageId, VipId } from "../config/config.ts";
import type { CellRanking, RankedRegion } from "../health/rtt.ts";
import type { Verdict, Vote } from "../health/verdict.ts";
import { type Answer, LastGood } from "../steering/last-good.ts";
import type { ChainHead } from "./chain.ts";
import type { Override } from "./override.ts";

/** What has become different. */
export type Fact =
  /** By reports alone: what an override forces is in that. */
  | { readonly kind: "verdict"; readonly vip: VipId; readonly verdict: PastVerdict }
  /** The order of regions for the clients of a cell. */
  | { readonly kind: "ranking"; readonly cell: string; readonly regions: readonly RankedRegion[] }
  | { readonly kind: "override"; readonly id: string; readonly override: Override }
  | { readonly kind: "files"; readonly files: PastFiles }
  /** A plan of the past by which is answered while nothing is up, by its key (`steering/last-good.ts`). */
  | { readonly kind: "last good"; readonly key: string; readonly plan: Answer };

/** A verdict with its votes in short. */
export interface PastVerdict extends Omit<Verdict, "vip" | "votes"> {
  readonly votes: readonly Pick<Vote, "vantage" | "opinion" | "counts" | "error">[];
}

/** The files in force. */
export interface PastFiles {
  /** The version that they made. */
  readonly version: number;
  /** Who put them in force, and why; undefined: an earlier release has not said. */
  readonly author?: string;
  readonly reason?: string;
  /** Config, zones with what they include, and labels: the SHA-256 of each, by path; null: it could not be read. */
  readonly texts: Readonly<Record<string, string | null>>;
  /** What else was read, which is too large to be kept: geo databases, each with what tells two states of it apart. */
  readonly databases: Readonly<Record<string, string>>;
}

/** A line of the history before it has its place in it. */
export interface NewHistoryEntry {
  readonly atMs: number;
  /** state: all that was so at that moment, so that nobody has to read further back. */
  readonly kind: Fact["kind"] | "state";
  /** What the fact is about; a later one of the same kind and subject takes its place. */
  readonly subject: string;
  /** JSON. */
  readonly content: string;
}

/** A line of the history. */
export interface HistoryEntry extends NewHistoryEntry {
  /** One more with each entry. */
  readonly sequence: number;
}

/** Which lines are wanted. */
export interface HistoryQuery {
  /** Verdicts of this VIP; null: all kinds but those that only rebuild what was so. */
  readonly vip: string | null;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly limit: number;
  /** Those with a `sequence` below; null: all. */
  readonly before: number | null;
}

/** How much of the past is kept. */
export interface HistoryLimits {
  readonly keepMs: number;
  readonly entriesMax: number;
}

/** Where the history is kept. Calls are synchronous and durable when they return. */
export interface HistoryStore {
  append(entries: readonly NewHistoryEntry[]): void;
  head(): ChainHead | null;
  /** The newest first. */
  list(query: HistoryQuery): readonly HistoryEntry[];
  /** The sequence of the oldest entry that is kept; null: there is none. */
  first(): number | null;
  /** Those that follow, of every kind, the oldest first. */
  after(sequence: number, limit: number): readonly HistoryEntry[];
  /** Which files came into force, the newest first, at most `limit`, of those with a version below `before`. */
  files(limit: number, before: number): readonly HistoryEntry[];
  /** The last state at or before a moment, and what came after it until then; null: nothing is known of so early. */
  until(atMs: number): readonly HistoryEntry[] | null;
  /** Forgets what is older than it has to be, all of it up to some state; how many entries. */
  prune(limits: HistoryLimits, nowMs: number): number;
  /** Whether the text with this SHA-256 is kept; if so, it is for as long again as one that was kept now. */
  touchText(hash: string, nowMs: number): boolean;
  /** Keeps a text, compressed. */
  keepText(hash: string, octets: Uint8Array, nowMs: number): void;
  /** As it was kept; null: it was not, or is not any more. */
  text(hash: string): Uint8Array | null;
}

/** What was so at some moment: of each kind and subject the last that was said. */
export class PastState {
  readonly #contents = new Map<string, NewHistoryEntry>();

  /** The content of the last entry on this; null: there is none. */
  last(kind: HistoryEntry["kind"], subject: string): string | null {
    return this.#contents.get(keyOf(kind, subject))?.content ?? null;
  }

  /** All of a kind. */
  *all(kind: Fact["kind"]): Generator<NewHistoryEntry> {
    for (const entry of this.#contents.values()) if (entry.kind === kind) yield entry;
  }

  get size(): number {
    return this.#contents.size;
  }

  take(entry: NewHistoryEntry): void {
    if (entry.kind === "state") {
      this.#contents.clear();
      const all: readonly (readonly [Fact["kind"], string, string])[] = JSON.parse(entry.content);
      for (const [kind, subject, content] of all) this.take({ atMs: entry.atMs, kind, subject, content });
    } else if (entry.content === NONE) this.#contents.delete(keyOf(entry.kind, entry.subject));
    else this.#contents.set(keyOf(entry.kind, entry.subject), entry);
  }

  /** All of it as one entry. */
  entry(atMs: number): NewHistoryEntry {
    const all = Array.from(this.#contents.values(), ({ kind, subject, content }) => [kind, subject, content]);
    return { atMs, kind: "state", subject: "", content: JSON.stringify(all) };
  }

  verdict(vip: VipId): Verdict | null {
    const content = this.last("verdict", vip);
    if (content === null) return null;
    const { votes, ...verdict }: PastVerdict = JSON.parse(content);
    return { ...verdict, vip, votes: votes.map((vote) => ({ ...vote, timings: null, reportedAtMs: null })) };
  }

  /** null: nobody asked for it then. */
  ranking(cell: string, regions: readonly RegionId[]): readonly RankedRegion[] | null {
    const content = this.last("ranking", rankingSubject(cell, regions));
    return content === null ? null : JSON.parse(content);
  }

  overrides(): readonly Override[] {
    return Array.from(this.all("override"), ({ content }) => JSON.parse(content));
  }

  lastGood(): LastGood {
    const plans = Array.from(this.all("last good"), ({ subject, content }): [string, Answer] => [
      subject,
      JSON.parse(content),
    ]);
    return LastGood.restored(new Map(plans));
  }

  /** null: none were on record. */
  files(): PastFiles | null {
    const content = this.last("files", "");
    return content === null ? null : JSON.parse(content);
  }
}

/** The content that says that there is none any more. */
const NONE = "null";

function keyOf(kind: HistoryEntry["kind"], subject: string): string {
  return `${kind} ${subject}`;
}

/** The line that says a fact. */
export function entryOf(fact: Fact, atMs: number): NewHistoryEntry {
  const { kind } = fact;
  switch (kind) {
    case "verdict":
      return { atMs, kind, subject: fact.vip, content: JSON.stringify(fact.verdict) };
    case "ranking": {
      const subject = rankingSubject(
        fact.cell,
        fact.regions.map(({ region }) => region),
      );
      return { atMs, kind, subject, content: JSON.stringify(fact.regions) };
    }
    case "override":
      return { atMs, kind, subject: fact.id, content: JSON.stringify(fact.override) };
    case "files":
      return { atMs, kind, subject: "", content: JSON.stringify(fact.files) };
    case "last good":
      return { atMs, kind, subject: fact.key, content: JSON.stringify(fact.plan) };
  }
}

/** The line that says that there is none any more. */
export function endOf({ kind, subject }: NewHistoryEntry, atMs: number): NewHistoryEntry {
  return { atMs, kind, subject, content: NONE };
}

/** A cell may be asked for several sets of regions, each with an order of its own. */
export function rankingSubject(cell: string, regions: readonly RegionId[]): string {
  return `${cell}: ${regions.toSorted().join(", ")}`;
}

/** A verdict as it goes on record. */
export function pastVerdict({ vip: _, votes, ...verdict }: Verdict): PastVerdict {
  return {
    ...verdict,
    votes: votes.map(({ vantage, opinion, counts, error }) => ({ vantage, opinion, counts, error })),
  };
}

/** An order as it goes on record. */
export function pastRanking({ cell, regions }: CellRanking): Fact {
  return {
    kind: "ranking",
    cell,
    regions: regions.map(({ region, rttMs, source }) => ({ region, rttMs, source })),
  };
}

/** What a line says, in a clause for people. */
export function describeEntry({ kind, content }: NewHistoryEntry): string {
  if (content === NONE) return kind === "override" ? "ended" : "gone from the config";
  switch (kind) {
    case "state":
      return "all that was so";
    case "last good":
      return "answered so while nothing was up";
    case "verdict":
      return describeVerdict(JSON.parse(content));
    case "ranking": {
      const regions: readonly RankedRegion[] = JSON.parse(content);
      return regions.map(({ region, rttMs }) => `${region} ${Math.round(rttMs)} ms`).join(", ");
    }
    case "override":
      return describeOverride(JSON.parse(content));
    case "files": {
      const { version, texts }: PastFiles = JSON.parse(content);
      return `version ${version} of ${Object.keys(texts).length} files`;
    }
  }
}

function describeVerdict({ up, reason, hold, recovering, votes }: PastVerdict): string {
  const held =
    hold === null
      ? ""
      : hold.untilMs === null
        ? ", held until released"
        : `, held until ${new Date(hold.untilMs).toISOString()}`;
  const saw = votes.flatMap(
    ({ vantage, error }: { readonly vantage: VantageId; readonly error: Vote["error"] }) =>
      error === null ? [] : [`${vantage} ${error.class}`],
  );
  const seen = saw.length === 0 ? "" : ` (${saw.join(", ")})`;
  return `${up ? "up" : "down"}${held}${recovering ? ", slow start" : ""}: ${reason}${seen}`;
}

function describeOverride({ author, reason, untilMs }: Override): string {
  return `set${untilMs === null ? "" : ` until ${new Date(untilMs).toISOString()}`}, by ${author}: ${reason}`;
}
