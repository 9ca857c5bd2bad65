/** The loads of members as probes and signals tell them, and what their VIPs take and have left under these. */

import type { Check } from "../config/check.ts";
import type { Config, MemberId, PoolId, VipId } from "../config/config.ts";
import { Loads } from "../health/loads.ts";
import { freshForMs } from "../health/matrix.ts";
import type { Report } from "../health/report.ts";
import { signalFreshForMs } from "../health/signals.ts";
import { vipsOf } from "../health/tracked.ts";
import { memberOfVip } from "./lookup.ts";
import { sheddingRules } from "./shedding.ts";
import type { KnownSignal } from "./signals.ts";

/** Those of the members of a config. */
export class MemberLoads {
  readonly #loads: Loads;
  #config: Config;
  #sized: readonly SizedMember[];

  constructor(config: Config, nowMs: number) {
    this.#config = config;
    this.#loads = new Loads(sheddingRules(config), nowMs);
    this.#sized = sizedMembers(config);
  }

  /** Follows a new config; members that are still there keep their loads. */
  use(config: Config): void {
    this.#config = config;
    this.#loads.retarget(sheddingRules(config));
    this.#sized = sizedMembers(config);
  }

  /** Takes the load that a probe was told; it is its member's, whichever of its VIPs has told it. */
  report({ vantage, vip, atMs, outcome }: Report): void {
    const load = outcome.kind === "success" ? (outcome.load ?? null) : null;
    const member = load === null ? null : memberOfVip(this.#config, vip);
    const check = member && checkOf(this.#config, member.pool);
    if (load === null || !member || !check) return;
    const freshUntilMs = atMs + freshForMs(check);
    this.#loads.report({ member: member.id, source: vantage, load, atMs, freshUntilMs });
  }

  /** Takes the load that a signal tells, if any. */
  signal({ source, member, rules, load }: KnownSignal, nowMs: number): void {
    if (load === null) return;
    const freshUntilMs = nowMs + signalFreshForMs(rules);
    this.#loads.report({ member, source, load, atMs: nowMs, freshUntilMs });
  }

  /** Moves time; returns the VIPs whose take or headroom has become another one. */
  tick(nowMs: number): readonly VipId[] {
    return [...this.#loads.tick(nowMs)].flatMap((member) => this.#vipsOf(member));
  }

  /** Those that are known. */
  known(): ReadonlyMap<MemberId, number> {
    return this.#loads.loads();
  }

  /** What VIPs take that take so much by themselves, times what their members take under their load. */
  takesWith(takes: ReadonlyMap<VipId, number>): ReadonlyMap<VipId, number> {
    const less = new Map(takes);
    for (const [member, take] of this.#loads.takes())
      for (const vip of this.#vipsOf(member)) less.set(vip, (takes.get(vip) ?? 1) * take);
    return less;
  }

  /** What members with a capacity have left of it, for those of a config. */
  headrooms(config: Config): ReadonlyMap<MemberId, number> {
    const sized = config === this.#config ? this.#sized : sizedMembers(config);
    return new Map(sized.map(({ id, capacity }) => [id, capacity * this.#loads.headroom(id)]));
  }

  #vipsOf(id: MemberId): readonly VipId[] {
    const member = this.#config.members.get(id);
    return member === undefined ? [] : vipsOf(member).map((vip) => vip.id);
  }
}

/** A member with a capacity. */
interface SizedMember {
  readonly id: MemberId;
  readonly capacity: number;
}

function sizedMembers(config: Config): readonly SizedMember[] {
  return [...config.members.values()].flatMap(({ id, capacity }) =>
    capacity === null ? [] : [{ id, capacity }],
  );
}

function checkOf(config: Config, pool: PoolId): Check | null {
  const id = config.pools.get(pool)?.check ?? null;
  return id === null ? null : (config.checks.get(id) ?? null);
}
