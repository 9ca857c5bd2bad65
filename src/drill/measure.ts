/** How long it took until clients of one resolver got other answers, and where that time went. */

import type { DrillRecord } from "./drill.ts";
import type { Course, Run } from "./observation.ts";

/** Between two looks there is less, or something of the course is missing. */
const GAP_MS_MAX = 1_500;

/** What the times of a passage are made of; they add up to the whole. */
export interface Segments {
  /** From the death to the vote that decides; of an override 0. */
  readonly detectMs: number;
  /** To the verdict. */
  readonly decideMs: number;
  /** To other answers of the nodes, as seen straight from the last of them. */
  readonly publishMs: number;
  /** To another answer of the resolver. */
  readonly cacheMs: number;
  /** To a connection to the VIP of that answer. */
  readonly clientMs: number;
}

/** In the order of time. */
export const segmentNames = ["detect", "decide", "publish", "cache", "client"] as const;
export type SegmentName = (typeof segmentNames)[number];

/** How clients of a resolver passed from one answer to another. */
export type Passage =
  | {
      readonly kind: "passed";
      readonly segments: Segments;
      /** Their sum. */
      readonly totalMs: number;
      /** From the death to the last look that was still answered as before: so late somebody asked in vain, for certain. */
      readonly lastBeforeMs: number;
      /** What it got then. */
      readonly addresses: readonly string[];
    }
  /** It was not answered with what the drill takes away, or not any more when that began. */
  | { readonly kind: "untouched" }
  /** It had not passed when that was looked at last, so long after the death. */
  | { readonly kind: "waiting"; readonly afterMs: number; readonly for: "node" | "resolver" | "connection" }
  /** What was seen does not say. */
  | { readonly kind: "unknown"; readonly reason: string };

/** What is known of the death, or of the recovery. */
export interface Turn {
  /** The node's times; null: it was not seen, though it must have been. */
  readonly beganAtMs: number;
  readonly votedAtMs: number | null;
  readonly flippedAtMs: number | null;
  /** What is looked at ends before that. */
  readonly endedAtMs: number;
  /** Whether a run is of answers as before. */
  readonly isBefore: (run: Run) => boolean;
  /** Whether it is of answers as after. */
  readonly isAfter: (run: Run) => boolean;
  /**
   * Where answers are drawn by weight, many are as after before anything has happened, and as before when all is over: a failure is over
   * after the last answer as before, a recovery with the first as after.
   */
  readonly at: "last before" | "first after";
}

/** Measures the passage of one agent's resolver for one service and family, by its course and those of the nodes. */
export function measure(turn: Turn, resolver: Course | undefined, nodes: readonly Course[]): Passage {
  if (resolver === undefined) return unknown("its resolver was not watched");
  const seen = changeOf(turn, resolver);
  if (seen.kind !== "changed") return seen.kind === "waiting" ? waitingIn(turn, seen, nodes) : seen;
  const straight = nodes.map((course) => changeOf(turn, course));
  const missing = straight.find(({ kind }) => kind === "unknown");
  if (missing?.kind === "unknown") return unknown(`of a node ${missing.reason}`);
  if (turn.votedAtMs === null || turn.flippedAtMs === null) return unknown("no verdict turned");
  const connectedAtMs = connectionIn(turn, resolver, seen.changedAtMs);
  if (connectedAtMs === null)
    return { kind: "waiting", afterMs: turn.endedAtMs - turn.beganAtMs, for: "connection" };
  const nodesAtMs = straight.map((change) => (change.kind === "changed" ? change.changedAtMs : 0));
  const segments = segmentsOf(turn.beganAtMs, [
    turn.votedAtMs,
    turn.flippedAtMs,
    Math.max(...nodesAtMs, 0),
    seen.changedAtMs,
    connectedAtMs,
  ]);
  return {
    kind: "passed",
    segments,
    totalMs: sumOf(segments),
    lastBeforeMs: Math.max(0, seen.lastBeforeAtMs - turn.beganAtMs),
    addresses: seen.addresses,
  };
}

export function sumOf({ detectMs, decideMs, publishMs, cacheMs, clientMs }: Segments): number {
  return detectMs + decideMs + publishMs + cacheMs + clientMs;
}

/**
 * The time between the moments.
 *
 * Moments come from two clocks that agree to a few milliseconds, and from looks that are 200 ms apart. What is later in the
 * chain is proof of what is earlier: once a resolver answers otherwise, some node has. So an agent's moment is never later than
 * the next one, none is earlier than the one before it, and the last is what it is.
 */
function segmentsOf(
  beganAtMs: number,
  [voted, flipped, node, resolver, connected]: readonly [number, number, number, number, number],
): Segments {
  const end = Math.max(beganAtMs, connected);
  const between = (lowest: number, atMs: number, highest: number): number =>
    Math.min(Math.max(lowest, atMs), highest);
  const votedAt = between(beganAtMs, voted, end);
  const flippedAt = between(votedAt, flipped, end);
  const resolverAt = between(flippedAt, resolver, end);
  const nodeAt = between(flippedAt, node, resolverAt);
  return {
    detectMs: votedAt - beganAtMs,
    decideMs: flippedAt - votedAt,
    publishMs: nodeAt - flippedAt,
    cacheMs: resolverAt - nodeAt,
    clientMs: end - resolverAt,
  };
}

/** What became of the answers of one route. */
type Change =
  | {
      readonly kind: "changed";
      readonly lastBeforeAtMs: number;
      /** When the first answer of another kind came. */
      readonly changedAtMs: number;
      readonly addresses: readonly string[];
    }
  | { readonly kind: "untouched" }
  | { readonly kind: "waiting"; readonly lastBeforeAtMs: number }
  | { readonly kind: "unknown"; readonly reason: string };

/** Silence and errors are neither as before nor as after. */
function changeOf(turn: Turn, { runs, dropped }: Course): Change {
  const { beganAtMs, endedAtMs, isBefore, isAfter } = turn;
  if (dropped > 0) return unknown("more changed than is kept");
  const looked = runs.filter(({ firstAskedAtMs }) => firstAskedAtMs < endedAtMs);
  const [first] = looked;
  if (first === undefined || first.firstAskedAtMs > beganAtMs + GAP_MS_MAX)
    return unknown("nothing was seen when it began");
  const next =
    turn.at === "first after"
      ? looked.findIndex((run) => isAfter(run) && run.lastAskedAtMs >= beganAtMs)
      : looked.findIndex((run, i) => isAfter(run) && !looked.slice(i).some(isBefore));
  const after = looked[next];
  if (after !== undefined && after.firstSeenAtMs < beganAtMs) return { kind: "untouched" };
  const before = (after === undefined ? looked : looked.slice(0, next)).findLast(isBefore);
  if (before === undefined) return isComplete(looked, beganAtMs, endedAtMs) ? { kind: "untouched" } : missing;
  const lastBeforeAtMs = Math.min(before.lastAskedAtMs, endedAtMs);
  const since = looked.filter(({ lastAskedAtMs }) => lastAskedAtMs >= lastBeforeAtMs);
  if (!isComplete(since, lastBeforeAtMs, after?.firstAskedAtMs ?? endedAtMs)) return missing;
  return after === undefined
    ? { kind: "waiting", lastBeforeAtMs }
    : { kind: "changed", lastBeforeAtMs, changedAtMs: after.firstSeenAtMs, addresses: after.addresses };
}

const missing = unknown("looks are missing");

/** Whether somebody looked all the time. */
function isComplete(runs: readonly Run[], fromMs: number, toMs: number): boolean {
  let seenUntilMs = fromMs;
  for (const { firstAskedAtMs, lastAskedAtMs } of runs) {
    if (firstAskedAtMs - seenUntilMs > GAP_MS_MAX) return false;
    seenUntilMs = Math.max(seenUntilMs, lastAskedAtMs);
  }
  return toMs - seenUntilMs <= GAP_MS_MAX;
}

/** A resolver that answers as before either has not asked again, or got the same again. */
function waitingIn(
  turn: Turn,
  { lastBeforeAtMs }: { readonly lastBeforeAtMs: number },
  nodes: readonly Course[],
): Passage {
  const straight = nodes.map((course) => changeOf(turn, course));
  const isAtNode = straight.some(({ kind }) => kind === "waiting");
  const afterMs = Math.max(0, lastBeforeAtMs - turn.beganAtMs);
  return { kind: "waiting", afterMs, for: isAtNode ? "node" : "resolver" };
}

/** When a client was connected; where none ever was before, when it had the answer. Null: none was, though it was before. */
function connectionIn({ endedAtMs, isAfter }: Turn, { runs }: Course, changedAtMs: number): number | null {
  const isMade = ({ connection }: Run): boolean => connection === "made";
  if (!runs.some((run) => run.firstAskedAtMs < changedAtMs && !isAfter(run) && isMade(run)))
    return changedAtMs;
  const after = runs.find(
    (run) =>
      run.firstSeenAtMs >= changedAtMs && run.firstAskedAtMs < endedAtMs && isAfter(run) && isMade(run),
  );
  return after?.connectedAtMs ?? null;
}

function unknown(reason: string): { readonly kind: "unknown"; readonly reason: string } {
  return { kind: "unknown", reason };
}

/** A weight above 0 leaves some, and silence of vantages takes nothing. */
export function takesAway({ spec: { action } }: DrillRecord): boolean {
  return (
    action.kind === "dead" || action.kind === "drain" || (action.kind === "weight" && action.weight === 0)
  );
}
