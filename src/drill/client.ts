/** What clients of one resolver saw of a drill. */

import type { VantageId, VipId } from "../config/config.ts";
import type { DrillRecord } from "./drill.ts";
import { measure, type Passage, type Turn, takesAway } from "./measure.ts";
import type { Course, Run, Watcher } from "./observation.ts";

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

/** When the failure began and ended; null: it did not. */
interface Span {
  readonly begunAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** One for each service and family that an agent watched; `stretched` says whether its resolver stretches TTLs. */
export function clientsOf(
  drill: DrillRecord,
  watcher: Watcher,
  stretched: boolean,
  span: Span,
): readonly ClientReport[] {
  const routes = new Map(
    watcher.courses.map(({ route: { label, family } }) => [`${label} ${family}`, { label, family }]),
  );
  return Array.from(routes.values(), ({ label, family }) => {
    const own = watcher.courses.filter(({ route }) => route.label === label && route.family === family);
    const { vantage, resolver } = watcher;
    return { vantage, resolver, label, family, stretched, ...seenBy(drill, watcher, own, span) };
  });
}

/** What one agent saw of a service and family, by the courses of these alone. */
function seenBy(
  drill: DrillRecord,
  { uncertaintyMs }: Watcher,
  courses: readonly Course[],
  { begunAtMs, endedAtMs }: Span,
): Pick<ClientReport, "failover" | "recovery" | "share" | "runs"> {
  const through = courses.find(({ route }) => route.node === null);
  const straight = courses.filter(({ route }) => route.node !== null);
  const gone = goneIn(drill, courses, endedAtMs ?? Number.POSITIVE_INFINITY);
  const vips = new Set(gone.values());
  const hasGone = (run: Run): boolean => run.addresses.some((address) => gone.has(address));
  const isOther = (run: Run): boolean => run.addresses.length > 0 && !hasGone(run);
  const watchedUntilMs = Math.max(0, ...courses.flatMap(({ runs }) => runs.at(-1)?.lastAskedAtMs ?? []));
  const failover = (beganAtMs: number): Passage => {
    const turn: Turn = {
      beganAtMs,
      ...judgedAt(drill, vips, beganAtMs, false),
      endedAtMs: (endedAtMs ?? watchedUntilMs) - (uncertaintyMs ?? 0),
      isBefore: hasGone,
      isAfter: isOther,
      at: "last before",
    };
    return takesAway(drill) ? measure(turn, through, straight) : notAll;
  };
  const recovery = (beganAtMs: number): Passage => {
    const turn: Turn = {
      beganAtMs,
      ...judgedAt(drill, vips, beganAtMs, true),
      endedAtMs: watchedUntilMs,
      isBefore: isOther,
      isAfter: hasGone,
      at: "first after",
    };
    return measure(turn, through, straight);
  };
  const moved = begunAtMs === null ? neverBegun : failover(begunAtMs);
  return {
    failover: moved,
    recovery: endedAtMs === null || moved.kind !== "passed" ? { kind: "untouched" } : recovery(endedAtMs),
    share: {
      before: shareOf(through, hasGone, 0, begunAtMs ?? 0),
      during: shareOf(through, hasGone, begunAtMs ?? 0, endedAtMs ?? Number.POSITIVE_INFINITY),
    },
    runs: through?.runs ?? [],
  };
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
  const votes = moments.flatMap((moment) =>
    moment.kind === "voted" &&
    (moment.side === "down") !== up &&
    moment.atMs >= fromMs &&
    moment.atMs <= flippedAtMs
      ? [moment]
      : [],
  );
  // What is judged by its member's other address has no votes of its own.
  const own = votes.filter(({ vip }) => vips.has(vip));
  const times = (own.length > 0 ? own : votes).map(({ atMs }) => atMs);
  return { votedAtMs: times.length > 0 ? Math.max(...times) : flippedAtMs, flippedAtMs };
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
