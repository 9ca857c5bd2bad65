/** One random service, a failure of it, and how long caches went on giving a dead VIP to clients. */

import type { Check, Quorum } from "../../src/config/check.ts";
import type {
  Config,
  Member,
  Pool,
  Service,
  SignalRules,
  VantageId,
  VipId,
} from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { FactKeeper } from "../../src/control/fact-keeper.ts";
import { isNothing, type Shift } from "../../src/control/shift.ts";
import { failoverBound } from "../../src/health/bound.ts";
import { votesNeeded } from "../../src/health/quorum.ts";
import type { Report } from "../../src/health/report.ts";
import { sourceVantage } from "../../src/health/signals.ts";
import { localise } from "../../src/steering/localise.ts";
import { type Plan, planFor } from "../../src/steering/plan.ts";
import { ttlOf } from "../../src/steering/ttl.ts";
import { below, pick, type Random } from "../e2e/random.ts";
import { failover, geo, LONDON, latency, member, nearest, pool, TOKYO, weighted } from "../steering/world.ts";
import { checkId, checkWith, configWith, memberOf, poolId, serviceWith } from "./fixtures.ts";
import { Simulation, TICK_MS } from "./simulation.ts";

/** What one failure came to. */
export interface Failover {
  readonly promise: Promised;
  readonly promisedMs: number;
  /**
   * From the death of a VIP to the end of the last cached answer with it, the longest of the VIPs that died; Infinity:
   * it was still answered with when all was over.
   */
  readonly observedMs: number;
  /** For the message of a test that fails. */
  readonly story: string;
}

/**
 * What must hold. stated: the bound of the service. stale: that and the time until votes go stale, because vantages
 * fell silent whose votes decide. held: nothing, because fewer vantages are left than `minVantages`.
 */
export type Promised = "stated" | "stale" | "held";

/** Where the networks part, for a time or for good: nobody hears these vantages, or they see everything down. */
interface Partition {
  readonly kind: "none" | "silent" | "cut off";
  readonly vantages: readonly VantageId[];
  readonly fromMs: number;
  readonly untilMs: number;
}

const places = [LONDON, TOKYO];
const regions = {
  us: { latitude: 39, longitude: -77 },
  eu: { latitude: 53, longitude: -6 },
  ap: { latitude: 35, longitude: 139 },
};

const AT_ONCE = { kind: "auto", holdDownMs: 0, holdDownMsMax: 60_000, halfLifeMs: 60_000 } as const;

/** Makes a service at random, lets some of its VIPs die, and waits for the last cache. */
export async function failOver(random: Random): Promise<Failover> {
  const { config, service } = randomConfig(random);
  const world = new World(config, service, random);
  const cycleMs = Math.max(...[...config.checks.values()].map((check) => check.intervalMs + check.jitterMs));
  const diesAtMs = cycleMs * (2 + 4 * random());
  const partition = randomPartition(config, diesAtMs, cycleMs, random);
  const promise = promiseOf(partition, diesAtMs, config);
  const staleMs = promise === "stale" ? Math.max(...[...config.checks.values()].map(staleAfterMs)) : 0;
  const promisedMs = failoverBound(service, config)!.totalMs + staleMs;

  await world.live(diesAtMs, partition);
  await world.fail(cycleMs, promisedMs - 1_000 * service.ttlSecondsMin);
  const story = JSON.stringify({ partition, policy: service.policy, checks: [...config.checks.values()] });
  return { promise, promisedMs, observedMs: world.observedMs, story };
}

/** How long a vote counts that is not renewed. */
function staleAfterMs({ intervalMs, timeoutMs }: Check): number {
  return 3 * intervalMs + timeoutMs + TICK_MS;
}

/**
 * What a partition leaves of the bound.
 *
 * Those who report see the death and say so in time. Those who have just fallen silent vote up as long as their last
 * reports are fresh. They delay the verdict where they keep the others from the quorum, or where they are as many:
 * then it is the others who are isolated.
 */
function promiseOf({ kind, vantages, fromMs }: Partition, diesAtMs: number, config: Config): Promised {
  const all = config.vantages.size;
  const reporting = all - vantages.length;
  const checks = [...config.checks.values()];
  if (checks.some(({ minVantages }) => reporting < Math.max(1, minVantages))) return "held";
  const freshMs = Math.max(...checks.map(staleAfterMs)) + config.node.reportMs;
  if (kind !== "silent" || fromMs < diesAtMs - freshMs) return "stated";
  const decide = checks.every(({ quorum }) => reporting >= votesNeeded(quorum, all));
  return decide && reporting > vantages.length ? "stated" : "stale";
}

/** A node with its agents, load balancers that signal, and the resolvers that ask it. */
class World {
  /** See `Failover`. */
  observedMs = 0;
  readonly #config: Config;
  readonly #service: Service;
  readonly #random: Random;
  /** Everything takes as long as it may, and a client asks at the last moment. */
  readonly #isWorst: boolean;
  readonly #keeper: FactKeeper;
  readonly #simulation: Simulation;
  readonly #vips: readonly VipId[];
  readonly #diedAtMs = new Map<VipId, number>();
  /** By place. */
  #plans: readonly Answers[] = [];
  #publishedAtMs = 0;
  /** Called when a probe has just seen a VIP up. */
  #onSeen: ((vip: VipId) => void) | null = null;

  constructor(config: Config, service: Service, random: Random) {
    this.#config = config;
    this.#service = service;
    this.#random = random;
    this.#isWorst = random() < 0.5;
    this.#keeper = new FactKeeper(config, [], [], 0);
    const checks = new Map(
      [...config.pools.values()].flatMap(({ check, members }) =>
        members.map(({ ipv4 }): [VipId, Check] => [ipv4!.id, config.checks.get(check!)!]),
      ),
    );
    this.#vips = [...checks.keys()];
    this.#simulation = new Simulation({
      checks,
      vantages: [...config.vantages.keys()],
      random: this.#isWorst ? () => random() ** 0.1 : random,
      probeMs: (kind, { timeoutMs }) => (kind === "failure" ? this.#upTo(timeoutMs) : this.#least(timeoutMs)),
      travelMs: () => this.#upTo(config.node.reportMs),
      sees: (_vantage, vip, isAlive) => {
        if (isAlive) this.#onSeen?.(vip);
        return isAlive;
      },
      onReport: (report: Report) => this.#follow(this.#keeper.report([report])),
      onTick: (nowMs) => this.#follow(this.#keeper.tick(nowMs)),
    });
    this.#plans = this.#plan();
    for (const place of places.keys())
      this.#simulation.clock.after(random() * 1_000, () => this.#resolve(place));
    for (const { signals, members } of config.pools.values()) {
      for (const source of signals === null ? [] : ["lb-1", "lb-2"].slice(below(2, random)))
        for (const member of members) this.#countIn(sourceVantage(source), member, signals!);
    }
  }

  /** Lives until the failure; one VIP may come back only just before it. */
  async live(untilMs: number, partition: Partition): Promise<void> {
    this.#part(partition);
    if (this.#random() < 0.2) {
      const late = pick(this.#vips, this.#random);
      this.#simulation.kill(late);
      this.#simulation.clock.after(untilMs * (0.3 + 0.7 * this.#random()), () =>
        this.#simulation.revive(late),
      );
    }
    await this.#simulation.runUntil(untilMs);
  }

  /** Lets VIPs die, at once or one by one, and waits for what is promised and one more cycle. */
  async fail(cycleMs: number, detectedMs: number): Promise<void> {
    const random = this.#random;
    const { clock } = this.#simulation;
    const used = this.#plans.flatMap(sharesOf).map(({ vip }) => vip);
    const first = pick(used.length > 0 && random() < 0.9 ? used : this.#vips, random);
    const others = this.#vips.filter((vip) => vip !== first);
    // From a single VIP to an outage that takes most of them.
    const together = pick([0, 0.3, 0.8], random);
    let lastMs = 0;
    const kill = (vip: VipId): void => {
      this.#simulation.kill(vip);
      this.#diedAtMs.set(vip, clock.now());
      lastMs = clock.now();
    };
    const killAll = (): void => {
      kill(first);
      for (const vip of others) {
        const chance = random();
        if (chance < together) kill(vip);
        else if (chance < together + 0.1) clock.after(random() * detectedMs, () => kill(vip));
      }
    };
    if (this.#isWorst) {
      // Just after it has answered: the next probe is as far as it can be.
      this.#onSeen = (vip) => {
        if (vip !== first) return;
        this.#onSeen = null;
        clock.after(0, killAll);
      };
      await this.#simulation.runUntil(clock.now() + 2 * cycleMs);
    }
    if (this.#diedAtMs.size === 0) killAll();
    for (let endMs = 0; endMs < lastMs + detectedMs + cycleMs; ) {
      endMs = lastMs + detectedMs + cycleMs;
      await this.#simulation.runUntil(endMs);
    }
    const isStill = this.#plans.flatMap(sharesOf).some(({ vip }) => this.#diedAtMs.has(vip));
    if (isStill) this.observedMs = Number.POSITIVE_INFINITY;
  }

  #part({ kind, vantages, fromMs, untilMs }: Partition): void {
    const part = (isParted: boolean): void => {
      for (const vantage of vantages) {
        if (kind === "silent") this.#simulation.silence(vantage, isParted);
        else this.#simulation.cutOff(vantage, isParted);
      }
    };
    this.#simulation.clock.after(fromMs, () => part(true));
    this.#simulation.clock.after(untilMs, () => part(false));
  }

  #follow(shift: Shift): void {
    if (!isNothing(shift)) this.#publish(this.#plan());
  }

  #plan(): readonly Answers[] {
    const service = this.#service;
    const facts = this.#keeper.facts(this.#simulation.nowMs);
    return places.map((place) => {
      const local = localise(service.policy, place, this.#config);
      const planned = planFor(local, service, 4, facts, this.#config);
      return { plan: planned.plan, ttlMs: 1_000 * ttlOf(planned, service, facts).seconds };
    });
  }

  #publish(plans: readonly Answers[]): void {
    const { clock, nowMs } = this.#simulation;
    this.#publishedAtMs = Math.max(this.#publishedAtMs, nowMs + this.#upTo(this.#config.node.publishMs));
    clock.after(this.#publishedAtMs - nowMs, () => {
      for (const last of this.#isWorst ? this.#plans : [])
        for (const { vip } of sharesOf(last)) this.#cache(vip, last.ttlMs);
      this.#plans = plans;
    });
  }

  /** A load balancer that counts requests of a member, and says each `every` how they went. */
  #countIn(source: VantageId, member: Member, rules: SignalRules): void {
    const { clock } = this.#simulation;
    const vips = [member.ipv4!.id];
    const wayMs = this.#upTo(this.#config.node.reportMs);
    const total = rules.samples + below(100, this.#random);
    const signal = (sinceMs: number): void => {
      const failed = Math.floor(total * this.#deadIn(member.ipv4!.id, sinceMs));
      const known = { source, member: member.id, vips, rules, errors: { failed, total }, load: null };
      clock.after(wayMs, () => this.#follow(this.#keeper.signal([known], clock.now())));
      const now = clock.now();
      clock.after(rules.everyMs, () => signal(now));
    };
    clock.after(rules.everyMs * this.#random(), () => signal(clock.now()));
  }

  /** The part of the requests since then that failed. Worst, all came before the VIP died. */
  #deadIn(vip: VipId, sinceMs: number): number {
    const { nowMs } = this.#simulation;
    if (!this.#simulation.isDead(vip)) return 0;
    const diedAtMs = this.#diedAtMs.get(vip) ?? 0;
    if (diedAtMs <= sinceMs) return 1;
    return this.#isWorst ? 0 : (nowMs - diedAtMs) / (nowMs - sinceMs);
  }

  /** The resolver of clients that ask all the time: it asks again as soon as its answer has ended. */
  #resolve(place: number): void {
    const answers = this.#plans[place]!;
    const shares = sharesOf(answers);
    if (shares.length > 0) this.#cache(pick(shares, this.#random).vip, answers.ttlMs);
    this.#simulation.clock.after(answers.ttlMs, () => this.#resolve(place));
  }

  /** An answer with this VIP is kept for its TTL. */
  #cache(vip: VipId, ttlMs: number): void {
    const diedAtMs = this.#diedAtMs.get(vip);
    if (diedAtMs === undefined) return;
    const endsAtMs = this.#simulation.nowMs + ttlMs;
    this.observedMs = Math.max(this.observedMs, endsAtMs - diedAtMs);
  }

  #upTo(ms: number): number {
    return this.#isWorst ? ms : ms * this.#random();
  }

  #least(ms: number): number {
    return this.#isWorst ? 0 : ms * this.#random();
  }
}

/** What is answered at a place. */
interface Answers {
  readonly plan: Plan;
  readonly ttlMs: number;
}

/** What clients are given; a last resort is no failover, so nothing is promised of it. */
function sharesOf({ plan }: Answers): readonly { readonly vip: VipId }[] {
  return plan.kind === "answer" && !plan.lastResort ? plan.shares : [];
}

function randomPartition(config: Config, diesAtMs: number, boundMs: number, random: Random): Partition {
  const kind = pick(["none", "none", "silent", "silent", "cut off"] as const, random);
  const chosen = [...config.vantages.keys()].filter(() => random() < 0.4);
  // Half of them long before, so that what they said is stale by then.
  const fromMs = random() < 0.5 ? 0 : diesAtMs + boundMs * (2 * random() - 1);
  const forMs = random() < 0.5 ? Number.POSITIVE_INFINITY : boundMs * 6 * random();
  const untilMs = (random() < 0.5 ? diesAtMs : fromMs) + forMs;
  return { kind, vantages: kind === "none" ? [] : chosen, fromMs: Math.max(0, fromMs), untilMs };
}

/** A service of one or two pools of different checks, and a third pool that it does not use. */
function randomConfig(random: Random): { readonly config: Config; readonly service: Service } {
  const between = (least: number, most: number): number => least + below(most - least + 1, random);
  const vantages = Object.fromEntries(
    Array.from({ length: between(1, 5) }, (_, i) => [`v${i}`, pick(Object.values(regions), random)]),
  );
  const checks = ["near", "far"].map((id) => randomCheck(id, Object.keys(vantages).length, random));
  const pools = ["one", "two", "unused"].map((id, nth): Pool => {
    const names = Object.keys(regions).slice(0, between(1, 3));
    const members = names.map((region, i) => memberOf(id, region, region, 1 + 10 * nth + i));
    return {
      id: poolId(id),
      check: pick(checks, random).id,
      members,
      minUp: 0,
      signals: id === "unused" || random() < 0.7 ? null : randomSignals(random),
      perVantage: random() < 0.3,
    };
  });
  const service = serviceWith({
    policy: randomPolicy(random),
    ...randomTtl(random),
    whenDown: pick([{ kind: "all" }, { kind: "nodata" }], random),
  });
  const config = configWith({ regions, vantages, checks, pools, services: [service] });
  const node = { ...config.node, reportMs: between(1, 1_000), publishMs: between(1, 500) };
  return { config: { ...config, node }, service };
}

function randomCheck(id: string, vantageCount: number, random: Random): Check {
  const between = (least: number, most: number): number => least + below(most - least + 1, random);
  const intervalMs = between(500, 5_000);
  const quorums: readonly Quorum[] = [
    { kind: "majority" },
    { kind: "any" },
    { kind: "all" },
    { kind: "percent", percent: between(1, 100) },
  ];
  return checkWith({
    id: checkId(id),
    intervalMs,
    timeoutMs: between(50, intervalMs),
    recheckMs: between(50, intervalMs),
    jitterMs: random() < 0.3 ? 0 : between(0, intervalMs),
    rise: between(1, 4),
    fall: between(1, 5),
    quorum: pick(quorums, random),
    minVantages: random() < 0.5 ? 1 : between(1, vantageCount),
    slowStartMs: random() < 0.5 ? 0 : between(1_000, 60_000),
    failback: pick([AT_ONCE, { ...AT_ONCE, holdDownMs: between(1_000, 20_000) }, { kind: "manual" }], random),
  });
}

function randomSignals(random: Random): SignalRules {
  return { everyMs: 500 + below(4_500, random), errorsAbove: 0.5 * random(), samples: 1 + below(50, random) };
}

/** Half of them are adaptive. */
function randomTtl(random: Random): Pick<Service, "ttlSeconds" | "ttlSecondsMin"> {
  const ttlSecondsMin = 1 + below(20, random);
  return { ttlSecondsMin, ttlSeconds: random() < 0.5 ? ttlSecondsMin : ttlSecondsMin + below(40, random) };
}

function randomPolicy(random: Random): Policy {
  const [one, two] = [pool("one"), pool("two")];
  const minUp = pick([0, 0, 0.5, 1], random);
  const single = member("one/us");
  return pick(
    [
      one,
      failover([one, two], minUp),
      failover([single, one, two]),
      weighted({ most: [80, one], few: [20, two] }, { minUp }),
      weighted({ all: [1, one], none: [0, two] }),
      geo({ "country GB": failover([one, two]), "country JP": failover([two, one]), default: one }, minUp),
      geo({ "country GB": single, default: two }),
      nearest(failover([one, two])),
      latency(one, minUp),
      failover([nearest(one), weighted({ a: [1, two], b: [1, single] })]),
    ],
    random,
  );
}
