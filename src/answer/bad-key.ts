/** What a query gets that is signed with a key which nobody may use from there: NOTAUTH and BADKEY (RFC 8945 §5.2.1). */

import { copyBytes, putU16, u16 } from "../wire/bytes.ts";
import { Rcode, RRClass, RRType, TsigError } from "../wire/codes.ts";
import { fixedRRLength, headerLength } from "../wire/format.ts";
import { nameLengthMax, uncompressedLength } from "../wire/name.ts";
import type { Query } from "../wire/query.ts";
import type { Reply } from "./reply.ts";

/** Octets of a TSIG's RDATA behind the algorithm: time signed and fudge; MAC size, original ID, error and other length. */
const TIMES = 8;
const REST = 8;

/** Two names, and what is between and behind them. */
const TSIG_OCTETS_MAX = 2 * nameLengthMax + fixedRRLength + TIMES + REST;

/** The TSIG of one reply, which the OPT of that reply is written over; one packet is answered at a time. */
const tsig = new Uint8Array(TSIG_OCTETS_MAX);

/**
 * Refuses the key. The reply gets the TSIG of the query without its MAC (RFC 8945 §5.3.2), so it is no longer than that,
 * and costs no hash. A TSIG that cannot be read makes it FORMERR.
 */
export function refuseKey(packet: Uint8Array, query: Query, reply: Reply): void {
  const { tsigAt, tsigOwnerEnd } = query;
  const algorithmAt = tsigOwnerEnd + fixedRRLength;
  const end = algorithmAt + u16(packet, algorithmAt - 2);
  const algorithmLength = uncompressedLength(packet, algorithmAt, end);
  const timesAt = algorithmAt + algorithmLength;
  reply.rcode = Rcode.FormErr;
  if (algorithmLength === 0 || timesAt + TIMES + REST > end || !isOwnerKept(packet, query)) return;
  reply.rcode = Rcode.NotAuth;
  const ownerLength = tsigOwnerEnd - tsigAt;
  copyBytes(packet, tsigAt, tsig, 0, ownerLength);
  putU16(tsig, ownerLength, RRType.TSIG);
  putU16(tsig, ownerLength + 2, RRClass.ANY);
  putU16(tsig, ownerLength + 4, 0);
  putU16(tsig, ownerLength + 6, 0);
  putU16(tsig, ownerLength + 8, algorithmLength + TIMES + REST);
  copyBytes(packet, algorithmAt, tsig, ownerLength + fixedRRLength, algorithmLength + TIMES);
  const rest = ownerLength + fixedRRLength + algorithmLength + TIMES;
  putU16(tsig, rest, 0);
  putU16(tsig, rest + 2, u16(packet, 0));
  putU16(tsig, rest + 4, TsigError.BadKey);
  putU16(tsig, rest + 6, 0);
  reply.tsigLength = rest + REST;
  // The client is not known, so it must not get more than it could take.
  if (!reply.fits(reply.tsigLength)) reply.tsigLength = 0;
}

/** Appends the TSIG behind everything else, where it fits. */
export function writeTsig(reply: Reply): void {
  if (reply.tsigLength === 0) return;
  copyBytes(tsig, 0, reply.packet, reply.at, reply.tsigLength);
  reply.at += reply.tsigLength;
  reply.additionals += 1;
}

/** Whether the reply can have the key's name as it is: whole, or ending in a pointer to a name in the question. */
function isOwnerKept(packet: Uint8Array, { tsigAt, tsigOwnerEnd, questionEnd }: Query): boolean {
  const length = tsigOwnerEnd - tsigAt;
  if (uncompressedLength(packet, tsigAt, tsigOwnerEnd) === length) return true;
  const target = u16(packet, tsigOwnerEnd - 2) & 0x3fff;
  const rest = target < headerLength ? 0 : uncompressedLength(packet, target, questionEnd);
  return rest !== 0 && length - 2 + rest <= nameLengthMax;
}
