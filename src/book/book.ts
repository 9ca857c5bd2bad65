/** A book as it is read while answering. */

import { crc32 } from "node:zlib";
import { finish, type Steps } from "../steps.ts";
import { word } from "../wire/bytes.ts";
import { FORMAT, HEADER_WORDS, Header, MAGIC } from "./layout.ts";

/** A view on a book's memory, with the offsets that every answer needs. Made once for each book and thread. */
export class Book {
  readonly words: Uint32Array;
  readonly octets: Uint8Array;
  readonly view: DataView;
  readonly version: number;
  readonly octetsAt: number;
  readonly namesAt: number;
  readonly namesMask: number;
  readonly labelsMax: number;
  readonly zonesAt: number;
  readonly zoneCount: number;
  readonly servicesAt: number;
  readonly vipsAt: number;
  readonly admissionsAt: number;
  /** Whether a service may answer with several VIPs at once. */
  readonly hasRings: boolean;

  /** `memory` holds a book that `inspectBook` found sound. */
  constructor(memory: ArrayBufferLike) {
    this.words = new Uint32Array(memory);
    this.octets = new Uint8Array(memory);
    this.view = new DataView(memory);
    this.version = versionOf(this.words);
    this.octetsAt = word(this.words, Header.octetsAt);
    this.namesAt = word(this.words, Header.namesAt);
    this.namesMask = word(this.words, Header.namesMask);
    this.labelsMax = word(this.words, Header.labelsMax);
    this.zonesAt = word(this.words, Header.zonesAt);
    this.zoneCount = word(this.words, Header.zoneCount);
    this.servicesAt = word(this.words, Header.servicesAt);
    this.vipsAt = word(this.words, Header.vipsAt);
    this.admissionsAt = word(this.words, Header.admissionsAt);
    this.hasRings = word(this.words, Header.rings) !== 0;
  }
}

/** Whether some bytes are a book that may be served. */
export type Inspection =
  | { readonly kind: "sound"; readonly version: number }
  | { readonly kind: "problem"; readonly message: string };

/** Checks form, length and checksums of a book read from disk. */
export function inspectBook(bytes: Uint8Array): Inspection {
  return finish(inspectInSteps(bytes));
}

/** The same in steps of a tenth of a millisecond, so that the caller can leave the processor to others in between. */
export function* inspectInSteps(bytes: Uint8Array): Steps<Inspection> {
  if (bytes.length < HEADER_WORDS * 4) return problem("it is shorter than a header");
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  if (words[Header.magic] !== MAGIC)
    return problem("it is not a book, or one of a machine of another byte order");
  if (words[Header.format] !== FORMAT)
    return problem(`its format is ${words[Header.format]}, expected ${FORMAT}`);
  if (words[Header.length] !== words.length)
    return problem(`it has ${words.length} words, expected ${words[Header.length]}`);
  if (word(words, Header.plansAt) > words.length) return problem("its plans lie outside it");
  const { checksum, plansChecksum } = yield* checksums(bytes);
  if (checksum !== words[Header.checksum] || plansChecksum !== words[Header.plansChecksum])
    return problem("its checksum is wrong");
  if (words[Header.zoneCount] === 0) return problem("it has no zone");
  return { kind: "sound", version: versionOf(words) };
}

/** CRC-32 of the fixed part and of the plans. */
interface Checksums {
  readonly checksum: number;
  readonly plansChecksum: number;
}

/** What of a book changes while it is served. */
export interface BookPlans {
  /** Of the book. */
  readonly version: number;
  /** Word offset in the book. */
  readonly at: number;
  readonly words: Uint32Array;
}

/** A copy of the plans of a book. */
export function plansOf(bytes: Uint8Array): BookPlans {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  const at = word(words, Header.plansAt);
  return { version: versionOf(words), at, words: words.slice(at) };
}

/** The checksum that a book's header should have for its plans. */
export function plansChecksum({ buffer, byteOffset, byteLength }: Uint32Array): number {
  return crc32(new Uint8Array(buffer, byteOffset, byteLength));
}

/** The version in the header of a book, whose words these are. */
export function versionOf(words: Uint32Array): number {
  return word(words, Header.versionHigh) * 2 ** 32 + word(words, Header.versionLow);
}

/** Octets summed in one step. */
const STEP_OCTETS = 1 << 18;

/** The checksums that a book's header should have. */
export function* checksums(bytes: Uint8Array): Steps<Checksums> {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  const plansAt = word(words, Header.plansAt) * 4;
  return {
    checksum: yield* sumPart(bytes.subarray(HEADER_WORDS * 4, plansAt)),
    plansChecksum: yield* sumPart(bytes.subarray(plansAt)),
  };
}

function* sumPart(part: Uint8Array): Steps<number> {
  let sum = 0;
  for (let at = 0; at < part.length; at += STEP_OCTETS) {
    sum = crc32(part.subarray(at, at + STEP_OCTETS), sum);
    yield;
  }
  return sum;
}

function problem(message: string): Inspection {
  return { kind: "problem", message };
}
