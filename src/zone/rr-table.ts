/** The RRs of a zone in a few large arrays: as objects, those of a million names would take a gigabyte. */

import assert from "node:assert/strict";
import { RRType } from "../wire/codes.ts";
import { type Name, nameKey, uncompressedLength } from "../wire/name.ts";
import { NameIndex } from "../wire/name-index.ts";
import { OctetSink, WordSink } from "../wire/sink.ts";
import type { Place, RRset, Steered, ZoneNode, ZoneNodes } from "./zone.ts";

/** The type that a `STEER` has in here: no RR has it (RFC 6895 §3.1). Its rdata are the name of the service. */
export const STEER = 0;

/** One RR as it stands in a file. */
export interface ResourceRecord {
  readonly owner: Name;
  readonly type: number;
  readonly ttlSeconds: number;
  /** Never written to. */
  readonly rdata: Uint8Array;
  readonly place: Place;
}

/** What can be asked for by type: of a large zone few RRs are of these. */
const listedTypes: ReadonlySet<number> = new Set([
  RRType.SOA,
  RRType.NS,
  RRType.DNAME,
  RRType.MX,
  RRType.SRV,
]);

/** Words of an owner. */
const Owner = { name: 0, firstRR: 1, lastRR: 2 } as const;
const OWNER_WORDS = 3;

/** Words of an RR. */
const RR = {
  /** The next one of this owner; 0: none. */
  next: 0,
  owner: 1,
  type: 2,
  ttlSeconds: 3,
  rdata: 4,
  rdataLength: 5,
  file: 6,
  line: 7,
  column: 8,
} as const;
const RR_WORDS = 9;

/** Takes RRs in the order of the file, and gives them owner by owner. What it gives are objects made on the way out. */
export class RRTable implements ZoneNodes {
  readonly #octets = new OctetSink();
  readonly #owners = new WordSink();
  readonly #rrs = new WordSink();
  /** The RRs of listed types, in the order of the file. */
  readonly #listed = new WordSink();
  readonly #files: string[] = [];
  readonly #index = new NameIndex(this.#octets, (owner) => this.#owners.at(owner + Owner.name), 0);

  constructor() {
    // Neither an owner nor an RR stands at 0, which means "none".
    this.#owners.reserve(OWNER_WORDS);
    this.#rrs.reserve(RR_WORDS);
  }

  add({ owner, type, ttlSeconds, rdata, place }: ResourceRecord): void {
    const own = this.#ownerOf(owner);
    const { file, line, column } = place;
    if (this.#files.at(-1) !== file) this.#files.push(file);
    const fileNumber = this.#files.length - 1;
    const at = this.#octets.append(rdata);
    const rr = this.#rrs.push(0, own, type, ttlSeconds, at, rdata.length, fileNumber, line, column);
    if (listedTypes.has(type)) this.#listed.push(rr);
    const last = this.#owners.at(own + Owner.lastRR);
    if (last === 0) this.#owners.set(own + Owner.firstRR, rr);
    else this.#rrs.set(last + RR.next, rr);
    this.#owners.set(own + Owner.lastRR, rr);
  }

  /** How many owners there are. */
  get size(): number {
    return this.#index.count;
  }

  has(key: string): boolean {
    return this.#find(key) !== 0;
  }

  get(key: string): ZoneNode | undefined {
    const owner = this.#find(key);
    return owner === 0 ? undefined : this.#node(owner);
  }

  *keys(): Generator<string, undefined> {
    for (let at = OWNER_WORDS; at < this.#owners.length; at += OWNER_WORDS) yield nameKey(this.#name(at));
  }

  *values(): Generator<ZoneNode, undefined> {
    for (let at = OWNER_WORDS; at < this.#owners.length; at += OWNER_WORDS) yield this.#node(at);
  }

  *[Symbol.iterator](): Generator<[string, ZoneNode], undefined> {
    for (const node of this.values()) yield [nameKey(node.name), node];
  }

  /** The RRs of each owner that has more than one, in the order of the file. */
  *severalOfOwner(): Generator<readonly ResourceRecord[]> {
    for (let at = OWNER_WORDS; at < this.#owners.length; at += OWNER_WORDS) {
      const first = this.#owners.at(at + Owner.firstRR);
      if (first === this.#owners.at(at + Owner.lastRR)) continue;
      const rrs: ResourceRecord[] = [];
      for (let rr = first; rr !== 0; rr = this.#rrs.at(rr + RR.next)) rrs.push(this.#rr(rr));
      yield rrs;
    }
  }

  /** The RRs of some of the listed types, in the order of the file. */
  *ofTypes(...types: readonly number[]): Generator<ResourceRecord> {
    assert(types.every((type) => listedTypes.has(type)));
    for (const rr of this.#listed.words()) {
      if (types.includes(this.#rrs.at(rr + RR.type))) yield this.#rr(rr);
    }
  }

  #ownerOf(name: Name): number {
    const known = this.#index.find(name, 0, name.length);
    if (known !== 0) return known;
    const owner = this.#owners.push(this.#octets.append(name), 0, 0);
    this.#index.add(name, 0, name.length, owner);
    return owner;
  }

  #find(key: string): number {
    const name = Buffer.from(key, "latin1");
    return this.#index.find(name, 0, name.length);
  }

  #node(owner: number): ZoneNode {
    const rrsets = new Map<number, GrowingRRset>();
    let steered: Steered | null = null;
    for (let rr = this.#owners.at(owner + Owner.firstRR); rr !== 0; rr = this.#rrs.at(rr + RR.next)) {
      const type = this.#rrs.at(rr + RR.type);
      const rrset = rrsets.get(type);
      if (type === STEER) steered = { as: this.#rdata(rr) as Name, place: this.#place(rr) };
      else if (rrset !== undefined) rrset.rdatas.push(this.#rdata(rr));
      else {
        const ttlSeconds = this.#rrs.at(rr + RR.ttlSeconds);
        rrsets.set(type, { type, ttlSeconds, rdatas: [this.#rdata(rr)], place: this.#place(rr) });
      }
    }
    return { name: this.#name(owner), rrsets, steered };
  }

  #rr(at: number): ResourceRecord {
    return {
      owner: this.#name(this.#rrs.at(at + RR.owner)),
      type: this.#rrs.at(at + RR.type),
      ttlSeconds: this.#rrs.at(at + RR.ttlSeconds),
      rdata: this.#rdata(at),
      place: this.#place(at),
    };
  }

  #name(owner: number): Name {
    const at = this.#owners.at(owner + Owner.name);
    const { memory, length } = this.#octets;
    return memory.subarray(at, at + uncompressedLength(memory, at, length)) as Name;
  }

  #rdata(rr: number): Uint8Array {
    const at = this.#rrs.at(rr + RR.rdata);
    return this.#octets.memory.subarray(at, at + this.#rrs.at(rr + RR.rdataLength));
  }

  #place(rr: number): Place {
    return {
      file: this.#files[this.#rrs.at(rr + RR.file)] ?? "",
      line: this.#rrs.at(rr + RR.line),
      column: this.#rrs.at(rr + RR.column),
    };
  }
}

interface GrowingRRset extends RRset {
  readonly rdatas: Uint8Array[];
}
