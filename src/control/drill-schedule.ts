/** When the drills of a config begin by themselves. */

import { isDue, isDueHour } from "../config/cron.ts";
import type { DeclaredDrill, DrillSchedule } from "../config/drills.ts";
import { localTime } from "../config/local-time.ts";

const MINUTE_MS = 60_000;

/** Clocks are set back by these. */
const SHIFTS_MS = [3_600_000, 1_800_000];

/** A year, and a day for leap years: what does not come within it is not looked for any further. */
const AHEAD_MS = 367 * 86_400_000;

/**
 * The first minute from `fromMs` on that a schedule names; null: there is none within a year.
 *
 * A local time that is skipped in spring does not come that day, and of one that comes twice in autumn only the first counts.
 */
export function nextOf({ cron, zone, blocked }: DrillSchedule, fromMs: number): number | null {
  const firstMs = Math.ceil(fromMs / MINUTE_MS) * MINUTE_MS;
  for (let atMs = firstMs; atMs < firstMs + AHEAD_MS; ) {
    const local = localTime(zone, atMs);
    const isHour = isDueHour(cron, local) && !blocked.includes(local.date);
    if (isHour && isDue(cron, local) && !cameBefore(zone, atMs)) return atMs;
    atMs += isHour ? MINUTE_MS : (60 - local.minute) * MINUTE_MS;
  }
  return null;
}

/** Whether clocks have shown the same already. */
function cameBefore(zone: string, atMs: number): boolean {
  const text = JSON.stringify(localTime(zone, atMs));
  return SHIFTS_MS.some((ms) => JSON.stringify(localTime(zone, atMs - ms)) === text);
}

/** Looks each drill's next time up once. What came while no control was running does not come later. */
export class DrillSchedules {
  readonly #nextMs = new Map<DeclaredDrill, number | null>();

  /** The drills whose time has come since they were asked for last. */
  due(drills: Iterable<DeclaredDrill>, nowMs: number): readonly DeclaredDrill[] {
    const due: DeclaredDrill[] = [];
    const known = new Set(drills);
    for (const drill of this.#nextMs.keys()) if (!known.has(drill)) this.#nextMs.delete(drill);
    for (const drill of known) {
      const nextMs = this.#next(drill, nowMs);
      if (nextMs === null || nextMs > nowMs) continue;
      this.#nextMs.delete(drill);
      this.#next(drill, nextMs + MINUTE_MS);
      due.push(drill);
    }
    return due;
  }

  #next(drill: DeclaredDrill, fromMs: number): number | null {
    const known = this.#nextMs.get(drill);
    if (known !== undefined) return known;
    const nextMs = drill.schedule && nextOf(drill.schedule, fromMs);
    this.#nextMs.set(drill, nextMs);
    return nextMs;
  }
}
