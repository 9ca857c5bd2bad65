/**
 * Reads a query into a `Query` that is refilled for each packet.
 *
 * On the hot path: a packet from a stranger gives a code, never an exception, and nothing is allocated.
 */

import { copyOctets } from "./bytes.ts";
import { EdnsOption, Opcode, RRType } from "./codes.ts";
import { EdnsBits, fixedRRLength, HeaderBits, headerLength, udpLengthMin } from "./format.ts";
import { uncompressedLength } from "./name.ts";
import { hashName } from "./name-hash.ts";
import type { Packet } from "./packet.ts";

/** What a packet turned out to be. */
export const Parsed = {
  /** A query to answer. */
  Query: 0,
  /** Not a query at all: shorter than a header, or itself a response. Answering could start a loop. */
  Drop: 1,
  /** Malformed: answer FORMERR. */
  FormErr: 2,
  /** An EDNS version above ours: answer BADVERS (RFC 6891 §6.1.3). */
  BadVers: 3,
  /** An opcode other than QUERY: answer NOTIMP with the header alone. */
  NotImp: 4,
  /** No question, but a cookie: the client asks for a Server Cookie (RFC 7873 §5.4). */
  CookieQuery: 5,
} as const;
export type Parsed = (typeof Parsed)[keyof typeof Parsed];

/** A query carries an OPT (RFC 6891 §6.1.1) and a TSIG (RFC 8945 §5.1) at most; twice that is refused. */
const additionalRRsMax = 4;

/** IANA has assigned fewer EDNS options than this, and no client repeats them (RFC 6891 §6.1.2). */
const ednsOptionsMax = 32;

/** Octets of an EDNS Client Subnet option before its address (RFC 7871 §6). */
const subnetHeaderLength = 4;

/** Octets of a Client Cookie, and of the longest option with a Server Cookie behind it (RFC 7873 §4). */
export const clientCookieLength: number = 8;
const cookieLengthMax = 40;
/** A Server Cookie has 8 octets at least (RFC 7873 §4). */
const serverCookieLengthMin = 8;

/**
 * The parts of a query that decide its answer; message id and qname stay in the packet, the qname at offset 12.
 *
 * Which fields are of this packet depends on what `parseQuery` returned; the others are left over or empty:
 *
 *     Query     all; those named subnet and prefix only if `hasSubnet`
 *     BadVers   all but the options, which another version may give another meaning
 *     FormErr   flags, opcode, questionEnd; if questionEnd > 12 also qname, qtype, qclass; `hasEdns`, what depends
 *               on it and the options tell of what was met before the fault
 *     CookieQuery  all but qname, qtype and qclass; questionEnd is 12
 *     NotImp    flags, opcode, questionEnd (12)
 *     Drop      none
 */
export class Query {
  /** The second 16-bit word of the header: QR, opcode, AA, TC, RD, RA, Z, AD, CD, RCODE. */
  flags: number = 0;
  opcode: number = 0;
  /** Octets of the qname, with the root label: 1 to 255. */
  qnameLength: number = 0;
  /** `hashName` of the qname. */
  qnameHash: number = 0;
  qtype: number = 0;
  qclass: number = 0;
  /** Offset after the question; 12 where the question could not be read, so that a reply echoes none. */
  questionEnd: number = headerLength;
  /** Whether there is an OPT; if not, the four fields below it say what its absence means. */
  hasEdns: boolean = false;
  ednsVersion: number = 0;
  /** What the client can take over UDP, at least 512. */
  udpPayloadSize: number = udpLengthMin;
  /** The DO bit (RFC 3225). */
  dnssecOk: boolean = false;
  /** The CO bit: compact denial may come with NXDOMAIN (RFC 9824 §5.1). */
  compactOk: boolean = false;
  /** Offset of the owner name of the TSIG, which is the last RR (RFC 8945 §5.1); 0: there is none. */
  tsigAt: number = 0;
  /** Offset after that name. */
  tsigOwnerEnd: number = 0;
  /** Whether there is an EDNS Client Subnet option (RFC 7871). */
  hasSubnet: boolean = false;
  /** 1 is IPv4, 2 is IPv6; 0, only with a source prefix length of 0, is a client that withholds its address. */
  subnetFamily: number = 0;
  sourcePrefixLength: number = 0;
  /** IPv4 in the first 4 octets, or IPv6; all bits beyond the source prefix are 0. */
  readonly subnetAddress: DataView = new DataView(new ArrayBuffer(16));
  /** Octets of the COOKIE option (RFC 7873 §4): 0: there is none; 8: a Client Cookie alone; 16 to 40: both cookies. */
  cookieLength: number = 0;
  /** The option's octets: they are copied because the reply overwrites the packet. */
  readonly cookie: DataView = new DataView(new ArrayBuffer(cookieLengthMax));
  /** Whether the client asks who we are (RFC 5001). */
  hasNsid: boolean = false;
  /** Octets of the edns-tcp-keepalive option (RFC 7828 §3.1), which a query leaves empty; -1: there is none. */
  keepaliveLength: number = -1;
  /** Whether the client wants its reply padded (RFC 7830 §4). */
  hasPadding: boolean = false;
}

/** Whether the client is where its subnet is; a subnet of no bits withholds it (RFC 7871 §7.1.2). */
export function usesSubnet(query: Query): boolean {
  return query.hasSubnet && query.sourcePrefixLength > 0;
}

/** Reads the first `length` octets of `packet` into `query`; see `Query` for what it holds afterwards. */
export function parseQuery(packet: Packet, length: number, query: Query): Parsed {
  if (length < headerLength) return Parsed.Drop;
  const { view } = packet;
  query.flags = view.getUint16(2);
  const isResponse = (query.flags & HeaderBits.QR) !== 0;
  if (isResponse) return Parsed.Drop;

  query.opcode = (query.flags >> 11) & 15;
  query.questionEnd = headerLength;
  query.hasEdns = false;
  query.ednsVersion = 0;
  query.udpPayloadSize = udpLengthMin;
  query.dnssecOk = false;
  query.compactOk = false;
  query.hasSubnet = false;
  query.cookieLength = 0;
  query.hasNsid = false;
  query.keepaliveLength = -1;
  query.hasPadding = false;
  query.tsigAt = 0;
  if (query.opcode !== Opcode.Query) return Parsed.NotImp;

  const counts = view.getInt32(4);
  const questions = counts >>> 16;
  const answers = counts & 0xffff;
  const authorities = view.getUint16(8);
  // More than one question has no meaning (RFC 9619 §4).
  if (questions > 1 || (questions === 1 && !parseQuestion(packet, length, query))) return Parsed.FormErr;
  if ((answers | authorities) !== 0 && !isIxfr(query, questions, answers, authorities)) return Parsed.FormErr;
  if (!parseAdditional(view, length, query, authorities)) return Parsed.FormErr;
  if (query.ednsVersion !== 0) return Parsed.BadVers;
  if (questions === 1) return Parsed.Query;
  return query.cookieLength > 0 ? Parsed.CookieQuery : Parsed.FormErr;
}

function parseQuestion({ octets, view }: Packet, length: number, query: Query): boolean {
  // Nothing stands before the qname that a pointer could point to, so a compressed one is malformed.
  const qnameLength = uncompressedLength(octets, headerLength, length);
  const qnameEnd = headerLength + qnameLength;
  if (qnameLength === 0 || qnameEnd + 4 > length) return false;
  query.qnameLength = qnameLength;
  query.qnameHash = hashName(view, headerLength, qnameLength);
  const typeAndClass = view.getInt32(qnameEnd);
  query.qtype = typeAndClass >>> 16;
  query.qclass = typeAndClass & 0xffff;
  query.questionEnd = qnameEnd + 4;
  return true;
}

/** An IXFR says with an SOA which version its sender has (RFC 1995 §3); other queries have RRs in no section but the last. */
function isIxfr(query: Query, questions: number, answers: number, authorities: number): boolean {
  return questions === 1 && query.qtype === RRType.IXFR && answers === 0 && authorities === 1;
}

/**
 * Reads the OPT and steps over other RRs, the first `authorities` of which are of the section before; false where one
 * is malformed, or octets are left after the last.
 */
function parseAdditional(view: DataView, length: number, query: Query, authorities: number): boolean {
  const additionals = view.getUint16(10);
  if (additionals > additionalRRsMax) return false;
  const rrs = authorities + additionals;
  let at = query.questionEnd;
  for (let i = 0; i < rrs; i += 1) {
    const owner = at;
    at = skipOwner(view, at, length);
    if (at === 0 || at + fixedRRLength > length) return false;
    const rdata = at + fixedRRLength;
    const end = rdata + view.getUint16(at + 8);
    if (end > length) return false;
    const type = view.getUint16(at);
    if (type === RRType.TSIG) {
      // Nothing stands behind it.
      if (i + 1 < rrs) return false;
      query.tsigAt = owner;
      query.tsigOwnerEnd = at;
    }
    if (type === RRType.OPT && i >= authorities) {
      const ownerIsRoot = view.getUint8(owner) === 0;
      if (!ownerIsRoot || query.hasEdns || !parseOpt(view, at, end, query)) return false;
    }
    at = end;
  }
  return at === length;
}

/** The offset after the owner name at `at`, which may end in a compression pointer; 0 where it is malformed. */
function skipOwner(view: DataView, at: number, length: number): number {
  let next = at;
  while (next < length) {
    const label = view.getUint8(next);
    if (label === 0) return next + 1;
    const isPointer = label >= 0xc0;
    if (isPointer) return next + 2;
    // The two other label types are reserved (RFC 1035 §4.1.4); 255 octets are the most a name takes (§2.3.4).
    if (label > 63 || next - at > 255) return 0;
    next += label + 1;
  }
  return 0;
}

/**
 * Reads the OPT whose fixed part is at `at` (RFC 6891 §6.1.2, §6.1.3):
 *
 *     +0 type 41 | +2 UDP payload size | +4 upper RCODE | +5 version | +6 DO and Z | +8 rdlength | +10 options
 */
function parseOpt(view: DataView, at: number, end: number, query: Query): boolean {
  query.hasEdns = true;
  query.udpPayloadSize = Math.max(udpLengthMin, view.getUint16(at + 2));
  const flags = view.getInt32(at + 4);
  query.ednsVersion = (flags >>> 16) & 0xff;
  query.dnssecOk = (flags & EdnsBits.DO) !== 0;
  query.compactOk = (flags & EdnsBits.CO) !== 0;
  // Another version may give options another meaning.
  if (query.ednsVersion !== 0) return true;
  let option = at + fixedRRLength;
  for (let i = 0; option < end; i += 1) {
    if (i === ednsOptionsMax || option + 4 > end) return false;
    const data = option + 4;
    const codeAndLength = view.getInt32(option);
    const dataEnd = data + (codeAndLength & 0xffff);
    if (dataEnd > end || !parseOption(view, codeAndLength >>> 16, data, dataEnd, query)) return false;
    option = dataEnd;
  }
  return true;
}

/** Reads the data of one option; false where it is malformed. Options that we do not know are ignored (RFC 6891 §6.1.2). */
function parseOption(view: DataView, code: number, at: number, end: number, query: Query): boolean {
  switch (code) {
    case EdnsOption.ClientSubnet:
      // Two would contradict each other, and the reply can echo only one.
      return !query.hasSubnet && parseSubnet(view, at, end, query);
    case EdnsOption.Cookie:
      return parseCookie(view, at, end, query);
    case EdnsOption.NSID:
      // What a query has in it means nothing (RFC 5001 §2.3).
      query.hasNsid = true;
      return true;
    case EdnsOption.TcpKeepalive:
      // Whether its length matters depends on the transport.
      query.keepaliveLength = end - at;
      return true;
    case EdnsOption.Padding:
      query.hasPadding = true;
      return true;
    default:
      return true;
  }
}

/**
 * Reads a COOKIE option (RFC 7873 §4). A length that no cookie has is FORMERR (§5.2.2); of several options only the
 * first counts (§5.2).
 */
function parseCookie(view: DataView, at: number, end: number, query: Query): boolean {
  if (query.cookieLength !== 0) return true;
  const length = end - at;
  const hasBoth = length >= clientCookieLength + serverCookieLengthMin && length <= cookieLengthMax;
  if (length !== clientCookieLength && !hasBoth) return false;
  query.cookieLength = length;
  copyOctets(view, at, query.cookie, 0, length);
  return true;
}

/**
 * Reads an EDNS Client Subnet option (RFC 7871 §6), and refuses what §6 and §7.1.2 tell to answer with FORMERR:
 *
 * 1. a scope prefix length other than 0 in a query;
 * 2. a family other than IPv4 and IPv6, but for the source prefix length 0: there the client has withheld its
 *    address, no address needs a family, and 0 names none (`dig +subnet=0` sends this);
 * 3. a source prefix length beyond the family's;
 * 4. more or fewer octets of address than the source prefix length needs;
 * 5. an address bit set beyond the source prefix length.
 */
function parseSubnet(view: DataView, at: number, end: number, query: Query): boolean {
  if (at + subnetHeaderLength > end) return false;
  const head = view.getInt32(at);
  const family = head >>> 16;
  const source = (head >>> 8) & 0xff;
  const scope = head & 0xff;
  const sourceMax = family === 1 ? 32 : family === 2 ? 128 : 0;
  const octets = (source + 7) >> 3;
  const address = at + subnetHeaderLength;
  if (scope !== 0 || family > 2 || source > sourceMax || address + octets !== end) return false;
  const spareBits = octets * 8 - source;
  if (spareBits !== 0 && (view.getUint8(end - 1) & ((1 << spareBits) - 1)) !== 0) return false;

  query.hasSubnet = true;
  query.subnetFamily = family;
  query.sourcePrefixLength = source;
  for (let i = 0; i < 16; i += 4) query.subnetAddress.setInt32(i, addressWord(view, address + i, end));
  return true;
}

/** Four octets of an address that ends at `end`, with zeros behind it. An option's header stands before it, so there is always a word to read. */
function addressWord(view: DataView, at: number, end: number): number {
  if (at + 4 <= end) return view.getInt32(at);
  return at < end ? view.getInt32(end - 4) << (8 * (at + 4 - end)) : 0;
}
