/** ECS scopes are exact (RFC 7871): one answer set all over a scope, and another one in the prefix one bit shorter. */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { RegionId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { type Atlas, buildAtlas } from "../../src/geo/atlas.ts";
import type { Location } from "../../src/geo/location.ts";
import { type Mmdb, readMmdb } from "../../src/geo/mmdb.ts";
import type { Place } from "../../src/geo/place.ts";
import { compileClasses, leafClass, leafScope, lookupClass } from "../../src/geo/trie.ts";
import type { RankedRegion } from "../../src/health/rtt.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { type LocalPolicy, localKey } from "../../src/steering/local.ts";
import { localise } from "../../src/steering/localise.ts";
import { Partitions } from "../../src/steering/partition.ts";
import { planFor } from "../../src/steering/plan.ts";
import { parsePrefix } from "../../src/wire/address.ts";
import { viewOf } from "../../src/wire/packet.ts";
import { report } from "../e2e/harness.ts";
import { below, pick, type Random, randomFrom } from "../e2e/random.ts";
import { type Plain, writeMmdb } from "../geo/mmdb-file.ts";
import { facts, policies } from "./arbitraries.ts";
import { factsOf, serviceOf, WORLD } from "./world.ts";

/** How many pairs of a policy and a client; `docs/proofs.md` says what 1,000,000 came to. */
const PAIRS = Number(process.env["MERIDIAN_SCOPES"] ?? 10_000);
const SEED = Number(process.env["MERIDIAN_SCOPES_SEED"] ?? 7871);

const CLIENTS_PER_POLICY = 100;
const POLICIES_PER_NETWORK = 20;

/** Prefixes of IPv6 are at most so long, so that the bits that count fit a number. */
const WIDTH = { 4: 32, 6: 48 } as const;

type Family = 4 | 6;

/** A prefix by its first address and length, and what is known of its clients. */
interface Network {
  readonly family: Family;
  readonly first: number;
  readonly length: number;
  readonly what:
    | { readonly kind: "place"; readonly place: Place }
    | { readonly kind: "label"; readonly label: string }
    | { readonly kind: "named" };
}

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

/**
 * Facts that show whether two local policies can answer differently: one member up, all but one, and whatever else;
 * each with other round-trip times from every place, and half of them with other weights.
 */
const WITNESSES: readonly Facts[] = [
  ...[...WORLD.members.keys()].flatMap((one) => {
    const others = [...WORLD.members.keys()].filter((id) => id !== one);
    return [factsOf({ down: others }), factsOf({ down: [one] })];
  }),
  ...fc.sample(facts, { seed: SEED, numRuns: 3_000 }),
].map((world, nth) => ({
  ...world,
  choiceWeights: nth % 2 === 0 ? world.choiceWeights : weightsOf(randomFrom(nth)),
  latency: { ranking: (cell, regions) => rankingAt(cell, nth, regions) },
}));

/** An override of every choice that a policy may have. */
function weightsOf(random: Random): ReadonlyMap<string, number> {
  const choices = ["split", "canary", "www.example"].flatMap((name) =>
    ["a", "b", "c"].map((key) => `${name}/${key}`),
  );
  return new Map(choices.map((choice) => [choice, pick([0, 1, 5], random)]));
}

/** Any order of regions, and another one in each cell. */
function rankingAt(cell: string, nth: number, regions: readonly RegionId[]): readonly RankedRegion[] {
  const seed = [...cell].reduce((sum, character) => 31 * sum + character.charCodeAt(0), nth) >>> 0;
  const random = randomFrom(seed);
  const rttMs = new Map([...WORLD.regions.keys()].map((region) => [region, 100 * random()]));
  return regions
    .map((region) => ({ region, rttMs: rttMs.get(region)!, source: "vantages" as const }))
    .sort((a, b) => a.rttMs - b.rttMs);
}

test(`of ${PAIRS} pairs of a policy and a client each has the widest scope that is true`, {
  timeout: 3_600_000,
}, () => {
  const random = randomFrom(SEED);
  const lengths = new Set<number>();
  let pairs = 0;
  let zero = 0;
  while (pairs < PAIRS) {
    const networks = randomNetworks(random);
    const atlas = atlasOf(networks);
    const some = fc.sample(policies, { seed: below(2 ** 31, random), numRuns: POLICIES_PER_NETWORK });
    const partitions = new Partitions(atlas.locations, WORLD);
    const truths = { 4: new Truth(networks, 4), 6: new Truth(networks, 6) };
    for (const policy of some) {
      const { nodes } = compileClasses(atlas, partitions.of(policy).classOf);
      const classes = partitions.classes(policy).map(localKey);
      const answers = { 4: truths[4].of(policy), 6: truths[6].of(policy) };
      for (let i = 0; i < CLIENTS_PER_POLICY; i += 1) {
        const family = i % 2 === 0 ? 4 : 6;
        const client = truths[family].client(random);
        const leaf = lookupClass(nodes, 0, viewOf(octetsOf(family, client)), family === 6);
        const scope = leafScope(leaf);
        const fault = answers[family].faultOf(client, scope, classes[leafClass(leaf)]!);
        if (fault !== null)
          expect.fail(`${JSON.stringify(policy)}, client ${octetsOf(family, client)}/${scope}: ${fault}`);
        pairs += 1;
        lengths.add(family * 1_000 + scope);
        if (scope === 0) zero += 1;
      }
    }
  }
  report(`${pairs} pairs: 0 wrong (${lengths.size} lengths of scopes, ${zero} of scope 0)`);
  expect(lengths.size).toBeGreaterThan(40);
});

/** Where clients truly are: a plain reading of the networks, cut where any of them begins or ends. */
class Truth {
  readonly #family: Family;
  /** Where the pieces begin, and the location of each. */
  readonly #starts: readonly number[];
  readonly #locations: readonly Location[];

  constructor(networks: readonly Network[], family: Family) {
    this.#family = family;
    const own = networks.filter((network) => network.family === family);
    const ends = own.flatMap(({ first, length }) => [first, first + 2 ** (WIDTH[family] - length)]);
    this.#starts = [...new Set([0, ...ends])].filter((at) => at < 2 ** WIDTH[family]).sort((a, b) => a - b);
    this.#locations = this.#starts.map((start) => locationAt(own, start));
  }

  /** A client anywhere, mostly near an edge. */
  client(random: Random): number {
    const edge =
      pick(this.#starts, random) + Math.floor((random() - 0.5) * 2 ** below(WIDTH[this.#family], random));
    return Math.min(Math.max(0, edge), 2 ** WIDTH[this.#family] - 1);
  }

  of(policy: Policy): Answers {
    const locals = new Map<Location, LocalPolicy>();
    for (const location of this.#locations) locals.set(location, localise(policy, location, WORLD));
    return new Answers(
      this.#starts,
      this.#locations.map((location) => locals.get(location)!),
      WIDTH[this.#family],
    );
  }
}

/** What one policy answers where. */
class Answers {
  readonly #starts: readonly number[];
  readonly #locals: readonly LocalPolicy[];
  readonly #keys: readonly string[];
  readonly #width: number;
  /** By both keys, whether some facts have them answer differently. */
  readonly #differs = new Map<string, boolean>();

  constructor(starts: readonly number[], locals: readonly LocalPolicy[], width: number) {
    this.#starts = starts;
    this.#locals = locals;
    this.#keys = locals.map(localKey);
    this.#width = width;
  }

  /** What is wrong with a client's class and scope; null: nothing. */
  faultOf(client: number, scope: number, key: string): string | null {
    if (this.#keys[this.#pieceAt(client)] !== key) return "another class";
    if (this.#others(client, scope).length > 0) return "more than one answer within";
    if (scope === 0) return null;
    const piece = this.#pieceAt(client);
    const isTooLong = !this.#others(client, scope - 1).some((other) => this.#canDiffer(piece, other));
    return isTooLong ? "one bit shorter would be true as well" : null;
  }

  /** The pieces of a client's prefix that have another local policy. */
  #others(client: number, length: number): readonly number[] {
    const size = 2 ** (this.#width - length);
    const first = Math.floor(client / size) * size;
    const key = this.#keys[this.#pieceAt(client)];
    const others: number[] = [];
    for (let i = this.#pieceAt(first); i < this.#starts.length && this.#starts[i]! < first + size; i += 1) {
      if (this.#keys[i] !== key) others.push(i);
    }
    return others;
  }

  #pieceAt(address: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#starts[middle]! <= address) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #canDiffer(a: number, b: number): boolean {
    const pair = `${this.#keys[a]} ${this.#keys[b]}`;
    const known = this.#differs.get(pair);
    if (known !== undefined) return known;
    const service = serviceOf({ kind: "nodata" });
    const differs = WITNESSES.some((world) =>
      ([4, 6] as const).some((family) => {
        const [one, other] = [a, b].map((i) => planFor(this.#locals[i]!, service, family, world, WORLD).plan);
        return JSON.stringify(one) !== JSON.stringify(other);
      }),
    );
    this.#differs.set(pair, differs);
    return differs;
  }
}

function randomNetworks(random: Random): readonly Network[] {
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
function atlasOf(networks: readonly Network[]): Atlas {
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

function octetsOf(family: Family, address: number): Uint8Array {
  const octets = new Uint8Array(family === 4 ? 4 : 16);
  const width = WIDTH[family];
  for (let i = 0; i < width / 8; i += 1) octets[i] = Math.floor(address / 2 ** (width - 8 * (i + 1))) % 256;
  return octets;
}
