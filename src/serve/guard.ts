/** Keeps a bug in answering from ending the loop that serves everybody. */

import type { Answer } from "../answer/responder.ts";
import { putU16, u16 } from "../wire/bytes.ts";
import { Rcode } from "../wire/codes.ts";
import { copiedBits, HeaderBits, headerLength } from "../wire/format.ts";

/** Told of each throw; `isFirst`: of this second, so that a log of it stays readable under load. */
export type OnCrash = (error: unknown, isFirst: boolean) => void;

/** An answer that never throws: a query that makes `answer` throw gets SERVFAIL, a header alone. */
export function guard(answer: Answer, onCrash: OnCrash): Answer {
  let crashedAt = -1;
  return (packet, length, client, transport, moment) => {
    try {
      return answer(packet, length, client, transport, moment);
    } catch (error) {
      onCrash(error, moment !== crashedAt);
      crashedAt = moment;
      return length < headerLength ? 0 : writeServFail(packet.octets);
    }
  };
}

/** What to log of a throw: its stack, or what else was thrown. */
export function describeCrash(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : String(error);
}

/** Makes the query in `packet` a header that says SERVFAIL, and returns its length. */
export function writeServFail(packet: Uint8Array): number {
  putU16(packet, 2, HeaderBits.QR | (u16(packet, 2) & copiedBits) | Rcode.ServFail);
  packet.fill(0, 4, headerLength);
  return headerLength;
}
