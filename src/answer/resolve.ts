/** The middle of the hot path: follows a qname through the book to its RRs. */

import type { Book } from "../book/book.ts";
import {
  NODE_WORDS,
  Node,
  NodeKind,
  RRSET_WORDS,
  RRsetRecord,
  SERVICE_WORDS,
  ZONE_WORDS,
  ZoneRecord,
} from "../book/layout.ts";
import { copyBytes, word } from "../wire/bytes.ts";
import { ExtendedError, isTransfer, Rcode, RRClass, RRType } from "../wire/codes.ts";
import { headerLength } from "../wire/format.ts";
import { hashName } from "../wire/name-hash.ts";
import type { Packet } from "../wire/packet.ts";
import type { Query } from "../wire/query.ts";
import { refuseKey } from "./bad-key.ts";
import { addCname, addDname, addHinfo } from "./chain.ts";
import { answerChaos } from "./chaos.ts";
import type { Client } from "./client.ts";
import { findChallenge, findEncloser, findNode } from "./find.ts";
import { asksWhy, takesQuery } from "./forward.ts";
import { LINKS_MAX } from "./links.ts";
import { FIXED_LENGTH, type Reply, Section } from "./reply.ts";
import { type Signatures, steeredVariant } from "./signatures.ts";
import type { AnswerState } from "./state.ts";
import { steer } from "./steer.ts";
import type { Transport } from "./transport.ts";

/** Follows the qname through the book to its RRs. */
export function resolve(
  state: AnswerState,
  packet: Packet,
  client: Client,
  transport: Transport,
  moment: number,
  isProven: boolean,
): void {
  const { book, challenges, query, reply } = state;
  const asksForZone = isTransfer(query.qtype);
  if ((asksForZone || query.tsigAt !== 0) && book !== null) {
    if (takesQuery(book, query, client, transport)) {
      reply.isForwarded = true;
      return;
    }
    // Who may not transfer a zone from there may not with any key.
    if (!asksForZone) {
      refuseKey(packet.octets, query, reply);
      return;
    }
  }
  if (query.qclass !== RRClass.IN) {
    if (query.qclass === RRClass.CH) {
      answerChaos(query, reply, client, state.options.chaos, book === null ? 0 : book.version);
    } else refuseForeign(reply);
    return;
  }
  if (book === null) {
    reply.rcode = Rcode.ServFail;
    reply.extendedError = ExtendedError.NotReady;
    return;
  }
  if (asksForZone) {
    reply.rcode = Rcode.Refused;
    reply.extendedError = ExtendedError.Prohibited;
    return;
  }
  if (query.qtype === RRType.NXNAME) {
    // It stands in type bitmaps alone (RFC 9824 §3.5).
    reply.rcode = Rcode.FormErr;
    reply.extendedError = ExtendedError.InvalidQueryType;
    return;
  }
  const signatures = query.dnssecOk || isProof(query.qtype) ? state.signatures : null;
  signatures?.begin(moment, transport);
  const challengeSignatures = signatures === null ? null : state.challengeSignatures;
  challengeSignatures?.begin(moment, transport);
  if (query.qtype === RRType.TXT && asksWhy(book, packet.octets, client, transport)) {
    if (sayWhy(state, book, packet, signatures, isProven)) return;
  }
  let hash = query.qnameHash;
  for (let links = 0; links <= LINKS_MAX; links += 1) {
    const challenge =
      challenges === null ? 0 : findChallenge(challenges, packet, reply.ownerAt, reply.ownerLength, hash);
    if (challenges !== null && challenge !== 0) {
      answerAt(challenges, challenge, challenge, state, challengeSignatures, client, moment, links === 0);
      return;
    }
    const found = findNode(book, packet.view, reply.ownerAt, reply.ownerLength, hash);
    const exact = query.qtype === RRType.DS ? parentSide(book, found) : found;
    const nearest = exact !== 0 ? exact : findEncloser(book, packet, reply.ownerAt, reply.ownerLength);
    if (nearest === 0) {
      // The target of a CNAME may be anybody's; the qname must be ours.
      if (links === 0) refuseForeign(reply);
      return;
    }
    if (!answerAt(book, exact, nearest, state, signatures, client, moment, links === 0)) return;
    hash = hashName(packet.view, reply.ownerAt, reply.ownerLength);
  }
}

/**
 * Answers a query that asks why; false: as if there were no such thing. Control is asked for clients alone whose address
 * is not forged: others are sent to TCP. The answer is of this moment and this client, so nobody is to keep it.
 */
function sayWhy(
  { explanation, query, reply }: AnswerState,
  book: Book,
  packet: Packet,
  proofs: Signatures | null,
  isProven: boolean,
): boolean {
  if (explanation === null) {
    if (isProven) reply.isForwarded = true;
    else reply.isTruncated = true;
    return true;
  }
  const nearest = explanation.length === 0 ? 0 : findEncloser(book, packet, reply.ownerAt, reply.ownerLength);
  if (nearest === 0) return false;
  const { at } = reply;
  reply.isAuthoritative = true;
  reply.scope = query.sourcePrefixLength;
  if (!reply.fits(FIXED_LENGTH + explanation.length)) return true;
  const rdata = reply.addFixed(RRType.TXT, 0, explanation.length);
  copyBytes(explanation, 0, reply.packet, rdata, explanation.length);
  const zone = book.zonesAt + word(book.words, nearest + Node.zone) * ZONE_WORDS;
  if (proofs?.enter(book, zone, false)) proofs.addForMade(at, book, reply);
  return true;
}

/** Answers at one owner name; true when a CNAME leads on to another, which `reply` then stands at. */
function answerAt(
  book: Book,
  exact: number,
  nearest: number,
  state: AnswerState,
  proofs: Signatures | null,
  client: Client,
  moment: number,
  isQname: boolean,
): boolean {
  const { query, reply, counters, sampler } = state;
  const { words } = book;
  const zone = book.zonesAt + word(words, nearest + Node.zone) * ZONE_WORDS;
  const cut = cutAt(book, exact, nearest, query.qtype);
  const node = exact !== 0 ? exact : word(words, nearest + Node.wildcard);
  const isExpanded = exact === 0 && cut === 0;
  const signatures =
    proofs !== null && query.dnssecOk && proofs.enter(book, zone, isExpanded) ? proofs : null;
  if (isQname) reply.origin = cut !== 0 ? cut : node !== 0 ? node : zone;
  if (cut !== 0 && word(words, cut + Node.kind) === NodeKind.Delegation) {
    refer(book, cut, zone, reply, signatures);
    return false;
  }
  if (isQname) reply.isAuthoritative = true;
  if (cut !== 0) return addDname(book, cut, rrsetAt(book, cut, RRType.DNAME), zone, query, reply, signatures);
  if (node === 0) {
    const { challenges } = state;
    const above = challenges === null ? 0 : aboveChallenge(challenges, query, reply);
    if (challenges !== null && above !== 0) {
      const own = proofs === null ? null : state.challengeSignatures;
      return answerAt(challenges, above, above, state, own, client, moment, isQname);
    }
    // Compact denial says that the name is there, but for those who know better (RFC 9824 §3.1, §5.1).
    if (signatures === null || query.compactOk) reply.rcode = Rcode.NXDomain;
    deny(book, zone, 0, 0, reply, signatures);
    return false;
  }
  if (query.qtype === RRType.ANY) {
    answerAny(book, node, zone, reply, signatures);
    return false;
  }
  const service = word(words, node + Node.service);
  if (service !== 0 && isSteered(query.qtype)) {
    const record = (service - 1) * SERVICE_WORDS;
    const at = reply.at;
    const hasAnswer = steer(book, record, query, client, moment, reply, counters);
    if (sampler?.isDue() === true)
      sampler.note(book, service - 1, query, client, moment, reply, reply.at > at);
    if (!hasAnswer) deny(book, zone, node, steeredVariant(query.qtype), reply, signatures);
    else if (signatures !== null && reply.at > at) signatures.addForSteered(at, book, node, record, reply);
    return false;
  }
  const rrset = rrsetAt(book, node, query.qtype);
  if (rrset !== 0) {
    addRRset(book, rrset, zone, reply, signatures);
    return false;
  }
  if (proofs !== null && isProof(query.qtype) && proofs.enter(book, zone, isExpanded)) {
    proofs.answerProof(book, node, query, reply);
    return false;
  }
  if (word(words, node + Node.kind) === NodeKind.Cname) {
    return addCname(book, rrsetAt(book, node, RRType.CNAME), zone, reply, signatures);
  }
  deny(book, zone, node, 0, reply, signatures);
  return false;
}

/** Where the DS of a name is: an apex's is in the zone above, if that is served too (RFC 4035 §3.1.4.1). */
function parentSide(book: Book, node: number): number {
  const above = node === 0 ? 0 : word(book.words, node + Node.parentSide);
  return above === 0 ? node : above;
}

/** The node of a name with a challenge below it, which exists though it owns nothing (RFC 4592 §2.2.2); 0: there is none. */
function aboveChallenge(challenges: Book, query: Query, { view, ownerAt, ownerLength }: Reply): number {
  const hash = ownerAt === headerLength ? query.qnameHash : hashName(view, ownerAt, ownerLength);
  return findNode(challenges, view, ownerAt, ownerLength, hash);
}

/** The zone cut or DNAME that stands between the apex and the name; 0: none. */
function cutAt(book: Book, exact: number, nearest: number, qtype: number): number {
  const above = word(book.words, nearest + Node.cut);
  if (above !== 0) return above;
  const kind = word(book.words, nearest + Node.kind);
  // The parent's side of a cut owns DS (RFC 4035 §3.1.4.1).
  if (kind === NodeKind.Delegation) return exact !== 0 && qtype === RRType.DS ? 0 : nearest;
  return kind === NodeKind.Dname && exact === 0 ? nearest : 0;
}

/** The types that a service answers itself; others at its name come from the zone. */
function isSteered(qtype: number): boolean {
  return qtype === RRType.A || qtype === RRType.AAAA || qtype === RRType.HTTPS;
}

/** The types that no zone holds because they are made while answering. */
function isProof(qtype: number): boolean {
  return qtype === RRType.RRSIG || qtype === RRType.NSEC;
}

/** Offset of a node's RRset record of a type; 0: none. */
function rrsetAt(book: Book, node: number, type: number): number {
  const end = node + NODE_WORDS + word(book.words, node + Node.rrsetCount) * RRSET_WORDS;
  for (let at = node + NODE_WORDS; at < end; at += RRSET_WORDS) {
    if (word(book.words, at + RRsetRecord.type) === type) return at;
  }
  return 0;
}

function addRRset(
  book: Book,
  rrset: number,
  zone: number,
  reply: Reply,
  signatures: Signatures | null,
): void {
  const apexLength = word(book.words, zone + ZoneRecord.apexLength);
  const block = word(book.words, rrset + RRsetRecord.block);
  const additional = word(book.words, rrset + RRsetRecord.additional);
  if (!reply.addBlock(book, block, Section.Answer, reply.ownerLength, apexLength)) return;
  // Signed, the addresses of others would double an answer, and a validator has to ask for them by their own name anyway.
  if (signatures !== null) signatures.addForRRset(book, rrset, reply, Section.Answer, reply.ownerLength);
  else if (additional !== 0) reply.addBlockIfRoom(book, additional, reply.ownerLength, apexLength);
}

/** ANY: a CNAME as it is, for any other name with RRs one small HINFO in place of them all (RFC 8482 §4.2). */
function answerAny(
  book: Book,
  node: number,
  zone: number,
  reply: Reply,
  signatures: Signatures | null,
): void {
  const { words } = book;
  if (word(words, node + Node.kind) === NodeKind.Cname) {
    addRRset(book, rrsetAt(book, node, RRType.CNAME), zone, reply, signatures);
  } else if (word(words, node + Node.rrsetCount) === 0 && word(words, node + Node.service) === 0) {
    deny(book, zone, node, 0, reply, signatures);
  } else {
    const { at } = reply;
    addHinfo(reply);
    if (signatures !== null && reply.at > at) signatures.addForMade(at, book, reply);
  }
}

/**
 * A referral: the NS RRset of the cut and its glue, which must fit (RFC 9471 §3.1). In a signed zone the DS stands between
 * them, or the proof that there is none (RFC 4035 §3.1.4).
 */
function refer(book: Book, cut: number, zone: number, reply: Reply, signatures: Signatures | null): void {
  const apexLength = word(book.words, zone + ZoneRecord.apexLength);
  const cutLength = word(book.words, cut + Node.nameLength);
  const rrset = rrsetAt(book, cut, RRType.NS);
  const glue = word(book.words, rrset + RRsetRecord.additional);
  const block = word(book.words, rrset + RRsetRecord.block);
  if (!reply.addBlock(book, block, Section.Authority, cutLength, apexLength)) return;
  if (signatures !== null) addDelegationProof(book, cut, apexLength, reply, signatures);
  if (glue !== 0) reply.addBlock(book, glue, Section.Additional, cutLength, apexLength);
}

function addDelegationProof(
  book: Book,
  cut: number,
  apexLength: number,
  reply: Reply,
  signatures: Signatures,
): void {
  const cutLength = word(book.words, cut + Node.nameLength);
  const ds = rrsetAt(book, cut, RRType.DS);
  if (ds === 0) {
    signatures.addNsec(book, cut, 0, reply, Section.Authority, cutLength);
    return;
  }
  const block = word(book.words, ds + RRsetRecord.block);
  if (!reply.addBlock(book, block, Section.Authority, cutLength, apexLength)) return;
  signatures.addForRRset(book, ds, reply, Section.Authority, cutLength);
}

/**
 * NODATA or NXDOMAIN: the zone's SOA tells how long to remember it (RFC 2308 §3), and in a signed zone an NSEC proves it:
 * of `node`, less the type of `steered` (see `Signatures.addNsec`); node 0: there is no such name.
 */
function deny(
  book: Book,
  zone: number,
  node: number,
  steered: number,
  reply: Reply,
  signatures: Signatures | null,
): void {
  const apexLength = word(book.words, zone + ZoneRecord.apexLength);
  reply.addBlock(
    book,
    word(book.words, zone + ZoneRecord.negative),
    Section.Authority,
    apexLength,
    apexLength,
  );
  if (signatures === null) return;
  signatures.addForSoa(book, reply);
  signatures.addNsec(book, node, steered, reply, Section.Authority, reply.ownerLength);
}

function refuseForeign(reply: Reply): void {
  reply.rcode = Rcode.Refused;
  reply.extendedError = ExtendedError.NotAuthoritative;
}
