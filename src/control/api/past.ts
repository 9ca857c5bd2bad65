/** Past times, as several routes take them. */

import type { Desk } from "../desk.ts";
import type { Past } from "../past.ts";
import { badRequest, Failure } from "./errors.ts";
import { aPastMoment, formatMoment, pastMomentOf } from "./schemas.ts";

/** What the key may be that asks for a past time. */
export const aPastMomentOrNow: string = `${aPastMoment}; without it as things are now`;

/** What was so at the time that `key` gives; fails where that is to come, or not on record. */
export async function pastOr404(desk: Desk, key: string, time: string): Promise<Past> {
  const nowMs = desk.nowMs();
  const atMs = pastMomentOf(key, time, nowMs);
  if (atMs > nowMs)
    throw badRequest([`${key}: ${formatMoment(atMs)} is still to come, expected a past time`]);
  const past = await desk.past(atMs);
  if (past.kind === "rebuilt") return past;
  throw new Failure(404, `${formatMoment(atMs)} cannot be rebuilt: ${past.message}`);
}
