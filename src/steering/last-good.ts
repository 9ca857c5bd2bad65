/** The last plans that were up, for services that are to be answered so while nothing is. */

import type { Service, VipId } from "../config/config.ts";
import { childrenIn, type LocalPolicy, membersOf } from "./local.ts";
import { localKey } from "./local-key.ts";
import type { Plan } from "./plan.ts";

/** A plan that was up. */
export type Answer = Plan & { readonly kind: "answer" };
type Named = Pick<Service, "label">;

/** Where plans look it up. */
export interface LastGoodView {
  /** null: none is known, or a VIP of it has gone from the config. */
  recall(local: LocalPolicy, service: Named, family: 4 | 6): Answer | null;
}

/**
 * Plans by what they were made for: what a policy comes to for a class of clients, whatever the class is numbered in
 * this book or the next. So they outlive changes of config and geo data that leave that as it was.
 */
export class LastGood implements LastGoodView {
  readonly #plans = new Map<string, Answer>();

  /** What was known in another life of this node, by the keys of that. */
  static restored(plans: ReadonlyMap<string, Answer>): LastGood {
    const restored = new LastGood();
    for (const [key, plan] of plans) restored.#plans.set(key, plan);
    return restored;
  }

  /** What `before` knows of these; all else is forgotten. */
  constructor(before: LastGood | null = null, kept: Iterable<readonly [LocalPolicy, Named]> = []) {
    if (before === null) return;
    for (const [local, service] of kept) {
      for (const family of [4, 6] as const) {
        const key = keyOf(local, service, family);
        const plan = before.#plans.get(key);
        if (plan !== undefined) this.#plans.set(key, plan);
      }
    }
  }

  recall(local: LocalPolicy, service: Named, family: 4 | 6): Answer | null {
    const plan = this.#plans.get(keyOf(local, service, family));
    if (plan === undefined) return null;
    const vips = new Set<VipId | null>([null]);
    for (const { ipv4, ipv6 } of membersOf(local)) vips.add((family === 4 ? ipv4 : ipv6)?.id ?? null);
    const held = [...plan.shares, ...(plan.sticky?.claims ?? [])];
    return held.every(({ vip }) => vips.has(vip)) ? plan : null;
  }

  /** What is known of these by a key that outlives this node; null: nothing. */
  entry(local: LocalPolicy, service: Named, family: 4 | 6): readonly [string, Answer] | null {
    const key = keyOf(local, service, family);
    const plan = this.#plans.get(key);
    return plan === undefined ? null : [key, plan];
  }

  /** Whether something is known by this key. */
  knows(key: string): boolean {
    return this.#plans.has(key);
  }

  /** Takes note of a plan that has just been made; one that is a last resort itself changes nothing. */
  remember(local: LocalPolicy, service: Named, family: 4 | 6, plan: Plan): void {
    if (plan.kind === "answer" && !plan.lastResort) this.#plans.set(keyOf(local, service, family), plan);
  }
}

/** Choices of a policy that is written in place are weighed under the service's own name, so that belongs to it. */
function keyOf(local: LocalPolicy, { label }: Named, family: 4 | 6): string {
  return `${family} ${hasChoicesInPlace(local) ? label : ""} ${localKey(local)}`;
}

function hasChoicesInPlace(local: LocalPolicy): boolean {
  return (local.kind === "weighted" && local.scope === null) || childrenIn(local).some(hasChoicesInPlace);
}
