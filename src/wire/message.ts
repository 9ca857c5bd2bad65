/**
 * Reads and writes whole messages (RFC 1035 §4.1), for what is not on the hot path: UPDATE, NOTIFY and transfers.
 */

import { copyOf, putU16, putU32, u8, u16, u32 } from "./bytes.ts";
import { RRType } from "./codes.ts";
import { fixedRRLength, headerLength } from "./format.ts";
import { type Name, nameLengthMax } from "./name.ts";

/** Octets of an OPT without options. */
const OPT_OCTETS = 1 + fixedRRLength;

/** The entry of a question section, or of the zone section of an UPDATE (RFC 2136 §2.3). */
export interface Question {
  readonly qname: Name;
  readonly qtype: number;
  readonly qclass: number;
}

/** An RR as it stands in a message. */
export interface MessageRR {
  readonly owner: Name;
  readonly type: number;
  readonly rrClass: number;
  readonly ttlSeconds: number;
  /** With the names of well-known types uncompressed. */
  readonly rdata: Uint8Array;
  /** Where in the message its owner name begins. */
  readonly at: number;
}

/** A message in its parts. */
export interface Message {
  readonly id: number;
  /** QR, opcode, AA, TC, RD, RA, Z, AD, CD, RCODE. */
  readonly flags: number;
  readonly opcode: number;
  readonly questions: readonly Question[];
  /** The prerequisites of an UPDATE. */
  readonly answers: readonly MessageRR[];
  /** The changes of an UPDATE. */
  readonly authorities: readonly MessageRR[];
  readonly additionals: readonly MessageRR[];
}

/** The types of RFC 1035, whose RDATA may come compressed (RFC 3597 §4): octets before the first name, and names. */
const NAMES_IN_RDATA: ReadonlyMap<number, readonly [before: number, names: number]> = new Map([
  [RRType.NS, [0, 1]],
  [RRType.CNAME, [0, 1]],
  [RRType.PTR, [0, 1]],
  [RRType.MX, [2, 1]],
  [RRType.SOA, [0, 2]],
]);

/** The message in `octets`; null where it is malformed or has octets after its last RR. */
export function readMessage(octets: Uint8Array): Message | null {
  if (octets.length < headerLength) return null;
  const reader = new MessageReader(octets);
  const questions = reader.questions(u16(octets, 4));
  const answers = reader.rrs(u16(octets, 6));
  const authorities = reader.rrs(u16(octets, 8));
  const additionals = reader.rrs(u16(octets, 10));
  if (questions === null || answers === null || authorities === null || additionals === null) return null;
  if (!reader.isAtEnd) return null;
  const flags = u16(octets, 2);
  return {
    id: u16(octets, 0),
    flags,
    opcode: (flags >> 11) & 15,
    questions,
    answers,
    authorities,
    additionals,
  };
}

class MessageReader {
  readonly #octets: Uint8Array;
  #at = headerLength;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#octets.length;
  }

  questions(count: number): readonly Question[] | null {
    const questions: Question[] = [];
    for (let i = 0; i < count; i += 1) {
      const qname = this.#name();
      if (qname === null || this.#left < 4) return null;
      questions.push({
        qname,
        qtype: u16(this.#octets, this.#at),
        qclass: u16(this.#octets, this.#at + 2),
      });
      this.#at += 4;
    }
    return questions;
  }

  rrs(count: number): readonly MessageRR[] | null {
    const rrs: MessageRR[] = [];
    for (let i = 0; i < count; i += 1) {
      const rr = this.#rr();
      if (rr === null) return null;
      rrs.push(rr);
    }
    return rrs;
  }

  #rr(): MessageRR | null {
    const octets = this.#octets;
    const at = this.#at;
    const owner = this.#name();
    if (owner === null || this.#left < fixedRRLength) return null;
    const fixed = this.#at;
    const type = u16(octets, fixed);
    const from = fixed + fixedRRLength;
    const to = from + u16(octets, fixed + 8);
    if (to > octets.length) return null;
    const rdata = expandRdata(octets, type, from, to);
    if (rdata === null) return null;
    this.#at = to;
    const rrClass = u16(octets, fixed + 2);
    return { owner, type, rrClass, ttlSeconds: u32(octets, fixed + 4), rdata, at };
  }

  get #left(): number {
    return this.#octets.length - this.#at;
  }

  #name(): Name | null {
    const found = expandName(this.#octets, this.#at, this.#octets.length);
    if (found === null) return null;
    this.#at = found.end;
    return found.name;
  }
}

/** The RDATA without compression. An empty one is what UPDATE deletes by, whatever the type (RFC 2136 §2.5). */
function expandRdata(octets: Uint8Array, type: number, from: number, to: number): Uint8Array | null {
  const names = from === to ? undefined : NAMES_IN_RDATA.get(type);
  if (names === undefined) return copyOf(octets, from, to);
  const [before, count] = names;
  let at = from + before;
  if (at > to) return null;
  const parts: Uint8Array[] = [octets.subarray(from, at)];
  for (let i = 0; i < count; i += 1) {
    const found = expandName(octets, at, to);
    if (found === null) return null;
    parts.push(found.name);
    at = found.end;
  }
  parts.push(octets.subarray(at, to));
  return new Uint8Array(Buffer.concat(parts));
}

/**
 * The name at `at`, whose own octets end at or before `end`, without compression; null where it is malformed. Pointers
 * lead to what stands before them (RFC 1035 §4.1.4), so that none can lead in a circle.
 */
function expandName(octets: Uint8Array, at: number, end: number): { name: Name; end: number } | null {
  const name: number[] = [];
  let next = at;
  let limit = end;
  let after = 0;
  for (;;) {
    if (next >= limit) return null;
    const label = u8(octets, next);
    if (label >= 0xc0) {
      if (next + 1 >= limit) return null;
      const target = u16(octets, next) & 0x3fff;
      if (after === 0) after = next + 2;
      if (target >= next || target < headerLength) return null;
      limit = next;
      next = target;
      continue;
    }
    if (label > 63 || next + 1 + label > limit || name.length + 1 + label > nameLengthMax) return null;
    for (let i = 0; i <= label; i += 1) name.push(u8(octets, next + i));
    next += 1 + label;
    if (label === 0) return { name: Uint8Array.from(name) as Name, end: after === 0 ? next : after };
  }
}

/** An option of an OPT (RFC 6891 §6.1.2). */
export type EdnsOptionData = readonly [code: number, data: ArrayLike<number>];

/** Puts a message together, up to a size. */
export class MessageWriter {
  readonly #octets: Uint8Array;
  readonly #sizeMax: number;
  #at = headerLength;
  /** Where names stand that a pointer can lead to, case preserved (RFC 5936 §3.4). */
  readonly #offsets = new Map<string, number>();

  /** `sizeMax` octets are the most that the message can be; an OPT without options, and what it is signed with, come on top. */
  constructor(id: number, flags: number, sizeMax: number) {
    this.#octets = new Uint8Array(sizeMax + OPT_OCTETS);
    this.#sizeMax = sizeMax;
    putU16(this.#octets, 0, id);
    putU16(this.#octets, 2, flags);
  }

  /** The message so far; a copy. */
  get octets(): Uint8Array {
    return this.#octets.slice(0, this.#at);
  }

  /** RRs in the answer section. */
  get answers(): number {
    return u16(this.#octets, 6);
  }

  /** Adds an entry to the question section. */
  question({ qname, qtype, qclass }: Question): this {
    this.#name(qname);
    putU16(this.#octets, this.#at, qtype);
    putU16(this.#octets, this.#at + 2, qclass);
    this.#at += 4;
    putU16(this.#octets, 4, u16(this.#octets, 4) + 1);
    return this;
  }

  /** Adds an RR to the answer section; false, and nothing is added, where it does not fit. */
  answer(owner: Name, type: number, rrClass: number, ttlSeconds: number, rdata: Uint8Array): boolean {
    const octets = this.#octets;
    // Compression can only make it shorter.
    if (this.#at + owner.length + fixedRRLength + rdata.length > this.#sizeMax) return false;
    this.#name(owner);
    putU16(octets, this.#at, type);
    putU16(octets, this.#at + 2, rrClass);
    putU32(octets, this.#at + 4, ttlSeconds);
    putU16(octets, this.#at + 8, rdata.length);
    octets.set(rdata, this.#at + fixedRRLength);
    this.#at += fixedRRLength + rdata.length;
    putU16(octets, 6, this.answers + 1);
    return true;
  }

  /** Adds an OPT (RFC 6891 §6.1.2), behind all other RRs: what can be taken over UDP, flags (`EdnsBits`), options. */
  opt(udpPayloadSize: number, flags: number, options: readonly EdnsOptionData[] = []): this {
    const octets = this.#octets;
    let end = this.#at + OPT_OCTETS;
    putU16(octets, this.#at + 1, RRType.OPT);
    putU16(octets, this.#at + 3, udpPayloadSize);
    putU16(octets, this.#at + 7, flags);
    for (const [code, data] of options) {
      putU16(octets, end, code);
      putU16(octets, end + 2, data.length);
      octets.set(data, end + 4);
      end += 4 + data.length;
    }
    putU16(octets, this.#at + 9, end - this.#at - OPT_OCTETS);
    this.#at = end;
    putU16(octets, 10, u16(octets, 10) + 1);
    return this;
  }

  #name(name: Name): void {
    const octets = this.#octets;
    for (let at = 0; u8(name, at) !== 0; at += u8(name, at) + 1) {
      const suffix = Buffer.from(name.subarray(at)).toString("latin1");
      const known = this.#offsets.get(suffix);
      if (known !== undefined) {
        putU16(octets, this.#at, 0xc000 | known);
        this.#at += 2;
        return;
      }
      if (this.#at < 0x4000) this.#offsets.set(suffix, this.#at);
      octets.set(name.subarray(at, at + 1 + u8(name, at)), this.#at);
      this.#at += 1 + u8(name, at);
    }
    octets[this.#at] = 0;
    this.#at += 1;
  }
}
