/** How long the steps of a rollover take: until no cache can have what was served before (RFC 7583 §3). */

import type { KeyState } from "./rollover.ts";

/** A TTL, and the larger one that caches may still go by. */
export interface NotedTtl {
  /** The largest that counts. */
  readonly seconds: number;
  /** What is served now, and since when. */
  readonly current: number;
  readonly sinceMs: number;
}

/** null: not known yet. */
export interface Ttls {
  readonly dnskey: NotedTtl | null;
  /** The largest of the zone. */
  readonly zone: NotedTtl | null;
  readonly ds: NotedTtl | null;
}

/** Milliseconds that a step lasts once it is served, or once the DS is right. */
export interface Rules {
  readonly sign: (ttls: Waits) => number;
  readonly publish: (ttls: Waits) => number;
  /** From when new's signatures are served, and from when its DS is right. */
  readonly retireServed: (ttls: Waits, changesAlgorithm: boolean) => number;
  readonly retireDs: (ttls: Waits) => number;
  readonly withdraw: (ttls: Waits) => number;
  readonly remove: (ttls: Waits) => number;
  /** TTL of a DS that nobody has seen: twice that of the root zone and most others. */
  readonly unknownDsTtlSeconds: number;
}

/** What waits are made of, in milliseconds. */
export interface Waits {
  readonly propagation: number;
  readonly dnskey: number;
  readonly zone: number;
  readonly ds: number;
}

export const RULES: Rules = {
  // Signatures are as old as what they sign.
  sign: ({ propagation, zone }) => propagation + zone,
  publish: ({ propagation, dnskey }) => propagation + dnskey,
  // In an algorithm rollover both have signed all along.
  retireServed: ({ propagation, zone }, changesAlgorithm) => (changesAlgorithm ? 0 : propagation + zone),
  retireDs: ({ propagation, ds }) => propagation + ds,
  withdraw: ({ propagation, dnskey }) => propagation + dnskey,
  remove: ({ propagation }) => propagation,
  unknownDsTtlSeconds: 172_800,
};

/** When the step that is served is over, if all else is as it should be; null: it does not go by the clock, or not yet. */
export function untilMs(
  { step, servedMs, ds, ttls }: Pick<KeyState, "step" | "servedMs" | "ds" | "ttls">,
  changesAlgorithm: boolean,
  propagationMs: number,
  rules: Rules = RULES,
): number | null {
  if (servedMs === null) return null;
  const waits: Waits = {
    propagation: propagationMs,
    dnskey: 1000 * (ttls.dnskey?.seconds ?? 0),
    zone: 1000 * (ttls.zone?.seconds ?? 0),
    ds: 1000 * (ttls.ds?.seconds ?? rules.unknownDsTtlSeconds),
  };
  switch (step) {
    case "idle":
    case "submit":
      return null;
    case "retire":
      return ds === null
        ? null
        : Math.max(
            servedMs + rules.retireServed(waits, changesAlgorithm),
            ds.rightMs + rules.retireDs(waits),
          );
    case "sign":
    case "publish":
    case "withdraw":
    case "remove":
      return servedMs + rules[step](waits);
  }
}

/**
 * The state after the clock was set by `jumpMs`, ahead or back, and shows `nowMs`: what is left of its waits is what was left
 * before, or more. A time that the new clock has not come to yet counts as now.
 */
export function afterJump(state: KeyState, jumpMs: number, nowMs: number): KeyState {
  const moved = (ms: number): number => Math.min(ms + Math.max(0, jumpMs), nowMs);
  const movedTtl = (ttl: NotedTtl | null): NotedTtl | null => ttl && { ...ttl, sinceMs: moved(ttl.sinceMs) };
  const { servedMs, ds, ttls } = state;
  return {
    ...state,
    servedMs: servedMs === null ? null : moved(servedMs),
    ds: ds && { ...ds, rightMs: moved(ds.rightMs) },
    ttls: { dnskey: movedTtl(ttls.dnskey), zone: movedTtl(ttls.zone), ds: movedTtl(ttls.ds) },
  };
}

/** Takes note of a TTL that is served now. One that was lowered counts until all that was served before is forgotten. */
export function notedTtl(
  before: NotedTtl | null,
  seconds: number,
  nowMs: number,
  propagationMs: number,
): NotedTtl {
  if (before === null) return { seconds, current: seconds, sinceMs: nowMs };
  if (before.current !== seconds)
    return { seconds: Math.max(before.seconds, seconds), current: seconds, sinceMs: nowMs };
  const isForgotten = nowMs >= before.sinceMs + propagationMs + 1000 * before.seconds;
  return before.seconds > seconds && isForgotten ? { ...before, seconds } : before;
}
