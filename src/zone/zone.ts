/** A zone as its master file declares it: owner names with their RRsets and steered names. */

import type { Name } from "../wire/name.ts";

/** A whole zone, checked: one SOA, NS at the apex, nothing outside. */
export interface Zone {
  /** The owner of the SOA. */
  readonly apex: Name;
  /** The master file, as it was named to the parser. */
  readonly file: string;
  readonly nodes: ZoneNodes;
}

/** The owners of a zone by `nameKey`, as in a map. Only those that have something: empty non-terminals are not in here. */
export type ZoneNodes = Pick<
  ReadonlyMap<string, ZoneNode>,
  "get" | "has" | "keys" | "size" | "values" | typeof Symbol.iterator
>;

/** What one owner name has. */
export interface ZoneNode {
  /** In the case of its first appearance. */
  readonly name: Name;
  /** By RR type. */
  readonly rrsets: ReadonlyMap<number, RRset>;
  /** The service that answers A, AAAA and HTTPS here; null: none. */
  readonly steered: Steered | null;
}

/** Octets of an RRset in an answer, at the most: half of what a message may have leaves room for what else belongs into it. */
export const rrsetLengthMax: number = 32_767;

/** All RRs of one owner name and type; the class is IN. */
export interface RRset {
  readonly type: number;
  /** One for the whole set (RFC 2181 §5.2). */
  readonly ttlSeconds: number;
  /** Uncompressed wire form, case preserved, in file order, at least one. */
  readonly rdatas: readonly Uint8Array[];
  /** Of its first RR. */
  readonly place: Place;
}

/** Where in a master file something stands. */
export interface Place {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
}

/** From the pseudo-RR `shop STEER www`: the owner is answered as the service declared for `www` in the config. */
export interface Steered {
  readonly as: Name;
  readonly place: Place;
}
