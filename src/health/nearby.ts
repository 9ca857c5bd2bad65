/** What the vantages near some clients say of a VIP, for pools that steer by it (`perVantage`). */

import type { VantageId } from "../config/config.ts";
import { sideOf, type Verdict } from "./verdict.ts";

/** How many vantages are heard at most. */
const VANTAGES_MAX = 3;

/** A vantage this much farther than the nearest is not heard: what it sees on its long way says little of the short one. */
const COMPARABLE_KM = 500;

/** A vantage may stand this much farther from the clients than the region and still speak of it: the same city. */
const DETOUR_KM = 100;

/**
 * Of vantages, given the nearest to the clients first, those that speak for the clients about a region at `regionKm` from
 * them:
 *
 * 1. Those that are no farther from the clients than the region is. The path by a vantage beyond it is a detour that says
 *    nothing: clients in Sydney must not find Tokyo nearer than Sydney because the only vantage is in Tokyo, nor find
 *    Sydney down because Tokyo cannot reach it.
 * 2. Of those, the nearest three, without any that is more than 500 km farther than the nearest of them.
 */
export function heardOf<V extends { readonly km: number }>(
  regionKm: number,
  nearestFirst: readonly V[],
): readonly V[] {
  const reachKm = Math.min(regionKm + DETOUR_KM, (nearestFirst[0]?.km ?? 0) + COMPARABLE_KM);
  return nearestFirst.slice(0, VANTAGES_MAX).filter(({ km }) => km <= reachKm);
}

/** How the vantages near some clients see a VIP that is up for the world: those whose vote counts. */
export interface VotesNearby {
  readonly up: readonly VantageId[];
  readonly down: readonly VantageId[];
}

/**
 * The votes of the vantages near some clients; null: they have no say.
 *
 * 1. They have a say only on a VIP that a quorum has judged to be up. One that is down for the world is down for everybody:
 *    a single vantage that still reaches it, or lies, must not keep its clients on a VIP that most see dead. An
 *    operator's word goes before what vantages see; and where too few of all have a vote, some of them are fewer still.
 * 2. They have a vote as in the quorum: fresh, and not isolated. One that has lost its own network moves nobody.
 *
 * They follow from the votes alone, without any memory of their own: equal votes say the same on every node. What the
 * check remembers of the VIP (hold, flaps, slow start) is of the VIP as the world sees it, which was up all the time.
 */
export function votesNearby(verdict: Verdict | null, nearby: readonly VantageId[]): VotesNearby | null {
  if (nearby.length === 0 || verdict === null || !verdict.up || verdict.basis !== "judged") return null;
  const votes = verdict.votes.filter(({ vantage }) => nearby.includes(vantage));
  const seeing = (side: "up" | "down"): readonly VantageId[] =>
    votes.filter((vote) => sideOf(vote) === side).map(({ vantage }) => vantage);
  return { up: seeing("up"), down: seeing("down") };
}

/** Whether the VIP is down for those clients: for more than half of the vantages that have a vote. */
export function isDownNearby(votes: VotesNearby | null): boolean {
  return votes !== null && votes.down.length > votes.up.length;
}
