/** Slow start, and its mirror: what comes back takes its share in steps, and what is drained gives it away in as many. */

import type { Verdict } from "./verdict.ts";

/** The takes are 0.1, 0.2 and so on to 1: fine enough for caches to fill, coarse enough to replan seldom. */
const LEVELS = 10;

/**
 * The share, 0.1 to 1, that a VIP takes of what it would be given. A recovering one starts at 0.1 and climbs evenly
 * to 1 at the end of its slow start; any other takes all.
 */
export function takeOf(verdict: Verdict, slowStartMs: number, nowMs: number): number {
  return levelOf(verdict, slowStartMs, nowMs) / LEVELS;
}

/** When `takeOf` grows next, so that plans made now are made again then; null: it is 1 and stays there. */
export function nextStepAt(verdict: Verdict, slowStartMs: number, nowMs: number): number | null {
  const level = levelOf(verdict, slowStartMs, nowMs);
  if (level === LEVELS) return null;
  return verdict.sinceMs + Math.ceil((level * slowStartMs) / (LEVELS - 1));
}

/** When slow start is over and the verdict no longer counts as recovering. */
export function slowStartEndsAt(verdict: Pick<Verdict, "sinceMs">, slowStartMs: number): number {
  return verdict.sinceMs + slowStartMs;
}

/** Something that gives its share away evenly, from a moment on and for so long. */
export interface Fall {
  readonly sinceMs: number;
  /** 0: it gives all away at once. */
  readonly rampMs: number;
}

/** The share, from 1 to 0.1, that it still takes; 0: it is at its end. */
export function takeInFall({ sinceMs, rampMs }: Fall, nowMs: number): number {
  // A clock that was set back may not have come to its beginning yet.
  if (rampMs === 0 || nowMs >= sinceMs + rampMs) return 0;
  return (LEVELS - Math.floor((Math.max(0, nowMs - sinceMs) * LEVELS) / rampMs)) / LEVELS;
}

/** When `takeInFall` sinks next; null: it is 0 and stays there. */
export function nextFallAt(fall: Fall, nowMs: number): number | null {
  const level = Math.round(takeInFall(fall, nowMs) * LEVELS);
  if (level === 0) return null;
  return fall.sinceMs + Math.ceil(((LEVELS - level + 1) * fall.rampMs) / LEVELS);
}

function levelOf(verdict: Verdict, slowStartMs: number, nowMs: number): number {
  if (!verdict.recovering || slowStartMs === 0) return LEVELS;
  if (nowMs >= slowStartEndsAt(verdict, slowStartMs)) return LEVELS;
  const elapsedMs = Math.max(0, nowMs - verdict.sinceMs);
  return 1 + Math.floor((elapsedMs * (LEVELS - 1)) / slowStartMs);
}
