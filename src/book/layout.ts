/**
 * Where everything stands in a book.
 *
 * A book is one block of memory, the same on disk and in a SharedArrayBuffer. Words are 32 bits in the byte order
 * of the machine (the magic word shows a foreign one); offsets named `…At` count words; offsets of
 * names, blocks and HTTPS parameters count octets from the start of the octets section.
 *
 *   header      20 words
 *   nodes       one record for each owner name, empty non-terminals included
 *   names       hash table: [hash, node] pairs, open addressing, half empty
 *   zones       one record for each zone
 *   services    one record for each service
 *   vips        one record for each VIP
 *   admissions  from where UPDATE and transfers are taken: their count, then one record for each prefix
 *   tries       class tries (geo/trie.ts), shared by services whose policies cut the world alike
 *   octets      names, RR blocks, HTTPS parameters
 *   plans       the only part that changes while it is served (book/patch.ts)
 */

import { word } from "../wire/bytes.ts";

/** "MRDN" read as a little-endian word. */
export const MAGIC = 0x4e44524d;
/** Grows with every change of this file; a node refuses a book of another format and waits for control's. */
export const FORMAT = 8;

/** Words of the header. */
export const Header = {
  magic: 0,
  format: 1,
  versionLow: 2,
  versionHigh: 3,
  /** Length of the whole book in words. */
  length: 4,
  /** CRC-32 of everything but the header and the plans. */
  checksum: 5,
  /** CRC-32 of the plans as they were written; memory is patched later and does not keep it. */
  plansChecksum: 6,
  namesAt: 7,
  /** Number of slots in the hash table, a power of two, less one. */
  namesMask: 8,
  zonesAt: 9,
  zoneCount: 10,
  servicesAt: 11,
  serviceCount: 12,
  vipsAt: 13,
  plansAt: 14,
  /** Labels of the longest owner name, so that a search for the closest encloser starts no deeper. */
  labelsMax: 15,
  /** Octet offset of the octets section; octet offsets in records count from there. */
  octetsAt: 16,
  /** Word offset of the admissions; 0: there are none. */
  admissionsAt: 17,
  /** 1: some service has rings; 0: none has. */
  rings: 18,
} as const;
export const HEADER_WORDS = 20;

/** Words of a node, followed by `rrsetCount` RRset records. A node's offset is never 0. */
export const Node = {
  /** Octet offset of the owner name in wire form, folded. */
  name: 0,
  nameLength: 1,
  zone: 2,
  /** The topmost delegation or DNAME above this node, which hides it; 0: none. */
  cut: 3,
  /** The node of `*` directly below; 0: none. */
  wildcard: 4,
  /** Number of the service that answers A, AAAA and HTTPS here, plus 1; 0: none. */
  service: 5,
  /** Is this a zone cut, a DNAME, a CNAME? See NodeKind. */
  kind: 6,
  rrsetCount: 7,
  /**
   * Octet offset of its type bitmap for NSEC; 0: the zone is not signed. A bitmap stands behind its length in two octets. At
   * a service three more follow, without A, without AAAA and without HTTPS, for when there is none of that type.
   */
  types: 8,
  /** The delegation that leads to this apex from a zone that is served too, and owns its DS; 0: none. */
  parentSide: 9,
} as const;
export const NODE_WORDS = 10;

/** What makes a node special; a node is one of these. */
export const NodeKind = { Plain: 0, Delegation: 1, Dname: 2, Cname: 3 } as const;

/** Words of an RRset record: offsets of blocks in octets. */
export const RRsetRecord = {
  type: 0,
  /** The RRs themselves. */
  block: 1,
  /** Addresses that go with them (glue); 0: none. */
  additional: 2,
  /** What is signed of it (see `CANONICAL_HEADER`); 0: it is not signed. */
  canonical: 3,
} as const;
export const RRSET_WORDS = 4;

/**
 * What is signed of an RRset, in octets:
 *
 *   TTL (4) | length of the rest (4) | RDATAs in canonical form and order, each behind its length (2)
 */
export const CANONICAL_HEADER = 8;

/** Words of a zone. */
export const ZoneRecord = {
  apexLength: 0,
  /** Block with the SOA as it stands in negative answers (RFC 2308 §3), owned by the apex. */
  negative: 1,
  /** TTL of that SOA, and of NSEC (RFC 9077 §3). */
  negativeTtl: 2,
  /** Octet offset of the SOA's canonical form; 0: the zone is not signed. */
  soa: 3,
  /** Word offset of how it is signed (see `Signing`); 0: it is not. */
  signing: 4,
  /** Octet offset of the apex, as in its node. */
  apex: 5,
} as const;
export const ZONE_WORDS = 6;

/** Words that say how a zone is signed, followed by `keyCount` keys: duties (8 bits), algorithm (8), key tag (16). */
export const Signing = { validitySeconds: 0, keyCount: 1, keys: 2 } as const;

/** Words of a service. */
export const ServiceRecord = {
  /** The longest TTL of its answers, which signatures are made with; the one to send stands with the plan. */
  ttlSecondsMax: 0,
  /** Word offset of its class trie; 0: all clients are class 0. */
  trie: 1,
  /** Word offset of the IPv4 plan slot of class 0; the classes follow one another. Services with the same plans share slots. */
  slots: 2,
  capacity4: 3,
  capacity6: 4,
  /** Octet offset of its HTTPS RDATA without hints; 0: no HTTPS RR. */
  https: 5,
  httpsLength: 6,
  /**
   * Word offset of the members that its plans can ever hold: how many, then VIP numbers plus 1 of the two families for each,
   * 0 where it has none. Signatures are made ahead for these.
   */
  reach: 7,
  /** How many buckets clients are put into by their prefix (`pick.ts`); 0: none of its policies is sticky. */
  buckets: 8,
  /** 1: an answer may have several VIPs, so its plans have rings; 0: one. */
  rings: 9,
  /** How many classes it has. */
  classes: 10,
} as const;
export const SERVICE_WORDS = 11;

/** Words of a VIP: family (4 or 6), region number, then up to 16 octets of address. */
export const VipRecord = { family: 0, region: 1, address: 2 } as const;
export const VIP_WORDS = 6;

/** Words of an admission: what is taken (`Right`), then a prefix: family (4 or 6), length, up to 16 octets of address. */
export const AdmissionRecord = { rights: 0, family: 1, length: 2, address: 3 } as const;
export const ADMISSION_WORDS = 7;

/** What requests of others than resolvers are taken from a prefix; each a bit. */
export const Right = { Update: 1, Transfer: 2, Explain: 4 } as const;

/**
 * A block of RRs, in octets:
 *
 *   RR count (2) | length of the RRs (2) | fix-up count (2) | fix-ups (2 each) | RRs
 *
 * Every RR begins with a compression pointer to its owner. As compiled, pointers are right for a query for the
 * block's own name, which stands at octet 12. Elsewhere (after a CNAME, from a wildcard, for an apex above the
 * qname) each pointer named by a fix-up is rewritten: the low 15 bits are its offset in the RRs, the high bit is
 * set for a pointer to the apex and clear for a pointer to the owner name.
 */
export const BLOCK_HEADER = 6;
export const FIX_APEX = 0x8000;

/**
 * A plan slot: `sequence | buffer 0 | buffer 1`, each buffer `TTL | plan`. The buffer in force is `sequence & 1`.
 *
 * A plan is `count, (VIP, cumulative share) × capacity, table, rings`. Count 0 means NODATA, PLAN_SERVFAIL means SERVFAIL. Cumulative shares
 * are of 2^32, the last is 2^32 - 1.
 *
 * Where the service has buckets, the table has 16 bits for each, the even one of two in the low half of a word: the place of
 * its VIP among the pairs, from 1. It says who gets what no share covers, and there the last share may be less, or the count
 * 0. The VIPs that are only in the table stand behind the `count` pairs. All zeros: nothing in the plan is sticky.
 *
 * Where the service has rings, there is a word for each place: where on its ring the VIP's arc ends (`steering/spread.ts`), with
 * RING_BEGINS at the first VIP of each. Pairs of one ring stand together.
 */
export const PLAN_SERVFAIL = 0xffffffff;
/** Word offset of the plan in a buffer, behind the TTL. */
export const PLAN_IN = 1;
export const RING_BEGINS = 0x8000_0000;

/** Words of one buffer of a slot. */
export function bufferWords(capacity: number, buckets: number, rings: number): number {
  return PLAN_IN + ringsIn(capacity, buckets) + rings * capacity;
}

/** Word offset in a plan of its table. */
export function tableIn(capacity: number): number {
  return 1 + 2 * capacity;
}

/** Word offset in a plan of its rings. */
export function ringsIn(capacity: number, buckets: number): number {
  return tableIn(capacity) + ((buckets + 1) >>> 1);
}

/** Words of a slot. */
export function slotWords(capacity: number, buckets: number, rings: number): number {
  return 1 + 2 * bufferWords(capacity, buckets, rings);
}

/** Word offset of the slot of a class and family, for the service whose record is at `record`. */
export function slotAt(words: Uint32Array, record: number, classNumber: number, family: 4 | 6): number {
  const buckets = word(words, record + ServiceRecord.buckets);
  const rings = word(words, record + ServiceRecord.rings);
  const words4 = slotWords(word(words, record + ServiceRecord.capacity4), buckets, rings);
  const words6 = slotWords(word(words, record + ServiceRecord.capacity6), buckets, rings);
  const classAt = word(words, record + ServiceRecord.slots) + classNumber * (words4 + words6);
  return family === 4 ? classAt : classAt + words4;
}
