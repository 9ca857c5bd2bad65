/** A policy with the client's location resolved away: what is left to decide depends on facts alone. */

import type { Member, RegionId, VantageId } from "../config/config.ts";

/**
 * What a policy comes to for one location. Built only by the functions of `make-local.ts`, which keep one normal form, so that
 * locations whose clients are treated alike get equal keys (`local-key.ts`), and with that are one class:
 *
 *   1. What has no member is left out; a policy with nothing left is a `first` of nothing.
 *   2. A choice among one is that one, unless it has a weight that an override could set to zero.
 *   3. An order inside an order is written out, unless either needs more than one alternative up (`minUp`).
 *   4. An order offers each alternative once, where it comes first.
 *   5. What is sticky or spread has more than one member to choose among, and an answer of a spread no more VIPs than there are.
 *   6. Vantages near the clients have a say only where they can make a difference: there is more than one member, and not all of
 *      them must be up (`minUp`), for then verdicts alone decide as soon as one is seen down.
 */
export type LocalPolicy =
  | LocalMember
  | LocalPool
  | LocalWeighted
  | LocalFirst
  | LocalFastest
  | LocalSticky
  | LocalSpread;

interface Traced {
  /** The operator's rules on the way from the parent to here, outermost first; for traces, never for the key. */
  readonly via: readonly string[];
}

/** One member, always with the weight and drain of the member itself. */
export interface LocalMember extends Traced {
  readonly kind: "member";
  readonly member: Member;
  /** The vantages that speak for the clients about it (`health/nearby.ts`), sorted; none: only the quorum does. */
  readonly nearby: readonly VantageId[];
}

/** Where no vantage speaks for the clients. */
export const NOBODY: readonly VantageId[] = [];

/** Members by their own weights. */
export interface LocalPool extends Traced {
  readonly kind: "pool";
  readonly minUp: number;
  readonly members: readonly LocalMember[];
}

/** Choices by the weights of a policy. */
export interface LocalWeighted extends Traced {
  readonly kind: "weighted";
  readonly minUp: number;
  /** The name of the policy, under which its weights are overridden; null: the service's label. */
  readonly scope: string | null;
  readonly choices: readonly LocalChoice[];
}

/** One choice of a weighted policy, by its key in the config. */
export interface LocalChoice {
  readonly key: string;
  readonly weight: number;
  readonly use: LocalPolicy;
}

/** The first alternative that is up. */
export interface LocalFirst extends Traced {
  readonly kind: "first";
  /** 0 where one alternative is enough. */
  readonly minUp: number;
  readonly alternatives: readonly LocalPolicy[];
}

/** The region with the lowest round-trip time to the cell; each region's part has members of that region only. */
export interface LocalFastest extends Traced {
  readonly kind: "fastest";
  readonly minUp: number;
  readonly cell: string;
  readonly regions: readonly RegionPart[];
}

/** What is shared out among clients by their prefix. */
export interface LocalSticky extends Traced {
  readonly kind: "sticky";
  readonly minUp: number;
  readonly of: LocalPolicy;
}

/** What is answered with several VIPs at once; nothing in it is sticky or a spread. */
export interface LocalSpread extends Traced {
  readonly kind: "spread";
  readonly minUp: number;
  readonly count: number;
  readonly of: LocalPolicy;
}

/** The part of a policy that stands in one region. */
export interface RegionPart {
  readonly region: RegionId;
  readonly use: LocalPolicy;
}

/** The local policies that one is directly made of, in its order; a pool's members are not. */
export function childrenIn(local: LocalPolicy): readonly LocalPolicy[] {
  switch (local.kind) {
    case "member":
    case "pool":
      return [];
    case "weighted":
      return local.choices.map(({ use }) => use);
    case "first":
      return local.alternatives;
    case "fastest":
      return local.regions.map(({ use }) => use);
    case "sticky":
    case "spread":
      return [local.of];
  }
}

/** The regions whose order is left to round-trip times. */
export function rankedIn(local: LocalPolicy): readonly RegionId[] {
  // All that is in the part of a region stands in it.
  if (local.kind === "fastest") return local.regions.map(({ region }) => region);
  return [...new Set(childrenIn(local).flatMap(rankedIn))];
}

/** Whether an answer can hold several VIPs. */
export function hasSpread(local: LocalPolicy): boolean {
  return local.kind === "spread" || childrenIn(local).some(hasSpread);
}

/** Whether what a client gets can depend on its prefix beyond what its location says. */
export function hasSticky(local: LocalPolicy): boolean {
  return local.kind === "sticky" || childrenIn(local).some(hasSticky);
}

/** The weights of a branch's children by the config, whatever overrides say; null: they have none. */
export function weightsIn(node: Exclude<LocalPolicy, LocalMember>): readonly number[] | null {
  if (node.kind === "pool") return node.members.map(({ member }) => member.weight);
  return node.kind === "weighted" ? node.choices.map(({ weight }) => weight) : null;
}

/** The same policy, with more of the way to it. */
export function reachedVia(via: readonly string[], local: LocalPolicy): LocalPolicy {
  return via.length === 0 ? local : { ...local, via: [...via, ...local.via] };
}

/** Every member once, in the policy's order. */
export function membersOf(local: LocalPolicy): ReadonlySet<Member> {
  return new Set(leavesOf(local).keys());
}

/** The same with the vantages near the clients: at one location they are the same wherever the member stands. */
export function leavesOf(local: LocalPolicy): ReadonlyMap<Member, LocalMember> {
  const leaves = new Map<Member, LocalMember>();
  collectLeaves(local, leaves);
  return leaves;
}

function collectLeaves(local: LocalPolicy, leaves: Map<Member, LocalMember>): void {
  if (local.kind === "member") leaves.set(local.member, local);
  if (local.kind === "pool") for (const leaf of local.members) leaves.set(leaf.member, leaf);
  for (const child of childrenIn(local)) collectLeaves(child, leaves);
}

/** Those of the regions, in their order, that the policy has members in. */
export function regionsOf(local: LocalPolicy, regions: Iterable<RegionId>): readonly RegionId[] {
  const present = new Set([...membersOf(local)].map((member) => member.region));
  return [...regions].filter((region) => present.has(region));
}
