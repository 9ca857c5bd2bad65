/** The numbers of the DNS protocol with their IANA names (https://www.iana.org/assignments/dns-parameters). */

/** What kind of message it is (RFC 1035 §4.1.1). */
export const Opcode = {
  Query: 0,
  Status: 2,
  Notify: 4,
  Update: 5,
  DnsStatefulOperations: 6,
} as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** How a query ended; values above 15 need EDNS to carry their upper bits (RFC 6891 §6.1.3). */
export const Rcode = {
  NoError: 0,
  FormErr: 1,
  ServFail: 2,
  NXDomain: 3,
  NotImp: 4,
  Refused: 5,
  YXDomain: 6,
  YXRRSet: 7,
  NXRRSet: 8,
  NotAuth: 9,
  NotZone: 10,
  BadVers: 16,
  BadCookie: 23,
} as const;
export type Rcode = (typeof Rcode)[keyof typeof Rcode];

/** What a TSIG says is wrong with the request's (RFC 8945 §4.2); the RCODE is NOTAUTH then. */
export const TsigError = {
  BadSig: 16,
  BadKey: 17,
  BadTime: 18,
  BadTrunc: 22,
} as const;
export type TsigError = (typeof TsigError)[keyof typeof TsigError];

/** RR types and the QTYPEs that stand for several (IXFR and above up to ANY). */
export const RRType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  AAAA: 28,
  LOC: 29,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  APL: 42,
  DS: 43,
  SSHFP: 44,
  IPSECKEY: 45,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  DHCID: 49,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  HIP: 55,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  EUI48: 108,
  EUI64: 109,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  /** In type bitmaps alone: there is no such name (RFC 9824 §3.1). */
  NXNAME: 128,
  URI: 256,
  CAA: 257,
} as const;
export type RRType = (typeof RRType)[keyof typeof RRType];

/** Classes; we serve IN, and answer CH for the server's own names. */
export const RRClass = {
  IN: 1,
  CH: 3,
  HS: 4,
  NONE: 254,
  ANY: 255,
} as const;
export type RRClass = (typeof RRClass)[keyof typeof RRClass];

/** EDNS options (RFC 6891 §6.1.2). */
export const EdnsOption = {
  NSID: 3,
  /** EDNS Client Subnet (RFC 7871). */
  ClientSubnet: 8,
  Cookie: 10,
  TcpKeepalive: 11,
  Padding: 12,
  /** Extended DNS Error (RFC 8914). */
  ExtendedError: 15,
} as const;
export type EdnsOption = (typeof EdnsOption)[keyof typeof EdnsOption];

/** Why a reply is what it is (RFC 8914 §4). */
export const ExtendedError = {
  NotReady: 14,
  Prohibited: 18,
  NotAuthoritative: 20,
  NotSupported: 21,
  InvalidQueryType: 30,
} as const;
export type ExtendedError = (typeof ExtendedError)[keyof typeof ExtendedError];

const namesByCode: ReadonlyMap<number, string> = new Map(
  Object.entries(RRType).map(([name, code]) => [code, name]),
);
const codesByName: ReadonlyMap<string, number> = new Map(Object.entries(RRType));

/** Whether a QTYPE asks for a whole zone, or for what has changed in it (RFC 5936, RFC 1995). */
export function isTransfer(qtype: number): boolean {
  return qtype === RRType.AXFR || qtype === RRType.IXFR;
}

/** The mnemonic of an RR type, or `TYPE123` where there is none (RFC 3597 §5). */
export function rrTypeName(code: number): string {
  return namesByCode.get(code) ?? `TYPE${code}`;
}

/** The code of a mnemonic or of `TYPE123`, in any case; null for any other text. */
export function rrTypeCode(text: string): number | null {
  const mnemonic = text.toUpperCase();
  return codesByName.get(mnemonic) ?? numberAfter("TYPE", mnemonic);
}

/** The 16-bit number in texts like `TYPE123` and `CLASS1` (RFC 3597 §5); null where `text` is no such text. */
export function numberAfter(prefix: string, text: string): number | null {
  if (!text.startsWith(prefix)) return null;
  const digits = text.slice(prefix.length);
  if (!/^\d{1,5}$/.test(digits)) return null;
  const code = Number(digits);
  return code <= 0xffff ? code : null;
}
