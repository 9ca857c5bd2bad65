/** ACME challenges (RFC 8555 §8.4): TXT RRs at `_acme-challenge` names that come and go without an edit of any zone. */

import type { ChallengeName, Challenges, ChallengeValue } from "../book/challenges.ts";
import { RRType } from "../wire/codes.ts";
import { formatName, type Name, nameKey, parentOf, parseName, rootName } from "../wire/name.ts";
import type { Zone } from "../zone/zone.ts";
import { soaOf } from "./axfr.ts";
import { Owners } from "./cross-check.ts";
import type { Snapshot } from "./snapshot.ts";

/** One value at one name. */
export interface Challenge {
  /** The owner name in presentation form, lower case, with its final dot. */
  readonly owner: string;
  /** The one character-string of the TXT RR: printable ASCII. */
  readonly value: string;
  readonly author: string;
  readonly createdMs: number;
  /** From this moment it is not answered any more. */
  readonly untilMs: number;
}

/** Challenges that are new or get another end, and those that go. */
export interface ChallengeEdit {
  readonly set: readonly Challenge[];
  readonly ended: readonly Pick<Challenge, "owner" | "value">[];
}

/** Values at one name: a certificate for a name and its wildcard takes two, and several clients may be at it. */
export const VALUES_MAX = 32;
/** Values in all. */
export const CHALLENGES_MAX = 10_000;

const LABEL = "_acme-challenge";
const VALUE = /^[ -~]{1,255}$/;

/** The challenges that count at a moment. */
export function live(challenges: readonly Challenge[], nowMs: number): readonly Challenge[] {
  return challenges.filter(({ untilMs }) => untilMs > nowMs);
}

/** Whether a text can be a value. */
export function isValue(text: string): boolean {
  return VALUE.test(text);
}

/** The owner name in the form that challenges have. */
export function ownerOf(name: Name): string {
  return formatName(name).toLowerCase();
}

/** The owner of the challenge for a name, which may be that owner already; null where the text is no name. */
export function challengeOwner(text: string): Name | null {
  const parsed = parseName(text, rootName);
  if (parsed.kind === "problem") return null;
  if (isChallengeName(parsed.name)) return parsed.name;
  const below = parseName(LABEL, parsed.name);
  return below.kind === "name" ? below.name : null;
}

/** Whether the first label of a name is `_acme-challenge`. */
export function isChallengeName(name: Name): boolean {
  return formatName(name).toLowerCase().startsWith(`${LABEL}.`);
}

/** The name whose holder a challenge is to show. */
export function subjectOf(owner: Name): Name {
  return parentOf(owner) ?? owner;
}

/** Why there can be no challenge at an owner name; null: there can. */
export function ownerProblem(owners: Owners, owner: Name): string | null {
  const { zone, barrier } = owners.standing(owner, nameKey(owner));
  if (zone === null) return `${formatName(owner)} lies in no zone of ours`;
  if (barrier !== null) return barrier;
  const node = zone.nodes.get(nameKey(owner));
  return node?.rrsets.has(RRType.CNAME) === true
    ? `${formatName(owner)} is a CNAME in ${zone.file}: the challenge belongs where it leads`
    : null;
}

/**
 * What dns needs to answer all challenges: each with its end, and whatever else its name owns. One whose name a later
 * edit of the zone has hidden is left out. null: there are none.
 */
export function challengesFor(
  { zones, signing }: Pick<Snapshot, "zones" | "signing">,
  challenges: readonly Challenge[],
  version: number,
): Challenges | null {
  const owners = new Owners(zones);
  const byZone = new Map<Zone, Map<string, GrowingName>>();
  for (const { owner, value, untilMs } of challenges) {
    const parsed = parseName(owner, rootName);
    if (parsed.kind === "problem" || ownerProblem(owners, parsed.name) !== null) continue;
    const key = nameKey(parsed.name);
    const { zone } = owners.standing(parsed.name, key);
    if (zone === null) continue;
    const names = byZone.get(zone) ?? new Map<string, GrowingName>();
    byZone.set(zone, names);
    const name = names.get(key) ?? nameIn(zone, parsed.name, key);
    names.set(key, name);
    name.values.push({ rdata: txtRdata(value), untilMs });
  }
  if (byZone.size === 0) return null;
  const signed = [...byZone.keys()].flatMap(({ apex }) => {
    const key = nameKey(apex);
    const own = signing.get(key);
    return own === undefined ? [] : [[key, own] as const];
  });
  return {
    version,
    signing: new Map(signed),
    zones: [...byZone].map(([zone, names]) => {
      return { apex: zone.apex, file: zone.file, soa: soaOf(zone), names: [...names.values()] };
    }),
  };
}

interface GrowingName extends ChallengeName {
  readonly values: ChallengeValue[];
}

function nameIn({ nodes }: Zone, name: Name, key: string): GrowingName {
  return { ...(nodes.get(key) ?? { name, rrsets: new Map(), steered: null }), values: [] };
}

/** A value as RDATA. */
export function txtRdata(value: string): Uint8Array {
  const octets = Buffer.from(value, "latin1");
  return Uint8Array.from([octets.length, ...octets]);
}

/** The value in RDATA; null where they are not one character-string of printable ASCII. */
export function valueIn(rdata: Uint8Array): string | null {
  if (rdata.length < 2 || rdata[0] !== rdata.length - 1) return null;
  const value = Buffer.from(rdata.subarray(1)).toString("latin1");
  return isValue(value) ? value : null;
}
