/** A DNS probe: one query and its response, over UDP or TCP. */

import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { isIP } from "node:net";
import type { DnsProbeSpec } from "../config/config.ts";
import type { Outcome } from "../health/report.ts";
import { addressOf } from "../wire/address.ts";
import { Rcode, RRClass, RRType, rrTypeName } from "../wire/codes.ts";
import { HeaderBits, udpLengthMax, udpLengthMin } from "../wire/format.ts";
import { type Message, MessageWriter, type Question, readMessage } from "../wire/message.ts";
import { parseName, rootName, sameName } from "../wire/name.ts";
import { Attempt } from "./attempt.ts";
import { openConnection } from "./connection.ts";

/** Over TCP a message stands behind its length (RFC 1035 §4.2.2). */
const LENGTH_OCTETS = 2;

/** A query on its way. */
interface Query {
  readonly id: number;
  readonly question: Question;
  readonly octets: Uint8Array;
}

/**
 * Asks the VIP; null when the probe was given up (see `Attempt.outcome`).
 *
 * 1. RD is set, as clients of resolvers set it; an authoritative server does not mind.
 * 2. What does not answer the query is not the VIP's word, and waited past: another id, another question.
 * 3. A truncated response is asked for again over TCP, as resolvers do: it may be a server's way to limit its rate.
 */
export function probeDns(
  address: string,
  spec: DnsProbeSpec,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Outcome | null> {
  const attempt = new Attempt("the response", timeoutMs, signal);
  const query = queryOf(spec);
  if (spec.transport === "tcp") askOverTcp(attempt, address, spec, query);
  else askOverUdp(attempt, address, spec, query);
  return attempt.outcome;
}

function queryOf(spec: DnsProbeSpec): Query {
  const parsed = parseName(spec.qname, rootName);
  const qname = parsed.kind === "name" ? parsed.name : rootName;
  const question = { qname, qtype: spec.qtype, qclass: RRClass.IN };
  const id = randomInt(0x10000);
  const writer = new MessageWriter(id, HeaderBits.RD, udpLengthMin);
  return { id, question, octets: writer.question(question).opt(udpLengthMax, false).octets };
}

function askOverUdp(attempt: Attempt, address: string, spec: DnsProbeSpec, query: Query): void {
  const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
  socket.on("error", (error) => attempt.failBy(error));
  socket.on("message", (octets) => {
    const response = responseTo(query, octets);
    if (response === null) return;
    if ((response.flags & HeaderBits.TC) === 0) {
      attempt.reached("firstByteMs", "nothing");
      judge(attempt, response, spec);
      return;
    }
    attempt.waitFor("a connection, after a truncated response");
    askOverTcp(attempt, address, spec, query);
  });
  // An event, because as a callback it would be called for an error too.
  socket.once("connect", () => socket.send(query.octets));
  // Connected, so that nobody else's datagrams come in, and a closed port is told.
  socket.connect(spec.port, address);
  attempt.onEnd(() => socket.close());
}

function askOverTcp(attempt: Attempt, address: string, spec: DnsProbeSpec, query: Query): void {
  const peer = { port: spec.port, host: null, tls: null };
  openConnection(attempt, address, peer, [], "the response", (socket) => {
    let got = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      attempt.reached("firstByteMs", "the end of the response");
      got = Buffer.concat([got, chunk]);
      const end = got.length < LENGTH_OCTETS ? got.length + 1 : LENGTH_OCTETS + got.readUInt16BE(0);
      if (got.length < end) return;
      const response = responseTo(query, got.subarray(LENGTH_OCTETS, end));
      if (response === null) attempt.fail("protocol", "expected a response to the query, got something else");
      else judge(attempt, response, spec);
    });
    socket.on("end", () => attempt.closed());
    const length = Buffer.alloc(LENGTH_OCTETS);
    length.writeUInt16BE(query.octets.length);
    socket.write(Buffer.concat([length, query.octets]));
  });
}

/** The response in `octets`; null: they answer something else, or nothing. */
function responseTo({ id, question }: Query, octets: Uint8Array): Message | null {
  const message = readMessage(octets);
  if (message === null || message.id !== id || (message.flags & HeaderBits.QR) === 0) return null;
  const [asked, ...others] = message.questions;
  // With an error some servers leave the question out.
  if (asked === undefined) return rcodeOf(message) === Rcode.NoError ? null : message;
  const isSame =
    others.length === 0 &&
    asked.qtype === question.qtype &&
    asked.qclass === question.qclass &&
    sameName(asked.qname, question.qname);
  return isSame ? message : null;
}

function rcodeOf({ flags }: Message): number {
  return flags & 15;
}

function judge(attempt: Attempt, response: Message, spec: DnsProbeSpec): void {
  const rcode = rcodeOf(response);
  if (!spec.rcodes.includes(rcode)) {
    attempt.fail("status", `expected ${spec.rcodes.map(rcodeName).join(" or ")}, got ${rcodeName(rcode)}`);
    return;
  }
  const rrs = response.answers.filter(({ type }) => type === spec.qtype);
  if (rcode === Rcode.NoError && rrs.length === 0) {
    attempt.fail("body", `expected an answer of type ${rrTypeName(spec.qtype)}, got none`);
    return;
  }
  const addresses = isAddressType(spec.qtype) ? rrs.map(({ rdata }) => addressOf(rdata).text) : [];
  const missing = spec.answers.find((answer) => !addresses.includes(answer));
  if (missing === undefined) attempt.succeed();
  else attempt.fail("body", `expected ${missing} among the answers, got ${addresses.join(", ") || "none"}`);
}

function isAddressType(qtype: number): boolean {
  return qtype === RRType.A || qtype === RRType.AAAA;
}

/** As dig writes it. */
function rcodeName(rcode: number): string {
  const [name] = Object.entries(Rcode).find(([, code]) => code === rcode) ?? [`RCODE ${rcode}`];
  return name.toUpperCase();
}
