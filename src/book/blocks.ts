/** RRsets as octets that can be copied into a response (see `BLOCK_HEADER` in layout.ts for the form). */

import { putU16, u32 } from "../wire/bytes.ts";
import { RRClass, RRType } from "../wire/codes.ts";
import { isWithin, type Name, nameKey, sameName, uncompressedLength } from "../wire/name.ts";
import { type RRset, rrsetLengthMax, type ZoneNode } from "../zone/zone.ts";
import { BLOCK_HEADER, FIX_APEX } from "./layout.ts";

/** Where the qname stands in every message. */
const QNAME_AT = 12;
/** Types whose RDATA may be compressed (RFC 3597 §4), with the octets that stand before their names. */
const COMPRESSIBLE: ReadonlyMap<number, number> = new Map([
  [RRType.NS, 0],
  [RRType.PTR, 0],
  [RRType.MX, 2],
  [RRType.SOA, 0],
]);

/** RRs for one owner name in one zone, on their way into a block. */
export class BlockWriter {
  readonly #octets: number[] = [];
  readonly #fixUps: number[] = [];
  readonly #owner: Name;
  readonly #apex: Name;
  #count = 0;

  /** `owner` is the name that the response's owner pointer will stand for, `apex` its zone's. */
  constructor(owner: Name, apex: Name) {
    this.#owner = owner;
    this.#apex = apex;
  }

  /** Appends an RRset, each RR owned by `name`. */
  add(name: Name, rrset: RRset): this {
    for (const rdata of rrset.rdatas) {
      if (sameName(name, this.#owner)) this.#pointer(QNAME_AT, 0);
      else this.#name(name);
      this.#u16(rrset.type);
      this.#u16(RRClass.IN);
      this.#u16(rrset.ttlSeconds >>> 16);
      this.#u16(rrset.ttlSeconds);
      const lengthAt = this.#octets.length;
      this.#u16(0);
      this.#rdata(rrset.type, rdata);
      const length = this.#octets.length - lengthAt - 2;
      this.#octets[lengthAt] = length >>> 8;
      this.#octets[lengthAt + 1] = length & 0xff;
      this.#count += 1;
    }
    return this;
  }

  /** The block; null when there is more than a message should have of one kind. */
  block(): Uint8Array | null {
    const fixUps = this.#fixUps.length;
    if (this.#octets.length > rrsetLengthMax) return null;
    const block = new Uint8Array(BLOCK_HEADER + 2 * fixUps + this.#octets.length);
    putU16(block, 0, this.#count);
    putU16(block, 2, this.#octets.length);
    putU16(block, 4, fixUps);
    for (const [i, fixUp] of this.#fixUps.entries()) putU16(block, BLOCK_HEADER + 2 * i, fixUp);
    block.set(this.#octets, BLOCK_HEADER + 2 * fixUps);
    return block;
  }

  /** A name, with its apex part as a pointer into the owner name. */
  #name(name: Name): void {
    if (!isWithin(name, this.#apex) || this.#apex.length === 1) {
      this.#octets.push(...name);
      return;
    }
    this.#octets.push(...name.subarray(0, name.length - this.#apex.length));
    this.#pointer(QNAME_AT + this.#owner.length - this.#apex.length, FIX_APEX);
  }

  #pointer(to: number, kind: number): void {
    this.#fixUps.push(kind | this.#octets.length);
    this.#u16(0xc000 | to);
  }

  #rdata(type: number, rdata: Uint8Array): void {
    let at = COMPRESSIBLE.get(type) ?? rdata.length;
    for (let i = 0; i < at; i += 1) this.#octets.push(rdata[i] ?? 0);
    // One name, two in a SOA; a SOA's numbers follow.
    for (let names = type === RRType.SOA ? 2 : 1; names > 0 && at < rdata.length; names -= 1) {
      const length = uncompressedLength(rdata, at, rdata.length);
      this.#name(rdata.slice(at, at + length) as Name);
      at += length;
    }
    for (; at < rdata.length; at += 1) this.#octets.push(rdata[at] ?? 0);
  }

  #u16(value: number): void {
    this.#octets.push((value >>> 8) & 0xff, value & 0xff);
  }
}

/** The SOA as it stands in a negative answer: its TTL is no more than its MINIMUM field (RFC 2308 §3). */
export function negativeSoa(soa: RRset): RRset {
  const rdata = soa.rdatas[0];
  if (rdata === undefined) return soa;
  return { ...soa, ttlSeconds: Math.min(soa.ttlSeconds, u32(rdata, rdata.length - 4)) };
}

/**
 * What goes along with an RRset: glue of a delegation, addresses of MX and SRV targets in the zone, and those of SVCB
 * and HTTPS targets with what SVCB or HTTPS RRs these have (RFC 9460 §4.1). `nodeOf` gives the owners of the zone.
 */
export function additionalBlock(
  { name }: ZoneNode,
  rrset: RRset,
  apex: Name,
  nodeOf: (name: Name) => ZoneNode | undefined,
): Uint8Array | null {
  const targetAt = TARGET_AT.get(rrset.type);
  if (targetAt === undefined) return null;
  const isService = rrset.type === RRType.SVCB || rrset.type === RRType.HTTPS;
  const types = isService ? [RRType.A, RRType.AAAA, rrset.type] : [RRType.A, RRType.AAAA];
  const writer = new BlockWriter(name, apex);
  let isEmpty = true;
  // Many RRs may lead to one target, whose RRs go along once.
  const targets = rrset.rdatas.map((rdata) => targetOf(rdata, targetAt, name, isService));
  for (const targetName of new Map(targets.map((target) => [nameKey(target), target])).values()) {
    const target = nodeOf(targetName);
    if (target === undefined) continue;
    const isOwn = sameName(target.name, name);
    for (const type of types) {
      const found = target.rrsets.get(type);
      if (found === undefined || (isOwn && type === rrset.type)) continue;
      writer.add(target.name, found);
      isEmpty = false;
    }
  }
  return isEmpty ? null : writer.block();
}

/** The name that an RR leads to; "." of a service is its own name (RFC 9460 §2.5.2), of an alias none. */
function targetOf(rdata: Uint8Array, at: number, owner: Name, isService: boolean): Name {
  const isOwn = isService && rdata[at] === 0 && (rdata[0] !== 0 || rdata[1] !== 0);
  return isOwn ? owner : (rdata.subarray(at, at + uncompressedLength(rdata, at, rdata.length)) as Name);
}

/** Where the target name begins in the RDATA of types that bring other RRs along. */
const TARGET_AT: ReadonlyMap<number, number> = new Map([
  [RRType.NS, 0],
  [RRType.MX, 2],
  [RRType.SRV, 6],
  [RRType.SVCB, 2],
  [RRType.HTTPS, 2],
]);

/** RDATA of an HTTPS RR in service mode up to its hints: priority 1, target ".", ALPN, port (RFC 9460 §2.2, §7). */
export function httpsRdata(alpn: readonly string[], port: number | null): Uint8Array {
  const octets = [0, 1, 0];
  const ids = alpn.map((id) => Buffer.from(id, "latin1"));
  if (ids.length > 0) {
    const length = ids.reduce((sum, id) => sum + 1 + id.length, 0);
    octets.push(0, 1, length >>> 8, length & 0xff);
    for (const id of ids) octets.push(id.length, ...id);
  }
  if (port !== null) octets.push(0, 3, 0, 2, port >>> 8, port & 0xff);
  return Uint8Array.from(octets);
}
