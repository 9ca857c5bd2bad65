/** The responses that control makes by itself: headers, and what goes with every response. */

import { u16 } from "../wire/bytes.ts";
import { type Rcode, RRType } from "../wire/codes.ts";
import { copiedBits, EdnsBits, HeaderBits, udpLengthMax, udpLengthMin } from "../wire/format.ts";
import { type Message, type MessageRR, MessageWriter } from "../wire/message.ts";

/** Begins the response to a request with its question or zone section, where it could be read. */
export function beginResponse(
  octets: Uint8Array,
  message: Message | null,
  flags: number,
  sizeMax: number = udpLengthMin,
): MessageWriter {
  const bits = HeaderBits.QR | (u16(octets, 2) & copiedBits) | flags;
  const writer = new MessageWriter(u16(octets, 0), bits, sizeMax);
  const [question, ...others] = message?.questions ?? [];
  return question !== undefined && others.length === 0 ? writer.question(question) : writer;
}

/** Ends a response: a request with an OPT gets one (RFC 6891 §6.1.1). */
export function endResponse(writer: MessageWriter, message: Message | null): Uint8Array {
  const opt = message === null ? null : optOf(message);
  return (opt === null ? writer : writer.opt(udpLengthMax, opt.ttlSeconds & EdnsBits.DO)).octets;
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
  const size = optOf(message)?.rrClass ?? udpLengthMin;
  const sizeMax = Math.min(udpLengthMax, Math.max(udpLengthMin, size));
  if (response.length + more <= sizeMax) return response;
  const flags = (u16(response, 2) & HeaderBits.AA) | HeaderBits.TC;
  return endResponse(beginResponse(octets, message, flags), message);
}

function optOf({ additionals }: Message): MessageRR | null {
  return additionals.find(({ type }) => type === RRType.OPT) ?? null;
}
