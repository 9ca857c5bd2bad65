/** The canonical form of RRs: what is signed, whatever case and order they are sent in (RFC 4034 §6). */

import { copyFolded, putU16, u8 } from "../wire/bytes.ts";
import { RRType } from "../wire/codes.ts";

/** Where the names stand whose case does not count: octets before the first of them, and how many there are. */
interface Names {
  readonly before: number;
  readonly count: number;
}

/**
 * The types of RFC 4034 §6.2 as RFC 6840 §5.1 corrects them; later types keep the case of their names (RFC 3597 §7).
 * NAPTR and A6, whose names begin at no fixed place, are handled apart. Numbers stand for types that nobody writes.
 */
const FOLDED_NAMES: ReadonlyMap<number, Names> = new Map([
  [RRType.NS, { before: 0, count: 1 }],
  [3 /* MD */, { before: 0, count: 1 }],
  [4 /* MF */, { before: 0, count: 1 }],
  [RRType.CNAME, { before: 0, count: 1 }],
  [RRType.SOA, { before: 0, count: 2 }],
  [7 /* MB */, { before: 0, count: 1 }],
  [8 /* MG */, { before: 0, count: 1 }],
  [9 /* MR */, { before: 0, count: 1 }],
  [RRType.PTR, { before: 0, count: 1 }],
  [14 /* MINFO */, { before: 0, count: 2 }],
  [RRType.MX, { before: 2, count: 1 }],
  [RRType.RP, { before: 0, count: 2 }],
  [RRType.AFSDB, { before: 2, count: 1 }],
  [21 /* RT */, { before: 2, count: 1 }],
  [26 /* PX */, { before: 2, count: 2 }],
  [30 /* NXT */, { before: 0, count: 1 }],
  [RRType.SRV, { before: 6, count: 1 }],
  [RRType.KX, { before: 2, count: 1 }],
  [RRType.DNAME, { before: 0, count: 1 }],
]);
const A6 = 38;

/** RDATA with its names in lower case where the type says so; the same array where it says nothing. */
function canonicalRdata(type: number, rdata: Uint8Array): Uint8Array {
  const names = namesOf(type, rdata);
  if (names === null) return rdata;
  const canonical = rdata.slice();
  let at = names.before;
  for (let left = names.count; left > 0 && at < canonical.length; left -= 1) {
    let label = u8(canonical, at);
    while (label !== 0 && at + label < canonical.length) {
      copyFolded(rdata, at + 1, canonical, at + 1, label);
      at += label + 1;
      label = u8(canonical, at);
    }
    at += 1;
  }
  return canonical;
}

/**
 * The RDATAs of an RRset as they are signed, each behind its length in two octets: canonical, in canonical order, no RR
 * twice (RFC 4034 §6.3).
 */
export function canonicalRdatas(type: number, rdatas: readonly Uint8Array[]): Uint8Array {
  const sorted = rdatas.map((rdata) => canonicalRdata(type, rdata)).sort(compareOctets);
  const unique = sorted.filter((rdata, i) => i === 0 || compareOctets(rdata, sorted[i - 1] ?? rdata) !== 0);
  const octets = new Uint8Array(unique.reduce((sum, rdata) => sum + 2 + rdata.length, 0));
  let at = 0;
  for (const rdata of unique) {
    putU16(octets, at, rdata.length);
    octets.set(rdata, at + 2);
    at += 2 + rdata.length;
  }
  return octets;
}

function namesOf(type: number, rdata: Uint8Array): Names | null {
  if (type === RRType.NAPTR) return { before: afterStrings(rdata, 4, 3), count: 1 };
  if (type === A6) {
    const prefixLength = rdata[0] ?? 0;
    return prefixLength === 0 ? null : { before: 1 + ((128 - prefixLength + 7) >> 3), count: 1 };
  }
  return FOLDED_NAMES.get(type) ?? null;
}

/** The offset after `count` character-strings. */
function afterStrings(rdata: Uint8Array, from: number, count: number): number {
  let at = from;
  for (let left = count; left > 0 && at < rdata.length; left -= 1) at += 1 + u8(rdata, at);
  return at;
}

/** Left-justified unsigned octets; a missing octet sorts before any (RFC 4034 §6.3). */
function compareOctets(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}
