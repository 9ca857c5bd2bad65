/** Walks the trees of policies. */

import { childrenOf, type Policy } from "../config/policy.ts";

/** The policy and all below it, each object once, parents first. `seen` spares what earlier walks have met. */
export function policiesIn(policy: Policy, seen: Set<Policy> = new Set()): readonly Policy[] {
  if (seen.has(policy)) return [];
  seen.add(policy);
  return [policy, ...childrenOf(policy).flatMap((child) => policiesIn(child, seen))];
}
