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
import { type FactKeeper, NO_SHIFT } from "./fact-keeper.ts";
import { inTurns } from "./in-turns.ts";
import type { Edition } from "./live-book.ts";
import { describeMove, type Moved, MovedClients } from "./moved-clients.ts";
import type { Override } from "./override.ts";
import { type Passage, passagesByFacts, passagesByFiles } from "./passage.ts";
import type { ProfileWindow } from "./profile.ts";
import type { Ruled } from "./rules.ts";
import { RegionsRule } from "./safety-regions.ts";
import { closedBecause } from "./safety-windows.ts";

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

  /** Each rule that an attempt breaks, with the numbers. What no rule asks about is not worked out. */
  async problems(attempt: Attempt): Promise<readonly Problem[]> {
    const edition = this.#options.inForce();
    if (edition === null) return [];
    const { safety } = edition.snapshot.config;
    return [
      ...windowProblems(attempt, safety, this.#options.nowMs()),
      ...(await this.#drillProblems(attempt, safety)),
      ...(await this.#moveProblems(attempt, edition)),
    ];
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

  /** The rules about clients. */
  async #moveProblems(attempt: Attempt, edition: Edition): Promise<readonly Problem[]> {
    const { config, atlas } = edition.snapshot;
    const { maxMoved, minRegionsUp } = config.safety;
    if (maxMoved === null && minRegionsUp === null) return [];
    const windows =
      maxMoved === null ? null : await this.#options.traffic(this.#options.nowMs() - TRAFFIC_MS);
    const crowd = await inTurns(crowdOf(windows ?? [], config, atlas));
    const regions = minRegionsUp && new RegionsRule(minRegionsUp);
    const moved = maxMoved && new MovedClients(crowd);
    const passages = this.#passages(attempt, edition);
    await inTurns(
      (function* (): Steps<void> {
        for (const passage of passages) {
          if (passage !== null) regions?.add(passage);
          if (passage !== null) moved?.add(passage);
          yield;
        }
      })(),
    );
    return [
      ...(regions?.problems() ?? []),
      ...(maxMoved && moved ? movedProblems(moved.sum(), maxMoved) : []),
    ];
  }

  #passages(attempt: Attempt, edition: Edition): Iterable<Passage | null> {
    const { keeper, nowMs } = this.#options;
    const facts = keeper.facts(nowMs());
    switch (attempt.kind) {
      case "overrides": {
        const { shift, facts: after } = keeper.supposing(attempt.overrides, nowMs());
        return passagesByFacts(edition, shift, facts, after);
      }
      case "release": {
        const ups = attempt.vips.map((vip) => ({ kind: "verdict", vip, up: true }) as const);
        return passagesByFacts(
          edition,
          { ...NO_SHIFT, vips: new Set(attempt.vips) },
          facts,
          suppose(facts, ups),
        );
      }
      case "files": {
        const { ruled } = attempt;
        return passagesByFiles(edition, ruled, facts, keeper.factsFor(ruled.snapshot.config, nowMs()));
      }
    }
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

function movedProblems(
  moved: Moved,
  { place, share }: NonNullable<SafetyConfig["maxMoved"]>,
): readonly Problem[] {
  if (moved.share <= share) return [];
  const message = `safety.maxMoved: ${formatPercent(moved.share)} of clients would be moved, expected at most ${formatPercent(share)}, ${basisText(moved.basis)}`;
  return [{ ...place, message, details: describeMove(moved) }];
}

function basisText(basis: Crowd["basis"]): string {
  return basis === "profile" ? "by the traffic of the last hour" : "with every country counted alike";
}
