/** ACME challenges (RFC 8555 §8.4): TXT RRs at `_acme-challenge` names that come and go without an edit of any zone. */

import { compileBook } from "../book/compile.ts";
import { RRType } from "../wire/codes.ts";
import { formatName, type Name, nameKey, parentOf, parseName, rootName } from "../wire/name.ts";
import type { Zone, ZoneNode } from "../zone/zone.ts";
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

/** The TTL of every challenge, whatever the client of an UPDATE would like: what is gone should be gone soon. */
export const CHALLENGE_TTL_SECONDS = 60;
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

/** The book of all challenges; null where there are none. */
export function compileChallenges(
  { zones, signing }: Pick<Snapshot, "zones" | "signing">,
  challenges: readonly Challenge[],
  version: number,
): Uint8Array | null {
  const own = challengeZones(zones, new Owners(zones), challenges);
  if (own.length === 0) return null;
  const { bytes } = compileBook({
    version,
    zones: own,
    signing,
    vips: [],
    regionOf: () => 0,
    services: [],
    admissions: [],
  });
  return bytes;
}

/**
 * The zones of a book that holds challenges alone: each with its SOA, for negative answers, and the challenge names with
 * all that they own. A challenge whose name a later edit of the zone has hidden is left out.
 */
function challengeZones(
  zones: readonly Zone[],
  owners: Owners,
  challenges: readonly Challenge[],
): readonly Zone[] {
  const byApex = new Map<Zone, Map<string, ZoneNode>>();
  for (const { owner: text, value } of challenges) {
    const parsed = parseName(text, rootName);
    if (parsed.kind === "problem" || ownerProblem(owners, parsed.name) !== null) continue;
    const key = nameKey(parsed.name);
    const { zone } = owners.standing(parsed.name, key);
    if (zone === null) continue;
    const nodes = byApex.get(zone) ?? apexAlone(zone);
    byApex.set(zone, nodes);
    const node = nodes.get(key) ?? zone.nodes.get(key);
    nodes.set(key, withValue(node, parsed.name, value, zone));
  }
  return zones.flatMap((zone) => {
    const nodes = byApex.get(zone);
    return nodes === undefined ? [] : [{ ...zone, nodes }];
  });
}

function apexAlone(zone: Zone): Map<string, ZoneNode> {
  const key = nameKey(zone.apex);
  const soa = zone.nodes.get(key)?.rrsets.get(RRType.SOA);
  const rrsets = new Map(soa === undefined ? [] : [[RRType.SOA, soa]]);
  return new Map([[key, { name: zone.apex, rrsets, steered: null }]]);
}

function withValue(node: ZoneNode | undefined, name: Name, value: string, { file }: Zone): ZoneNode {
  const before = node?.rrsets.get(RRType.TXT);
  const rdatas = [...(before?.rdatas ?? []), txtRdata(value)];
  const place = before?.place ?? { file, line: 0, column: 0 };
  const rrset = { type: RRType.TXT, ttlSeconds: CHALLENGE_TTL_SECONDS, rdatas, place };
  return {
    name: node?.name ?? name,
    rrsets: new Map([...(node?.rrsets ?? []), [RRType.TXT, rrset]]),
    steered: node?.steered ?? null,
  };
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
