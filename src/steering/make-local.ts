/** Builds local policies in their normal form. */

import type { Member, Pool, RegionId, VantageId } from "../config/config.ts";
import {
  childrenIn,
  type LocalChoice,
  type LocalFirst,
  type LocalMember,
  type LocalPolicy,
  membersOf,
  NOBODY,
  type RegionPart,
  reachedVia,
} from "./local.ts";
import { localKey, withoutPlaces } from "./local-key.ts";

/** More than sums are rounded by when they are compared with `minUp`. */
const ROUNDING = 1e-6;

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

function nothing(via: readonly string[]): LocalFirst {
  return { kind: "first", minUp: 0, alternatives: [], via };
}

/** Whether no member is left: the policy has no answer for this location. */
function isNothing(local: LocalPolicy): boolean {
  return local.kind === "first" && local.alternatives.length === 0;
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

/** A whole policy, by rule 6. */
export function withoutIdleVantages(local: LocalPolicy): LocalPolicy {
  const areIdle = hasVantages(local) && (membersOf(local).size < 2 || needsAll(local, false));
  return areIdle ? withoutPlaces(local, { keepCells: true }) : local;
}

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
