/** The OPT of a reply (RFC 6891 §6.1): what it carries, and how many octets that takes. */

import { copyBytes, copyOctets } from "../wire/bytes.ts";
import { EdnsOption, RRType } from "../wire/codes.ts";
import { EdnsBits, fixedRRLength, messageLengthMax, udpLengthMax } from "../wire/format.ts";
import type { Query } from "../wire/query.ts";
import { COOKIES_LENGTH } from "./cookie.ts";
import type { AnswerOptions } from "./options.ts";
import type { Reply } from "./reply.ts";
import { Transport } from "./transport.ts";

/** Octets of an OPT without options. */
const OPT_FIXED = 1 + fixedRRLength;
/** Octets of an option before its data. */
const OPTION_HEADER = 4;
/** Octets of an ECS option's data before its address (RFC 7871 §6). */
const SUBNET_FIXED = 4;
const KEEPALIVE_DATA = 2;
/** INFO-CODE alone: a text would make room for nothing that the code does not say (RFC 8914 §2). */
const EXTENDED_ERROR_DATA = 2;
/** Replies over encrypted transports have lengths of multiples of this, if the client wants that (RFC 8467 §4.1). */
const PADDING_BLOCK = 468;

/**
 * Octets of the OPT that every reply to this query carries; 0: it has none, because the query had none (RFC 6891 §7).
 * Padding and an extended error are written in what is left.
 */
export function optLength(query: Query, transport: Transport, options: AnswerOptions): number {
  if (!query.hasEdns) return 0;
  let length = OPT_FIXED;
  if (query.hasSubnet) length += OPTION_HEADER + subnetLength(query);
  if (query.cookieLength > 0 && options.cookies !== null) length += OPTION_HEADER + COOKIES_LENGTH;
  if (query.hasNsid && options.nsid !== null) length += OPTION_HEADER + options.nsid.length;
  if (tellsKeepalive(query, transport)) length += OPTION_HEADER + KEEPALIVE_DATA;
  return length;
}

/** Appends the OPT. */
export function writeOpt(reply: Reply, query: Query, transport: Transport, options: AnswerOptions): void {
  const { view, at } = reply;
  const flags = (query.dnssecOk ? EdnsBits.DO : 0) | (query.compactOk ? EdnsBits.CO : 0);
  view.setUint8(at, 0);
  view.setInt32(at + 1, (RRType.OPT << 16) | udpLengthMax);
  view.setInt32(at + 5, ((reply.rcode >> 4) << 24) | flags);
  let end = at + OPT_FIXED;
  if (query.hasSubnet) end = writeSubnet(view, end, query, reply.scope);
  if (query.cookieLength > 0 && options.cookies !== null) {
    end = writeCookies(view, end, query.cookie);
  }
  if (query.hasNsid && options.nsid !== null) end = writeNsid(reply, end, options.nsid);
  if (tellsKeepalive(query, transport)) end = writeKeepalive(view, end, options.idleTimeoutMs);
  if (reply.extendedError !== null && end + OPTION_HEADER + EXTENDED_ERROR_DATA <= reply.sizeMax) {
    end = writeExtendedError(view, end, reply.extendedError);
  }
  // In clear text padding hides nothing, and helps who wants long replies (RFC 7830 §6).
  const isEncrypted = transport === Transport.Tls || transport === Transport.Https;
  if (query.hasPadding && isEncrypted) end = writePadding(reply, end);
  view.setUint16(at + 9, end - at - OPT_FIXED);
  reply.at = end;
  reply.additionals += 1;
}

/** HTTP keeps its connections by its own rules, and UDP has none (RFC 7828 §3.2.2). */
function tellsKeepalive(query: Query, transport: Transport): boolean {
  return query.keepaliveLength === 0 && (transport === Transport.Tcp || transport === Transport.Tls);
}

function writeHeader(view: DataView, at: number, code: EdnsOption, length: number): number {
  view.setInt32(at, (code << 16) | length);
  return at + OPTION_HEADER;
}

function subnetLength(query: Query): number {
  return SUBNET_FIXED + ((query.sourcePrefixLength + 7) >> 3);
}

/** The option as it came, with its scope filled in (RFC 7871 §7.2.1). */
function writeSubnet(view: DataView, at: number, query: Query, scope: number): number {
  const length = subnetLength(query);
  const data = writeHeader(view, at, EdnsOption.ClientSubnet, length);
  view.setInt32(data, (query.subnetFamily << 16) | (query.sourcePrefixLength << 8) | scope);
  copyOctets(query.subnetAddress, 0, view, data + SUBNET_FIXED, length - SUBNET_FIXED);
  return data + length;
}

/** Client Cookie and Server Cookie (RFC 7873 §4). */
function writeCookies(view: DataView, at: number, cookie: DataView): number {
  const data = writeHeader(view, at, EdnsOption.Cookie, COOKIES_LENGTH);
  copyOctets(cookie, 0, view, data, COOKIES_LENGTH);
  return data + COOKIES_LENGTH;
}

function writeNsid({ packet, view }: Reply, at: number, nsid: Uint8Array): number {
  const data = writeHeader(view, at, EdnsOption.NSID, nsid.length);
  copyBytes(nsid, 0, packet, data, nsid.length);
  return data + nsid.length;
}

/** In units of 100 ms (RFC 7828 §3.1). */
function writeKeepalive(view: DataView, at: number, idleTimeoutMs: number): number {
  const data = writeHeader(view, at, EdnsOption.TcpKeepalive, KEEPALIVE_DATA);
  view.setUint16(data, Math.min(Math.trunc(idleTimeoutMs / 100), 0xffff));
  return data + KEEPALIVE_DATA;
}

function writeExtendedError(view: DataView, at: number, code: number): number {
  const data = writeHeader(view, at, EdnsOption.ExtendedError, EXTENDED_ERROR_DATA);
  view.setUint16(data, code);
  return data + EXTENDED_ERROR_DATA;
}

/** Zeros up to the end of a block (RFC 7830 §3); a message that has no room for the option stays as it is. */
function writePadding({ packet, view }: Reply, at: number): number {
  const dataAt = at + OPTION_HEADER;
  if (dataAt > messageLengthMax) return at;
  const end = Math.min(Math.ceil(dataAt / PADDING_BLOCK) * PADDING_BLOCK, messageLengthMax);
  writeHeader(view, at, EdnsOption.Padding, end - dataAt);
  packet.fill(0, dataAt, end);
  return end;
}
