import { describe, expect, test } from "vitest";
import { compileBook } from "../../src/book/compile.ts";
import { bufferWords, slotWords } from "../../src/book/layout.ts";
import { applyPatches, planWords } from "../../src/book/patch.ts";
import type { Check } from "../../src/config/check.ts";
import type { CheckId, Config, Service, VantageId, VipId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { FactKeeper } from "../../src/control/fact-keeper.ts";
import { describeMoved } from "../../src/control/moved.ts";
import { type Action, type Override, overrideId } from "../../src/control/override.ts";
import { Planner, patchesFor } from "../../src/control/planner.ts";
import { NO_SHIFT, type Shift } from "../../src/control/shift.ts";
import type { Snapshot } from "../../src/control/snapshot.ts";
import { buildAtlas } from "../../src/geo/atlas.ts";
import { readMmdb } from "../../src/geo/mmdb.ts";
import { leavesOf } from "../../src/steering/local.ts";
import { parseName, rootName } from "../../src/wire/name.ts";
import { fc } from "../fast-check.ts";
import { writeMmdb } from "../geo/mmdb-file.ts";
import { tcpSpec } from "../probe/specs.ts";
import { policies, whenDowns } from "../steering/arbitraries.ts";
import { failover, latency, member, nearest, pool, sticky, WORLD, weighted } from "../steering/world.ts";

const START_MS = 1_000_000;
const VANTAGES = [...WORLD.vantages.keys()];
const MEMBERS = [...WORLD.members.keys()];
const VIPS = [...WORLD.members.values()].flatMap(({ ipv4, ipv6 }) =>
  [ipv4, ipv6].flatMap((vip) => vip?.id ?? []),
);

const check: Check = {
  id: "web" as CheckId,
  probe: tcpSpec(80),
  intervalMs: 3_000,
  timeoutMs: 1_000,
  rise: 1,
  fall: 1,
  recheckMs: 1_000,
  jitterMs: 0,
  quorum: { kind: "majority" },
  minVantages: 1,
  failback: { kind: "auto", holdDownMs: 0, holdDownMsMax: 3_600_000, halfLifeMs: 900_000 },
  slowStartMs: 10_000,
};

const atlas = atlasOf();

describe("plans that are made again after each shift", () => {
  test("equal those made from the facts at once, and so does the book that was patched", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ policy: policies, whenDown: whenDowns, ttlSecondsMin: fc.constantFrom(1, 5) }), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.array(steps, { minLength: 1, maxLength: 12 }),
        (services, path) => {
          const snapshot = snapshotOf(services);
          const walk = new Walk(snapshot);
          for (const step of path) {
            walk.take(step);
            expect(plansOf(walk.planner)).toEqual(walk.plansFromFacts());
            expect(walk.patchedPlans()).toEqual(walk.encodedPlans());
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

test("plans of a pool that is steered per vantage follow each vote, and only those of the classes that it is near to", () => {
  const [us, eu, ap] = ["us", "eu", "ap"].map((region) => member(`watched/${region}`)) as [
    Policy,
    Policy,
    Policy,
  ];
  const watchedVips = VIPS.filter((vip) => vip.startsWith("watched/"));
  const report = (vantage: string, vip: string, succeeds: boolean): Step => {
    return { kind: "report", vantage, vip, succeeds, connectMs: 10, load: null };
  };
  let movedByVotesAlone = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(
        nearest(pool("watched")),
        failover([eu, us, ap]),
        sticky(pool("watched")),
        failover([weighted({ a: [1, eu], b: [3, us] }, { minUp: 0.5 }), pool("one")]),
      ),
      fc.array(fc.tuple(fc.constantFrom(...VANTAGES), fc.constantFrom(...watchedVips), fc.boolean()), {
        maxLength: 30,
      }),
      (policy, path) => {
        const walk = new Walk(snapshotOf([{ policy, whenDown: { kind: "nodata" } }]));
        for (const vantage of VANTAGES) for (const vip of watchedVips) walk.take(report(vantage, vip, true));
        for (const [vantage, vip, succeeds] of path) {
          walk.take(report(vantage, vip, succeeds));
          expect(plansOf(walk.planner)).toEqual(walk.plansFromFacts());
          const { vips, turned } = walk.shift;
          if (vips.size > 0 || walk.replanned.length === 0) continue;
          movedByVotesAlone += 1;
          for (const { cohort, classNumber } of walk.replanned) {
            const leaves = [...leavesOf(cohort.locals[classNumber]!).values()];
            const near = leaves.flatMap((leaf) => leaf.nearby);
            expect(turned.some((vote) => near.includes(vote.vantage))).toBe(true);
          }
        }
        walk.take({ kind: "tick", ms: 60_000 });
        expect(plansOf(walk.planner)).toEqual(walk.plansFromFacts());
      },
    ),
  );
  expect(movedByVotesAlone).toBeGreaterThan(20);
});

test("a member that is too busy gives answers of both its VIPs away, however it says so, and has them back in time", () => {
  const walk = new Walk(
    snapshotOf([{ policy: failover([pool("two"), pool("one")]), whenDown: { kind: "all" } }]),
  );
  const shares = (): readonly unknown[] =>
    plansOf(walk.planner).flatMap((classes) =>
      classes.flatMap(({ ipv4, ipv6 }) =>
        [ipv4, ipv6].map((plan) => (plan.kind === "answer" ? plan.shares.map(({ share }) => share) : plan)),
      ),
    );
  const say = (load: number, succeeds = true): void => {
    walk.take({ kind: "report", vantage: "dublin", vip: "two/us/ipv6", succeeds, connectMs: 1, load });
    walk.take({ kind: "tick", ms: 1_000 });
  };
  for (let second = 0; second < 60; second += 1) say(0.9);
  expect(shares()).toEqual([[1], [1]]);
  for (let second = 0; second < 60; second += 1) say(3);
  const [ipv4, ipv6] = shares() as readonly (readonly number[])[];
  expect(ipv4).toEqual(ipv6);
  expect(ipv4).toHaveLength(2);
  expect(ipv4?.[0]).toBeLessThan(0.6);
  for (let second = 0; second < 120; second += 5) walk.take({ kind: "tick", ms: 5_000 });
  expect(shares()).toEqual([[1], [1]]);
});

describe("services", () => {
  test("with equal policies are planned as one, unless an override could tell them apart", () => {
    const inPlace = weighted({ a: [1, member("web/us")], b: [1, member("web/eu")] });
    const snapshot = snapshotOf([
      { policy: pool("web"), whenDown: { kind: "all" } },
      { policy: pool("web"), whenDown: { kind: "all" } },
      { policy: pool("web"), whenDown: { kind: "nodata" } },
      { policy: inPlace, whenDown: { kind: "all" } },
      { policy: inPlace, whenDown: { kind: "all" } },
    ]);
    const walk = new Walk(snapshot);
    walk.take({ kind: "set", action: { kind: "drain", target: { by: "member", id: "web/us" } } });
    expect(walk.replanned.map(({ cohort }) => cohort.services)).toEqual([[0, 1], [2], [3], [4]]);
    walk.take({
      kind: "set",
      action: { kind: "weight", target: { by: "choice", id: "s3.test/b" }, weight: 0 },
    });
    expect(walk.replanned.map(({ cohort }) => cohort.services)).toEqual([[3]]);
  });

  test("that do not depend on what has shifted are left alone", () => {
    const snapshot = snapshotOf([
      { policy: pool("one"), whenDown: { kind: "all" } },
      { policy: pool("two"), whenDown: { kind: "fallback", pool: WORLD.pools.get("one" as never)!.id } },
    ]);
    const walk = new Walk(snapshot);
    walk.take({
      kind: "set",
      action: { kind: "force", target: { by: "vip", id: "two/us/ipv4" }, verdict: "down" },
    });
    expect(walk.replanned.map(({ cohort }) => cohort.services)).toEqual([[1]]);
    expect(describeMoved(walk.replanned, snapshot.config)).toBe("s1.test us 100 % -> eu 100 %");
  });

  test("that are steered by round-trip times are planned again when the order of regions changes", () => {
    const walk = new Walk(snapshotOf([{ policy: latency(pool("web")), whenDown: { kind: "all" } }]));
    walk.take({ kind: "tick", ms: 10_000 });
    for (const vantage of VANTAGES) {
      for (let sample = 0; sample < 5; sample += 1) {
        for (const [region, connectMs] of [
          ["us", 400],
          ["eu", 300],
          ["ap", 5],
        ] as const) {
          const vip = `web/${region}/ipv4`;
          walk.take({ kind: "report", vantage, vip, succeeds: true, connectMs, load: null });
        }
      }
    }
    walk.take({ kind: "tick", ms: 10_000 });
    expect(walk.replanned.length).toBeGreaterThan(0);
    expect(plansOf(walk.planner)).toEqual(walk.plansFromFacts());
  });
});

test("a move within a region is told by VIP", () => {
  const snapshot = snapshotOf([
    { policy: failover([member("web/us"), member("two/us")]), whenDown: { kind: "all" } },
  ]);
  const walk = new Walk(snapshot);
  walk.take({ kind: "set", action: { kind: "drain", target: { by: "member", id: "web/us" } } });
  expect(describeMoved(walk.replanned, snapshot.config)).toBe(
    "s0.test web/us/ipv4 100 % -> two/us/ipv4 100 %",
  );
});

type Step =
  | { readonly kind: "set"; readonly action: Action }
  | { readonly kind: "end" }
  | {
      readonly kind: "report";
      readonly vantage: string;
      readonly vip: string;
      readonly succeeds: boolean;
      readonly connectMs: number;
      readonly load: number | null;
    }
  | { readonly kind: "tick"; readonly ms: number };

const regionOrMember = fc.oneof(
  fc.constantFrom("us", "eu", "ap").map((id) => ({ by: "region", id }) as const),
  fc.constantFrom(...MEMBERS).map((id) => ({ by: "member", id }) as const),
);
const choices = fc.constantFrom("split/a", "canary/b", "s0.test/a", "s1.test/b");

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc
    .oneof(
      regionOrMember.map((target): Action => ({ kind: "drain", target })),
      fc
        .tuple(
          fc.oneof(
            regionOrMember,
            choices.map((id) => ({ by: "choice", id }) as const),
          ),
          fc.constantFrom(0, 1, 9),
        )
        .map(([target, weight]): Action => ({ kind: "weight", target, weight })),
      fc
        .tuple(
          fc.oneof(
            regionOrMember,
            fc.constantFrom(...VIPS).map((id) => ({ by: "vip", id }) as const),
          ),
          fc.constantFrom("up" as const, "down" as const),
        )
        .map(([target, verdict]): Action => ({ kind: "force", target, verdict })),
    )
    .map((action): Step => ({ kind: "set", action })),
  fc.constant<Step>({ kind: "end" }),
  fc.record({
    kind: fc.constant("report" as const),
    vantage: fc.constantFrom(...VANTAGES),
    vip: fc.constantFrom<string>(...VIPS),
    succeeds: fc.boolean(),
    connectMs: fc.integer({ min: 1, max: 400 }),
    load: fc.constantFrom(null, 0.2, 0.9, 3),
  }),
  fc.integer({ min: 1, max: 20_000 }).map((ms): Step => ({ kind: "tick", ms })),
);

/** A planner that follows shift after shift, with the book it patches. */
class Walk {
  readonly planner: Planner;
  shift: Shift = NO_SHIFT;
  replanned: ReturnType<Planner["replan"]> = [];
  readonly #snapshot: Snapshot;
  readonly #keeper: FactKeeper;
  readonly #words: Uint32Array;
  readonly #directory: ReturnType<typeof compileBook>["directory"];
  readonly #overrides: Override[] = [];
  #nowMs = START_MS;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
    this.#keeper = new FactKeeper(snapshot.config, [], [], START_MS);
    this.planner = plannerOf(snapshot);
    this.planner.planAll(this.#keeper.facts(START_MS));
    const { bytes, directory } = compileBook(this.planner.content(1));
    this.#words = new Uint32Array(bytes.buffer);
    this.#directory = directory;
  }

  take(step: Step): void {
    this.shift = this.#shiftBy(step);
    this.replanned = this.planner.replan(this.shift, this.#keeper.facts(this.#nowMs));
    applyPatches(this.#words, patchesFor(this.#directory, this.replanned));
  }

  #shiftBy(step: Step): Shift {
    switch (step.kind) {
      case "set": {
        const { action } = step;
        const untilMs = this.#nowMs + 15_000;
        const override = { action, author: "anna", reason: "a test", createdMs: this.#nowMs, untilMs };
        this.#overrides.push({ ...override, id: overrideId(action) });
        return this.#keeper.override([...this.#overrides], this.#nowMs);
      }
      case "end":
        this.#overrides.shift();
        return this.#keeper.override([...this.#overrides], this.#nowMs);
      case "report": {
        this.#nowMs += 1;
        const timings = { connectMs: step.connectMs, tlsMs: null, firstByteMs: null };
        const outcome = step.succeeds
          ? { kind: "success" as const, timings, load: step.load }
          : { kind: "failure" as const, error: "refused" as const, detail: "", timings };
        const { vantage, vip } = step;
        const report = { vantage: vantage as VantageId, vip: vip as VipId, atMs: this.#nowMs, outcome };
        return this.#keeper.report([report]);
      }
      case "tick":
        this.#nowMs += step.ms;
        return this.#keeper.tick(this.#nowMs);
    }
  }

  /** What a planner that knows nothing of the way here would plan. */
  plansFromFacts(): ReturnType<typeof plansOf> {
    const fresh = plannerOf(this.#snapshot);
    fresh.planAll(this.#keeper.facts(this.#nowMs));
    return plansOf(fresh);
  }

  /** The plans in force in the patched book, as words. */
  patchedPlans(): readonly (readonly number[])[] {
    return this.#directory.services.flatMap(({ slots, capacity4, capacity6, buckets, rings }, number) => {
      const classes = plansOf(this.planner)[number]!;
      return classes.flatMap((_, classNumber) => {
        const at =
          slots + classNumber * (slotWords(capacity4, buckets, rings) + slotWords(capacity6, buckets, rings));
        return [
          this.#inForce(at, bufferWords(capacity4, buckets, rings)),
          this.#inForce(at + slotWords(capacity4, buckets, rings), bufferWords(capacity6, buckets, rings)),
        ];
      });
    });
  }

  encodedPlans(): readonly (readonly number[])[] {
    const { vips, services } = this.#directory;
    return plansOf(this.planner).flatMap((classes, number) => {
      const { capacity4, capacity6, buckets, rings } = services[number]!;
      return classes.flatMap(({ ipv4, ipv6, ttlSeconds4, ttlSeconds6 }) => [
        [...planWords(ipv4, ttlSeconds4, vips, capacity4, buckets, rings)],
        [...planWords(ipv6, ttlSeconds6, vips, capacity6, buckets, rings)],
      ]);
    });
  }

  #inForce(slot: number, length: number): readonly number[] {
    const at = slot + 1 + (this.#words[slot]! & 1) * length;
    return [...this.#words.slice(at, at + length)];
  }
}

describe("an adaptive TTL", () => {
  const calm: Check = { ...check, intervalMs: 6_000, recheckMs: 6_000, fall: 3, rise: 2 };
  const whenDown = { kind: "all" } as const;
  const walkThrough = (): Walk =>
    new Walk(
      snapshotOf(
        [
          { policy: pool("two"), whenDown, ttlSecondsMin: 1 },
          { policy: pool("two"), whenDown },
          { policy: failover([pool("two"), pool("one")]), whenDown, ttlSecondsMin: 1 },
        ],
        calm,
      ),
    );
  const ttls = (walk: Walk): readonly number[] =>
    plansOf(walk.planner).flatMap((classes) => classes.map(({ ttlSeconds4 }) => ttlSeconds4));
  /** Some vantages see VIPs fail, the others see them well; after a tick, the numbers of the services that were patched. */
  const see = (walk: Walk, members: readonly string[], failing: number): readonly number[] => {
    for (const [i, vantage] of VANTAGES.entries())
      for (const family of ["ipv4", "ipv6"])
        for (const id of members) {
          const vip = `${id}/${family}`;
          walk.take({ kind: "report", vantage, vip, succeeds: i >= failing, connectMs: 1, load: null });
          expect(walk.replanned).toEqual([]);
        }
    walk.take({ kind: "tick", ms: 1_000 });
    expect(walk.patchedPlans()).toEqual(walk.encodedPlans());
    return walk.replanned.flatMap(({ cohort }) => cohort.services).sort();
  };

  test("follows what is seen by so many vantages as decide, once a second, and nothing else is patched", () => {
    const walk = walkThrough();
    expect(ttls(walk)).toEqual([1, 5, 1]);
    expect(see(walk, ["two/us", "one/eu"], 0)).toEqual([0, 2]);
    // Two rechecks of 6 s, less the probe, the way and a second.
    expect(ttls(walk)).toEqual([5, 5, 5]);
    expect(see(walk, ["two/us", "one/eu"], 0)).toEqual([]);
    expect(see(walk, ["one/eu"], 5)).toEqual([]);
    expect(see(walk, ["two/us"], 2)).toEqual([]);
    expect(see(walk, ["two/us"], 3)).toEqual([0, 2]);
    expect(ttls(walk)).toEqual([3, 5, 3]);
    expect(see(walk, ["two/us"], 0)).toEqual([0, 2]);
    expect(ttls(walk)).toEqual([5, 5, 5]);
  });

  test("counts the end of an override, and knows one without end", () => {
    const walk = walkThrough();
    see(walk, ["two/us", "one/eu"], 0);
    const target = { by: "member", id: "two/us" } as const;
    walk.take({ kind: "set", action: { kind: "force", target, verdict: "up" } });
    expect(ttls(walk)).toEqual([5, 5, 5]);
    for (let second = 0; second < 11; second += 1) walk.take({ kind: "tick", ms: 1_000 });
    expect(ttls(walk)).toEqual([2, 5, 2]);
    for (let second = 0; second < 3; second += 1) walk.take({ kind: "tick", ms: 1_000 });
    expect(ttls(walk)).toEqual([1, 5, 1]);
  });
});

test("a snapshot with other zones alone is planned on the split there is", () => {
  const snapshot = snapshotOf([
    { policy: { kind: "pool", pool: [...WORLD.pools.keys()][0]! }, whenDown: { kind: "all" } },
  ]);
  const before = plannerOf(snapshot);
  const { value: after } = Planner.of({ ...snapshot, zones: [] }, before);
  const facts = new FactKeeper(snapshot.config, [], [], START_MS).facts(START_MS);
  before.planAll(facts);
  after!.planAll(facts);
  expect(plansOf(after!)).toEqual(plansOf(before));
  const service = snapshot.config.services[0]!;
  expect(after!.splitFor(service)!.partition).toBe(before.splitFor(service)!.partition);
  const { value: other } = Planner.of({ ...snapshot, config: { ...snapshot.config } }, before);
  expect(other!.splitFor(service)!.partition).not.toBe(before.splitFor(service)!.partition);
});

function plansOf(planner: Planner): readonly Plans[] {
  return planner.content(1).services.map(({ plans }) => plans);
}

type Plans = ReturnType<Planner["content"]>["services"][number]["plans"];

function plannerOf(snapshot: Snapshot): Planner {
  const { value, problems } = Planner.of(snapshot);
  if (value === null) throw new Error(JSON.stringify(problems));
  return value;
}

function snapshotOf(
  services: readonly (Pick<Service, "policy" | "whenDown"> & Partial<Pick<Service, "ttlSecondsMin">>)[],
  judgedBy = check,
): Snapshot {
  const config: Config = {
    ...WORLD,
    checks: new Map([[judgedBy.id, judgedBy]]),
    pools: new Map([...WORLD.pools].map(([id, found]) => [id, { ...found, check: check.id }])),
    services: services.map(({ policy, whenDown, ttlSecondsMin = 5 }, i) => ({
      ...serviceOf(`s${i}.test`, policy, whenDown),
      ttlSecondsMin,
    })),
  };
  return {
    config,
    zones: [],
    signing: new Map(),
    zoneKeys: new Map(),
    keys: new Map(),
    addresses: new Map(),
    atlas,
    geo: { file: "geo.mmdb", type: "Test", builtAtSeconds: 0 },
  };
}

function serviceOf(label: string, policy: Policy, whenDown: Service["whenDown"]): Service {
  const parsed = parseName(label, rootName);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  const place = { file: "meridian.yaml", line: 1, column: 1 };
  return {
    name: parsed.name,
    label,
    ttlSeconds: 5,
    ttlSecondsMin: 5,
    failoverWithinMs: null,
    policy,
    whenDown,
    https: null,
    place,
  };
}

function atlasOf(): Snapshot["atlas"] {
  const records = {
    "192.0.2.0/24": { country: { iso_code: "GB" } },
    "198.51.100.0/24": { country: { iso_code: "JP" } },
    "203.0.113.0/24": { country: { iso_code: "US" }, subdivisions: [{ iso_code: "CA" }] },
    "2001:db8::/32": { country: { iso_code: "IE" } },
  };
  const mmdb = readMmdb(writeMmdb({ recordSize: 24, ipVersion: 6, records }));
  if (mmdb.kind === "problem") throw new Error(mmdb.message);
  return buildAtlas({ databases: [mmdb], labels: [], prefixes: [] });
}
