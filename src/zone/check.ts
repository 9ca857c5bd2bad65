/** Checks the rules that hold for a zone as a whole. */

import type { Checked, Problem } from "../problem.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { RRType, rrTypeName } from "../wire/codes.ts";
import { formatName, isWithin, type Name, nameKey, parentOf, sameName } from "../wire/name.ts";
import { formatRdata, rdataKey, targetOf } from "./rdata.ts";
import { type ResourceRecord, type RRTable, STEER } from "./rr-table.ts";
import { type Place, rrsetLengthMax, type Zone, type ZoneNode } from "./zone.ts";

/**
 * The zone of these RRs; null without an SOA. The rules, each with the place of the RR that breaks it:
 *
 * 1. There is one SOA, and at least one NS at its owner, the apex (RFC 1035 §5.2).
 * 2. Every owner is within the apex.
 * 3. No RR is repeated, and the RRs of an RRset have one TTL (RFC 2181 §5, §5.2).
 * 4. A CNAME stands alone (RFC 2181 §10.1), but for the RRs that sign it (RFC 4034 §3, §4).
 * 5. There is one DNAME at an owner, and nothing below it (RFC 6672 §2.4).
 * 6. Below a delegation there are addresses alone, as glue; at it also NS and DS (RFC 1034 §4.2.1).
 * 7. NS, MX and SRV lead to no CNAME of the zone (RFC 2181 §10.3, RFC 2782).
 * 8. An NS that leads into the zone leads to an address (RFC 1912 §2.3), unless another delegation hides it.
 * 9. A steered owner has no A, AAAA, HTTPS, CNAME or DNAME, and no NS but at the apex; it is steered once.
 * 10. An RRset fits into a message, with all that belongs to it.
 *
 * `isComplete` is false if RRs could not be read; then what seems to be missing is no problem.
 */
export function* checkZone(file: string, rrs: RRTable, isComplete: boolean): Steps<Checked<Zone>> {
  const check = new Check(rrs, isComplete);
  yield* forEachInSteps(rrs.severalOfOwner(), (several) => check.checkRRsets(several));
  const apex = check.findApex(file);
  if (apex === null) return { value: null, problems: check.problems };
  // Most zones have no cut, and need not be searched upwards from each name.
  const hasCuts = rrs
    .ofTypes(RRType.NS, RRType.DNAME)
    .some(({ type, owner }) => type === RRType.DNAME || !sameName(owner, apex));
  yield* forEachInSteps(rrs.values(), (node) => check.checkNode(node, apex, hasCuts));
  yield* forEachInSteps(rrs.ofTypes(RRType.NS, RRType.MX, RRType.SRV), (rr) => check.checkTarget(rr, apex));
  return { value: { apex, file, nodes: rrs }, problems: check.problems };
}

/** Where the zone's own names end: what is below belongs to another zone, or cannot be. */
interface Cut {
  readonly kind: "delegation" | "DNAME";
  readonly owner: Name;
}

const addressTypes: ReadonlySet<number> = new Set([RRType.A, RRType.AAAA]);
const signatureTypes: ReadonlySet<number> = new Set([RRType.RRSIG, RRType.NSEC]);
/** What an owner with an NS below the apex may have: the parent's side of a cut, and glue. */
const delegationTypes: ReadonlySet<number> = new Set([
  RRType.NS,
  RRType.DS,
  ...addressTypes,
  ...signatureTypes,
]);
const noTypes: ReadonlySet<number> = new Set();
const steeredTypes: ReadonlySet<number> = new Set([
  ...addressTypes,
  RRType.HTTPS,
  RRType.CNAME,
  RRType.DNAME,
]);

/** Of an RR beside its rdata: a pointer to its owner, TYPE, CLASS, TTL, RDLENGTH. */
const RR_OVERHEAD = 12;

class Check {
  readonly problems: Problem[] = [];
  readonly #rrs: RRTable;
  readonly #isComplete: boolean;

  constructor(rrs: RRTable, isComplete: boolean) {
    this.#rrs = rrs;
    this.#isComplete = isComplete;
  }

  /** Rule 1: the owner of the SOA; null, with a problem, where there is none. */
  findApex(file: string): Name | null {
    const [soa, ...others] = this.#rrs.ofTypes(RRType.SOA);
    if (soa === undefined) {
      if (this.#isComplete)
        this.#refuse({ file, line: 0, column: 0 }, "no SOA: a zone starts with one, at its apex");
      return null;
    }
    for (const { place } of others) {
      this.#refuse(place, `a zone has one SOA, and there is one in ${lineOf(soa.place, place)}`);
    }
    const apexHasNS = this.#nodeOf(soa.owner)?.rrsets.has(RRType.NS);
    if (apexHasNS !== true && this.#isComplete) {
      this.#refuse(soa.place, `no NS at ${formatName(soa.owner)}: expected at least one at the apex`);
    }
    return soa.owner;
  }

  /** Rule 3, and that an owner is steered once. */
  checkRRsets(ofOwner: readonly ResourceRecord[]): void {
    for (const [first, ...others] of Map.groupBy(ofOwner, ({ type }) => type).values()) {
      if (first?.type === STEER) this.#checkSteerings(first, others);
      else if (first !== undefined) this.#checkRRset(first, others);
    }
  }

  /** Rules 2, 4, 5, 6, 9 and 10. */
  checkNode(node: ZoneNode, apex: Name, hasCuts: boolean): void {
    if (!isWithin(node.name, apex)) {
      const message = `${formatName(node.name)} is outside the zone ${formatName(apex)}`;
      for (const place of placesOf(node)) this.#refuse(place, message);
      return;
    }
    this.#checkLengths(node);
    this.#checkAliases(node);
    this.#checkSteered(node, apex);
    if (hasCuts) this.#checkCuts(node, apex);
  }

  /** Rules 7 and 8. */
  checkTarget(rr: ResourceRecord, apex: Name): void {
    const { type, rdata, place } = rr;
    const target = targetOf(type, rdata);
    if (target === null || !isWithin(target, apex)) return;
    const node = this.#nodeOf(target);
    if (node?.rrsets.has(RRType.CNAME)) {
      const which = `${rrTypeName(type)} leads to ${formatName(target)}, which is a CNAME`;
      const rule = type === RRType.SRV ? "RFC 2782" : "RFC 2181 §10.3";
      this.#refuse(place, `${which}: name its target instead (${rule})`);
    } else if (type === RRType.NS && !hasAddress(node)) this.#checkGlue(rr, target, apex);
  }

  #checkRRset(first: ResourceRecord, others: readonly ResourceRecord[]): void {
    const { owner, type } = first;
    const what = `${formatName(owner)} ${rrTypeName(type)}`;
    const keys = new Set([rdataKey(type, first.rdata)]);
    for (const { rdata, ttlSeconds, place } of others) {
      const key = rdataKey(type, rdata);
      if (keys.has(key)) this.#refuse(place, `${what} ${formatRdata(type, rdata)} is repeated: remove one`);
      else if (ttlSeconds !== first.ttlSeconds) {
        const other = `${first.ttlSeconds} in ${lineOf(first.place, place)}`;
        this.#refuse(
          place,
          `${what} has the TTL ${ttlSeconds}, and ${other}: expected one TTL for all (RFC 2181 §5.2)`,
        );
      }
      keys.add(key);
    }
  }

  #checkSteerings({ owner, place: first }: ResourceRecord, others: readonly ResourceRecord[]): void {
    for (const { place } of others)
      this.#refuse(place, `${formatName(owner)} is steered already, in ${lineOf(first, place)}`);
  }

  /** Rule 8 for an NS that leads to a name without an address. */
  #checkGlue({ owner, place }: ResourceRecord, target: Name, apex: Name): void {
    const cut = this.#cutAbove(target, apex) ?? this.#cutAt(target, apex);
    const isHidden = cut !== null && !sameName(cut.owner, owner);
    if (isHidden || !this.#isComplete) return;
    const expected = cut === null ? "an address" : "a glue address (RFC 9471 §2.1)";
    this.#refuse(
      place,
      `NS leads to ${formatName(target)}, which has no A or AAAA here: expected ${expected}`,
    );
  }

  /** Rule 10. */
  #checkLengths({ name, rrsets }: ZoneNode): void {
    for (const { type, rdatas, place } of rrsets.values()) {
      const length = rdatas.reduce((sum, rdata) => sum + RR_OVERHEAD + rdata.length, 0);
      if (length <= rrsetLengthMax) continue;
      const what = `${formatName(name)} ${rrTypeName(type)} takes ${length} octets`;
      this.#refuse(place, `${what}: expected at most ${rrsetLengthMax}, for which a message has room`);
    }
  }

  /** Rules 4 and 5, but for what is below. */
  #checkAliases(node: ZoneNode): void {
    for (const type of [RRType.CNAME, RRType.DNAME]) {
      const rrset = node.rrsets.get(type);
      if (rrset !== undefined && rrset.rdatas.length > 1) {
        const message = `${formatName(node.name)} has ${rrset.rdatas.length} ${rrTypeName(type)} RRs: expected one`;
        this.#refuse(rrset.place, message);
      }
    }
    if (!node.rrsets.has(RRType.CNAME)) return;
    for (const { type, place } of node.rrsets.values()) {
      if (type === RRType.CNAME || signatureTypes.has(type)) continue;
      const message = `${formatName(node.name)} has a CNAME, so it can have no ${rrTypeName(type)} (RFC 2181 §10.1)`;
      this.#refuse(place, message);
    }
  }

  /** Rule 9. */
  #checkSteered(node: ZoneNode, apex: Name): void {
    if (node.steered === null) return;
    for (const { type, place } of node.rrsets.values()) {
      const isCut = type === RRType.NS && !sameName(node.name, apex);
      if (!steeredTypes.has(type) && !isCut) continue;
      this.#refuse(
        place,
        `${formatName(node.name)} is steered, so it can have no ${rrTypeName(type)} of its own`,
      );
    }
  }

  /** Rule 6, and rule 5 for what is below. */
  #checkCuts(node: ZoneNode, apex: Name): void {
    const above = this.#cutAbove(node.name, apex);
    const own = this.#cutAt(node.name, apex);
    if (above === null && own?.kind !== "delegation") return;
    const name = formatName(node.name);
    const where =
      above === null
        ? `${name} is delegated`
        : `${name} is below the ${above.kind} at ${formatName(above.owner)}`;
    const allowed = above === null ? delegationTypes : above.kind === "DNAME" ? noTypes : addressTypes;
    for (const { type, place } of node.rrsets.values()) {
      if (!allowed.has(type)) this.#refuse(place, `${where}, so it can have no ${rrTypeName(type)}`);
    }
    if (node.steered !== null && above !== null) {
      this.#refuse(node.steered.place, `${where}, so it cannot be steered`);
    }
  }

  /** The highest delegation or DNAME above a name; null if there is none. */
  #cutAbove(name: Name, apex: Name): Cut | null {
    let cut: Cut | null = null;
    for (let above = parentOf(name); above !== null && isWithin(above, apex); above = parentOf(above)) {
      cut = this.#cutAt(above, apex) ?? cut;
    }
    return cut;
  }

  #cutAt(name: Name, apex: Name): Cut | null {
    const node = this.#nodeOf(name);
    if (node?.rrsets.has(RRType.NS) && !sameName(name, apex)) return { kind: "delegation", owner: node.name };
    return node?.rrsets.has(RRType.DNAME) ? { kind: "DNAME", owner: node.name } : null;
  }

  #nodeOf(name: Name): ZoneNode | undefined {
    return this.#rrs.get(nameKey(name));
  }

  #refuse(place: Place, message: string): void {
    this.problems.push({ ...place, message });
  }
}

/** A place for a message about another one: `line 5`, with its file if that is not the same. */
function lineOf({ file, line }: Place, from: Place): string {
  return file === from.file ? `line ${line}` : `${file} line ${line}`;
}

function hasAddress(node: ZoneNode | undefined): boolean {
  if (node === undefined) return false;
  return node.steered !== null || node.rrsets.has(RRType.A) || node.rrsets.has(RRType.AAAA);
}

function placesOf(node: ZoneNode): readonly Place[] {
  const places = [...node.rrsets.values()].map((rrset) => rrset.place);
  return node.steered === null ? places : [...places, node.steered.place];
}
