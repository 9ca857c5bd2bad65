/**
 * Answers queries of every kind before clients' come, so that V8 has seen them when it compiles.
 *
 * What V8 has never seen it compiles as a way out: the first query for a name that does not exist throws away what was compiled for
 * those that do. Until that is done again, behind everybody else on a busy core, an answer costs several times as much: at
 * half load on one core the slowest 0.1 % took 10 ms and more.
 */

import { Book } from "../book/book.ts";
import {
  HEADER_WORDS,
  NODE_WORDS,
  Node,
  RRSET_WORDS,
  RRsetRecord,
  SERVICE_WORDS,
  ServiceRecord,
} from "../book/layout.ts";
import { counterRow, newCounters } from "../telemetry/counters.ts";
import { newSampleRings, sampleRing } from "../telemetry/samples.ts";
import { word } from "../wire/bytes.ts";
import { EdnsOption, Opcode, RRClass, RRType } from "../wire/codes.ts";
import { EdnsBits, HeaderBits, udpLengthMax, udpLengthMin } from "../wire/format.ts";
import { type EdnsOptionData, MessageWriter } from "../wire/message.ts";
import { type Name, rootName } from "../wire/name.ts";
import { Packet } from "../wire/packet.ts";
import { clientCookieLength } from "../wire/query.ts";
import { Client } from "./client.ts";
import { COOKIES_LENGTH } from "./cookie.ts";
import type { AnswerOptions } from "./options.ts";
import { newLimitTable } from "./rate-limit.ts";
import type { Answer, createResponder, ServedBook } from "./responder.ts";
import { Transport } from "./transport.ts";

/** Nodes of a book that are looked at, and kinds of them that are asked for: both bound what a start takes. */
const NODES_MAX = 4096;
const KINDS_MAX = 32;

const QTYPES = [
  RRType.A,
  RRType.AAAA,
  RRType.HTTPS,
  RRType.TXT,
  RRType.ANY,
  RRType.SOA,
  RRType.NS,
  RRType.DS,
  RRType.NSEC,
] as const;
/** What is asked of the first name alone: transfers, a type that nobody may ask for (RFC 9824 §3.5), and one that nobody knows. */
const ODD_QTYPES = [RRType.AXFR, RRType.IXFR, RRType.NXNAME, RRType.OPT, 65_280] as const;
const ODD_CLASSES = [RRClass.CH, RRClass.ANY, 65_280] as const;
const ODD_OPCODES = [Opcode.Status, Opcode.Notify, Opcode.Update, Opcode.DnsStatefulOperations] as const;

/** EDNS of a query: its flags, and its options. */
type Edns = readonly [flags: number, ...options: readonly EdnsOptionData[]];

const WITH_DO: Edns = [EdnsBits.DO];
const WITH_SUBNET: Edns = [0, subnetOf(1, 24, [198, 51, 100])];
const WITH_COOKIE: Edns = [0, [EdnsOption.Cookie, new Uint8Array(clientCookieLength)]];
/** EDNS as clients send it: bare, with DO and with CO, with options that are answered and one that is not known. */
const EDNS: readonly Edns[] = [
  [0],
  WITH_DO,
  WITH_SUBNET,
  [EdnsBits.DO | EdnsBits.CO, subnetOf(1, 0, [])],
  [0, [EdnsOption.NSID, []], [EdnsOption.Padding, [0, 0]], [65_280, [0]]],
  [0, [EdnsOption.Cookie, new Uint8Array(2 * clientCookieLength)]],
];
/** From all over the IPv4 and IPv6 space, because tries of locations have many ways through them. */
const SUBNETS: readonly Edns[] = Array.from({ length: 32 }, (_, i): Edns[] => [
  [0, subnetOf(1, 24, [8 * i, 37 * i, 11 * i])],
  [0, subnetOf(2, 56, [0x20 + (i >> 3), 32 * i, 37 * i, 11 * i, i, i, i])],
]).flat();

/**
 * Has responders that `create` makes asked for names of each kind that `book` has, in all ways in which clients ask over UDP. `options`
 * are those that clients will be answered with, `moment` is the time in seconds. Returns what was counted.
 */
export function warmUp(
  create: typeof createResponder,
  book: ServedBook,
  options: AnswerOptions,
  moment: number,
): Float64Array {
  const counters = counterRow(newCounters(1), 0);
  const owners = ownersIn(new Book(book.memory));
  for (const rate of [options.rateLimit?.answers ?? 0, 1]) {
    const samples = sampleRing(newSampleRings(1), 0);
    const responder = create(book, counters, withRate(options, rate), samples);
    // None of its names is a challenge, but they are looked for among them.
    responder.adoptChallenges(book);
    askAll(owners, askerOf(responder.answer, moment));
  }
  return counters;
}

/** A limit of its own, so that nobody else pays for what is asked here. */
function withRate(options: AnswerOptions, rate: number): AnswerOptions {
  const { rateLimit } = options;
  if (rateLimit === null) return options;
  const rates = { answers: rate, denials: rate, referrals: rate, errors: rate };
  return { ...options, rateLimit: { ...rateLimit, ...rates, table: newLimitTable() } };
}

/** Asks, and gives the reply, which the next one overwrites; empty: there was none. */
type Ask = (query: Uint8Array) => Uint8Array;

function askerOf(answer: Answer, moment: number): Ask {
  const packet = new Packet(new Uint8Array(udpLengthMax));
  const client = new Client();
  // Of those for documentation (RFC 5737 §3).
  client.address.set([192, 0, 2, 1]);
  return (query) => {
    packet.octets.set(query);
    const length = answer(packet, query.length, client, Transport.Udp, moment);
    return packet.octets.subarray(0, Math.max(length, 0));
  };
}

function askAll(owners: readonly Owner[], ask: Ask): void {
  for (const { name, isSteered } of owners) {
    for (const qtype of QTYPES) {
      for (const qname of [name, below("no-such-name", name)]) {
        ask(queryFor(qname, qtype));
        ask(queryFor(qname, qtype, WITH_DO));
      }
    }
    for (const edns of isSteered ? [...EDNS, ...SUBNETS] : EDNS) ask(queryFor(name, RRType.A, edns));
    ask(queryFor(below("_acme-challenge", name), RRType.TXT));
    ask(queryFor(below("_explain", name), RRType.TXT));
  }
  for (const { name } of owners.slice(0, 1)) askOddly(name, ask);
}

/** What clients seldom ask, or should not. */
function askOddly(name: Name, ask: Ask): void {
  for (const qtype of ODD_QTYPES) ask(queryFor(name, qtype));
  for (const qclass of ODD_CLASSES) ask(queryFor(name, RRType.TXT, null, { qclass }));
  for (const opcode of ODD_OPCODES) ask(queryFor(name, RRType.SOA, null, { flags: opcode << 11 }));
  ask(queryFor(name, RRType.A, null, { flags: HeaderBits.QR }));
  ask(queryFor(rootName, RRType.NS));
  // Who has a cookie of ours shows it.
  const reply = ask(queryFor(name, RRType.A, WITH_COOKIE));
  ask(queryFor(name, RRType.A, [0, [EdnsOption.Cookie, reply.slice(-COOKIES_LENGTH)]]));
  const whole = queryFor(name, RRType.A, WITH_SUBNET);
  for (let length = 0; length < whole.length; length += 1) ask(whole.subarray(0, length));
  // EDNS of a version that does not exist, and each count of the header off by one.
  for (const at of [whole.length - 16, 5, 7, 9, 11])
    ask(whole.map((octet, i) => (i === at ? octet + 1 : octet)));
}

/** A name that is asked for, in wire form. */
interface Owner {
  readonly name: Name;
  readonly isSteered: boolean;
}

/** The first name of each kind, among the first of a book. */
function ownersIn(book: Book): readonly Owner[] {
  const { words, octets, octetsAt, namesAt } = book;
  const owners = new Map<string, Owner>();
  let node = HEADER_WORDS;
  for (let i = 0; i < NODES_MAX && node < namesAt && owners.size < KINDS_MAX; i += 1) {
    const kind = kindOf(book, node);
    if (!owners.has(kind)) {
      const at = octetsAt + word(words, node + Node.name);
      const name = octets.slice(at, at + word(words, node + Node.nameLength)) as Name;
      owners.set(kind, { name, isSteered: word(words, node + Node.service) !== 0 });
    }
    node += NODE_WORDS + word(words, node + Node.rrsetCount) * RRSET_WORDS;
  }
  return [...owners.values()];
}

/** What an answer at a node depends on: equal for nodes whose answers go through the same code. */
function kindOf({ words, servicesAt }: Book, node: number): string {
  const kind = [word(words, node + Node.kind)];
  for (const field of [Node.cut, Node.wildcard, Node.types, Node.parentSide])
    kind.push(Math.sign(word(words, node + field)));
  const service = word(words, node + Node.service);
  if (service !== 0) {
    const record = servicesAt + (service - 1) * SERVICE_WORDS;
    const { trie, buckets, rings, https, capacity6 } = ServiceRecord;
    for (const field of [trie, buckets, rings, https, capacity6])
      kind.push(Math.sign(word(words, record + field)));
  }
  const end = node + NODE_WORDS + word(words, node + Node.rrsetCount) * RRSET_WORDS;
  for (let rrset = node + NODE_WORDS; rrset < end; rrset += RRSET_WORDS)
    kind.push(word(words, rrset + RRsetRecord.type), Math.sign(word(words, rrset + RRsetRecord.additional)));
  return kind.join();
}

/** What a query has besides its question, where it is not what most have. */
interface Header {
  readonly qclass?: number;
  readonly flags?: number;
}

function queryFor(
  qname: Name,
  qtype: number,
  edns: Edns | null = null,
  { qclass = RRClass.IN, flags = HeaderBits.RD }: Header = {},
): Uint8Array {
  const writer = new MessageWriter(0, flags, udpLengthMin).question({ qname, qtype, qclass });
  if (edns === null) return writer.octets;
  const [ednsFlags, ...options] = edns;
  return writer.opt(udpLengthMax, ednsFlags, options).octets;
}

/** A Client Subnet option (RFC 7871 §6). */
function subnetOf(family: 1 | 2, length: number, address: readonly number[]): EdnsOptionData {
  return [EdnsOption.ClientSubnet, [0, family, length, 0, ...address]];
}

function below(label: string, name: Name): Name {
  return Uint8Array.from([label.length, ...Buffer.from(label), ...name]) as Name;
}
