/** Resolvers that keep answers for longer than their TTL allows. */

import type { VantageId } from "../config/config.ts";
import type { DrillRecord } from "./drill.ts";
import type { Watcher } from "./observation.ts";

/** TTLs count whole seconds, and looks are 200 ms apart. */
const SLACK_MS = 1_500;

/** A resolver that stretches TTLs, and what shows it. */
export interface Stretcher {
  readonly vantage: VantageId;
  readonly resolver: string | null;
  /** The service whose answers show it most. */
  readonly label: string;
  /** The longest TTL that the service's answers have. */
  readonly ttlSeconds: number;
  /** The longest that the resolver answered with. */
  readonly answeredTtlSeconds: number | null;
  /** How long it went on with an answer of before, after the last node had none any more; as far as was looked. */
  readonly heldMs: number;
  /** How many times as long as it may it keeps an answer, at least. */
  readonly factor: number;
}

/** What there is to say of an agent's resolver; nothing of one that keeps to TTLs. */
export function stretcherOf(
  drill: DrillRecord,
  { vantage, resolver, courses }: Watcher,
  begunAtMs: number | null,
  endedAtMs: number | null,
): readonly Stretcher[] {
  const gone = new Set(drill.vips.flatMap((vip) => drill.addresses[vip] ?? []));
  const found = courses.flatMap(({ route, runs }) => {
    const service = drill.services.find(({ label }) => label === route.label);
    if (route.node !== null || service === undefined) return [];
    const { label, ttlSeconds } = service;
    const ttls = runs.flatMap(({ ttlSecondsMax }) => ttlSecondsMax ?? []);
    const answeredTtlSeconds = ttls.length === 0 ? null : Math.max(...ttls);
    const heldMs = heldFor(gone, route, { courses }, begunAtMs, endedAtMs);
    const byTtl = (answeredTtlSeconds ?? 0) / Math.max(1, ttlSeconds);
    const byTime = (heldMs - SLACK_MS) / Math.max(1_000, ttlSeconds * 1_000);
    const factor = Math.max(byTtl, byTime);
    return factor > 1 ? [{ vantage, resolver, label, ttlSeconds, answeredTtlSeconds, heldMs, factor }] : [];
  });
  return found.toSorted((a, b) => b.factor - a.factor).slice(0, 1);
}

/** From the last answer of any node with what is gone to the resolver's last one with it, during the failure. */
function heldFor(
  gone: ReadonlySet<string>,
  { label, family }: { readonly label: string; readonly family: 4 | 6 },
  { courses }: Pick<Watcher, "courses">,
  begunAtMs: number | null,
  endedAtMs: number | null,
): number {
  if (begunAtMs === null) return 0;
  const own = courses.filter(({ route }) => route.label === label && route.family === family);
  // A course that is cut off does not say when the last answer came.
  if (own.some(({ dropped }) => dropped > 0)) return 0;
  const untilMs = endedAtMs ?? Number.POSITIVE_INFINITY;
  const lastOf = (isResolver: boolean): readonly number[] =>
    own
      .filter(({ route }) => (route.node === null) === isResolver)
      .flatMap(({ runs }) => runs)
      .filter((run) => run.firstAskedAtMs < untilMs && run.addresses.some((address) => gone.has(address)))
      .map((run) => Math.min(run.lastAskedAtMs, untilMs));
  const atNodes = lastOf(false);
  const atResolver = lastOf(true);
  if (atNodes.length === 0 || atResolver.length === 0) return 0;
  return Math.max(0, Math.max(...atResolver) - Math.max(...atNodes, begunAtMs));
}
