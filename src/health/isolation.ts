/** Tells a vantage that has lost its own network from VIPs that are dead. */

/**
 * The fresh and known opinions on one VIP, counted. A degraded one is known, but vouches for nothing: in an outage
 * that is real the slower vantages are degraded while the fastest is already sure.
 */
export interface Opinions {
  readonly known: number;
  readonly healthy: number;
}

/** What one vantage says, counted over the VIPs on which its report is fresh and its opinion known. */
export interface Testimony {
  readonly known: number;
  /** VIPs that it calls unhealthy while the others contradict it. */
  readonly contradicted: number;
}

/** What one vantage sees, counted over the VIPs on which its report is fresh. */
export interface Sight {
  /** VIPs that it does not call healthy. */
  readonly failing: number;
  /** VIPs that it calls healthy, and goes on reporting on. */
  readonly steady: number;
}

/** The least number of contradictions that isolates a vantage. */
const CONTRADICTIONS_MIN = 2;

/**
 * Whether those who call this VIP unhealthy are contradicted: more than half of the *other* known opinions are
 * healthy. With half or fewer the outage may be real, and nobody is to be silenced for seeing it. A vantage that is
 * alone has no others, so it is never contradicted.
 */
export function contradictsUnhealthy(opinions: Opinions): boolean {
  const others = opinions.known - 1;
  return opinions.healthy > others / 2;
}

/**
 * Whether a vantage is isolated: it has no vote, and is flagged.
 *
 * 1. It is contradicted on more than half of the VIPs it reports on,
 * 2. and on at least two: a single disagreement speaks of the VIP as much as of the vantage, and where there is but
 *    one VIP, `quorum: any` could never take effect.
 *
 * What follows from the two rules: an outage that more than half of the other vantages do not deny isolates nobody, a
 * single vantage is never isolated, and where all vantages report on the same VIPs they cannot all be isolated,
 * because on each VIP at most half of them are contradicted.
 *
 * There is no memory in it: the same opinions isolate the same vantages, whatever came before. So it cannot guard
 * `quorum: any`, where the first unhealthy opinion of a failing vantage acts before there is anything to contradict.
 */
export function isIsolated(testimony: Testimony): boolean {
  return testimony.contradicted > testimony.known / 2 && testimony.contradicted >= CONTRADICTIONS_MIN;
}

/**
 * Whether a vantage could be isolated before it sees one more VIP fail: of those that it does not call healthy, all may turn
 * out to be contradicted, and be more than those that it does.
 */
export function mayBeIsolated({ failing, steady }: Sight): boolean {
  return failing >= CONTRADICTIONS_MIN && failing > steady;
}
