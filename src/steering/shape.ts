/** The shape of a policy: all of it that has a say in which locations it can tell apart. */

import type { Config, Member } from "../config/config.ts";
import type { Policy } from "../config/policy.ts";
import { memberOf, poolOf } from "./references.ts";

/** The shape of every policy that treats all locations alike. */
export const BLIND = "blind";

/**
 * A key such that policies with equal shapes split the same locations into the same classes. What matters only by
 * being equal or unequal (members, weights, the names that weights are overridden by) is numbered by appearance, so
 * 80/20 has the shape of 70/30, and a service the shape of its copy that runs on another pool.
 */
export function shapeOf(policy: Policy, config: Config): string {
  return isBlind(policy, config) ? BLIND : new ShapeWriter(config).write(policy);
}

function isBlind(policy: Policy, config: Config): boolean {
  switch (policy.kind) {
    case "pool":
      return !poolOf(policy.pool, config).perVantage;
    case "member":
      return !poolOf(memberOf(policy.member, config).pool, config).perVantage;
    case "geo":
    case "nearest":
    case "latency":
    // Locations are alike to it, but clients are not: see `Partition.isSticky`.
    case "sticky":
      return false;
    case "spread":
      return isBlind(policy.of, config);
    case "weighted":
      return policy.choices.every(({ use }) => isBlind(use, config));
    case "failover":
      return policy.order.every((child) => isBlind(child, config));
  }
}

/** Writes one policy, numbering as it goes. */
class ShapeWriter {
  readonly #config: Config;
  readonly #numbers = new Map<string, number>();

  constructor(config: Config) {
    this.#config = config;
  }

  write(policy: Policy): string {
    switch (policy.kind) {
      case "pool":
        return this.#members(poolOf(policy.pool, this.#config).members);
      case "member":
        return this.#members([memberOf(policy.member, this.#config)]);
      case "geo": {
        const cases = policy.cases.map(({ match, use }) => `${JSON.stringify(match)} ${this.write(use)}`);
        const otherwise = policy.default === null ? "" : this.write(policy.default);
        return `geo(${policy.minUp}, ${policy.fence}, ${cases.join(", ")}, ${otherwise})`;
      }
      case "nearest":
        return `nearest(${policy.minUp}, ${JSON.stringify([...policy.biasKm])}, ${policy.within}, ${this.write(policy.of)})`;
      case "latency":
        return `latency(${policy.minUp}, ${[...policy.prefixes, ...policy.asns].join(" ")}, ${this.write(policy.of)})`;
      case "sticky":
        return `sticky(${policy.minUp}, ${this.write(policy.of)})`;
      case "spread":
        return `spread(${policy.minUp}, ${policy.count}, ${this.write(policy.of)})`;
      case "weighted": {
        const scope = policy.name === null ? "in place" : this.#number("policy", policy.name);
        const choices = policy.choices.map(
          ({ key, weight, use }) =>
            `${this.#number("choice", key)}*${this.#number("weight", String(weight))} ${this.write(use)}`,
        );
        return `weighted(${policy.minUp}, ${scope}, ${choices.join(", ")})`;
      }
      case "failover":
        return `failover(${policy.minUp}, ${policy.order.map((child) => this.write(child)).join(", ")})`;
    }
  }

  #members(members: readonly Member[]): string {
    const written = members.map(({ id, region, pool }) => {
      const { perVantage } = poolOf(pool, this.#config);
      return `${this.#number("member", id)}@${region}${perVantage ? " per vantage" : ""}`;
    });
    return `[${written.join(" ")}]`;
  }

  #number(of: "member" | "policy" | "choice" | "weight", text: string): number {
    const key = `${of} ${text}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(key, number);
    return number;
  }
}
