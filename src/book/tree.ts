/** The owner names of all zones as one tree: every node of a book, which node hides which, which service answers where. */

import { forEachInSteps, type Steps } from "../steps.ts";
import { copyFolded, u8 } from "../wire/bytes.ts";
import { RRType } from "../wire/codes.ts";
import { isWildcardName, labelCount, type Name, nameKey } from "../wire/name.ts";
import { NameIndex } from "../wire/name-index.ts";
import type { OctetSink, WordSink } from "../wire/sink.ts";
import type { Zone, ZoneNode } from "../zone/zone.ts";
import { NODE_WORDS, Node, NodeKind, RRSET_WORDS } from "./layout.ts";

interface Service {
  readonly number: number;
  readonly name: Name;
}

/** By the key of its name. */
type Services = ReadonlyMap<string, Service>;

/** Writes the nodes of a book, each with room for its RRsets. A node is where it stands among the words; 0 is none. */
export class Tree {
  readonly #words: WordSink;
  readonly #octets: OctetSink;
  readonly #zones: readonly Zone[];
  /** By apex: number of the zone, plus 1. */
  readonly #apexes: NameIndex;
  readonly #nodes: NameIndex;
  readonly #begin: number;
  #end: number;
  /** Whether anything hides what is below it. */
  #hasCuts = false;
  #labelsMax = 0;

  /** Where one zone lies below another that is given too, the names below the inner apex are the inner zone's alone. */
  constructor(words: WordSink, octets: OctetSink, zones: readonly Zone[]) {
    this.#words = words;
    this.#octets = octets;
    this.#zones = zones;
    const apexes = zones.map(({ apex }) => this.#appendFolded(apex));
    this.#apexes = new NameIndex(octets, (number) => apexes[number - 1] ?? 0, zones.length);
    for (const [i, { apex }] of zones.entries()) this.#apexes.add(apex, 0, apex.length, i + 1);
    const owners = zones.reduce((sum, { nodes }) => sum + nodes.size, 0);
    this.#nodes = new NameIndex(octets, (node) => words.at(node + Node.name), owners);
    this.#begin = words.length;
    this.#end = words.length;
  }

  /** Adds all names. A `STEER` owner takes the number of the service it names. */
  *grow(services: Services): Steps<void> {
    for (const [zone, { nodes }] of this.#zones.entries())
      yield* forEachInSteps(nodes.values(), (owner) => this.#addOwner(zone, owner, services));
    yield* forEachInSteps(services.values(), (service) => this.#addService(service));
    yield* forEachInSteps(this.all(), (node) => this.#addEmptyNonTerminals(node));
    yield* forEachInSteps(this.all(), (node) => {
      if (this.#hasCuts) this.#words.set(node + Node.cut, this.#topmostCut(node));
      this.#enterWildcard(node);
    });
    this.#addParentSides();
  }

  /** Pairs of hash and node, by which a name is found. */
  get pairs(): Uint32Array {
    return this.#nodes.pairs;
  }

  /** Gives the memory of the table back; no name is found any more. */
  release(): void {
    this.#nodes.release();
  }

  /** The most labels an owner name has. */
  get labelsMax(): number {
    return this.#labelsMax;
  }

  /** All nodes. */
  *all(): Generator<number, undefined> {
    const end = this.#end;
    for (let node = this.#begin; node < end; ) {
      yield node;
      node += NODE_WORDS + RRSET_WORDS * this.#words.at(node + Node.rrsetCount);
    }
  }

  /** The node that a query for a name finds. */
  find(name: Name): number {
    return this.#nodes.find(name, 0, name.length);
  }

  /** The node of a name as a zone has it: at the apex of an inner zone, the outer one has the delegation. */
  nodeIn(zone: number, name: Name): number {
    const node = this.find(name);
    if (node === 0 || this.#words.at(node + Node.zone) === zone) return node;
    const parentSide = this.#words.at(node + Node.parentSide);
    return parentSide !== 0 && this.#words.at(parentSide + Node.zone) === zone ? parentSide : 0;
  }

  #addOwner(zone: number, { name, rrsets, steered }: ZoneNode, services: Services): void {
    if (this.#zoneOf(name, 0) !== zone) return;
    const node = this.#addName(zone, this.#appendFolded(name), name.length, rrsets);
    const service = steered === null ? undefined : services.get(nameKey(steered.as));
    if (service !== undefined) this.#words.set(node + Node.service, service.number + 1);
  }

  #addService({ number, name }: Service): void {
    const zone = this.#zoneOf(name, 0);
    if (zone === null) return;
    const known = this.find(name);
    const node = known === 0 ? this.#addName(zone, this.#appendFolded(name), name.length, NO_RRSETS) : known;
    this.#words.set(node + Node.service, number + 1);
  }

  /** The names above a node that own nothing exist too (RFC 4592 §2.2.2). */
  #addEmptyNonTerminals(node: number): void {
    const zone = this.#words.at(node + Node.zone);
    const end = this.#endOfName(node);
    for (const name of this.#namesAbove(node)) {
      if (this.#nodes.find(this.#octets.memory, name, end - name) !== 0) break;
      this.#addName(zone, name, end - name, NO_RRSETS);
    }
  }

  /** The delegations to zones that are served too. Only these find them: a query for the name finds the inner apex. */
  #addParentSides(): void {
    for (const { apex } of this.#zones) {
      const outer = apex.length === 1 ? null : this.#zoneOf(apex, u8(apex, 0) + 1);
      const delegation = outer === null ? undefined : this.#zones[outer]?.nodes.get(nameKey(apex));
      if (outer === null || !delegation?.rrsets.has(RRType.NS)) continue;
      const inner = this.find(apex);
      const name = this.#words.at(inner + Node.name);
      const node = this.#write(outer, name, apex.length, delegation.rrsets);
      this.#words.set(inner + Node.parentSide, node);
    }
  }

  /** The topmost delegation or DNAME above a node in its zone. */
  #topmostCut(node: number): number {
    const end = this.#endOfName(node);
    let cut = 0;
    for (const name of this.#namesAbove(node)) {
      const above = this.#nodes.find(this.#octets.memory, name, end - name);
      if (isCut(this.#words.at(above + Node.kind))) cut = above;
    }
    return cut;
  }

  /** Tells the node above a wildcard of it. */
  #enterWildcard(node: number): void {
    const name = this.#words.at(node + Node.name);
    const { memory } = this.#octets;
    if (!isWildcardName(memory, name)) return;
    const above = this.#nodes.find(memory, name + 2, this.#endOfName(node) - name - 2);
    if (above !== 0) this.#words.set(above + Node.wildcard, node);
  }

  /** Where the names above that of a node begin in it, up to the apex of its zone. */
  *#namesAbove(node: number): Generator<number, undefined> {
    const zone = this.#zones[this.#words.at(node + Node.zone)];
    const apexAt = this.#endOfName(node) - (zone?.apex.length ?? 0);
    for (let name = this.#words.at(node + Node.name); name < apexAt; ) {
      name += u8(this.#octets.memory, name) + 1;
      yield name;
    }
  }

  #endOfName(node: number): number {
    return this.#words.at(node + Node.name) + this.#words.at(node + Node.nameLength);
  }

  /** Number of the zone that the name at `from` belongs to: the one with the longest apex at or above it; null: none. */
  #zoneOf(name: Name, from: number): number | null {
    for (let at = from; ; at += u8(name, at) + 1) {
      const zone = this.#apexes.find(name, at, name.length - at);
      if (zone !== 0) return zone - 1;
      if (u8(name, at) === 0) return null;
    }
  }

  #addName(zone: number, name: number, length: number, rrsets: ZoneNode["rrsets"]): number {
    const node = this.#write(zone, name, length, rrsets);
    this.#nodes.add(this.#octets.memory, name, length, node);
    return node;
  }

  #write(zone: number, name: number, length: number, rrsets: ZoneNode["rrsets"]): number {
    const words = this.#words;
    const isApex = this.#zones[zone]?.apex.length === length;
    const kind = kindOf(rrsets, isApex);
    const node = words.reserve(NODE_WORDS + RRSET_WORDS * rrsets.size);
    this.#end = words.length;
    words.set(node + Node.name, name);
    words.set(node + Node.nameLength, length);
    words.set(node + Node.zone, zone);
    words.set(node + Node.kind, kind);
    words.set(node + Node.rrsetCount, rrsets.size);
    this.#hasCuts ||= isCut(kind);
    return node;
  }

  #appendFolded(name: Name): number {
    const at = this.#octets.append(name);
    copyFolded(name, 0, this.#octets.memory, at, name.length);
    this.#labelsMax = Math.max(this.#labelsMax, labelCount(name));
    return at;
  }
}

const NO_RRSETS: ZoneNode["rrsets"] = new Map();

function kindOf(rrsets: ZoneNode["rrsets"], isApex: boolean): number {
  if (rrsets.has(RRType.NS) && !isApex) return NodeKind.Delegation;
  if (rrsets.has(RRType.DNAME)) return NodeKind.Dname;
  return rrsets.has(RRType.CNAME) ? NodeKind.Cname : NodeKind.Plain;
}

function isCut(kind: number): boolean {
  return kind === NodeKind.Delegation || kind === NodeKind.Dname;
}
