/** Loads: whose word counts, how long, what a member sheds, and that what it sheds comes to rest. */

import { describe, expect, test } from "vitest";
import type { MemberId, PoolId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { NOWHERE } from "../../src/geo/location.ts";
import { type LoadReport, Loads } from "../../src/health/loads.ts";
import { localise } from "../../src/steering/localise.ts";
import { planFor } from "../../src/steering/plan.ts";
import { randomFrom } from "../e2e/random.ts";
import { fc } from "../fast-check.ts";
import { configOf, factsOf, serviceOf, sharesOf } from "../steering/world.ts";
import { memberId } from "./fixtures.ts";

const A = memberId("web/a");
const DELAY_MS = 40_000;

function loadsOf(shedAbove: number | null = 0.8): Loads {
  return new Loads([{ member: A, shedAbove, delayMs: DELAY_MS }], 0);
}

function said(load: number, parts: Partial<LoadReport> = {}): LoadReport {
  return { member: A, source: "dublin", load, atMs: 0, freshUntilMs: 1e9, ...parts };
}

/** Moves time second by second. */
function run(loads: Loads, fromMs: number, toMs: number): void {
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 1_000) loads.tick(nowMs);
}

describe("the load of a member", () => {
  test.each([
    [[0.5], 0.5],
    [[0.5, 0.9], 0.5],
    [[0.1, 0.5, 100], 0.5],
    [[0, 0.9, 0.9], 0.9],
    [[0.1, 0.5, 0.6, 100], 0.5],
  ])("is of %j the highest that more than half of the sources reach: %d", (all, load) => {
    const loads = loadsOf();
    for (const [i, one] of all.entries()) loads.report(said(one, { source: `s${i}` }));
    expect(loads.loads().get(A)).toBe(load);
  });

  test("is the last that each source has said, whatever the order of arrival", () => {
    const loads = loadsOf();
    loads.report(said(0.7, { atMs: 2 }));
    loads.report(said(0.9, { atMs: 1 }));
    expect(loads.loads().get(A)).toBe(0.7);
  });

  test("that is not renewed in time is unknown", () => {
    const loads = loadsOf();
    loads.report(said(0.5, { freshUntilMs: 17_000 }));
    loads.tick(17_000);
    expect(loads.loads().get(A)).toBe(0.5);
    loads.tick(17_001);
    expect(loads.loads().size).toBe(0);
  });

  test("is not kept of members that are not, or no longer, in the config", () => {
    const loads = loadsOf();
    loads.report(said(0.5, { member: memberId("web/b") }));
    expect(loads.loads().size).toBe(0);
    loads.report(said(0.5));
    loads.retarget([]);
    expect(loads.loads().size).toBe(0);
    expect(loads.tick(1_000).size).toBe(0);
  });
});

describe("a member", () => {
  test.each([
    [0.8, 0.8],
    [0.8, 0.2],
    [1, 1],
    [null, 50],
  ])("with a threshold of %d sheds nothing at a load of %d", (shedAbove, load) => {
    const loads = loadsOf(shedAbove);
    loads.report(said(load));
    run(loads, 0, 1_000_000);
    expect(loads.takes().size).toBe(0);
  });

  test("that no longer tells its load gets its share back, no faster than it fell", () => {
    const loads = loadsOf();
    loads.report(said(2, { freshUntilMs: 100_000 }));
    run(loads, 0, 100_000);
    const fallen = loads.takes().get(A)!;
    expect(fallen).toBeLessThan(0.7);
    run(loads, 101_000, 110_000);
    expect(loads.takes().get(A)).toBeGreaterThan(fallen);
    expect(loads.takes().get(A)).toBeLessThan(fallen * 1.1);
    run(loads, 111_000, 400_000);
    expect(loads.takes().size).toBe(0);
  });

  test("keeps a hundredth however busy it says it is, so that its load still tells something", () => {
    const loads = loadsOf();
    loads.report(said(100));
    run(loads, 0, 10_000_000);
    expect(loads.takes().get(A)).toBeCloseTo(0.01, 3);
  });

  test("never loses or wins more than a factor of 2 in three delays, whatever is said of it and when", () => {
    const steps = fc.array(
      fc.record({ load: fc.double({ min: 0, max: 100, noNaN: true }), ms: fc.nat(20_000) }),
    );
    fc.assert(
      fc.property(steps, fc.double({ min: 0, max: 1, noNaN: true }), (all, shedAbove) => {
        const loads = loadsOf(shedAbove);
        let nowMs = 0;
        for (const { load, ms } of all) {
          const before = loads.takes().get(A) ?? 1;
          loads.report(said(load, { atMs: nowMs, freshUntilMs: nowMs + 15_000 }));
          nowMs += ms;
          loads.tick(nowMs);
          const factor = (loads.takes().get(A) ?? 1) / before;
          // A step of 2 % may have been half done before.
          const most = 2 ** (ms / (3 * DELAY_MS)) * 1.021;
          expect(factor).toBeLessThan(most);
          expect(1 / factor).toBeLessThan(most);
        }
      }),
    );
  });
});

describe("the headroom of a member", () => {
  test("is all of it until somebody tells a load, then what the load leaves, and a twentieth at least", () => {
    const loads = loadsOf(null);
    expect(loads.headroom(A)).toBe(1);
    loads.report(said(0.3));
    expect([...loads.tick(1_000)]).toEqual([A]);
    expect(loads.headroom(A)).toBe(0.7);
    const full = loadsOf(null);
    full.report(said(3));
    full.tick(1_000);
    expect(full.headroom(A)).toBe(0.05);
  });

  test("follows loads over sixty delays, stays when nobody tells any, and goes with the member", () => {
    const loads = loadsOf(null);
    loads.report(said(0.3));
    loads.tick(0);
    loads.report(said(0.9, { atMs: 1, freshUntilMs: 20 * DELAY_MS }));
    run(loads, 1_000, 5 * DELAY_MS);
    expect(loads.headroom(A)).toBe(0.7);
    run(loads, 5 * DELAY_MS, 20 * DELAY_MS);
    expect(loads.headroom(A)).toBeGreaterThan(0.5);
    expect(loads.headroom(A)).toBeLessThan(0.6);
    const kept = loads.headroom(A);
    run(loads, 20 * DELAY_MS, 200 * DELAY_MS);
    expect(loads.headroom(A)).toBe(kept);
    loads.retarget([]);
    expect(loads.headroom(A)).toBe(1);
  });
});

/**
 * A third region has died, and its 1.1 goes to two others that can serve 1 each and are busy with 0.2 and 0.5, by what `headroom`
 * says they have left. Answers are kept for 30 s, loads looked at every 10 s. The share of the first, second by second.
 */
function splitOf(
  headroom: (loads: Loads, member: MemberId, load: number) => number,
  seconds: number,
): number[] {
  const [b, c] = [memberId("web/b"), memberId("web/c")];
  const rules = [b, c].map((member) => ({ member, shedAbove: null, delayMs: DELAY_MS }));
  const loads = new Loads(rules, 0);
  const split: number[] = [];
  // One of them was less busy when it was last looked at before.
  let [loadB, loadC] = [0.2, 0.4];
  for (let second = 0; second < seconds; second += 1) {
    const atMs = second * 1_000;
    if (second % 10 === 0) {
      const recent = split.slice(-30);
      const share = recent.reduce((sum, one) => sum + one, 0) / Math.max(1, recent.length);
      if (second > 0) [loadB, loadC] = [0.2 + 1.1 * share, 0.5 + 1.1 * (1 - share)];
      for (const [member, load] of [
        [b, loadB],
        [c, loadC],
      ] as const)
        loads.report(said(load, { member, atMs: atMs + 1 }));
    }
    loads.tick(atMs);
    const [ofB, ofC] = [headroom(loads, b, loadB), headroom(loads, c, loadC)];
    split.push(ofB / (ofB + ofC));
  }
  return split;
}

describe("a failover that is split by headroom", () => {
  const fair = 0.8 / (0.8 + 0.5);

  test("stays about as it was in the beginning, though all headrooms shrink by it", () => {
    const split = splitOf((loads, member) => loads.headroom(member), 300 * 40);
    expect(split).toHaveLength(300 * 40);
    for (const share of split) expect(Math.abs(share - fair)).toBeLessThan(0.06);
  });

  test("would swing if it went by what is left at each moment", () => {
    const split = splitOf((_loads, _member, load) => Math.max(0.05, 1 - load), 100 * 40).slice(-10 * 40);
    expect(Math.max(...split) - Math.min(...split)).toBeGreaterThan(0.3);
  });
});

const MEMBERS: readonly MemberId[] = ["web/a", "web/b", "web/c"].map(memberId);

/** By member. */
type Shares = Readonly<Record<string, number>>;

interface Arrived {
  readonly member: MemberId;
  readonly load: number;
}

interface WorldParts {
  readonly policy: Policy;
  readonly ttl: number;
  readonly intervalSeconds: number;
  readonly reportSeconds: number;
  /** The load of a member without answers. */
  readonly base: number;
  readonly demand: (second: number) => number;
  readonly capacities: Shares;
  /** The weight of one more member, which is dead, so that the others share by headroom what it leaves; 0: there is none. */
  readonly left: number;
}

/** What loads come to, by member. */
interface Outcome {
  readonly takes: Shares;
  readonly headrooms: Shares;
}

/**
 * Members that are busy with what they are given: clients keep an answer for its TTL and ask at random times, loads are
 * looked at every interval, and the plans are real ones.
 */
class World {
  readonly #parts: WorldParts;
  readonly #plan: (outcome: Outcome) => Shares;
  /** The shares of the last TTL's answers, by second. */
  readonly #given: Shares[] = [];
  /** What has been said and has not arrived. */
  #onTheWay: (Arrived & { readonly second: number })[] = [];
  #second = 0;

  constructor(parts: WorldParts) {
    this.#parts = parts;
    const specs = Object.fromEntries(MEMBERS.map((id) => [id.slice("web/".length), { region: "eu" }]));
    const dead = parts.left === 0 ? {} : { dead: { region: "eu", weight: parts.left } };
    const config = configOf({ eu: [50, 0] }, { web: { ...specs, ...dead } });
    const local = localise(parts.policy, NOWHERE, config);
    this.#plan = ({ takes, headrooms }) => {
      const split = { down: ["web/dead"], headrooms: { ...headrooms, "web/dead": 1 } };
      const facts = factsOf(parts.left === 0 ? { takes } : { takes, ...split });
      const shares = sharesOf(planFor(local, serviceOf(), 4, facts, config));
      if (typeof shares === "string") throw new Error(shares);
      return shares;
    };
  }

  /** The longest way from a take to the load that tells of it, as `control/shedding.ts` has it. */
  get delaySeconds(): number {
    const { ttl, intervalSeconds, reportSeconds } = this.#parts;
    return ttl + intervalSeconds + reportSeconds + 1;
  }

  get hasDead(): boolean {
    return this.#parts.left > 0;
  }

  get capacities(): Shares {
    return this.#parts.capacities;
  }

  /** The load of a member as it was while the dead one lived. */
  loadBefore(member: MemberId): number {
    const { base, demand, capacities, left } = this.#parts;
    return base + demand(0) / (MEMBERS.length + left) / (capacities[member] ?? 1);
  }

  /** One second with these takes and headrooms. */
  step(outcome: Outcome): { readonly shares: Shares; readonly arrived: readonly Arrived[] } {
    const { ttl, intervalSeconds, reportSeconds, base, demand, capacities } = this.#parts;
    this.#second += 1;
    const shares = this.#plan(outcome);
    this.#given.push(shares);
    if (this.#given.length > ttl) this.#given.shift();
    for (const [i, member] of MEMBERS.entries()) {
      if ((this.#second + i) % intervalSeconds !== 0) continue;
      const served = this.#given.reduce((sum, given) => sum + (given[member] ?? 0), 0) / this.#given.length;
      const load = base + (demand(this.#second) * served) / (capacities[member] ?? 1);
      this.#onTheWay.push({ second: this.#second + reportSeconds, member, load });
    }
    const arrived = this.#onTheWay.filter(({ second }) => second <= this.#second);
    this.#onTheWay = this.#onTheWay.filter(({ second }) => second > this.#second);
    return { shares, arrived };
  }
}

const POOL: Policy = { kind: "pool", pool: "web" as PoolId };
const ORDER: Policy = {
  kind: "failover",
  name: null,
  minUp: 0,
  order: MEMBERS.map((member) => ({ kind: "member", member })),
};

/** Three members that can serve 1 each, in an order, with answers of 30 s and loads every 10 s. */
function orderWith(demand: (second: number) => number): World {
  const capacities = Object.fromEntries(MEMBERS.map((id) => [id, 1]));
  return new World({
    policy: ORDER,
    ttl: 30,
    intervalSeconds: 10,
    reportSeconds: 1,
    base: 0,
    demand,
    capacities,
    left: 0,
  });
}

/** How many random worlds are tried: more of them with MERIDIAN_LOADS. */
const WORLDS = Number(process.env["MERIDIAN_LOADS"] ?? 30);

/** The members can serve the demand together, but seldom those alone who are first to get it. */
function randomWorld(seed: number, hasDead: boolean): { readonly world: World; readonly shedAbove: number } {
  const random = randomFrom(seed);
  const among = (least: number, most: number): number => least * (most / least) ** random();
  const base = random() < 0.5 ? 0 : random() * 0.7;
  const capacities = Object.fromEntries(MEMBERS.map((id) => [id, among(0.5, 2)]));
  const most = Object.values(capacities).reduce((sum, capacity) => sum + capacity * (1 - base), 0);
  const demand = among(0.1, 0.9) * most;
  const world = new World({
    policy: random() < 0.5 || hasDead ? POOL : ORDER,
    ttl: Math.round(among(1, 300)),
    intervalSeconds: Math.round(among(1, 30)),
    reportSeconds: Math.round(among(1, 5)),
    base,
    demand: () => demand,
    capacities,
    left: hasDead ? among(0.3, 3) : 0,
  });
  return { world, shedAbove: random() < 0.2 ? 1 : random() };
}

/** What comes of the loads that arrive: by `Loads`, or what a test puts in its place. */
type Law = (second: number, arrived: readonly Arrived[]) => Outcome;

function bounded(world: World, shedAbove: number): Law {
  const delayMs = world.delaySeconds * 1_000;
  const loads = new Loads(
    MEMBERS.map((member) => ({ member, shedAbove, delayMs })),
    0,
  );
  if (world.hasDead)
    for (const member of MEMBERS)
      loads.report({
        member,
        source: "dublin",
        load: world.loadBefore(member),
        atMs: 0,
        freshUntilMs: 100_000,
      });
  return (second, arrived) => {
    const atMs = second * 1_000;
    const freshUntilMs = atMs + 100_000;
    for (const { member, load } of arrived)
      loads.report({ member, source: "dublin", load, atMs, freshUntilMs });
    loads.tick(atMs);
    const headroomOf = (member: MemberId): number => (world.capacities[member] ?? 1) * loads.headroom(member);
    return {
      takes: Object.fromEntries(loads.takes()),
      headrooms: Object.fromEntries(MEMBERS.map((member) => [member, headroomOf(member)])),
    };
  };
}

/** Sheds at once what the load calls for. */
function unbounded(shedAbove: number): Law {
  const takes: Record<string, number> = {};
  return (_second, arrived) => {
    for (const { member, load } of arrived)
      takes[member] = Math.min(1, Math.max(0.01, 1 - (load - shedAbove) / (1 - shedAbove)));
    return { takes: { ...takes }, headrooms: {} };
  };
}

/** The shares of all answers, second by second. */
function courseOf(world: World, law: Law, delays: number): readonly Shares[] {
  const course: Shares[] = [];
  let outcome: Outcome = { takes: {}, headrooms: world.capacities };
  for (let second = 1; second <= delays * world.delaySeconds; second += 1) {
    const { shares, arrived } = world.step(outcome);
    outcome = law(second, arrived);
    course.push(shares);
  }
  return course;
}

/** How often a course turns round by more than a twentieth of all answers. */
function turnsOf(course: readonly number[]): number {
  let turns = 0;
  let rising: boolean | null = null;
  let [least = 0, most = 0] = [course[0], course[0]];
  for (const share of course) {
    least = Math.min(least, share);
    most = Math.max(most, share);
    if (rising !== true && share > least + 0.05) {
      if (rising === false) turns += 1;
      rising = true;
      most = share;
    } else if (rising !== false && share < most - 0.05) {
      if (rising === true) turns += 1;
      rising = false;
      least = share;
    }
  }
  return turns;
}

/** How far the share of a member still moves in the last ten delays. */
function unrestOf(course: readonly number[], { delaySeconds }: World): number {
  const tail = course.slice(-10 * delaySeconds);
  return Math.max(...tail) - Math.min(...tail);
}

describe("shedding in a closed loop", () => {
  const timeout = 20_000 + WORLDS * 500;
  test.each([
    { name: "", hasDead: false },
    { name: " with a dead member, whose part is split by headroom", hasDead: true },
  ])(
    `comes to rest in ${WORLDS} random worlds$name, without swinging on the way`,
    { timeout },
    ({ hasDead }) => {
      for (let seed = 1; seed <= WORLDS; seed += 1) {
        const { world, shedAbove } = randomWorld(seed, hasDead);
        const course = courseOf(world, bounded(world, shedAbove), 60);
        for (const id of MEMBERS) {
          const shares = course.map((one) => one[id] ?? 0);
          expect(unrestOf(shares, world), `unrest of ${id} in world ${seed}`).toBeLessThan(0.05);
          expect(turnsOf(shares), `turns of ${id} in world ${seed}`).toBeLessThan(2);
        }
      }
    },
  );

  test("rests where its law says: the first of an order gives away what it has too much", () => {
    const world = orderWith(() => 1.5);
    const last = courseOf(world, bounded(world, 0.8), 60).at(-1);
    // share * (1 - 0.8 + 1.5) = 1, and a step of a take is 2 %.
    expect(Math.abs((last?.["web/a"] ?? 0) * 1.7 - 1)).toBeLessThan(0.05);
    expect(last?.["web/c"] ?? 0).toBe(0);
  });

  test("follows a demand that comes and goes, and in the end gives nothing away", () => {
    const world = orderWith((second) => (second < 3_000 ? 2.5 : 0.5));
    const course = courseOf(world, bounded(world, 0.8), 150).map((shares) => shares["web/a"] ?? 0);
    expect(Math.min(...course)).toBeLessThan(0.45);
    expect(course.at(-1)).toBe(1);
    expect(turnsOf(course)).toBe(1);
  });

  test("would swing for ever if takes followed loads at once", () => {
    const world = orderWith(() => 1.5);
    const shares = courseOf(world, unbounded(0.8), 60).map((one) => one["web/a"] ?? 0);
    expect(unrestOf(shares, world)).toBeGreaterThan(0.5);
    expect(turnsOf(shares)).toBeGreaterThan(20);
  });
});
