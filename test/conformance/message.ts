/** DNS messages for the conformance suite: queries from their parts, and replies read to the last octet by a strict decoder. */

import { parseName } from "../../src/wire/name.ts";

/** The parts of a query that tests vary. */
export interface QuestionOptions {
  readonly id?: number;
  readonly flags?: number;
  readonly qclass?: number;
  /** EDNS UDP payload size; null: no OPT. */
  readonly size?: number | null;
  readonly dnssecOk?: boolean;
  readonly ednsVersion?: number;
  /** Options of the OPT, each as code and data. */
  readonly options?: readonly (readonly [code: number, data: Uint8Array])[];
}

/** One RR of a reply. Names are folded to lower case and without compression, so that equal RRs are equal texts. */
export interface RR {
  /** In wire form, hex. */
  readonly owner: string;
  readonly type: number;
  readonly rrClass: number;
  readonly ttl: number;
  /** Hex. */
  readonly rdata: string;
}

/** A message, with its OPT taken apart. */
export interface Message {
  readonly id: number;
  readonly flags: number;
  /** With the upper bits of the OPT. */
  readonly rcode: number;
  /** The octets of the question as they stand in the message, hex; null where there is none. */
  readonly question: string | null;
  readonly answers: readonly RR[];
  readonly authorities: readonly RR[];
  readonly additionals: readonly RR[];
  readonly opt: Opt | null;
  readonly length: number;
}

/** An OPT (RFC 6891 §6.1.2). */
interface Opt {
  readonly udpPayloadSize: number;
  readonly version: number;
  readonly dnssecOk: boolean;
  /** Code and data in hex. */
  readonly options: readonly (readonly [code: number, data: string])[];
}

export const Flag = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x80, AD: 0x20, CD: 0x10 } as const;

/** Octets of a name in presentation form; a test's mistake where it is none. */
export function wireName(text: string): Uint8Array {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

/** A query in wire form. */
export function encodeQuestion(qname: Uint8Array, qtype: number, options: QuestionOptions = {}): Uint8Array {
  const { id = 0x1234, flags = 0, qclass = 1, size = null } = options;
  const header = [...u16(id), ...u16(flags), 0, 1, 0, 0, 0, 0, 0, size === null ? 0 : 1];
  const question = [...qname, ...u16(qtype), ...u16(qclass)];
  return Uint8Array.from([...header, ...question, ...(size === null ? [] : encodeOpt(size, options))]);
}

function encodeOpt(
  size: number,
  { ednsVersion = 0, dnssecOk = false, options = [] }: QuestionOptions,
): number[] {
  const rdata = options.flatMap(([code, data]) => [...u16(code), ...u16(data.length), ...data]);
  return [
    0,
    ...u16(41),
    ...u16(size),
    0,
    ednsVersion,
    dnssecOk ? 0x80 : 0,
    0,
    ...u16(rdata.length),
    ...rdata,
  ];
}

function u16(value: number): readonly [number, number] {
  return [value >> 8, value & 0xff];
}

/** Reads a whole message. Throws on whatever is not exactly as RFC 1035 §4.1 and RFC 6891 §6.1 say. */
export function decodeMessage(octets: Uint8Array): Message {
  return new Decoder(Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)).message();
}

/** Types whose RDATA may hold compressed names (RFC 3597 §4), with the octets before the names and how many there are. */
const COMPRESSED: ReadonlyMap<number, readonly [skip: number, names: number]> = new Map([
  [2, [0, 1]],
  [5, [0, 1]],
  [6, [0, 2]],
  [12, [0, 1]],
  [15, [2, 1]],
]);
/** The same for types whose names stand uncompressed, and mean the same in either case (RFC 4034 §6.2). */
const UNCOMPRESSED: ReadonlyMap<number, readonly [skip: number, names: number]> = new Map([
  [17, [0, 2]],
  [18, [2, 1]],
  [33, [6, 1]],
  [36, [2, 1]],
  [39, [0, 1]],
]);

class Decoder {
  readonly #octets: Buffer;
  #at = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  message(): Message {
    const [id, flags, questions, ...counts] = Array.from({ length: 6 }, () => this.#u16());
    if (id === undefined || flags === undefined || questions === undefined || questions > 1)
      throw new Error(`a header with ${questions} questions`);
    const question = questions === 0 ? null : this.#question();
    const [answers = [], authorities = [], all = []] = counts.map((count) =>
      Array.from({ length: count }, () => this.#rr()),
    );
    if (this.#at !== this.#octets.length)
      throw new Error(`${this.#octets.length - this.#at} octets are left`);
    if ([...answers, ...authorities].some(({ type }) => type === 41)) throw new Error("an OPT out of place");
    const opts = all.filter(({ type }) => type === 41);
    if (opts.length > 1) throw new Error("two OPTs");
    const [opt] = opts;
    return {
      id,
      flags,
      rcode: (flags & 15) | (((opt?.ttl ?? 0) >>> 24) << 4),
      question,
      answers,
      authorities,
      additionals: all.filter(({ type }) => type !== 41),
      opt: opt === undefined ? null : readOpt(opt),
      length: this.#octets.length,
    };
  }

  #question(): string {
    const from = this.#at;
    this.#name();
    this.#take(4);
    return this.#octets.toString("hex", from, this.#at);
  }

  #rr(): RR {
    const owner = this.#name();
    const [type, rrClass] = [this.#u16(), this.#u16()];
    const ttl = this.#u16() * 65_536 + this.#u16();
    const length = this.#u16();
    const end = this.#at + length;
    if (end > this.#octets.length) throw new Error(`RDATA of ${length} octets runs past the end`);
    return { owner, type, rrClass, ttl, rdata: this.#rdata(type, end) };
  }

  #rdata(type: number, end: number): string {
    const compressed = COMPRESSED.get(type);
    const [skip, names] = compressed ?? UNCOMPRESSED.get(type) ?? [0, 0];
    let rdata = this.#hex(this.#take(skip));
    for (let i = 0; i < names; i += 1) rdata += this.#name(compressed === undefined);
    if (this.#at > end) throw new Error(`a name runs past its RDATA of type ${type}`);
    return rdata + this.#hex(this.#take(end - this.#at));
  }

  /** A name in hex, folded. A pointer leads backwards (RFC 1035 §4.1.4), so that reading ends. */
  #name(isPlain = false): string {
    const octets: number[] = [];
    let at = this.#at;
    let after = -1;
    for (let lowest = at; ; ) {
      const label = this.#octets[at];
      if (label === undefined) throw new Error("a name runs past the end");
      if (label >= 0xc0) {
        const to = ((label & 0x3f) << 8) | (this.#octets[at + 1] ?? 0);
        if (isPlain) throw new Error("a compressed name in RDATA whose type forbids it (RFC 3597 §4)");
        if (to >= lowest || to < 12) throw new Error(`a pointer from ${at} to ${to}`);
        if (after < 0) after = at + 2;
        at = to;
        lowest = to;
        continue;
      }
      if (label > 63) throw new Error("a reserved label type");
      const end = at + 1 + label;
      octets.push(label);
      for (let i = at + 1; i < end; i += 1) octets.push(fold(this.#octets[i]));
      at = end;
      if (octets.length > 255) throw new Error("a name of more than 255 octets");
      if (label === 0) break;
    }
    this.#at = after < 0 ? at : after;
    return Buffer.from(octets).toString("hex");
  }

  #u16(): number {
    return this.#take(2).readUInt16BE();
  }

  #take(length: number): Buffer {
    if (length < 0 || this.#at + length > this.#octets.length) throw new Error("the message ends too early");
    this.#at += length;
    return this.#octets.subarray(this.#at - length, this.#at);
  }

  #hex(octets: Buffer): string {
    return octets.toString("hex");
  }
}

function fold(octet: number | undefined): number {
  if (octet === undefined) throw new Error("a label runs past the end");
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
}

function readOpt({ owner, rrClass, ttl, rdata }: RR): Opt {
  if (owner !== "00") throw new Error("an OPT whose owner is not the root");
  const octets = Buffer.from(rdata, "hex");
  const options: [number, string][] = [];
  for (let at = 0; at < octets.length; ) {
    const end = at + 4 + octets.readUInt16BE(at + 2);
    if (end > octets.length) throw new Error("an option runs past its OPT");
    options.push([octets.readUInt16BE(at), octets.toString("hex", at + 4, end)]);
    at = end;
  }
  return { udpPayloadSize: rrClass, version: (ttl >>> 16) & 0xff, dnssecOk: (ttl & 0x8000) !== 0, options };
}
