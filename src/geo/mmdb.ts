/** Reads a MaxMind DB file (spec 2.0): its metadata, its search tree, and what its records say of a location. */

import { u8, u32, word } from "../wire/bytes.ts";
import { DataSection, Malformed, type MmdbValue } from "./mmdb-data.ts";
import { isKnown, NO_PLACE, type Place, readPlace } from "./place.ts";
import { type AddressTree, LEAF, TreeBuilder } from "./tree.ts";

/** A geo database, free of its file. */
export interface Mmdb {
  readonly kind: "database";
  /** The maker's name for this sort of database, as in `GeoLite2-City`. */
  readonly type: string;
  readonly builtAtSeconds: number;
  readonly ipVersion: 4 | 6;
  /** Its leaves are indexes of `places`. */
  readonly tree: AddressTree;
  /** One for each record of the file; the first is `NO_PLACE`. */
  readonly places: readonly Place[];
}

/** A file that cannot be used, and why. */
export interface MmdbProblem {
  readonly kind: "problem";
  readonly message: string;
}

/** "\xAB\xCD\xEFMaxMind.com": what stands between the data section and the metadata. */
const MARKER = new Uint8Array([
  0xab, 0xcd, 0xef, 0x4d, 0x61, 0x78, 0x4d, 0x69, 0x6e, 0x64, 0x2e, 0x63, 0x6f, 0x6d,
]);

/** The metadata lie within the last 128 KiB (spec, "Database Metadata"). */
const METADATA_REACH = 128 * 1024;

/** Zero octets between the search tree and the data section. */
const SEPARATOR_LENGTH = 16;

/** MaxMind's IPv6 trees hold their IPv4 part at ::/96 and three aliases; with IPv4 itself, five walks of a node. */
const MOST_VISITS = 8;

/** Reads a whole file. Whatever the octets are, it neither throws nor runs on. */
export function readMmdb(bytes: Uint8Array): Mmdb | MmdbProblem {
  try {
    const metadata = readMetadata(bytes);
    const { tree, places } = new TreeReader(bytes, metadata).read();
    if (!places.some(isKnown)) {
      throw new Malformed(
        "no record with a country, a continent, coordinates or an ASN: expected a geo database",
      );
    }
    const { type, builtAtSeconds, ipVersion } = metadata;
    return { kind: "database", type, builtAtSeconds, ipVersion, tree, places };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { kind: "problem", message: `Cannot read MMDB: ${error.message}` };
  }
}

/** No entry of an address tree is as high. */
const NOT_YET = 0xffff_ffff;

interface Metadata {
  readonly type: string;
  readonly builtAtSeconds: number;
  readonly ipVersion: 4 | 6;
  readonly nodeCount: number;
  readonly recordSize: 24 | 28 | 32;
  /** Where the data section starts and ends in the file. */
  readonly dataStart: number;
  readonly dataEnd: number;
}

function readMetadata(bytes: Uint8Array): Metadata {
  const dataEnd = findMarker(bytes);
  const fields = new DataSection(bytes, dataEnd + MARKER.length, bytes.length).read(0);
  if (!(fields instanceof Map)) throw new Malformed("metadata are not a map");
  const number = (key: string): number => {
    const value: MmdbValue | undefined = fields.get(key);
    const number = typeof value === "number" || typeof value === "bigint" ? Number(value) : Number.NaN;
    if (Number.isSafeInteger(number) && number >= 0) return number;
    throw new Malformed(`metadata without ${key}: expected a whole number`);
  };

  const version = number("binary_format_major_version");
  if (version !== 2) throw new Malformed(`format version ${version}: expected 2`);
  const ipVersion = number("ip_version");
  if (ipVersion !== 4 && ipVersion !== 6) throw new Malformed(`ip_version ${ipVersion}: expected 4 or 6`);
  const recordSize = number("record_size");
  if (recordSize !== 24 && recordSize !== 28 && recordSize !== 32) {
    throw new Malformed(`record_size ${recordSize}: expected 24, 28 or 32`);
  }
  const nodeCount = number("node_count");
  const dataStart = (nodeCount * recordSize) / 4 + SEPARATOR_LENGTH;
  if (dataStart > dataEnd) {
    throw new Malformed(
      `search tree of ${nodeCount} nodes: expected a file longer than ${bytes.length} octets`,
    );
  }
  const type = fields.get("database_type");
  return {
    type: typeof type === "string" ? type : "",
    builtAtSeconds: number("build_epoch"),
    ipVersion,
    nodeCount,
    recordSize,
    dataStart,
    dataEnd,
  };
}

/** Where the last marker stands. */
function findMarker(bytes: Uint8Array): number {
  const first = Math.max(0, bytes.length - METADATA_REACH);
  for (let at = bytes.length - MARKER.length; at >= first; at -= 1) {
    if (MARKER.every((octet, i) => u8(bytes, at + i) === octet)) return at;
  }
  throw new Malformed("no metadata marker: expected a MaxMind DB file, whole and uncompressed");
}

/** Turns the search tree into an address tree, each record into a place. */
class TreeReader {
  readonly #bytes: Uint8Array;
  readonly #metadata: Metadata;
  readonly #data: DataSection;
  readonly #builder: TreeBuilder;
  /** The entry of each node that has one; `NOT_YET` for the others. */
  readonly #entries: Uint32Array;
  readonly #places: Place[] = [NO_PLACE];
  /** Leaf entries by the records' search-tree values. */
  readonly #leaves = new Map<number, number>();
  #visits = 0;

  constructor(bytes: Uint8Array, metadata: Metadata) {
    this.#bytes = bytes;
    this.#metadata = metadata;
    this.#data = new DataSection(bytes, metadata.dataStart, metadata.dataEnd);
    this.#builder = new TreeBuilder(metadata.nodeCount);
    this.#entries = new Uint32Array(metadata.nodeCount).fill(NOT_YET);
  }

  read(): { readonly tree: AddressTree; readonly places: readonly Place[] } {
    const isIpv6 = this.#metadata.ipVersion === 6;
    const ipv4 = this.#entry(isIpv6 ? this.#ipv4Node() : 0, 32);
    const ipv6 = isIpv6 ? this.#entry(0, 128) : LEAF;
    return { tree: this.#builder.finish(ipv4, ipv6), places: this.#places };
  }

  /** The node or record at ::/96, where IPv6 trees keep IPv4. */
  #ipv4Node(): number {
    let value = 0;
    for (let depth = 0; depth < 96 && value < this.#metadata.nodeCount; depth += 1) {
      value = this.#child(value, 0);
    }
    return value;
  }

  /**
   * The entry of a search-tree value with `bits` of the address left. A node that was seen before is walked again,
   * because only the walk shows that the tree ends in time from here too; but it keeps its entry.
   */
  #entry(value: number, bits: number): number {
    if (value >= this.#metadata.nodeCount) return this.#leaf(value);
    this.#visits += 1;
    if (bits === 0) throw new Malformed(`node ${value} below the last bit of an address: expected a record`);
    if (this.#visits > MOST_VISITS * this.#metadata.nodeCount) {
      throw new Malformed("search tree that runs into itself: expected each node to have one parent");
    }
    const left = this.#entry(this.#child(value, 0), bits - 1);
    const right = this.#entry(this.#child(value, 1), bits - 1);
    const known = word(this.#entries, value);
    const entry = known === NOT_YET ? this.#builder.join(left, right) : known;
    this.#entries[value] = entry;
    return entry;
  }

  #leaf(value: number): number {
    if (value === this.#metadata.nodeCount) return LEAF;
    const known = this.#leaves.get(value);
    if (known !== undefined) return known;
    const { nodeCount, dataStart, dataEnd } = this.#metadata;
    const offset = value - nodeCount - SEPARATOR_LENGTH;
    if (offset < 0 || offset >= dataEnd - dataStart) {
      throw new Malformed(
        `record at ${offset} of the data section: expected 0 to ${dataEnd - dataStart - 1}`,
      );
    }
    const leaf = LEAF + this.#places.push(readPlace(this.#data.read(offset))) - 1;
    this.#leaves.set(value, leaf);
    return leaf;
  }

  /** One of the two records of a node: 3, 3.5 or 4 octets each; with 3.5 the middle octet holds both high halves. */
  #child(node: number, bit: 0 | 1): number {
    const bytes = this.#bytes;
    switch (this.#metadata.recordSize) {
      case 24: {
        const at = 6 * node + 3 * bit;
        return (u8(bytes, at) << 16) | (u8(bytes, at + 1) << 8) | u8(bytes, at + 2);
      }
      case 28: {
        const at = 7 * node;
        const middle = u8(bytes, at + 3);
        return bit === 0
          ? ((middle & 0xf0) << 20) | (u32(bytes, at) >>> 8)
          : u32(bytes, at + 3) & 0x0fff_ffff;
      }
      case 32:
        return u32(bytes, 8 * node + 4 * bit);
    }
  }
}
