/** Random queries for the torture zone, and in what two servers' replies to one of them differ. */

import { RRType } from "../../src/wire/codes.ts";
import { below, pick, type Random } from "../e2e/random.ts";
import { encodeQuestion, Flag, type Message, type RR, wireName } from "./message.ts";
import { FOREIGN, QNAMES } from "./torture.ts";

/** A query, and how it is sent. */
export interface Asked {
  readonly octets: Uint8Array;
  readonly qtype: number;
  readonly isStream: boolean;
  /** The most octets that a reply over UDP may have. */
  readonly limit: number;
  /** For messages. */
  readonly text: string;
}

const NAMES: readonly (readonly [text: string, wire: Uint8Array])[] = [...QNAMES, ...FOREIGN].map((text) => [
  text,
  wireName(text),
]);
/** Every type of the zone, others that exist, and some that nobody has assigned. */
const TYPES = [
  1, 1, 1, 28, 28, 5, 2, 6, 12, 13, 15, 16, 16, 17, 18, 29, 33, 35, 39, 43, 44, 48, 52, 64, 65, 99, 255, 257,
  65_280, 65_281, 65_282, 999,
];
const SIZES = [null, null, 0, 512, 513, 700, 1_232, 1_232, 4_096, 65_535];
const FLAGS = [0, 0, Flag.RD, Flag.RD, Flag.CD, Flag.AD, Flag.RD | Flag.AD | Flag.CD, 0x40];

/** A query of a known name, or of one made from it; `withProof`: over TCP with DO. */
export function randomQuery(random: Random, withProof = false): Asked {
  const [text, known] = pick(NAMES, random);
  const qname = random() < 0.15 ? prefixed(known, random) : known;
  const qtype = pick(TYPES, random);
  const size = withProof ? 1_232 : pick(SIZES, random);
  const dnssecOk = withProof || random() < 0.3;
  const isStream = withProof || random() < 0.1;
  const flags = pick(FLAGS, random);
  const octets = encodeQuestion(random() < 0.3 ? shouted(qname, random) : qname, qtype, {
    id: below(65_536, random),
    flags,
    size,
    dnssecOk,
    options: size !== null && random() < 0.1 ? [[65_001, Uint8Array.of(1, 2, 3)]] : [],
  });
  const edns = size === null ? "" : ` size ${size}${dnssecOk ? " DO" : ""}`;
  return {
    octets,
    qtype,
    isStream,
    limit: Math.min(1_232, Math.max(512, size ?? 512)),
    text: `${qname === known ? "" : "(below) "}${text} TYPE${qtype}${edns}${isStream ? " TCP" : ""} flags ${flags.toString(16)}`,
  };
}

/** The name with one more label before it, if there is room. */
function prefixed(name: Uint8Array, random: Random): Uint8Array {
  const label = pick(["x", "*", "www", "ns", "\0\xff", "y".repeat(40)], random);
  if (name.length + label.length + 1 > 255) return name;
  return Uint8Array.from([label.length, ...Buffer.from(label, "latin1"), ...name]);
}

/** The name with some of its letters in upper case (RFC 4343). */
function shouted(name: Uint8Array, random: Random): Uint8Array {
  return name.map((octet) => (octet >= 0x61 && octet <= 0x7a && random() < 0.5 ? octet - 0x20 : octet));
}

/** In what two replies can differ. */
export type Difference =
  | "reply"
  | "rcode"
  | "flags"
  | "truncation"
  | "question"
  | "answer"
  | "authority"
  | "additional"
  | "EDNS";

/** In what our reply differs from a peer's, whatever the order of RRs; null: it did not reply. */
export function differences(ours: Message | null, theirs: Message | null): readonly Difference[] {
  if (ours === null || theirs === null) return ours === theirs ? [] : ["reply"];
  const found: Difference[] = [];
  if (ours.rcode !== theirs.rcode) found.push("rcode");
  if (((ours.flags ^ theirs.flags) & ~Flag.TC & ~15) !== 0) found.push("flags");
  if (ours.question !== theirs.question) found.push("question");
  if (
    (ours.opt === null) !== (theirs.opt === null) ||
    ours.opt?.version !== theirs.opt?.version ||
    ours.opt?.dnssecOk !== theirs.opt?.dnssecOk
  )
    found.push("EDNS");
  // What a truncated reply still holds is nobody's business (RFC 2181 §9).
  if (((ours.flags ^ theirs.flags) & Flag.TC) !== 0) return [...found, "truncation"];
  if ((ours.flags & Flag.TC) !== 0) return found;
  if (listed(ours.answers) !== listed(theirs.answers)) found.push("answer");
  if (listed(ours.authorities) !== listed(theirs.authorities)) found.push("authority");
  if (listed(ours.additionals) !== listed(theirs.additionals)) found.push("additional");
  return found;
}

/** A reply without what DNSSEC has put into it on top of what was asked for. */
export function withoutProof(message: Message, qtype: number): Message {
  const proofs: readonly number[] = [RRType.RRSIG, RRType.NSEC, RRType.DS];
  const { answers, authorities, additionals } = message;
  return {
    ...message,
    additionals: additionals.filter(({ type }) => type !== RRType.RRSIG),
    answers: answers.filter(({ type }) => type === qtype || !proofs.includes(type)),
    authorities: authorities.filter(({ type }) => !proofs.includes(type)),
  };
}

/** RRs as text, one to a line, in an order of their own; an RR that is there twice is there twice. */
export function listed(rrs: readonly RR[]): string {
  return rrs
    .map(({ owner, type, rrClass, ttl, rdata }) => `${owner} ${ttl} ${rrClass} ${type} ${rdata}`)
    .toSorted()
    .join("\n");
}
