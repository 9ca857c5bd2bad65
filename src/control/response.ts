/** The responses that control makes by itself: headers, and what goes with every response. */

import { u16 } from "../wire/bytes.ts";
import { type Rcode, RRType } from "../wire/codes.ts";
import { type Message, type MessageRR, MessageWriter } from "../wire/message.ts";

const QR = 0x8000;
export const AA = 0x0400;
const TC = 0x0200;
const OPCODE_AND_RD = 0x7900;

/** What we can take over UDP (RFC 9715 §3.1), and what anybody can. */
const UDP_OCTETS = 1232;
const UDP_OCTETS_MIN = 512;

/** Begins the response to a request with its question or zone section, where it could be read. */
export function beginResponse(
  octets: Uint8Array,
  message: Message | null,
  flags: number,
  sizeMax: number = UDP_OCTETS_MIN,
): MessageWriter {
  const writer = new MessageWriter(u16(octets, 0), QR | (u16(octets, 2) & OPCODE_AND_RD) | flags, sizeMax);
  const [question, ...others] = message?.questions ?? [];
  return question !== undefined && others.length === 0 ? writer.question(question) : writer;
}

/** Ends a response: a request with an OPT gets one (RFC 6891 §6.1.1). */
export function endResponse(writer: MessageWriter, message: Message | null): Uint8Array {
  const opt = message === null ? null : optOf(message);
  return (opt === null ? writer : writer.opt(UDP_OCTETS, (opt.ttlSeconds & 0x8000) !== 0)).octets;
}

/** A response of a header, and the question where there is one that can be read. */
export function headerOnly(octets: Uint8Array, message: Message | null, rcode: Rcode): Uint8Array {
  return endResponse(beginResponse(octets, message, rcode), message);
}

/**
 * The response as it can be sent over UDP when a TSIG of `more` octets comes on top: where it is too long, the question
 * with TC and NOERROR (RFC 8945 §5.3).
 */
export function fitted(response: Uint8Array, octets: Uint8Array, message: Message, more: number): Uint8Array {
  const size = optOf(message)?.rrClass ?? UDP_OCTETS_MIN;
  const sizeMax = Math.min(UDP_OCTETS, Math.max(UDP_OCTETS_MIN, size));
  if (response.length + more <= sizeMax) return response;
  return endResponse(beginResponse(octets, message, (u16(response, 2) & AA) | TC), message);
}

function optOf({ additionals }: Message): MessageRR | null {
  return additionals.find(({ type }) => type === RRType.OPT) ?? null;
}
