/** Keeps a bug in answering from ending the loop that serves everybody. */

import type { Answer } from "../answer/responder.ts";
import { u8 } from "../wire/bytes.ts";

/** Told of each throw; `isFirst`: of this second, so that a log of it stays readable under load. */
export type OnCrash = (error: unknown, isFirst: boolean) => void;

/** Octets of a message's header (RFC 1035 §4.1.1). */
const HEADER_OCTETS = 12;
const QR = 0x80;
const OPCODE_AND_RD = 0x79;
const SERVFAIL = 2;

/** An answer that never throws: a query that makes `answer` throw gets SERVFAIL, a header alone. */
export function guard(answer: Answer, onCrash: OnCrash): Answer {
  let crashedAt = -1;
  return (packet, length, client, transport, moment) => {
    try {
      return answer(packet, length, client, transport, moment);
    } catch (error) {
      onCrash(error, moment !== crashedAt);
      crashedAt = moment;
      return length < HEADER_OCTETS ? 0 : writeServFail(packet);
    }
  };
}

/** What to log of a throw: its stack, or what else was thrown. */
export function describeCrash(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : String(error);
}

/** Makes the query in `packet` a header that says SERVFAIL, and returns its length. */
export function writeServFail(packet: Uint8Array): number {
  packet[2] = QR | (u8(packet, 2) & OPCODE_AND_RD);
  packet[3] = SERVFAIL;
  packet.fill(0, 4, HEADER_OCTETS);
  return HEADER_OCTETS;
}
