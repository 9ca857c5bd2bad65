/** Replays a profile of traffic against two ways to steer, and says what is different. */

import { Replay } from "../answer/replay.ts";
import { compileInSteps } from "../book/compile.ts";
import type { BookContent } from "../book/content.ts";
import type { Config, RegionId, Service } from "../config/config.ts";
import type { Atlas } from "../geo/atlas.ts";
import { cellOf, type Networks } from "../steering/cell.ts";
import type { Facts } from "../steering/facts.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { addressOf } from "../wire/address.ts";
import { putU32 } from "../wire/bytes.ts";
import { RRType } from "../wire/codes.ts";
import { release } from "../wire/sink.ts";
import { carriedBy, sumOf } from "./capacity.ts";
import { lookup, memberOfVip } from "./lookup.ts";
import type { Planner } from "./planner.ts";
import { type ProfileWindow, type SampledQuery, WINDOW_SECONDS } from "./profile.ts";
import type { Snapshot } from "./snapshot.ts";

/** What would become of the traffic. All counts are queries, as far as the samples tell. */
export interface Simulation {
  /** False: the profile is made up, with as many queries from each country. */
  readonly isRecorded: boolean;
  /** In seconds since 1970; null: the profile is not of any time. */
  readonly fromSeconds: number | null;
  readonly untilSeconds: number | null;
  readonly queries: number;
  /** How many were replayed. */
  readonly samples: number;
  /** In the order of the running config, then of the proposed one; last, if there are any, answers without a VIP. */
  readonly regions: readonly RegionShare[];
  readonly moved: {
    readonly queries: number;
    /** Client prefixes of which some query moved, and all in the samples. */
    readonly prefixes: number;
    readonly prefixesInAll: number;
  };
  /** Mean round-trip times of the queries for which they are known or estimated on both sides; null: there are none. */
  readonly rtt: { readonly queries: number; readonly beforeMs: number; readonly afterMs: number } | null;
  /** Those of which the most moved. */
  readonly services: readonly MovedService[];
}

/** Answers that lead to one region. */
interface RegionShare {
  /** null: there was no VIP to give. */
  readonly region: string | null;
  /** As they were given, when facts may have been others than now; null: nothing was recorded. */
  readonly recorded: number | null;
  readonly before: number;
  readonly after: number;
  /** The part of its capacity that is in use now and would be; above 1: more than it can serve; null: not known. */
  readonly loadBefore: number | null;
  readonly loadAfter: number | null;
}

interface MovedService {
  readonly service: string;
  readonly queries: number;
  readonly moved: number;
}

const SERVICES_LISTED_MAX = 20;

/** Round-trip times are told apart by where clients are, not by networks that only one of two policies may know. */
const NO_NETWORKS: Networks = { prefixes: [], asns: [] };

/** One way to steer: a snapshot planned from some facts, compiled to be answered from. */
export class Course {
  readonly config: Config;
  readonly #atlas: Atlas;
  readonly #facts: Facts;
  readonly #replay: Replay;
  readonly #services: ReadonlyMap<string, number>;
  readonly #hasIpv4: ReadonlySet<Service>;
  /** By VIP number. */
  readonly #regions: readonly (RegionId | null)[];
  readonly #rtts = new Map<string, ReadonlyMap<string, number>>();

  private constructor({ config, atlas }: Snapshot, facts: Facts, content: BookContent, replay: Replay) {
    this.config = config;
    this.#atlas = atlas;
    this.#facts = facts;
    this.#replay = replay;
    this.#services = new Map(content.services.map(({ service }, number) => [service.label, number]));
    this.#hasIpv4 = new Set(
      content.services.flatMap(({ service, capacity4 }) => (capacity4 > 0 ? [service] : [])),
    );
    this.#regions = content.vips.map(({ id }) => memberOfVip(config, id)?.region ?? null);
  }

  /** `planner` has made its plans. */
  static *of(snapshot: Snapshot, planner: Planner, facts: Facts): Steps<Course> {
    // Samples say which service answered, so that no name has to be found, and no zone is needed.
    const content = { ...planner.content(0), zones: [], signing: new Map(), admissions: [] };
    const { bytes } = yield* compileInSteps(content);
    const replay = new Replay(bytes.slice().buffer);
    release(bytes);
    return new Course(snapshot, facts, content, replay);
  }

  /** Where the answer to a query leads; null: nowhere. */
  regionFor(sample: SampledQuery): RegionId | null {
    const service = this.#services.get(sample.service);
    return service === undefined ? null : (this.#regions[this.#replay.vipFor(service, sample)] ?? null);
  }

  /** The round-trip time that the client of a query would see; null: the region has none. */
  rttMs(sample: SampledQuery, region: RegionId): number | null {
    const octets = new Uint8Array(sample.isIpv6 ? 16 : 4);
    putU32(octets, 0, sample.high);
    if (sample.isIpv6) putU32(octets, 4, sample.low);
    const cell = cellOf(this.#atlas.locate(addressOf(octets)), NO_NETWORKS);
    const known = this.#rtts.get(cell) ?? this.#rttsOf(cell);
    this.#rtts.set(cell, known);
    return known.get(region) ?? null;
  }

  /** What each region carries now: its members' loads of their capacities. */
  carried(): Carried {
    const byRegion = Map.groupBy(this.config.members.values(), ({ region }) => region);
    return new Map(
      Array.from(byRegion, ([region, members]) => [
        region,
        sumOf(members.map((member) => carriedBy(member, this.#facts))),
      ]),
    );
  }

  /** What a query of even traffic asks of a service. */
  typeFor(service: Service): RRType {
    return this.#hasIpv4.has(service) ? RRType.A : RRType.AAAA;
  }

  #rttsOf(cell: string): ReadonlyMap<string, number> {
    const ranking = this.#facts.latency.ranking(cell, [...this.config.regions.keys()]);
    return new Map(ranking.map(({ region, rttMs }) => [region, rttMs]));
  }
}

/** Replays all samples by both courses, which draw alike, so that no query moves by chance. */
export function* simulate(
  windows: Iterable<ProfileWindow>,
  isRecorded: boolean,
  before: Course,
  after: Course,
): Steps<Simulation> {
  const regions = new Map<string | null, { recorded: number; before: number; after: number }>();
  for (const region of [...before.config.regions.keys(), ...after.config.regions.keys()])
    regions.set(region, { recorded: 0, before: 0, after: 0 });
  const services = new Map<string, { queries: number; moved: number }>();
  const prefixes = new Map<string, boolean>();
  const flows = new Map<string, Flow>();
  const rtt = { queries: 0, before: 0, after: 0 };
  const span: number[] = [];
  let [queries, samples, moved] = [0, 0, 0];

  for (const window of windows) {
    span.push(window.startSeconds);
    queries += window.queries;
    samples += window.samples.length;
    const weight = window.queries / window.samples.length;
    yield* forEachInSteps(window.samples, (sample) => {
      const [from, to] = [before.regionFor(sample), after.regionFor(sample)];
      entryOf(regions, sample.region, () => ({ recorded: 0, before: 0, after: 0 })).recorded += weight;
      entryOf(regions, from, () => ({ recorded: 0, before: 0, after: 0 })).before += weight;
      entryOf(regions, to, () => ({ recorded: 0, before: 0, after: 0 })).after += weight;
      entryOf(flows, `${from} ${to}`, () => ({ from, to, queries: 0 })).queries += weight;
      const service = entryOf(services, sample.service, () => ({ queries: 0, moved: 0 }));
      service.queries += weight;
      const prefix = `${sample.high} ${sample.low} ${sample.prefixLength}`;
      prefixes.set(prefix, from !== to || prefixes.get(prefix) === true);
      if (from !== to) {
        service.moved += weight;
        moved += weight;
      }
      const rttsMs =
        from === null || to === null ? [] : [before.rttMs(sample, from), after.rttMs(sample, to)];
      const [beforeMs, afterMs] = rttsMs;
      if (typeof beforeMs !== "number" || typeof afterMs !== "number") return;
      rtt.queries += weight;
      rtt.before += weight * beforeMs;
      rtt.after += weight * afterMs;
    });
  }

  const carriedBefore = before.carried();
  const carriedAfter = carriedWith(carriedBefore, [...flows.values()]);
  const last = span.at(-1);
  return {
    isRecorded,
    fromSeconds: isRecorded ? (span[0] ?? null) : null,
    untilSeconds: isRecorded && last !== undefined ? last + WINDOW_SECONDS : null,
    queries: Math.round(queries),
    samples,
    regions: [...regions]
      .toSorted(([a], [b]) => Number(a === null) - Number(b === null))
      .map(([region, shares]) => ({
        region,
        recorded: isRecorded ? Math.round(shares.recorded) : null,
        before: Math.round(shares.before),
        after: Math.round(shares.after),
        loadBefore: loadOf(region, carriedBefore, before),
        loadAfter: loadOf(region, carriedAfter, after),
      })),
    moved: {
      queries: Math.round(moved),
      prefixes: [...prefixes.values()].filter((hasMoved) => hasMoved).length,
      prefixesInAll: prefixes.size,
    },
    rtt:
      rtt.queries === 0
        ? null
        : {
            queries: Math.round(rtt.queries),
            beforeMs: tenths(rtt.before / rtt.queries),
            afterMs: tenths(rtt.after / rtt.queries),
          },
    services: [...services]
      .filter(([, service]) => service.moved > 0)
      .toSorted(([a, x], [b, y]) => y.moved - x.moved || (a < b ? -1 : 1))
      .slice(0, SERVICES_LISTED_MAX)
      .map(([service, counts]) => ({
        service,
        queries: Math.round(counts.queries),
        moved: Math.round(counts.moved),
      })),
  };
}

/** Queries that lead from one region before to one after. */
interface Flow {
  readonly from: RegionId | null;
  readonly to: RegionId | null;
  queries: number;
}

/** What a region carries, in the unit of capacities; null: its members do not all say. */
type Carried = ReadonlyMap<RegionId | null, number | null>;

/**
 * What regions would carry. The queries that lead to a region carry what it carries now in equal parts, and take their part along.
 * What a region without queries carries stays there: it has others to thank for it.
 */
function carriedWith(carried: Carried, flows: readonly Flow[]): Carried {
  const queries = new Map<RegionId | null, number>();
  for (const flow of flows) queries.set(flow.from, (queries.get(flow.from) ?? 0) + flow.queries);
  const after = new Map<RegionId | null, number | null>(
    [...carried].map(([region, own]) => [region, queries.has(region) ? 0 : own]),
  );
  for (const { from, to, queries: moving } of flows) {
    const own = carried.get(from) ?? null;
    const sum = after.has(to) ? (after.get(to) ?? null) : 0;
    after.set(to, own === null || sum === null ? null : sum + (own * moving) / (queries.get(from) ?? moving));
  }
  return after;
}

function loadOf(region: string | null, carried: Carried, { config }: Course): number | null {
  const known = region === null ? null : lookup(config.regions, region);
  const members = [...config.members.values()].filter((member) => member.region === known?.id);
  const capacity = sumOf(members.map((member) => member.capacity));
  const own = known === null ? null : (carried.get(known.id) ?? null);
  return own === null || capacity === null || capacity === 0
    ? null
    : Math.round((1000 * own) / capacity) / 1000;
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
