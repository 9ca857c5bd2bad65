/** Which services no rule can tell apart, so that what is tried with one of them holds for all. */

import type { Config, Member, PoolId, Service } from "../config/config.ts";
import type { Policy } from "../config/policy.ts";
import type { Invariant, Selection } from "../config/rules.ts";
import { memberOf, poolOf } from "./references.ts";
import type { Standing } from "./standing.ts";

/**
 * Makes equal keys for services that fare alike under the same invariants. Members count by where they stand, what they
 * weigh and which selections they are in, not by name; so services that are copies of one another on pools of
 * their own have one key.
 */
export class Alike {
  readonly #config: Config;
  readonly #standing: Standing;
  readonly #selections: readonly Selection[];

  constructor(invariants: readonly Invariant[], standing: Standing, config: Config) {
    this.#config = config;
    this.#standing = standing;
    this.#selections = invariants.flatMap(({ requirements }) =>
      requirements.flatMap((requirement) => {
        if (requirement.kind === "at-most") return [requirement.selection];
        return "selections" in requirement ? requirement.selections : [];
      }),
    );
  }

  keyOf({ policy, whenDown, label }: Service): string {
    const fallback = whenDown.kind === "fallback" ? this.#describePool(whenDown.pool, new Map()) : "";
    return `${this.#write(policy)} ${whenDown.kind} ${fallback} ${this.#ownChoices(label)}`;
  }

  #write(policy: Policy): string {
    const numbers = new Map<Member, number>();
    const write = (_key: string, value: unknown): unknown => {
      if (value instanceof Map) return [...value];
      if (!isLeaf(value)) return value;
      if (value.kind === "member")
        return `member ${this.#describeAll([memberOf(value.member, this.#config)], numbers)}`;
      return this.#describePool(value.pool, numbers);
    };
    // Numbers and descriptions stand for the leaves, so equal texts are equal but for names.
    return JSON.stringify(
      policy,
      this.#standing.choiceWeights.size === 0 ? withoutChoiceNames(write) : write,
    );
  }

  #describePool(id: PoolId, numbers: Map<Member, number>): string {
    const { minUp, members } = poolOf(id, this.#config);
    return `pool ${minUp} ${this.#describeAll(members, numbers)}`;
  }

  #describeAll(members: readonly Member[], numbers: Map<Member, number>): string {
    return members
      .map((member) => {
        const known = numbers.get(member);
        if (known !== undefined) return String(known);
        numbers.set(member, numbers.size);
        return `${numbers.size - 1}:${this.#describe(member)}`;
      })
      .join(" ");
  }

  #describe({ id, region, weight, capacity, ipv4, ipv6 }: Member): string {
    const { drained, memberWeights, forced } = this.#standing;
    const vips = [ipv4, ipv6].map((vip) => {
      if (vip === null) return "-";
      const chosen = this.#selections.map(({ vips }) => (vips.has(vip.id) ? "1" : "0")).join("");
      return `${vip.judgedBy === vip.id ? "own" : "other"}${forced.get(vip.id) ?? ""}${chosen}`;
    });
    const state = drained.has(id) ? "drained" : "";
    return `${region}*${state}${memberWeights.get(id) ?? weight}/${capacity}(${vips.join(" ")})`;
  }

  /** The overridden weights of choices that are written in place. */
  #ownChoices(label: string): string {
    const own = [...this.#standing.choiceWeights].filter(([choice]) => choice.startsWith(`${label}/`));
    return own.length === 0 ? "" : JSON.stringify([label, own]);
  }
}

type Leaf = Extract<Policy, { readonly kind: "pool" | "member" }>;

function isLeaf(value: unknown): value is Leaf {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  return ("pool" in value && value.kind === "pool") || ("member" in value && value.kind === "member");
}

/** The keys of choices matter to overrides alone. */
function withoutChoiceNames(write: (key: string, value: unknown) => unknown) {
  return (key: string, value: unknown): unknown =>
    key === "key" && typeof value === "string" ? undefined : write(key, value);
}
