/** What a drill has shown: a pure function of what the node knows of it and of what the agents saw. */

import type { VantageId, VipId } from "../config/config.ts";
import type { DrillRecord } from "./drill.ts";
import { measure, type Passage, type SegmentName, type Turn, takesAway } from "./measure.ts";
import type { Course, Run, Watcher } from "./observation.ts";
import { type Stretcher, stretcherOf } from "./stretcher.ts";
import { judgeDrill, type Verdict } from "./verdict.ts";

/** The report of a drill. */
export interface DrillReport {
  readonly drill: DrillRecord;
  readonly verdict: Verdict;
  /** When the failure began, when it ended and when all was as before, by the node's clock; null: it did not come to that. */
  readonly begunAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly restoredAtMs: number | null;
  readonly watchers: readonly WatcherSummary[];
  /** One for each agent, service and family that was watched. */
  readonly clients: readonly ClientReport[];
  /** Of the resolvers that keep to TTLs. */
  readonly failover: Figures | null;
  readonly recovery: Figures | null;
  readonly services: readonly ServiceReport[];
  /** Resolvers that keep answers for longer than they may; bound and objective are not for them. */
  readonly stretchers: readonly Stretcher[];
}

/** An agent, as a report names it. */
interface WatcherSummary {
  readonly vantage: VantageId;
  readonly resolver: string | null;
  readonly watches: boolean;
  readonly uncertaintyMs: number | null;
  readonly looks: number;
}

/** What clients of one resolver saw of a service. */
export interface ClientReport {
  readonly vantage: VantageId;
  readonly resolver: string | null;
  readonly label: string;
  readonly family: 4 | 6;
  readonly stretched: boolean;
  readonly failover: Passage;
  readonly recovery: Passage;
  /** The share of this resolver's answers that had what the drill takes away; null: it gave none. */
  readonly share: { readonly before: number | null; readonly during: number | null };
  /** What was seen, for a timeline. */
  readonly runs: readonly Run[];
}

/** Times over many passages. */
export interface Figures {
  readonly passages: number;
  readonly total: Quantiles;
  readonly segments: Readonly<Record<SegmentName, Quantiles>>;
  /** The one that took longest. */
  readonly slowest: Pick<ClientReport, "vantage" | "resolver" | "label" | "family">;
}

interface Quantiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly worstMs: number;
}

/** A service against what it promises. */
export interface ServiceReport {
  readonly label: string;
  readonly boundMs: number | null;
  readonly objectiveMs: number | null;
  /** The latest moment after the death at which a client of a resolver that keeps to TTLs got the old answer; null: none did. */
  readonly lastBeforeMs: number | null;
  readonly failover: Figures | null;
}

/** Makes the report of a drill. */
export function drillReport(drill: DrillRecord, watchers: readonly Watcher[]): DrillReport {
  const begunAtMs = timeOf(drill, "begun");
  const endedAtMs = timeOf(drill, "ended");
  const restoredAtMs = timeOf(drill, "restored");
  const stretchers = watchers.flatMap((watcher) => stretcherOf(drill, watcher, begunAtMs, endedAtMs));
  const clients = watchers.flatMap((watcher) => {
    const stretched = stretchers.some(
      ({ vantage, resolver }) => vantage === watcher.vantage && resolver === watcher.resolver,
    );
    return clientsOf(drill, watcher, stretched, begunAtMs, endedAtMs);
  });
  const wellBehaved = clients.filter(({ stretched }) => !stretched);
  const unjudged = {
    drill,
    begunAtMs,
    endedAtMs,
    restoredAtMs,
    watchers: watchers.map(summaryOf),
    clients,
    failover: figuresOf(wellBehaved, "failover"),
    recovery: figuresOf(wellBehaved, "recovery"),
    services: drill.services.map(({ label, boundMs, objectiveMs }) => {
      const own = wellBehaved.filter((client) => client.label === label);
      const lasts = own.flatMap(({ failover }) => lastBeforeOf(failover) ?? []);
      const lastBeforeMs = lasts.length === 0 ? null : Math.max(...lasts);
      return { label, boundMs, objectiveMs, lastBeforeMs, failover: figuresOf(own, "failover") };
    }),
    stretchers,
  };
  return { ...unjudged, verdict: judgeDrill(unjudged) };
}

/** How long after the death somebody certainly still got the old answer; null: nobody did, or that is not known. */
function lastBeforeOf(passage: Passage): number | null {
  switch (passage.kind) {
    case "passed":
      return passage.lastBeforeMs;
    case "waiting":
      return passage.for === "connection" ? null : passage.afterMs;
    case "untouched":
    case "unknown":
      return null;
  }
}

function timeOf({ moments }: DrillRecord, kind: DrillRecord["moments"][number]["kind"]): number | null {
  return moments.find((moment) => moment.kind === kind)?.atMs ?? null;
}

function summaryOf({ vantage, resolver, watches, uncertaintyMs, courses }: Watcher): WatcherSummary {
  const looks = courses.flatMap(({ runs }) => runs).reduce((sum, run) => sum + run.looks, 0);
  return { vantage, resolver, watches, uncertaintyMs, looks };
}

function clientsOf(
  drill: DrillRecord,
  watcher: Watcher,
  stretched: boolean,
  begunAtMs: number | null,
  endedAtMs: number | null,
): readonly ClientReport[] {
  const { vantage, resolver, uncertaintyMs, courses } = watcher;
  const routes = new Map(
    courses.map(({ route: { label, family } }) => [`${label} ${family}`, { label, family }]),
  );
  return [...routes.values()].map(({ label, family }) => {
    const own = courses.filter(({ route }) => route.label === label && route.family === family);
    const through = own.find(({ route }) => route.node === null);
    const straight = own.filter(({ route }) => route.node !== null);
    const gone = goneIn(drill, own, endedAtMs ?? Number.POSITIVE_INFINITY);
    const hasGone = (run: Run): boolean => run.addresses.some((address) => gone.has(address));
    const isOther = (run: Run): boolean => run.addresses.length > 0 && !hasGone(run);
    const slackMs = uncertaintyMs ?? 0;
    const watchedUntilMs = Math.max(0, ...own.flatMap(({ runs }) => runs.at(-1)?.lastAskedAtMs ?? []));
    const died: Turn | null =
      begunAtMs === null
        ? null
        : {
            beganAtMs: begunAtMs,
            ...judgedAt(drill, new Set(gone.values()), begunAtMs, false),
            endedAtMs: (endedAtMs ?? watchedUntilMs) - slackMs,
            isBefore: hasGone,
            isAfter: isOther,
            at: "last before",
          };
    const recovered: Turn | null =
      endedAtMs === null
        ? null
        : {
            beganAtMs: endedAtMs,
            ...judgedAt(drill, new Set(gone.values()), endedAtMs, true),
            endedAtMs: watchedUntilMs,
            isBefore: isOther,
            isAfter: hasGone,
            at: "first after",
          };
    const failover =
      died === null ? neverBegun : takesAway(drill) ? measure(died, through, straight) : notAll;
    const recovery =
      recovered === null || failover.kind !== "passed"
        ? ({ kind: "untouched" } as const)
        : measure(recovered, through, straight);
    return {
      vantage,
      resolver,
      label,
      family,
      stretched,
      failover,
      recovery,
      share: {
        before: shareOf(through, hasGone, 0, begunAtMs ?? 0),
        during: shareOf(through, hasGone, begunAtMs ?? 0, endedAtMs ?? Number.POSITIVE_INFINITY),
      },
      runs: through?.runs ?? [],
    };
  });
}

const notAll: Passage = { kind: "unknown", reason: "the drill takes nothing away as a whole" };
const neverBegun: Passage = { kind: "unknown", reason: "it did not begin" };

/** Of what the drill takes away, the addresses that these courses were answered with, and whose they are. */
function goneIn(
  { vips, addresses }: DrillRecord,
  courses: readonly Course[],
  untilMs: number,
): ReadonlyMap<string, VipId> {
  const seen = new Set(
    courses.flatMap(({ runs }) => runs.flatMap((run) => (run.firstAskedAtMs < untilMs ? run.addresses : []))),
  );
  return new Map(
    vips.flatMap((vip) => {
      const address = addresses[vip];
      return address !== undefined && seen.has(address) ? [[address, vip] as const] : [];
    }),
  );
}

/** When the deciding vote was given and the verdict turned, of the last of these VIPs. What is ordered needs neither. */
function judgedAt(
  { spec, moments }: DrillRecord,
  vips: ReadonlySet<VipId>,
  fromMs: number,
  up: boolean,
): Pick<Turn, "votedAtMs" | "flippedAtMs"> {
  if (spec.action.kind !== "dead") return { votedAtMs: fromMs, flippedAtMs: fromMs };
  const flips = [...vips].flatMap(
    (vip) =>
      moments.find(
        (moment) =>
          moment.kind === "flipped" && moment.vip === vip && moment.up === up && moment.atMs >= fromMs,
      ) ?? [],
  );
  if (flips.length === 0) return { votedAtMs: null, flippedAtMs: null };
  const flippedAtMs = Math.max(...flips.map(({ atMs }) => atMs));
  const votes = moments.filter(
    (moment) =>
      moment.kind === "voted" &&
      (moment.side === "down") !== up &&
      moment.atMs >= fromMs &&
      moment.atMs <= flippedAtMs,
  );
  // What was judged by another VIP's votes has none of its own.
  return { votedAtMs: votes.at(-1)?.atMs ?? flippedAtMs, flippedAtMs };
}

function shareOf(
  course: Course | undefined,
  isCounted: (run: Run) => boolean,
  fromMs: number,
  untilMs: number,
): number | null {
  const runs = course?.runs.filter(
    (run) => run.addresses.length > 0 && run.firstAskedAtMs >= fromMs && run.firstAskedAtMs < untilMs,
  );
  const looks = sum(runs?.map((run) => run.looks) ?? []);
  return looks === 0 ? null : sum(runs?.filter(isCounted).map((run) => run.looks) ?? []) / looks;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function figuresOf(clients: readonly ClientReport[], turn: "failover" | "recovery"): Figures | null {
  const passed = clients.flatMap((client) => {
    const passage = client[turn];
    return passage.kind === "passed" ? [{ client, passage }] : [];
  });
  const slowest = passed.toSorted((a, b) => b.passage.totalMs - a.passage.totalMs)[0];
  if (slowest === undefined) return null;
  const { vantage, resolver, label, family } = slowest.client;
  return {
    passages: passed.length,
    total: quantilesOf(passed.map(({ passage }) => passage.totalMs)),
    segments: {
      detect: quantilesOf(passed.map(({ passage }) => passage.segments.detectMs)),
      decide: quantilesOf(passed.map(({ passage }) => passage.segments.decideMs)),
      publish: quantilesOf(passed.map(({ passage }) => passage.segments.publishMs)),
      cache: quantilesOf(passed.map(({ passage }) => passage.segments.cacheMs)),
      client: quantilesOf(passed.map(({ passage }) => passage.segments.clientMs)),
    },
    slowest: { vantage, resolver, label, family },
  };
}

/** By the nearest rank. */
function quantilesOf(times: readonly number[]): Quantiles {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50Ms: at(0.5), p95Ms: at(0.95), worstMs: at(1) };
}
