/** Puts the RRs of a zone together, and checks the rules that hold for the zone as a whole. */

import type { Checked, Problem } from "../problem.ts";
import { RRType, rrTypeName } from "../wire/codes.ts";
import { formatName, isWithin, type Name, nameKey, sameName } from "../wire/name.ts";
import { OctetPool } from "./octet-pool.ts";
import { formatRdata, rdataKey, targetOf } from "./rdata.ts";
import type { ResourceRecord, Steering } from "./rr.ts";
import type { Place, RRset, Steered, Zone } from "./zone.ts";

/** A node while RRs are added to it. */
interface Node {
  readonly name: Name;
  readonly key: string;
  readonly rrsets: Map<number, GrowingRRset>;
  steered: Steered | null;
}

interface GrowingRRset extends RRset {
  readonly rdatas: Uint8Array[];
  /** `rdataKey` of each; null while there is but one. */
  keys: Set<string> | null;
}

/**
 * The zone that RRs and steered names make; null without an SOA. The rules, each with the place of the RR that breaks it:
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
 *
 * `isComplete` is false if RRs could not be read; then what seems to be missing is no problem.
 */
export function checkZone(
  file: string,
  rrs: readonly ResourceRecord[],
  steerings: readonly Steering[],
  isComplete: boolean,
): Checked<Zone> {
  const check = new Check(isComplete);
  for (const rr of rrs) check.addRR(rr);
  for (const steering of steerings) check.addSteering(steering);
  const apex = check.findApex(file, rrs);
  if (apex === null) return { value: null, problems: check.problems };
  check.checkNodes(apex);
  check.checkTargets(apex, rrs);
  return { value: { apex, file, nodes: check.nodes }, problems: check.problems };
}

/** Where the zone's own names end: what is below belongs to another zone, or cannot be. */
interface Cut {
  readonly kind: "delegation" | "DNAME";
  readonly owner: Node;
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

class Check {
  readonly problems: Problem[] = [];
  readonly nodes: Map<string, Node> = new Map();
  readonly #isComplete: boolean;
  /** By `nameKey` of the owner. */
  readonly #cuts: Map<string, Cut> = new Map();
  readonly #octets: OctetPool = new OctetPool();

  constructor(isComplete: boolean) {
    this.#isComplete = isComplete;
  }

  addRR(rr: ResourceRecord): void {
    const { type, ttlSeconds, rdata, place } = rr;
    const node = this.#nodeOf(rr.owner);
    const rrset = node.rrsets.get(type);
    if (rrset === undefined) {
      const rdatas = [this.#octets.keep(rdata)];
      node.rrsets.set(type, { type, ttlSeconds, rdatas, place, keys: null });
      return;
    }
    const what = `${formatName(rr.owner)} ${rrTypeName(type)}`;
    rrset.keys ??= new Set(rrset.rdatas.map((other) => rdataKey(type, other)));
    const key = rdataKey(type, rdata);
    if (rrset.keys.has(key))
      this.#refuse(place, `${what} ${formatRdata(type, rdata)} is repeated: remove one`);
    else if (rrset.ttlSeconds !== ttlSeconds) {
      const first = `${rrset.ttlSeconds} in ${lineOf(rrset.place, place)}`;
      this.#refuse(
        place,
        `${what} has the TTL ${ttlSeconds}, and ${first}: expected one TTL for all (RFC 2181 §5.2)`,
      );
    }
    rrset.keys.add(key);
    rrset.rdatas.push(this.#octets.keep(rdata));
  }

  addSteering({ owner, as, place }: Steering): void {
    const node = this.#nodeOf(owner);
    if (node.steered === null) node.steered = { as, place };
    else
      this.#refuse(place, `${formatName(owner)} is steered already, in ${lineOf(node.steered.place, place)}`);
  }

  /** Rule 1: the owner of the SOA; null, with a problem, where there is none. */
  findApex(file: string, rrs: readonly ResourceRecord[]): Name | null {
    const [soa, ...others] = rrs.filter((rr) => rr.type === RRType.SOA);
    if (soa === undefined) {
      if (this.#isComplete)
        this.#refuse({ file, line: 0, column: 0 }, "no SOA: a zone starts with one, at its apex");
      return null;
    }
    for (const { place } of others) {
      this.#refuse(place, `a zone has one SOA, and there is one in ${lineOf(soa.place, place)}`);
    }
    const apexHasNS = this.nodes.get(nameKey(soa.owner))?.rrsets.has(RRType.NS);
    if (apexHasNS !== true && this.#isComplete) {
      this.#refuse(soa.place, `no NS at ${formatName(soa.owner)}: expected at least one at the apex`);
    }
    return soa.owner;
  }

  checkNodes(apex: Name): void {
    for (const node of this.nodes.values()) {
      const isDelegation = node.rrsets.has(RRType.NS) && !sameName(node.name, apex);
      if (isDelegation) this.#cuts.set(node.key, { kind: "delegation", owner: node });
      else if (node.rrsets.has(RRType.DNAME)) this.#cuts.set(node.key, { kind: "DNAME", owner: node });
    }
    for (const node of this.nodes.values()) {
      if (!isWithin(node.name, apex)) {
        const message = `${formatName(node.name)} is outside the zone ${formatName(apex)}`;
        for (const place of placesOf(node)) this.#refuse(place, message);
        continue;
      }
      this.#checkAliases(node);
      this.#checkSteered(node, apex);
      this.#checkCuts(node);
    }
  }

  /** Rules 7 and 8. */
  checkTargets(apex: Name, rrs: readonly ResourceRecord[]): void {
    for (const { owner, type, rdata, place } of rrs) {
      if (type !== RRType.NS && type !== RRType.MX && type !== RRType.SRV) continue;
      const target = targetOf(type, rdata);
      if (target === null || !isWithin(target, apex)) continue;
      const node = this.nodes.get(nameKey(target));
      if (node?.rrsets.has(RRType.CNAME)) {
        const which = `${rrTypeName(type)} leads to ${formatName(target)}, which is a CNAME`;
        const rule = type === RRType.SRV ? "RFC 2782" : "RFC 2181 §10.3";
        this.#refuse(place, `${which}: name its target instead (${rule})`);
      } else if (type === RRType.NS && !hasAddress(node)) this.#checkGlue(owner, target, place);
    }
  }

  /** Rule 8 for an NS that leads to a name without an address. */
  #checkGlue(owner: Name, target: Name, place: Place): void {
    const cut = this.#cutAbove(nameKey(target), true);
    const isHidden = cut !== null && cut.owner.key !== nameKey(owner);
    if (isHidden || !this.#isComplete) return;
    const expected = cut === null ? "an address" : "a glue address (RFC 9471 §2.1)";
    this.#refuse(
      place,
      `NS leads to ${formatName(target)}, which has no A or AAAA here: expected ${expected}`,
    );
  }

  /** Rules 4 and 5, but for what is below. */
  #checkAliases(node: Node): void {
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
  #checkSteered(node: Node, apex: Name): void {
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
  #checkCuts(node: Node): void {
    const above = this.#cutAbove(node.key, false);
    const own = this.#cuts.get(node.key);
    if (above === null && own?.kind !== "delegation") return;
    const name = formatName(node.name);
    const where =
      above === null
        ? `${name} is delegated`
        : `${name} is below the ${above.kind} at ${formatName(above.owner.name)}`;
    const allowed = above === null ? delegationTypes : above.kind === "DNAME" ? noTypes : addressTypes;
    for (const { type, place } of node.rrsets.values()) {
      if (!allowed.has(type)) this.#refuse(place, `${where}, so it can have no ${rrTypeName(type)}`);
    }
    if (node.steered !== null && above !== null) {
      this.#refuse(node.steered.place, `${where}, so it cannot be steered`);
    }
  }

  /** The highest delegation or DNAME above an owner, or, with `orAt`, at it; null if there is none. */
  #cutAbove(key: string, orAt: boolean): Cut | null {
    let cut: Cut | null = null;
    for (let above = orAt ? key : parentKey(key); above !== ""; above = parentKey(above)) {
      cut = this.#cuts.get(above) ?? cut;
    }
    return cut;
  }

  #nodeOf(name: Name): Node {
    const key = nameKey(name);
    const known = this.nodes.get(key);
    if (known !== undefined) return known;
    const node = { name: this.#octets.keep(name), key, rrsets: new Map(), steered: null };
    this.nodes.set(key, node);
    return node;
  }

  #refuse(place: Place, message: string): void {
    this.problems.push({ ...place, message });
  }
}

/** A place for a message about another one: `line 5`, with its file if that is not the same. */
function lineOf({ file, line }: Place, from: Place): string {
  return file === from.file ? `line ${line}` : `${file} line ${line}`;
}

/** The key of the name without its first label; "" above the root. */
function parentKey(key: string): string {
  return key.slice(key.charCodeAt(0) + 1);
}

function hasAddress(node: Node | undefined): boolean {
  if (node === undefined) return false;
  return node.steered !== null || node.rrsets.has(RRType.A) || node.rrsets.has(RRType.AAAA);
}

function placesOf(node: Node): readonly Place[] {
  const places = [...node.rrsets.values()].map((rrset) => rrset.place);
  return node.steered === null ? places : [...places, node.steered.place];
}
