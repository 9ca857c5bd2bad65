/** One DNS query and its response, over UDP or TCP, for probes and watches. */

import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { isIP } from "node:net";
import { Rcode } from "../wire/codes.ts";
import { HeaderBits, udpLengthMax, udpLengthMin } from "../wire/format.ts";
import { type Message, MessageWriter, type Question, readMessage } from "../wire/message.ts";
import { sameName } from "../wire/name.ts";
import type { Attempt } from "./attempt.ts";
import { openConnection } from "./connection.ts";

/** Over TCP a message stands behind its length (RFC 1035 §4.2.2). */
const LENGTH_OCTETS = 2;

/** Who is asked, and how. */
export interface DnsPeer {
  readonly address: string;
  readonly port: number;
  readonly transport: "udp" | "tcp";
}

/** A query on its way. */
interface Query {
  readonly id: number;
  readonly question: Question;
  readonly octets: Uint8Array;
}

/**
 * Asks, and calls `onResponse` with what answers the question; the attempt fails where nothing can.
 *
 * 1. RD is set, as clients of resolvers set it; an authoritative server does not mind.
 * 2. What does not answer the query is not the peer's word, and waited past: another id, another question.
 * 3. A truncated response is asked for again over TCP, as resolvers do: it may be a server's way to limit its rate.
 */
export function exchange(
  attempt: Attempt,
  peer: DnsPeer,
  question: Question,
  onResponse: (response: Message) => void,
): void {
  const id = randomInt(0x10000);
  const writer = new MessageWriter(id, HeaderBits.RD, udpLengthMin);
  const query = { id, question, octets: writer.question(question).opt(udpLengthMax, 0).octets };
  if (peer.transport === "tcp") askOverTcp(attempt, peer, query, onResponse);
  else askOverUdp(attempt, peer, query, onResponse);
}

function askOverUdp(
  attempt: Attempt,
  peer: DnsPeer,
  query: Query,
  onResponse: (response: Message) => void,
): void {
  const { address, port } = peer;
  const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
  socket.on("error", (error) => attempt.failBy(error));
  socket.on("message", (octets) => {
    const response = responseTo(query, octets);
    if (response === null) return;
    if ((response.flags & HeaderBits.TC) === 0) {
      attempt.reached("firstByteMs", "nothing");
      onResponse(response);
      return;
    }
    attempt.waitFor("a connection, after a truncated response");
    askOverTcp(attempt, peer, query, onResponse);
  });
  // An event, because as a callback it would be called for an error too.
  socket.once("connect", () => socket.send(query.octets));
  // Connected, so that nobody else's datagrams come in, and a closed port is told.
  socket.connect(port, address);
  attempt.onEnd(() => socket.close());
}

function askOverTcp(
  attempt: Attempt,
  { address, port }: DnsPeer,
  query: Query,
  onResponse: (response: Message) => void,
): void {
  openConnection(attempt, address, { port, host: null, tls: null }, [], "the response", (socket) => {
    let got = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      attempt.reached("firstByteMs", "the end of the response");
      got = Buffer.concat([got, chunk]);
      const end = got.length < LENGTH_OCTETS ? got.length + 1 : LENGTH_OCTETS + got.readUInt16BE(0);
      if (got.length < end) return;
      const response = responseTo(query, got.subarray(LENGTH_OCTETS, end));
      if (response === null) attempt.fail("protocol", "expected a response to the query, got something else");
      else onResponse(response);
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

/** Without the bits that EDNS may add. */
export function rcodeOf({ flags }: Message): number {
  return flags & 15;
}
