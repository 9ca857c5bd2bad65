/** Which regions stand ready to answer a class of clients. */

import type { RegionId } from "../config/config.ts";
import { choiceOf } from "./evaluate.ts";
import type { Facts } from "./facts.ts";
import { childrenIn, type LocalMember, type LocalPolicy, membersOf } from "./local.ts";

/**
 * The regions with a member that has an address of the family, is up, not drained, and weighs something, as each choice
 * on the way to it does. That something stands before it in an order does not matter: it would answer if that went down.
 */
export function regionsUp(
  local: LocalPolicy,
  service: string,
  family: 4 | 6,
  facts: Facts,
): ReadonlySet<RegionId> {
  const regions = new Set<RegionId>();
  const walk = (node: LocalPolicy): void => {
    switch (node.kind) {
      case "member":
        if (isUp(node, family, facts)) regions.add(node.member.region);
        return;
      case "pool":
        for (const member of node.members) walk(member);
        return;
      case "weighted":
        for (const choice of node.choices) {
          const weight = facts.choiceWeights.get(choiceOf(node, choice, service)) ?? choice.weight;
          if (weight > 0) walk(choice.use);
        }
        return;
      default:
        for (const child of childrenIn(node)) walk(child);
    }
  };
  walk(local);
  return regions;
}

/** The regions that have an address of the family for a class of clients at all. */
export function regionsIn(local: LocalPolicy, family: 4 | 6): ReadonlySet<RegionId> {
  const members = [...membersOf(local)].filter(({ ipv4, ipv6 }) => (family === 4 ? ipv4 : ipv6) !== null);
  return new Set(members.map(({ region }) => region));
}

function isUp({ member }: LocalMember, family: 4 | 6, facts: Facts): boolean {
  const vip = family === 4 ? member.ipv4 : member.ipv6;
  if (vip === null || facts.drained.has(member.id)) return false;
  if ((facts.memberWeights.get(member.id) ?? member.weight) === 0) return false;
  // What nobody has judged counts as up.
  return (facts.verdicts.get(vip.id) ?? facts.verdicts.get(vip.judgedBy))?.up ?? true;
}
