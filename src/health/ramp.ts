/** Slow start: a VIP that comes back takes its share in steps. */

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

function levelOf(verdict: Verdict, slowStartMs: number, nowMs: number): number {
  if (!verdict.recovering || slowStartMs === 0) return LEVELS;
  if (nowMs >= slowStartEndsAt(verdict, slowStartMs)) return LEVELS;
  const elapsedMs = Math.max(0, nowMs - verdict.sinceMs);
  return 1 + Math.floor((elapsedMs * (LEVELS - 1)) / slowStartMs);
}
