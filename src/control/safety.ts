/** The safety rules of the config: what changes may not do that somebody makes. Failover is never held to them. */

import type { VipId } from "../config/config.ts";
import type { SafetyConfig } from "../config/safety.ts";
import { formatQuantity } from "../config/units.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Problem } from "../problem.ts";
import type { Facts } from "../steering/facts.ts";
import { suppose } from "../steering/suppose.ts";
import { formatPercent } from "../steering/words.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { type Crowd, crowdOf } from "./crowd.ts";
import type { FactKeeper } from "./fact-keeper.ts";
import { inTurns } from "./in-turns.ts";
import type { Edition } from "./live-book.ts";
import { describeMove, type Moved, MovedClients } from "./moved-clients.ts";
import { asOrdered, type Override } from "./override.ts";
import { type Passage, passagesByFacts, passagesByFiles } from "./passage.ts";
import type { ProfileWindow } from "./profile.ts";
import type { Ruled } from "./rules.ts";
import { listedAmong, listedIn } from "./safety-approval.ts";
import { RegionsRule } from "./safety-regions.ts";
import { closedBecause } from "./safety-windows.ts";
import { NO_SHIFT, type Shift } from "./shift.ts";

/** A change that somebody wants to make. */
export type Attempt =
  | {
      readonly kind: "overrides";
      /** All that would be in force. */
      readonly overrides: readonly Override[];
      /** True: it gives back what was taken out of use, so it may be made at any time. */
      readonly restores: boolean;
      readonly isDrill: boolean;
    }
  | { readonly kind: "release"; readonly vips: readonly VipId[] }
  /** The planner has made its plans. */
  | { readonly kind: "files"; readonly ruled: Ruled };

/** What stands against an attempt. */
export interface Review {
  /** Each rule that it breaks, with the numbers. */
  readonly problems: readonly Problem[];
  /** That it moves too many clients, which it need not do at once; null: it does not. */
  readonly tooMany: Problem | null;
  /** What a second person must see; null: none is needed. */
  readonly approval: Approval | null;
}

export interface Approval {
  /** What is said to who would go without. */
  readonly problem: Problem;
  /** What the attempt would do, for people. */
  readonly effects: readonly string[];
  readonly untilMs: number;
}

/** Nothing stands against it. */
export const FREE: Review = { problems: [], tooMany: null, approval: null };

/** Traffic of so long ago says who would be moved. */
const TRAFFIC_MS = 3_600_000;

/** How many incidents a problem names. */
const LISTED_MAX = 5;

export interface SafetyOptions {
  /** null: nothing is in force yet, so everything may be done. */
  readonly inForce: () => Edition | null;
  readonly keeper: FactKeeper;
  readonly nowMs: () => number;
  /** The profile of traffic since a moment; null: none is kept. */
  readonly traffic: (fromMs: number) => Promise<Iterable<ProfileWindow> | null>;
}

/** Holds attempts against the rules in force: new files cannot do away with a rule and break it at once. */
export class Safety {
  readonly #options: SafetyOptions;

  constructor(options: SafetyOptions) {
    this.#options = options;
  }

  /** Tries all rules on an attempt. What no rule asks about is not worked out. */
  async review(attempt: Attempt): Promise<Review> {
    const edition = this.#options.inForce();
    if (edition === null) return FREE;
    const { safety } = edition.snapshot.config;
    const { maxMoved, minRegionsUp } = safety;
    const nowMs = this.#options.nowMs();
    const listed = this.#listed(attempt, edition);
    const regions = minRegionsUp && new RegionsRule(minRegionsUp);
    if (regions !== null) await this.#pass(this.#asOrdered(attempt, edition), regions);
    const problems = [
      ...windowProblems(attempt, safety, nowMs),
      ...(await this.#drillProblems(attempt, safety)),
      ...(regions?.problems() ?? []),
    ];
    const moved = maxMoved !== null || listed.length > 0 ? await this.#move(attempt, edition) : null;
    const tooMany = maxMoved && moved && movedProblem(moved, maxMoved);
    return { problems, tooMany, approval: approvalOf(listed, moved, safety, nowMs) };
  }

  /** Whom an attempt would move; null: nothing is in force that it could change. */
  async moved(attempt: Attempt): Promise<Moved | null> {
    const edition = this.#options.inForce();
    return edition === null ? null : await this.#move(attempt, edition);
  }

  /** What is wrong by itself at this moment, each in a clause. */
  async incidents(): Promise<readonly string[]> {
    const { inForce, keeper, nowMs } = this.#options;
    const edition = inForce();
    return edition === null ? [] : await inTurns(incidentsOf(edition, keeper.facts(nowMs())));
  }

  /** Whether changes may be made now that could not be made then. */
  hasOpenedSince(thenMs: number): boolean {
    const windows = this.#options.inForce()?.snapshot.config.safety.windows ?? null;
    if (windows === null) return false;
    return closedBecause(windows, thenMs) !== null && closedBecause(windows, this.#options.nowMs()) === null;
  }

  async #drillProblems(
    attempt: Attempt,
    { noDrillDuringIncident }: SafetyConfig,
  ): Promise<readonly Problem[]> {
    if (noDrillDuringIncident === null || attempt.kind !== "overrides" || !attempt.isDrill) return [];
    const incidents = await this.incidents();
    const [first, ...others] = incidents;
    if (first === undefined) return [];
    const more = others.length === 0 ? "" : ` (+${formatQuantity(others.length, "incident")})`;
    const message = `safety.noDrillDuringIncident: ${first}${more}`;
    return [{ ...noDrillDuringIncident.place, message, details: incidents.slice(0, LISTED_MAX) }];
  }

  /** The services in question that somebody else must look at. */
  #listed(attempt: Attempt, edition: Edition): readonly string[] {
    const { approval } = edition.snapshot.config.safety;
    if (approval === null) return [];
    const { services } = approval;
    if (attempt.kind === "files") return listedAmong(services, edition.snapshot, attempt.ruled.snapshot);
    return listedIn(services, edition, this.#outlook(attempt).shift);
  }

  /** Counts whom an attempt moves. */
  async #move(attempt: Attempt, edition: Edition): Promise<Moved> {
    const { config, atlas } = edition.snapshot;
    const windows = await this.#options.traffic(this.#options.nowMs() - TRAFFIC_MS);
    const moved = new MovedClients(await inTurns(crowdOf(windows ?? [], config, atlas)));
    await this.#pass(this.#passages(attempt, edition), moved);
    return moved.sum();
  }

  /** Shows each passage to who counts them. */
  async #pass(passages: Iterable<Passage | null>, count: { add(passage: Passage): void }): Promise<void> {
    await inTurns(
      (function* (): Steps<void> {
        for (const passage of passages) {
          if (passage !== null) count.add(passage);
          yield;
        }
      })(),
    );
  }

  /** Before and after an attempt, with all overrides as they were ordered: those that are on their way, or back, might get there. */
  #asOrdered(attempt: Attempt, edition: Edition): Iterable<Passage | null> {
    const { keeper, nowMs } = this.#options;
    if (attempt.kind !== "overrides") return this.#passages(attempt, edition);
    const before = keeper.supposing(keeper.overrides.map(asOrdered), nowMs());
    const after = keeper.supposing(attempt.overrides.map(asOrdered), nowMs());
    const shift = {
      vips: before.shift.vips.union(after.shift.vips),
      choices: before.shift.choices.union(after.shift.choices),
    };
    return passagesByFacts(edition, shift, before.facts, after.facts);
  }

  #passages(attempt: Attempt, edition: Edition): Iterable<Passage | null> {
    const { keeper, nowMs } = this.#options;
    const facts = keeper.facts(nowMs());
    if (attempt.kind === "files") {
      const { ruled } = attempt;
      return passagesByFiles(edition, ruled, facts, keeper.factsFor(ruled.snapshot.config, nowMs()));
    }
    const { shift, facts: after } = this.#outlook(attempt);
    return passagesByFacts(edition, shift, facts, after);
  }

  /** What an attempt would make of the facts. */
  #outlook(attempt: Exclude<Attempt, { kind: "files" }>): {
    readonly facts: Facts;
    readonly shift: Pick<Shift, "vips" | "choices">;
  } {
    const { keeper, nowMs } = this.#options;
    if (attempt.kind === "overrides") return keeper.supposing(attempt.overrides, nowMs());
    const ups = attempt.vips.map((vip) => ({ kind: "verdict", vip, up: true }) as const);
    return {
      facts: suppose(keeper.facts(nowMs()), ups),
      shift: { vips: new Set(attempt.vips), choices: NO_SHIFT.choices },
    };
  }
}

/** VIPs that are down though nobody has ordered it, and services that have nothing up to answer with. */
function* incidentsOf(
  { snapshot: { config }, planner }: Edition,
  { verdicts }: Facts,
): Steps<readonly string[]> {
  const incidents: string[] = [];
  for (const member of config.members.values())
    for (const { id } of vipsOf(member)) {
      const verdict = verdicts.get(id);
      if (verdict !== undefined && !verdict.up && verdict.basis !== "forced")
        incidents.push(`${id} is down: ${verdict.reason}`);
    }
  yield* forEachInSteps(planner.plans(), ([{ service, services }, plans]) => {
    const isLast = plans.some(({ ipv4, ipv6 }) =>
      [ipv4, ipv6].some((plan) => plan.kind !== "servfail" && plan.lastResort),
    );
    const others = services.length === 1 ? "" : ` (+${formatQuantity(services.length - 1, "service")})`;
    if (isLast) incidents.push(`${service.label}${others} has nothing up to answer with`);
  });
  return incidents;
}

function windowProblems(attempt: Attempt, { windows }: SafetyConfig, nowMs: number): readonly Problem[] {
  const isFree = attempt.kind === "release" || (attempt.kind === "overrides" && attempt.restores);
  const closed = isFree || windows === null ? null : closedBecause(windows, nowMs);
  return closed === null || windows === null
    ? []
    : [{ ...windows.place, message: `safety.windows: ${closed}` }];
}

function movedProblem(moved: Moved, { place, share }: NonNullable<SafetyConfig["maxMoved"]>): Problem | null {
  if (moved.share <= share) return null;
  const message = `safety.maxMoved: ${formatPercent(moved.share)} of clients would be moved, expected at most ${formatPercent(share)}, ${basisText(moved.basis)}`;
  return { ...place, message, details: describeMove(moved) };
}

function approvalOf(
  listed: readonly string[],
  moved: Moved | null,
  { approval }: SafetyConfig,
  nowMs: number,
): Approval | null {
  const [first, ...others] = listed;
  if (approval === null || first === undefined || moved === null) return null;
  const more = others.length === 0 ? "" : ` (+${formatQuantity(others.length, "service")})`;
  const message = `safety.approval: ${first}${more} takes a second person`;
  const whole = `${formatPercent(moved.share)} of clients would be moved, ${basisText(moved.basis)}`;
  return {
    problem: { ...approval.place, message },
    effects: [`${first}${more}`, whole, ...describeMove(moved)],
    untilMs: nowMs + approval.withinMs,
  };
}

function basisText(basis: Crowd["basis"]): string {
  return basis === "profile" ? "by the traffic of the last hour" : "with every country counted alike";
}
