/** Rdata of every type we know: from presentation form to uncompressed wire form, and back. */

import { RRType, rrTypeName } from "../wire/codes.ts";
import { type Name, nameKey, readName } from "../wire/name.ts";
import { caaTag } from "./caa.ts";
import {
  base64,
  domainName,
  type Field,
  hex,
  integer,
  ipv4,
  ipv6,
  longString,
  type RdataWords,
  seconds,
  string,
  strings,
} from "./fields.ts";
import { svcParams } from "./svcb.ts";

/** RDLENGTH has 16 bits (RFC 1035 §3.2.1). */
const rdataLengthMax = 0xffff;

/** Octets of a digest by its type: SHA-1, SHA-256, SHA-384 (RFC 3658, RFC 4509, RFC 6605). */
const dsDigests = new Map([
  [1, 20],
  [2, 32],
  [4, 48],
]);

/** Octets of a fingerprint by its type: SHA-1, SHA-256 (RFC 4255, RFC 6594). */
const sshFingerprints = new Map([
  [1, 20],
  [2, 32],
]);

/** Octets by the matching type: SHA-256, SHA-512 (RFC 6698 §2.1.3). */
const tlsaMatches = new Map([
  [1, 32],
  [2, 64],
]);

const ds = [
  integer("key tag", 2),
  integer("algorithm", 1),
  integer("digest type", 1),
  hex("digest", dsDigests),
];
const dnskey = [integer("flags", 2), integer("protocol", 1), integer("algorithm", 1), base64("public key")];
const tlsa = [
  integer("certificate usage", 1),
  integer("selector", 1),
  integer("matching type", 1),
  hex("certificate data", tlsaMatches),
];
const svcb = [integer("priority", 2), domainName("target"), svcParams];

/** The fields of each type, in order: its presentation form and its wire form at once. */
const fieldsByType: ReadonlyMap<number, readonly Field[]> = new Map<number, readonly Field[]>([
  [RRType.A, [ipv4]],
  [RRType.NS, [domainName("name server")]],
  [RRType.CNAME, [domainName("canonical name")]],
  [
    RRType.SOA,
    [
      domainName("primary name server"),
      domainName("mailbox"),
      integer("serial", 4),
      seconds("refresh"),
      seconds("retry"),
      seconds("expire"),
      seconds("minimum"),
    ],
  ],
  [RRType.PTR, [domainName("target")]],
  [RRType.HINFO, [string("CPU"), string("OS")]],
  [RRType.MX, [integer("preference", 2), domainName("exchange")]],
  [RRType.TXT, [strings("text")]],
  [RRType.RP, [domainName("mailbox"), domainName("text name")]],
  [RRType.AFSDB, [integer("subtype", 2), domainName("host")]],
  [RRType.AAAA, [ipv6]],
  [RRType.SRV, [integer("priority", 2), integer("weight", 2), integer("port", 2), domainName("target")]],
  [
    RRType.NAPTR,
    [
      integer("order", 2),
      integer("preference", 2),
      string("flags"),
      string("services"),
      string("regexp"),
      domainName("replacement"),
    ],
  ],
  [RRType.KX, [integer("preference", 2), domainName("exchanger")]],
  [RRType.DNAME, [domainName("target")]],
  [RRType.DS, ds],
  [
    RRType.SSHFP,
    [integer("algorithm", 1), integer("fingerprint type", 1), hex("fingerprint", sshFingerprints)],
  ],
  [RRType.DNSKEY, dnskey],
  [RRType.TLSA, tlsa],
  [RRType.SMIMEA, tlsa],
  [RRType.CDS, ds],
  [RRType.CDNSKEY, dnskey],
  [RRType.OPENPGPKEY, [base64("public key")]],
  [RRType.SVCB, svcb],
  [RRType.HTTPS, svcb],
  [RRType.SPF, [strings("text")]],
  [RRType.URI, [integer("priority", 2), integer("weight", 2), longString("target")]],
  [RRType.CAA, [integer("flags", 1), caaTag, longString("value")]],
]);

/** Where the name stands in the rdata of types that lead to another name. */
const targetOffsets: ReadonlyMap<number, number> = new Map([
  [RRType.NS, 0],
  [RRType.CNAME, 0],
  [RRType.PTR, 0],
  [RRType.DNAME, 0],
  [RRType.MX, 2],
  [RRType.AFSDB, 2],
  [RRType.KX, 2],
  [RRType.SVCB, 2],
  [RRType.HTTPS, 2],
  [RRType.SRV, 6],
]);

/**
 * The rdata that the words say, uncompressed and in their case; null after it has refused a word.
 *
 * Any type may be given as `\# length hex` (RFC 3597 §5); the octets must then be right for the type, if we know it.
 */
export function parseRdata(type: number, words: RdataWords): Uint8Array | null {
  const rdata: number[] = [];
  const first = words.peek();
  const isGeneric = first !== undefined && first.text === "\\#" && !first.quoted;
  if (!(isGeneric ? parseGeneric(type, words, rdata) : parseFields(type, words, rdata))) return null;
  if (rdata.length <= rdataLengthMax) return Uint8Array.from(rdata);
  words.refuse(`${rrTypeName(type)} rdata has ${rdata.length} octets: expected at most ${rdataLengthMax}`);
  return null;
}

/** The presentation form of rdata; `\# length hex` where we do not know the type, or the octets are not right for it. */
export function formatRdata(type: number, rdata: Uint8Array): string {
  const fields = fieldsByType.get(type);
  const texts = fields === undefined ? null : formatFields(fields, rdata);
  return texts === null ? formatGeneric(rdata) : texts.join(" ");
}

/** The name that rdata of NS, CNAME, DNAME, PTR, MX, SRV, SVCB, HTTPS, AFSDB and KX lead to; null for other types. */
export function targetOf(type: number, rdata: Uint8Array): Name | null {
  const offset = targetOffsets.get(type);
  return offset === undefined ? null : readName(rdata, offset, rdata.length);
}

/** Equal for rdata that are the same but for the case of the name they lead to, and only for those. */
export function rdataKey(type: number, rdata: Uint8Array): string {
  const text = Buffer.from(rdata.buffer, rdata.byteOffset, rdata.length).toString("latin1");
  const target = targetOf(type, rdata);
  if (target === null) return text;
  const at = targetOffsets.get(type) ?? 0;
  return text.slice(0, at) + nameKey(target) + text.slice(at + target.length);
}

function parseFields(type: number, words: RdataWords, rdata: number[]): boolean {
  const fields = fieldsByType.get(type);
  if (fields === undefined) {
    return words.refuse(
      `there is no text form for ${rrTypeName(type)} here: write TYPE${type} \\# <length> <hex> (RFC 3597 §5)`,
    );
  }
  for (const field of fields) {
    if (words.left === 0 && field.optional !== true) {
      return words.refuse(`${field.name} is missing: ${syntaxOf(type, fields)}`);
    }
    if (!field.parse(words, rdata)) return false;
  }
  const extra = words.left === 0 ? null : words.take("");
  return extra === null || words.refuse(`"${extra.text}" is one word too many: ${syntaxOf(type, fields)}`);
}

function syntaxOf(type: number, fields: readonly Field[]): string {
  return `${rrTypeName(type)} rdata is ${fields.map((field) => `<${field.name}>`).join(" ")}`;
}

function parseGeneric(type: number, words: RdataWords, rdata: number[]): boolean {
  words.take("\\#");
  const lengthText = words.takePlain("length");
  if (lengthText === null) return false;
  if (!/^\d{1,5}$/.test(lengthText) || Number(lengthText) > rdataLengthMax) {
    return words.refuse(`"${lengthText}" is not a length: expected a number from 0 to ${rdataLengthMax}`);
  }
  if (words.left > 0 && !hex("rdata").parse(words, rdata)) return false;
  if (rdata.length !== Number(lengthText)) {
    return words.refuse(`rdata has ${rdata.length} octets, and its length says ${lengthText}`);
  }
  const fields = fieldsByType.get(type);
  if (fields === undefined || formatFields(fields, Uint8Array.from(rdata)) !== null) return true;
  return words.refuse(`these octets are not ${syntaxOf(type, fields)}`);
}

function formatGeneric(rdata: Uint8Array): string {
  const octets = Buffer.from(rdata).toString("hex");
  return octets === "" ? "\\# 0" : `\\# ${rdata.length} ${octets}`;
}

function formatFields(fields: readonly Field[], rdata: Uint8Array): readonly string[] | null {
  const texts: string[] = [];
  let at = 0;
  for (const field of fields) {
    at = field.format(rdata, at, texts);
    if (at < 0) return null;
  }
  return at === rdata.length ? texts : null;
}
