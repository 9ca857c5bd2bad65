/**
 * Steering as the words of the configuration reference say it, read straight off the policy: no local policies, no
 * normal form, no takes, no `minUp`. Slow, and independent of what it checks.
 */

import type { Coordinates, Member, MemberId, RegionId } from "../../src/config/config.ts";
import { childrenOf, type Geo, type Policy } from "../../src/config/policy.ts";
import { distanceKm } from "../../src/geo/distance.ts";
import type { Location } from "../../src/geo/location.ts";
import type { Verdict } from "../../src/health/verdict.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { WORLD } from "./world.ts";

export interface Question {
  readonly location: Location;
  readonly facts: Facts;
  readonly family: 4 | 6;
  readonly service: string;
}

type Shares = ReadonlyMap<MemberId, number>;

/** What to answer; null: nothing is up, not even a reserve. Those near the clients are heard first, then the quorum alone. */
export function read(policy: Policy, question: Question): Shares | null {
  for (const near of [true, false]) {
    for (const reserves of [false, true]) {
      const shares = new Reading(question, reserves, near).read(policy, null);
      if (shares !== null) return shares;
    }
  }
  return null;
}

class Reading {
  readonly #question: Question;
  readonly #reserves: boolean;
  /** Whether vantages near the clients are heard. */
  readonly #near: boolean;

  constructor(question: Question, reserves: boolean, near: boolean) {
    this.#question = question;
    this.#reserves = reserves;
    this.#near = near;
  }

  /** Shares of the members that stand in these regions, or anywhere. */
  read(policy: Policy, within: readonly RegionId[] | null): Shares | null {
    const { location, facts, service } = this.#question;
    const regions = [...WORLD.regions.values()];
    const keptTo = (of: Policy, only: readonly RegionId[]): Shares | null =>
      this.read(of, within === null ? only : only.filter((id) => within.includes(id)));
    switch (policy.kind) {
      case "member":
        return this.#member(WORLD.members.get(policy.member)!, within);
      case "pool":
        return this.#weighted(
          WORLD.pools
            .get(policy.pool)!
            .members.map((one) => ({ shares: this.#member(one, within), weight: this.#weight(one) })),
        );
      case "weighted":
        return this.#weighted(
          policy.choices.map(({ key, weight, use }) => ({
            shares: this.read(use, within),
            weight: facts.choiceWeights.get(`${policy.name ?? service}/${key}`) ?? weight,
          })),
        );
      case "sticky":
      case "spread":
        return this.read(policy.of, within);
      case "failover":
        return firstOf(policy.order.map((child) => this.read(child, within)));
      case "geo":
        return firstOf(matching(policy, location).map((child) => this.read(child, within)));
      case "nearest": {
        const { coordinates } = location;
        const km = new Map(
          regions.map(({ id, coordinates: own }) => [
            id,
            coordinates === null ? 0 : distanceKm(coordinates, own) - (policy.biasKm.get(id) ?? 0),
          ]),
        );
        const order = [...this.#regionsOf(policy.of)].sort((a, b) => km.get(a)! - km.get(b)!);
        const leastKm = km.get(order[0]!) ?? 0;
        const reachKm = leastKm > 0 ? leastKm * (1 + (policy.within ?? 0)) : leastKm;
        const isNear = (id: RegionId): boolean =>
          id === order[0] || (coordinates !== null && policy.within !== null && km.get(id)! <= reachKm);
        const groups = [order.filter(isNear), ...order.filter((id) => !isNear(id)).map((id) => [id])];
        return firstOf(groups.map((ids) => keptTo(policy.of, ids)));
      }
      case "latency": {
        const ranking = facts.latency.ranking("", [...WORLD.regions.keys()]);
        return firstOf(ranking.map((ranked) => keptTo(policy.of, [ranked.region])));
      }
    }
  }

  /** Where there are members that the policy has for clients of the location, in the order of the config. */
  #regionsOf(policy: Policy): ReadonlySet<RegionId> {
    const named = this.#membersOf(policy).map(({ region }) => region);
    return new Set([...WORLD.regions.keys()].filter((id) => named.includes(id)));
  }

  #membersOf(policy: Policy): readonly Member[] {
    if (policy.kind === "pool") return WORLD.pools.get(policy.pool)!.members;
    if (policy.kind === "member") return [WORLD.members.get(policy.member)!];
    const children = policy.kind === "geo" ? matching(policy, this.#question.location) : childrenOf(policy);
    return children.flatMap((child) => this.#membersOf(child));
  }

  #member(one: Member, within: readonly RegionId[] | null): Shares | null {
    const vip = this.#question.family === 4 ? one.ipv4 : one.ipv6;
    if (vip === null || (within !== null && !within.includes(one.region))) return null;
    const verdict = this.#question.facts.verdicts.get(vip.id);
    const waits = typeof verdict?.hold?.untilMs === "number";
    if (verdict?.up === false && !(waits && this.#reserves)) return null;
    if (verdict?.up === true && this.#near && this.#isDownHere(one, verdict)) return null;
    return this.#weight(one) > 0 || this.#reserves ? new Map([[one.id, 1]]) : null;
  }

  /** Whether most of the vantages nearest to the clients call it unhealthy: three, none of them far from the nearest. */
  #isDownHere(one: Member, verdict: Verdict): boolean {
    const { coordinates } = this.#question.location;
    if (coordinates === null || !WORLD.pools.get(one.pool)!.perVantage) return false;
    const km = (place: { readonly coordinates: Coordinates }): number =>
      distanceKm(coordinates, place.coordinates);
    const nearest = [...WORLD.vantages.values()]
      .filter((vantage) => km(vantage) <= km(WORLD.regions.get(one.region)!) + 100)
      .sort((a, b) => km(a) - km(b))
      .filter((vantage, _, all) => km(vantage) <= km(all[0]!) + 500)
      .slice(0, 3)
      .map(({ id }) => id);
    const votes = verdict.votes.filter(({ vantage, counts }) => counts && nearest.includes(vantage));
    const against = votes.filter(({ opinion }) => opinion === "unhealthy");
    return against.length > votes.length / 2;
  }

  #weight(one: Member): number {
    const { drained, memberWeights } = this.#question.facts;
    return drained.has(one.id) ? 0 : (memberWeights.get(one.id) ?? one.weight);
  }

  #weighted(choices: readonly { readonly shares: Shares | null; readonly weight: number }[]): Shares | null {
    const up = choices.filter(({ shares }) => shares !== null);
    const total = up.reduce((sum, { weight }) => sum + weight, 0);
    if (up.length === 0 || (total === 0 && !this.#reserves)) return null;
    const all = new Map<MemberId, number>();
    for (const { shares, weight } of up) {
      const part = total === 0 ? 1 / up.length : weight / total;
      for (const [id, share] of shares ?? []) {
        if (part > 0) all.set(id, (all.get(id) ?? 0) + share * part);
      }
    }
    return all;
  }
}

function firstOf(alternatives: readonly (Shares | null)[]): Shares | null {
  return alternatives.find((shares) => shares !== null) ?? null;
}

function matching(geo: Geo, location: Location): readonly Policy[] {
  const traits = [
    ...location.prefixes.map((prefix) => ({ by: "prefix", prefix })),
    ...location.labels.map((label) => ({ by: "label", label })),
    { by: "asn", asn: location.asn },
    { by: "subdivision", subdivision: location.subdivision },
    { by: "country", country: location.country },
    { by: "continent", continent: location.continent },
  ].map((trait) => JSON.stringify(trait));
  const uses = traits.flatMap((trait) =>
    geo.cases.filter(({ match }) => JSON.stringify(match) === trait).map(({ use }) => use),
  );
  const all = geo.default === null ? uses : [...uses, geo.default];
  return geo.fence ? all.slice(0, 1) : all;
}
