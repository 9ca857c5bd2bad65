/** What an UPDATE comes to (RFC 2136 §3): prerequisites, permission, and challenges that are set and removed, as a whole. */

import type { AcmeGrant } from "../config/config.ts";
import { Rcode, RRClass, RRType } from "../wire/codes.ts";
import type { Message, MessageRR } from "../wire/message.ts";
import { formatName, isWithin, type Name, nameKey, sameName } from "../wire/name.ts";
import { rdataKey } from "../zone/rdata.ts";
import type { Zone } from "../zone/zone.ts";
import {
  CHALLENGES_MAX,
  type Challenge,
  type ChallengeEdit,
  isChallengeName,
  ownerOf,
  ownerProblem,
  subjectOf,
  txtRdata,
  VALUES_MAX,
  valueIn,
} from "./challenge.ts";
import { Owners } from "./cross-check.ts";

/** What an UPDATE is held against. */
export interface UpdateContext {
  readonly zones: readonly Zone[];
  /** `nameKey` of every name that a service answers. */
  readonly services: ReadonlySet<string>;
  /** Those that count now. */
  readonly challenges: readonly Challenge[];
  readonly grant: AcmeGrant;
  readonly author: string;
  readonly nowMs: number;
  readonly keepMs: number;
}

/** A change to make, or the RCODE that says why there is none, and in a clause why, for the log. */
export type UpdateOutcome =
  | { readonly kind: "edit"; readonly edit: ChallengeEdit }
  | { readonly kind: "failed"; readonly rcode: Rcode; readonly detail: string };

/** Types that no RR has: QTYPEs and Meta-TYPEs (RFC 6895 §3.1). */
const META_TYPES = { from: 128, to: 255 };

/** Works an UPDATE out whose signature is right. */
export function evaluateUpdate(message: Message, context: UpdateContext): UpdateOutcome {
  const [zoneEntry, ...others] = message.questions;
  if (zoneEntry === undefined || others.length > 0 || zoneEntry.qtype !== RRType.SOA)
    return failed(Rcode.FormErr, "the zone section is not one SOA (RFC 2136 §3.1.1)");
  const zone = context.zones.find(({ apex }) => sameName(apex, zoneEntry.qname));
  if (zone === undefined || zoneEntry.qclass !== RRClass.IN)
    return failed(Rcode.NotAuth, `${formatName(zoneEntry.qname)} is no zone of ours`);
  const update = new Update(zone, context);
  return (
    update.checkPrerequisites(message.answers) ??
    update.prescan(message.authorities) ??
    update.checkPermission(message.authorities) ??
    update.apply(message.authorities)
  );
}

class Update {
  readonly #zone: Zone;
  readonly #context: UpdateContext;
  readonly #owners: Owners;
  /** By owner, then by value, as they will be. */
  readonly #values = new Map<string, Map<string, Challenge>>();

  constructor(zone: Zone, context: UpdateContext) {
    this.#zone = zone;
    this.#context = context;
    this.#owners = new Owners(context.zones);
    for (const challenge of context.challenges)
      this.#valuesAt(challenge.owner).set(challenge.value, challenge);
  }

  /** RFC 2136 §3.2.5. */
  checkPrerequisites(rrs: readonly MessageRR[]): UpdateOutcome | null {
    const wanted = new Map<string, { readonly rr: MessageRR; readonly rdatas: Set<string> }>();
    for (const rr of rrs) {
      const { owner, type, rrClass, rdata, ttlSeconds } = rr;
      if (ttlSeconds !== 0) return failed(Rcode.FormErr, "a prerequisite has a TTL");
      if (!this.#isInZone(owner)) return failed(Rcode.NotZone, `${formatName(owner)} is not in the zone`);
      if (rrClass === RRClass.IN) {
        const key = `${type} ${nameKey(owner)}`;
        const found = wanted.get(key) ?? { rr, rdatas: new Set<string>() };
        wanted.set(key, found);
        found.rdatas.add(rdataKey(type, rdata));
        continue;
      }
      if ((rrClass !== RRClass.ANY && rrClass !== RRClass.NONE) || rdata.length > 0)
        return failed(Rcode.FormErr, "a prerequisite of another class, or with RDATA that it cannot have");
      const exists = type === RRType.ANY ? this.#isInUse(owner) : this.#rdatasAt(owner, type) !== null;
      if (exists === (rrClass === RRClass.ANY)) continue;
      return failed(unmet(type, exists), `prerequisite: ${formatName(owner)} ${exists ? "has" : "lacks"} it`);
    }
    for (const { rr, rdatas } of wanted.values()) {
      const found = this.#rdatasAt(rr.owner, rr.type);
      if (found?.size !== rdatas.size || ![...rdatas].every((rdata) => found.has(rdata)))
        return failed(Rcode.NXRRSet, `prerequisite: ${formatName(rr.owner)} has another RRset`);
    }
    return null;
  }

  /** RFC 2136 §3.4.1.3. */
  prescan(rrs: readonly MessageRR[]): UpdateOutcome | null {
    for (const { owner, type, rrClass, ttlSeconds, rdata } of rrs) {
      if (!this.#isInZone(owner)) return failed(Rcode.NotZone, `${formatName(owner)} is not in the zone`);
      const isMeta = type >= META_TYPES.from && type <= META_TYPES.to;
      const isSound =
        rrClass === RRClass.IN
          ? !isMeta
          : rrClass === RRClass.ANY
            ? ttlSeconds === 0 && rdata.length === 0 && (!isMeta || type === RRType.ANY)
            : rrClass === RRClass.NONE && ttlSeconds === 0 && !isMeta;
      if (!isSound) return failed(Rcode.FormErr, "an RR of the update section is malformed");
    }
    return null;
  }

  /** Challenges at names that the key may speak for, and nothing else (RFC 2136 §3.3). */
  checkPermission(rrs: readonly MessageRR[]): UpdateOutcome | null {
    for (const { owner, type, rrClass, rdata } of rrs) {
      const name = formatName(owner);
      if (!isChallengeName(owner) || !this.#isGranted(subjectOf(owner)))
        return failed(Rcode.Refused, `${name} is not among the names of this key`);
      const isErasure = rrClass === RRClass.ANY && type === RRType.ANY;
      if (type !== RRType.TXT && !isErasure) return failed(Rcode.Refused, `${name}: only TXT can be changed`);
      const problem = ownerProblem(this.#owners, owner);
      if (problem !== null) return failed(Rcode.Refused, problem);
      if (this.#removesFixed({ owner, type, rrClass, rdata }))
        return failed(Rcode.Refused, `${name} has RRs of the zone file, which an UPDATE cannot remove`);
      if (rrClass === RRClass.IN && valueIn(rdata) === null)
        return failed(Rcode.Refused, `${name}: expected one character-string of 1 to 255 printable octets`);
    }
    return null;
  }

  /** RFC 2136 §3.4.2. */
  apply(rrs: readonly MessageRR[]): UpdateOutcome {
    const { author, challenges, keepMs, nowMs } = this.#context;
    for (const { owner, rrClass, rdata } of rrs) {
      const values = this.#valuesAt(ownerOf(owner));
      const value = valueIn(rdata);
      // What the zone file says already needs no saying (RFC 2136 §3.4.2.2).
      if (rrClass === RRClass.IN && this.#isFixed(owner, rdata)) continue;
      if (rrClass === RRClass.ANY) values.clear();
      else if (value !== null && rrClass === RRClass.NONE) values.delete(value);
      else if (value !== null) {
        const challenge = { owner: ownerOf(owner), value, author, createdMs: nowMs, untilMs: nowMs + keepMs };
        values.set(value, challenge);
      }
      if (values.size > VALUES_MAX)
        return failed(Rcode.Refused, `${formatName(owner)} would have more than ${VALUES_MAX} values`);
    }
    const before = new Set(challenges);
    const after = [...this.#values.values()].flatMap((values) => [...values.values()]);
    if (after.length > CHALLENGES_MAX)
      return failed(Rcode.Refused, `there would be more than ${CHALLENGES_MAX} challenges`);
    const isGone = ({ owner, value }: Challenge): boolean => this.#values.get(owner)?.has(value) !== true;
    return {
      kind: "edit",
      edit: {
        set: after.filter((challenge) => !before.has(challenge)),
        ended: challenges.filter(isGone).map(({ owner, value }) => ({ owner, value })),
      },
    };
  }

  #isInZone(name: Name): boolean {
    return isWithin(name, this.#zone.apex) && this.#owners.standing(name, nameKey(name)).zone === this.#zone;
  }

  #isGranted(subject: Name): boolean {
    const { names, below } = this.#context.grant;
    return names.some((name) => sameName(name, subject)) || below.some((name) => isWithin(subject, name));
  }

  /** Whether the name owns any RR (RFC 2136 §2.4.4); an empty non-terminal owns none. */
  #isInUse(owner: Name): boolean {
    const key = nameKey(owner);
    return (
      this.#zone.nodes.has(key) || this.#context.services.has(key) || this.#valuesAt(ownerOf(owner)).size > 0
    );
  }

  /** The RDATA of an RRset, as keys; null: there is none. A steered RRset exists, and has none that could be named. */
  #rdatasAt(owner: Name, type: number): ReadonlySet<string> | null {
    const node = this.#zone.nodes.get(nameKey(owner));
    const isSteered = node?.steered != null || this.#context.services.has(nameKey(owner));
    if (isSteered && STEERED_TYPES.includes(type)) return new Set();
    const rdatas = [...(node?.rrsets.get(type)?.rdatas ?? [])];
    if (type === RRType.TXT) rdatas.push(...[...this.#valuesAt(ownerOf(owner)).keys()].map(txtRdata));
    return rdatas.length === 0 ? null : new Set(rdatas.map((rdata) => rdataKey(type, rdata)));
  }

  #removesFixed({
    owner,
    type,
    rrClass,
    rdata,
  }: Pick<MessageRR, "owner" | "type" | "rrClass" | "rdata">): boolean {
    const fixed = this.#zone.nodes.get(nameKey(owner))?.rrsets;
    if (rrClass === RRClass.NONE) return this.#isFixed(owner, rdata);
    return (
      rrClass === RRClass.ANY && (type === RRType.ANY ? (fixed?.size ?? 0) > 0 : fixed?.has(type) === true)
    );
  }

  #isFixed(owner: Name, rdata: Uint8Array): boolean {
    const fixed = this.#zone.nodes.get(nameKey(owner))?.rrsets.get(RRType.TXT)?.rdatas ?? [];
    return fixed.some((other) => rdataKey(RRType.TXT, other) === rdataKey(RRType.TXT, rdata));
  }

  #valuesAt(owner: string): Map<string, Challenge> {
    const known = this.#values.get(owner);
    if (known !== undefined) return known;
    const made = new Map<string, Challenge>();
    this.#values.set(owner, made);
    return made;
  }
}

const STEERED_TYPES: readonly number[] = [RRType.A, RRType.AAAA, RRType.HTTPS];

/** RFC 2136 §2.4. */
function unmet(type: number, exists: boolean): Rcode {
  if (type === RRType.ANY) return exists ? Rcode.YXDomain : Rcode.NXDomain;
  return exists ? Rcode.YXRRSet : Rcode.NXRRSet;
}

function failed(rcode: Rcode, detail: string): UpdateOutcome {
  return { kind: "failed", rcode, detail };
}
