/** A policy with the client's location resolved away: what is left to decide depends on facts alone. */

import type { Member, Pool, RegionId, VantageId } from "../config/config.ts";

/**
 * What a policy comes to for one location. Built only by the functions below, which keep one normal form, so that
 * locations whose clients are treated alike get equal keys, and with that are one class:
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

/**
 * The canonical form: two locations with equal keys get equal plans, whatever the facts. Only the keys of choices are
 * quoted; all other names are of letters, digits, ".", "-" and "_".
 */
export function localKey(local: LocalPolicy): string {
  switch (local.kind) {
    case "member":
      return local.nearby.length === 0 ? local.member.id : `${local.member.id}@${local.nearby.join(",")}`;
    case "pool":
      return `pool${minUpKey(local)}(${local.members.map(localKey).join(" ")})`;
    case "weighted": {
      const choices = local.choices.map(choiceKey);
      return `weighted${minUpKey(local)}(${[...(local.scope === null ? [] : [local.scope]), ...choices].join(" ")})`;
    }
    case "first":
      return `first${minUpKey(local)}(${local.alternatives.map(localKey).join(" ")})`;
    case "fastest": {
      const regions = local.regions.map(({ region, use }) => `${region}:${localKey(use)}`);
      return `fastest${minUpKey(local)}(${local.cell} ${regions.join(" ")})`;
    }
    case "sticky":
      return `sticky${minUpKey(local)}(${localKey(local.of)})`;
    case "spread":
      return `spread${minUpKey(local)}(${local.count} ${localKey(local.of)})`;
  }
}

/** A whole policy, by rule 6. */
export function withoutIdleVantages(local: LocalPolicy): LocalPolicy {
  const areIdle = hasVantages(local) && (membersOf(local).size < 2 || needsAll(local, false));
  return areIdle ? withoutPlaces(local, { keepCells: true }) : local;
}

/** More than sums are rounded by when they are compared with `minUp`. */
const ROUNDING = 1e-6;

/** Whether it is down as soon as one of its members that weighs anything is. `isWhole`: so much is asked for above it. */
function needsAll(local: LocalPolicy, isWhole: boolean): boolean {
  switch (local.kind) {
    case "member":
      return true;
    case "pool":
      return isWhole || local.minUp >= 1;
    case "weighted":
      return (isWhole || local.minUp >= 1) && local.choices.every(({ use }) => needsAll(use, isWhole));
    case "first":
    case "fastest": {
      const children = childrenIn(local);
      const missesOne = isWhole || local.minUp * children.length > children.length - 1 + ROUNDING;
      return missesOne && children.every((child) => needsAll(child, isWhole));
    }
    case "sticky":
    case "spread":
      return needsAll(local.of, isWhole || local.minUp >= 1);
  }
}

function hasVantages(local: LocalPolicy): boolean {
  if (local.kind === "member") return local.nearby.length > 0;
  if (local.kind === "pool") return local.members.some(hasVantages);
  return childrenIn(local).some(hasVantages);
}

/** The key without the cells that round-trip times are looked up for, and the vantages that are near. */
export function keyAnywhere(local: LocalPolicy): string {
  return localKey(withoutPlaces(local, { keepCells: false }));
}

function withoutPlaces(local: LocalPolicy, which: { readonly keepCells: boolean }): LocalPolicy {
  const without = (child: LocalPolicy): LocalPolicy => withoutPlaces(child, which);
  switch (local.kind) {
    case "member":
      return { ...local, nearby: NOBODY };
    case "pool":
      return { ...local, members: local.members.map((member) => ({ ...member, nearby: NOBODY })) };
    case "weighted":
      return { ...local, choices: local.choices.map((choice) => ({ ...choice, use: without(choice.use) })) };
    case "first":
      return { ...local, alternatives: local.alternatives.map(without) };
    case "fastest":
      return {
        ...local,
        cell: which.keepCells ? local.cell : "anywhere",
        regions: local.regions.map(({ region, use }) => ({ region, use: without(use) })),
      };
    case "sticky":
    case "spread":
      return { ...local, of: without(local.of) };
  }
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

function choiceKey({ key, weight, use }: LocalChoice): string {
  return `${JSON.stringify(key)}*${weight}:${localKey(use)}`;
}

function minUpKey({ minUp }: { readonly minUp: number }): string {
  return minUp === 0 ? "" : `[${minUp}]`;
}

/** Where no vantage speaks for the clients. */
const NOBODY: readonly VantageId[] = [];

/** The member itself. */
export function localMember(
  member: Member,
  via: readonly string[],
  nearby: readonly VantageId[] = NOBODY,
): LocalMember {
  return { kind: "member", member, nearby, via };
}

/** The members of a pool, with the vantages that speak for the clients about a region. */
export function localPool(
  pool: Pool,
  via: readonly string[],
  nearbyOf: (region: RegionId) => readonly VantageId[] = () => NOBODY,
): LocalPolicy {
  return poolWith(
    pool.members.map((member) => localMember(member, [], nearbyOf(member.region))),
    pool.minUp,
    via,
  );
}

function poolWith(members: readonly LocalMember[], minUp: number, via: readonly string[]): LocalPolicy {
  const [only] = members;
  if (only === undefined) return nothing(via);
  return members.length === 1 ? reachedVia(via, only) : { kind: "pool", minUp, members, via };
}

/** Choices by weight. */
export function localWeighted(
  choices: readonly LocalChoice[],
  scope: string | null,
  minUp: number,
  via: readonly string[],
): LocalPolicy {
  const present = choices.filter((choice) => !isNothing(choice.use));
  return present.length === 0 ? nothing(via) : { kind: "weighted", minUp, scope, choices: present, via };
}

/** Alternatives in order. */
export function localFirst(
  alternatives: readonly LocalPolicy[],
  minUp: number,
  via: readonly string[],
): LocalPolicy {
  const distinct = distinctOf(alternatives);
  const oneIsEnough = minUp * distinct.length <= 1;
  const flat =
    oneIsEnough && distinct.some(isPlainOrder) ? distinctOf(distinct.flatMap(writtenOut)) : distinct;
  const [only] = flat;
  if (only !== undefined && flat.length === 1) return reachedVia(via, only);
  return { kind: "first", minUp: oneIsEnough ? 0 : minUp, alternatives: flat, via };
}

/** Without those that are nothing or were there before. */
function distinctOf(alternatives: readonly LocalPolicy[]): readonly LocalPolicy[] {
  const something = alternatives.filter((alternative) => !isNothing(alternative));
  if (something.length < 2) return something;
  const byKey = new Map<string, LocalPolicy>();
  for (const alternative of something) {
    const key = localKey(alternative);
    if (!byKey.has(key)) byKey.set(key, alternative);
  }
  return [...byKey.values()];
}

function isPlainOrder(local: LocalPolicy): local is LocalFirst {
  return local.kind === "first" && local.minUp === 0;
}

function writtenOut(local: LocalPolicy): readonly LocalPolicy[] {
  if (!isPlainOrder(local)) return [local];
  return local.alternatives.map((alternative) => reachedVia(local.via, alternative));
}

/** Regions in the order of their round-trip times to a cell. */
export function localFastest(
  regions: readonly RegionPart[],
  cell: string,
  minUp: number,
  via: readonly string[],
): LocalPolicy {
  const [only] = regions;
  if (only === undefined) return nothing(via);
  if (regions.length === 1) return reachedVia(via, only.use);
  return { kind: "fastest", minUp: minUp * regions.length <= 1 ? 0 : minUp, cell, regions, via };
}

/** What `of` comes to, by the client's prefix. */
export function localSticky(of: LocalPolicy, minUp: number, via: readonly string[]): LocalPolicy {
  return membersOf(of).size < 2 ? reachedVia(via, of) : { kind: "sticky", minUp, of, via };
}

/** What `of` comes to, `count` VIPs at a time. */
export function localSpread(
  of: LocalPolicy,
  count: number,
  minUp: number,
  via: readonly string[],
): LocalPolicy {
  const members = [...membersOf(of)];
  const ipv4 = members.filter((member) => member.ipv4 !== null).length;
  const ipv6 = members.filter((member) => member.ipv6 !== null).length;
  const most = Math.min(count, Math.max(ipv4, ipv6));
  if (members.length < 2 || (most < 2 && minUp === 0)) return reachedVia(via, of);
  return { kind: "spread", minUp, count: most, of, via };
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

function nothing(via: readonly string[]): LocalFirst {
  return { kind: "first", minUp: 0, alternatives: [], via };
}

/** Whether no member is left: the policy has no answer for this location. */
function isNothing(local: LocalPolicy): boolean {
  return local.kind === "first" && local.alternatives.length === 0;
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

/** The policy as it would be if only the members of some regions were there. */
export function keptTo(regions: readonly RegionId[], local: LocalPolicy): LocalPolicy {
  switch (local.kind) {
    case "member":
      return regions.includes(local.member.region) ? local : nothing(local.via);
    case "pool":
      return poolWith(
        local.members.filter(({ member }) => regions.includes(member.region)),
        local.minUp,
        local.via,
      );
    case "weighted": {
      const choices = local.choices.map((choice) => ({ ...choice, use: keptTo(regions, choice.use) }));
      return localWeighted(choices, local.scope, local.minUp, local.via);
    }
    case "first": {
      const alternatives = local.alternatives.map((alternative) => keptTo(regions, alternative));
      return localFirst(alternatives, local.minUp, local.via);
    }
    case "fastest": {
      const parts = local.regions.filter(({ region }) => regions.includes(region));
      return localFastest(parts, local.cell, local.minUp, local.via);
    }
    case "sticky":
      return localSticky(keptTo(regions, local.of), local.minUp, local.via);
    case "spread":
      return localSpread(keptTo(regions, local.of), local.count, local.minUp, local.via);
  }
}
