/** Drills as a node would have them on record, and what agents would have seen. */

import type { RegionId, VantageId, VipId } from "../../src/config/config.ts";
import { CourseRecorder } from "../../src/drill/course.ts";
import type { DrillRecord } from "../../src/drill/drill.ts";
import type { Watcher } from "../../src/drill/observation.ts";

export const EU = "web/eu-west/ipv4" as VipId;
export const US = "web/us-east/ipv4" as VipId;
const ADDRESSES: Readonly<Record<string, string>> = { [EU]: "10.0.0.2", [US]: "10.0.0.1" };

/** The death of eu-west: begun at 10 s, found out at 14 s, ended at 40 s, found well at 44 s, as before at 45 s. */
export function drill(changes: Partial<DrillRecord> = {}): DrillRecord {
  const vantage = "dublin" as VantageId;
  return {
    id: "d1",
    spec: {
      name: "eu-west-dies",
      action: { kind: "dead", target: { by: "region", id: "eu-west" as RegionId }, by: [vantage] },
      durationMs: 30_000,
      services: [],
      expect: { to: [], words: [], withinMs: null },
      guards: { regionsUp: 1, errorsAtMost: 1, loadAtMost: 1, quietElsewhere: false },
    },
    author: "anna",
    reason: "the monthly one",
    startedMs: 5_000,
    untilMs: 40_000,
    services: [{ label: "www.test.example", boundMs: 11_200, objectiveMs: 15_000, ttlSeconds: 5 }],
    vips: [EU],
    downBefore: [],
    addresses: ADDRESSES,
    phase: "over",
    ending: { kind: "on-time" },
    moments: [
      { kind: "begun", atMs: 10_000 },
      { kind: "voted", atMs: 12_900, vip: EU, vantage, side: "down" },
      { kind: "voted", atMs: 13_900, vip: EU, vantage: "tokyo" as VantageId, side: "down" },
      { kind: "flipped", atMs: 14_000, vip: EU, up: false },
      { kind: "patched", atMs: 14_000, services: ["www.test.example"] },
      { kind: "ended", atMs: 40_000, ending: { kind: "on-time" } },
      { kind: "voted", atMs: 43_900, vip: EU, vantage, side: "up" },
      { kind: "flipped", atMs: 44_000, vip: EU, up: true },
      { kind: "restored", atMs: 45_000 },
    ],
    ...changes,
  };
}

/** What a route was answered with from a time on; null: nothing came. */
export type Answers = readonly (readonly [fromMs: number, address: string | null])[];

export interface Sight {
  readonly vantage?: string;
  readonly resolver?: string | null;
  /** As seen straight. */
  readonly node: Answers;
  readonly through: Answers;
  /** The TTL that the resolver answers with. */
  readonly ttlSeconds?: number;
  readonly connects?: (address: string, atMs: number) => boolean;
  /** Only so many runs of the node are kept. */
  readonly runsKept?: number;
  /** Looks between these times never came. */
  readonly lost?: readonly [fromMs: number, toMs: number];
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** An agent that looks every 200 ms from 5 s to 55 s, and always waits 10 ms for a response and 5 ms for a connection. */
export function watcher(sight: Sight): Watcher {
  const { vantage = "dublin", resolver = "192.0.2.53:53", ttlSeconds = 5 } = sight;
  const connects = sight.connects ?? (() => true);
  const straight: CourseRecorder = new CourseRecorder(
    { label: "www.test.example", family: 4, node: "dns1" },
    () => {
      return straight.runs.length < (sight.runsKept ?? Number.POSITIVE_INFINITY);
    },
  );
  const through = new CourseRecorder({ label: "www.test.example", family: 4, node: null }, () => true);
  for (let askedAtMs = sight.fromMs ?? 5_000; askedAtMs <= (sight.toMs ?? 55_000); askedAtMs += 200) {
    if (sight.lost !== undefined && askedAtMs >= sight.lost[0] && askedAtMs < sight.lost[1]) continue;
    for (const [course, answers, ttl] of [
      [straight, sight.node, 5],
      [through, sight.through, ttlSeconds],
    ] as const) {
      const address = answers.findLast(([fromMs]) => fromMs <= askedAtMs)?.[1] ?? null;
      const reply =
        address === null ? null : { atMs: askedAtMs + 10, rcode: 0, addresses: [address], ttlSeconds: ttl };
      const problem = address === null || connects(address, askedAtMs) ? null : "connection refused";
      const connection =
        reply === null || course === straight ? null : { endedAtMs: askedAtMs + 15, problem };
      course.add({ askedAtMs, reply, connection });
    }
  }
  const courses = [straight, through].map(({ route, runs, dropped }) => ({
    route,
    runs: [...runs],
    dropped,
  }));
  return { vantage: vantage as VantageId, watches: true, resolver, uncertaintyMs: 1.5, courses };
}

const [eu, us] = ["10.0.0.2", "10.0.0.1"] as const;

/** The node answers otherwise 20 ms after the verdict, and the resolver when its TTL of 5 s is over, 2 s later. */
export const wellBehaved: Sight = {
  node: [
    [0, eu],
    [14_020, us],
    [44_020, eu],
  ],
  through: [
    [0, eu],
    [16_000, us],
    [48_000, eu],
  ],
};

/** A resolver that keeps answers for 300 s. */
export const stretching: Sight = {
  vantage: "tokyo",
  resolver: "192.0.2.99:53",
  node: wellBehaved.node,
  through: [[0, eu]],
  ttlSeconds: 300,
};
