/** Walks the trees of policies. */

import type { Policy } from "../config/policy.ts";

/** The policy and all below it, each object once, parents first. `seen` spares what earlier walks have met. */
export function policiesIn(policy: Policy, seen: Set<Policy> = new Set()): readonly Policy[] {
  if (seen.has(policy)) return [];
  seen.add(policy);
  return [policy, ...childrenOf(policy).flatMap((child) => policiesIn(child, seen))];
}

function childrenOf(policy: Policy): readonly Policy[] {
  switch (policy.kind) {
    case "pool":
    case "member":
      return [];
    case "geo":
      return [...policy.cases.map(({ use }) => use), ...(policy.default === null ? [] : [policy.default])];
    case "nearest":
    case "latency":
      return [policy.of];
    case "weighted":
      return policy.choices.map(({ use }) => use);
    case "failover":
      return policy.order;
  }
}
