/**
 * The hot path: a query in a packet becomes its response in the same packet.
 *
 * Nothing here throws, waits, allocates or reads a clock; `createResponder` binds it to a thread.
 */

import { Counter, count } from "../telemetry/counters.ts";
import { Opcode, Rcode } from "../wire/codes.ts";
import { messageLengthMax, udpLengthMax } from "../wire/format.ts";
import type { Packet } from "../wire/packet.ts";
import { Parsed, parseQuery, type Query } from "../wire/query.ts";
import { writeTsig } from "./bad-key.ts";
import type { Client } from "./client.ts";
import { CookieProof } from "./cookie.ts";
import { FORWARD, takesUpdate } from "./forward.ts";
import { optLength, writeOpt } from "./opt.ts";
import type { AnswerOptions } from "./options.ts";
import { isReferral, Limit, type RateLimit } from "./rate-limit.ts";
import type { Reply } from "./reply.ts";
import { resolve } from "./resolve.ts";
import type { AnswerState } from "./state.ts";
import { Transport } from "./transport.ts";

/**
 * Answers the query in the first `length` octets of `packet`, in place. Returns the length of the response; 0: say
 * nothing; FORWARD: ask control. `packet` has room for 1,232 octets, on all transports but UDP for 65,535.
 */
export function answer(
  state: AnswerState,
  packet: Packet,
  length: number,
  client: Client,
  transport: Transport,
  moment: number,
): number {
  const { query, reply, counters, options } = state;
  count(counters, Counter.queriesUdp + transport);
  const parsed = parseQuery(packet, length, query);
  if (parsed === Parsed.Drop) {
    count(counters, Counter.dropped);
    return 0;
  }
  const proof = query.cookieLength === 0 ? CookieProof.None : checkCookie(state, client, moment);
  const isProven = transport !== Transport.Udp || proof === CookieProof.Valid;
  let sizeMax = transport === Transport.Udp ? Math.min(query.udpPayloadSize, udpLengthMax) : messageLengthMax;
  if (!isProven && options.maxAmplification !== null) {
    // Truncated to a whole number, because V8 would make objects of others.
    sizeMax = Math.min(sizeMax, Math.trunc(length * options.maxAmplification));
  }
  reply.begin(packet, query, sizeMax, optLength(query, transport, options));
  if (isMisplaced(query, transport)) refuse(Parsed.FormErr, query, reply);
  else if (isUnproven(parsed, proof, transport, options)) reply.rcode = Rcode.BadCookie;
  else if (parsed === Parsed.Query) resolve(state, packet, client, transport, moment, isProven);
  else if (takesUpdate(state.book, query, client, transport)) reply.isForwarded = true;
  else if (parsed !== Parsed.CookieQuery || state.cookies === null) refuse(parsed, query, reply);
  if (reply.isForwarded) {
    count(counters, Counter.forwarded);
    return FORWARD;
  }
  if (state.rateLimit !== null && !isProven && !mayReply(state, state.rateLimit, client, moment)) return 0;
  countReply(reply, query, counters);
  // A signed answer may come to nothing after its first RRs.
  if (reply.isTruncated || reply.rcode === Rcode.ServFail) reply.dropRRs(query);
  if (query.hasEdns) writeOpt(reply, query, transport, options);
  if (reply.rcode === Rcode.NotAuth) writeTsig(reply);
  return reply.finish(query);
}

/** Servers that a client tells how long to keep a connection have the roles wrong (RFC 7828 §3.2.1). */
function isMisplaced(query: Query, transport: Transport): boolean {
  return query.keepaliveLength > 0 && (transport === Transport.Tcp || transport === Transport.Tls);
}

/** What the cookies of this query prove; a node without cookies takes no notice of them. */
function checkCookie(state: AnswerState, client: Client, moment: number): CookieProof {
  const { cookies, query, counters } = state;
  if (cookies === null) return CookieProof.None;
  const proof = cookies.check(query, client, moment);
  // The cells stand in the order of the proofs.
  count(counters, Counter.cookieClientOnly + proof - CookieProof.ClientOnly);
  return proof;
}

/**
 * Whether the client must ask again, with the cookie that this reply gives it: where the operator wants proof before
 * an answer by UDP (RFC 7873 §5.2.3, §5.2.4), and where it asked of its cookie and nothing else (§5.4).
 */
function isUnproven(
  parsed: Parsed,
  proof: CookieProof,
  transport: Transport,
  options: AnswerOptions,
): boolean {
  if (proof === CookieProof.None || proof === CookieProof.Valid) return false;
  if (parsed === Parsed.CookieQuery) return proof === CookieProof.Invalid;
  // TCP proves the address by itself (RFC 7873 §5.2.3).
  return parsed === Parsed.Query && options.cookies?.required === true && transport === Transport.Udp;
}

function refuse(parsed: Parsed, query: Query, reply: Reply): void {
  switch (parsed) {
    case Parsed.BadVers:
      reply.rcode = Rcode.BadVers;
      break;
    case Parsed.NotImp:
      reply.rcode = query.opcode === Opcode.Update ? Rcode.Refused : Rcode.NotImp;
      break;
    default:
      reply.rcode = Rcode.FormErr;
      // What could not be read must not be echoed.
      query.hasSubnet = false;
      query.cookieLength = 0;
  }
}

/** Whether the reply may be sent, as it is or truncated, to a source that may be forged. */
function mayReply(state: AnswerState, rateLimit: RateLimit, client: Client, moment: number): boolean {
  const { reply, counters } = state;
  const limit = rateLimit.charge(reply, client, moment);
  if (limit === Limit.Send) return true;
  const isDrop = limit === Limit.Drop;
  if (rateLimit.options.dryRun) {
    count(counters, isDrop ? Counter.wouldDrop : Counter.wouldTruncate);
    return true;
  }
  count(counters, isDrop ? Counter.limitDropped : Counter.limitTruncated);
  // An error is short already, and TC would send the client for it over TCP.
  if (!isDrop && (reply.rcode === Rcode.NoError || reply.rcode === Rcode.NXDomain)) reply.isTruncated = true;
  return !isDrop;
}

function countReply(reply: Reply, query: Query, counters: Float64Array): void {
  count(counters, replyCell(reply));
  if (reply.isTruncated) count(counters, Counter.truncated);
  if (query.hasSubnet) count(counters, Counter.withSubnet);
}

function replyCell(reply: Reply): number {
  switch (reply.rcode) {
    case Rcode.NoError:
      if (reply.answers > 0 || reply.isTruncated) return Counter.answered;
      return isReferral(reply) ? Counter.referrals : Counter.noData;
    case Rcode.NXDomain:
      return Counter.nxDomain;
    case Rcode.FormErr:
      return Counter.formErr;
    case Rcode.BadVers:
      return Counter.badVers;
    case Rcode.BadCookie:
      return Counter.badCookie;
    case Rcode.NotImp:
      return Counter.notImp;
    case Rcode.Refused:
      return Counter.refused;
    case Rcode.NotAuth:
      return Counter.notAuth;
    default:
      return Counter.servFail;
  }
}
