/** Random networks with what is known of their clients, and a plain reading of them. */

import { type Atlas, buildAtlas } from "../../src/geo/atlas.ts";
import type { Location } from "../../src/geo/location.ts";
import { type Mmdb, readMmdb } from "../../src/geo/mmdb.ts";
import type { Place } from "../../src/geo/place.ts";
import { parsePrefix } from "../../src/wire/address.ts";
import { viewOf } from "../../src/wire/packet.ts";
import { below, pick, type Random } from "../e2e/random.ts";
import { type Plain, writeMmdb } from "../geo/mmdb-file.ts";

export type Family = 4 | 6;

/** A prefix by its first address and length, and what is known of its clients. */
export interface Network {
  readonly family: Family;
  readonly first: number;
  readonly length: number;
  readonly what:
    | { readonly kind: "place"; readonly place: Place }
    | { readonly kind: "label"; readonly label: string }
    | { readonly kind: "named" };
}

/** Prefixes of IPv6 are at most so long, so that the bits that count fit a number. */
export const WIDTH = { 4: 32, 6: 48 } as const;

const NO_PLACE = { continent: null, country: null, subdivision: null, asn: null, coordinates: null };

/** The places that the test's policies can tell apart, and some that they cannot. */
const PLACES = [
  {
    continent: "EU",
    country: "GB",
    subdivision: null,
    asn: null,
    coordinates: { latitude: 52, longitude: 0 },
  },
  {
    continent: "EU",
    country: "IE",
    subdivision: null,
    asn: 64_496,
    coordinates: { latitude: 53, longitude: -6 },
  },
  {
    continent: "NA",
    country: "US",
    subdivision: "US-CA",
    asn: 64_497,
    coordinates: { latitude: 37, longitude: -122 },
  },
  {
    continent: "NA",
    country: "US",
    subdivision: "US-NY",
    asn: null,
    coordinates: { latitude: 41, longitude: -74 },
  },
  {
    continent: "AS",
    country: "JP",
    subdivision: null,
    asn: 64_496,
    coordinates: { latitude: 36, longitude: 140 },
  },
  { continent: null, country: null, subdivision: null, asn: 64_496, coordinates: null },
] as const;

/** Where clients truly are: a plain reading of the networks, cut where any of them begins or ends. */
export class Truth {
  readonly family: Family;
  /** Where the pieces begin, and the location of each. */
  readonly starts: readonly number[];
  readonly locations: readonly Location[];

  constructor(networks: readonly Network[], family: Family) {
    this.family = family;
    const own = networks.filter((network) => network.family === family);
    const ends = own.flatMap(({ first, length }) => [first, first + 2 ** (WIDTH[family] - length)]);
    this.starts = [...new Set([0, ...ends])].filter((at) => at < 2 ** WIDTH[family]).sort((a, b) => a - b);
    this.locations = this.starts.map((start) => locationAt(own, start));
  }

  /** A client anywhere, mostly near an edge. */
  client(random: Random): number {
    const edge =
      pick(this.starts, random) + Math.floor((random() - 0.5) * 2 ** below(WIDTH[this.family], random));
    return Math.min(Math.max(0, edge), 2 ** WIDTH[this.family] - 1);
  }

  /** The piece that an address is in. */
  pieceAt(address: number): number {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.starts[middle]! <= address) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

export function randomNetworks(random: Random): readonly Network[] {
  const networks = new Map<string, Network>();
  const add = (what: Network["what"], count: number): void => {
    for (let i = 0; i < count; i += 1) {
      const network = { ...randomPrefix([...networks.values()], random), what };
      if (!networks.has(textOf(network))) networks.set(textOf(network), network);
    }
  };
  for (const text of ["192.0.2.0/24", "192.0.0.0/16"]) {
    const { address, length } = parsePrefix(text)!;
    const first = viewOf(address.bytes).getUint32(0);
    networks.set(text, { family: 4, first, length, what: { kind: "named" } });
  }
  for (const place of PLACES) add({ kind: "place", place }, 5);
  for (const label of ["office", "partner", "other"]) add({ kind: "label", label }, 2);
  return [...networks.values()];
}

/** Half of them inside or around another one; those of IPv6 are in 2000::/3, where all clients are. */
function randomPrefix(networks: readonly Network[], random: Random): Omit<Network, "what"> {
  const family = pick([4, 6] as const, random);
  const shortest = family === 4 ? 1 : 3;
  const length = shortest + below(WIDTH[family] - shortest + 1, random);
  const size = 2 ** (WIDTH[family] - length);
  const near = pick(networks, random);
  const anywhere = family === 4 ? random() * 2 ** 32 : 2 ** 45 + random() * 2 ** 45;
  const at = near.family === family && random() < 0.5 ? near.first : anywhere;
  return { family, first: Math.floor(at / size) * size, length };
}

/** The longest place that holds an address, and all labels and names, longest first. */
function locationAt(networks: readonly Network[], address: number): Location {
  const holding = networks
    .filter(
      ({ family, first, length }) => address >= first && address < first + 2 ** (WIDTH[family] - length),
    )
    .sort((a, b) => b.length - a.length);
  const place = holding.flatMap(({ what }) => (what.kind === "place" ? [what.place] : []))[0] ?? NO_PLACE;
  return {
    ...place,
    labels: holding.flatMap(({ what }) => (what.kind === "label" ? [what.label] : [])),
    prefixes: holding.flatMap((network) => (network.what.kind === "named" ? [textOf(network)] : [])),
  };
}

/** The atlas of these networks, by way of database files and lists as operators give them. */
export function atlasOf(networks: readonly Network[]): Atlas {
  const labels = networks.flatMap((network) =>
    network.what.kind === "label"
      ? [{ prefix: parsePrefix(textOf(network))!, label: network.what.label }]
      : [],
  );
  const named = networks.filter(({ what }) => what.kind === "named");
  return buildAtlas({
    databases: ([4, 6] as const).map((family) => databaseOf(networks, family)),
    labels,
    prefixes: named.map((network) => parsePrefix(textOf(network))!),
  });
}

function databaseOf(networks: readonly Network[], family: Family): Mmdb {
  const own = networks.filter((network) => network.family === family);
  const records = Object.fromEntries(
    own.flatMap((network) =>
      network.what.kind === "place" ? [[textOf(network), recordOf(network.what.place)]] : [],
    ),
  );
  const database = readMmdb(writeMmdb({ recordSize: 24, ipVersion: family, records }));
  if (database.kind === "problem") throw new Error(database.message);
  return database;
}

/** As MaxMind's files have it; without what is not known. */
function recordOf({ continent, country, subdivision, asn, coordinates }: Place): Record<string, Plain> {
  return {
    ...(continent && { continent: { code: continent } }),
    ...(country && { country: { iso_code: country } }),
    ...(subdivision && { subdivisions: [{ iso_code: subdivision.slice(3) }] }),
    ...(coordinates && { location: { ...coordinates } }),
    ...(asn && { autonomous_system_number: asn }),
  };
}

function textOf({ family, first, length }: Omit<Network, "what">): string {
  const octets = octetsOf(family, first);
  if (family === 4) return `${octets.join(".")}/${length}`;
  const groups = [0, 2, 4].map((at) => viewOf(octets).getUint16(at).toString(16));
  return `${groups.join(":")}::/${length}`;
}

export function octetsOf(family: Family, address: number): Uint8Array {
  const octets = new Uint8Array(family === 4 ? 4 : 16);
  const width = WIDTH[family];
  for (let i = 0; i < width / 8; i += 1) octets[i] = Math.floor(address / 2 ** (width - 8 * (i + 1))) % 256;
  return octets;
}
