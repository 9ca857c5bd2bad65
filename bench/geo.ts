/** `npm run bench -- --geo`: what a database of the size of a full city database costs, for each policy that goes by it. */

import type { Config } from "../src/config/config.ts";
import { parseConfig } from "../src/config/parse.ts";
import type { Policy } from "../src/config/policy.ts";
import { type Atlas, buildAtlas } from "../src/geo/atlas.ts";
import { COUNTRIES } from "../src/geo/countries.ts";
import type { Mmdb } from "../src/geo/mmdb.ts";
import { NO_PLACE, type Place } from "../src/geo/place.ts";
import { LEAF, TreeBuilder } from "../src/geo/tree.ts";
import { compileClasses, lookupClass } from "../src/geo/trie.ts";
import { formatProblem } from "../src/problem.ts";
import { partition } from "../src/steering/partition.ts";
import { writeSection } from "./document.ts";
import { describeMachine } from "./machine.ts";
import { median } from "./table.ts";

/** About what the largest city databases have. */
const CITIES = 120_000;
/** Of 2^16 blocks of IPv4 addresses, the share that is in use, and how often a block is divided, by its prefix length. */
const USED_SHARE = 0.85;
const DIVIDED_SHARE = (length: number): number => (length < 20 ? 0.97 : 0.78);
const IPV4_LENGTH_MAX = 24;
const IPV6_BLOCKS = 1 << 17;
const COUNTRY_ENTRIES = [...COUNTRIES];

/** What may be spent on a policy: the terms. */
const TRIE_MIB_MAX = 64;
const LOOKUP_NS_MAX = 100;
const COMPILE_S_MAX = 5;

const LOOKUPS = 1 << 20;
const ROUNDS = 7;

const CONFIG = `
node: { listen: ["127.0.0.1:0"] }
zones: [bench.test.zone]
regions:
  us-east: { at: [38.9, -77.4] }
  us-west: { at: [45.8, -119.7] }
  sa-east: { at: [-23.6, -46.6] }
  eu-west: { at: [53.3, -6.3] }
  eu-central: { at: [50.1, 8.7] }
  af-south: { at: [-33.9, 18.4] }
  ap-south: { at: [19.1, 72.9] }
  ap-southeast: { at: [1.4, 103.8] }
  ap-northeast: { at: [35.7, 139.7] }
  oc-east: { at: [-33.9, 151.2] }
pools:
  ten:
    members:
      us-east: { ipv4: 192.0.2.1 }
      us-west: { ipv4: 192.0.2.2 }
      sa-east: { ipv4: 192.0.2.3 }
      eu-west: { ipv4: 192.0.2.4 }
      eu-central: { ipv4: 192.0.2.5 }
      af-south: { ipv4: 192.0.2.6 }
      ap-south: { ipv4: 192.0.2.7 }
      ap-southeast: { ipv4: 192.0.2.8 }
      ap-northeast: { ipv4: 192.0.2.9 }
      oc-east: { ipv4: 192.0.2.10 }
  three:
    members:
      us-east: { ipv4: 192.0.2.11 }
      eu-west: { ipv4: 192.0.2.12 }
      ap-northeast: { ipv4: 192.0.2.13 }
policies:
  geo-of-continents: { geo: { continents: { EU: three/eu-west, AS: three/ap-northeast }, default: three } }
  geo-of-subdivisions: { geo: { subdivisions: { US-AA: three/us-east, US-AB: three/eu-west }, default: three } }
  nearest-of-3-regions: { nearest: three }
  nearest-of-10-regions: { nearest: ten }
  latency-of-3-regions: { latency: three }
services: { www.bench.test: { policy: three } }
`;

/** Measures, prints, writes into `document` if one is given, and returns what is beyond its limit. */
export async function geoTable(document: string | null): Promise<readonly string[]> {
  const { value: config, problems } = parseConfig("meridian.yaml", CONFIG, "/", {
    nodeName: "bench",
    cores: 1,
    countries: new Set(COUNTRIES.keys()),
  });
  if (config === null) throw new Error(problems.map(formatProblem).join("\n"));
  const random = new Random(1);
  const database = cityDatabase(random);
  const [atlas, atlasMs] = timed(() => buildAtlas({ databases: [database], labels: [], prefixes: [] }));
  const rows = Array.from(config.policies, ([name, policy]) => measure(name, policy, atlas, config, random));
  const text = [
    describeMachine([], new Date()),
    `${count(database.places.length - 1)} places in ${count(database.tree.pairs.length / 2)} nodes of a tree; laid out in ${(atlasMs / 1e3).toFixed(2)} s, once for all policies.`,
    tableOf(rows),
  ].join("\n\n");
  console.log(text);
  if (document !== null) writeSection(document, "geo", text);
  return rows.flatMap(faultsOf);
}

interface Row {
  readonly policy: string;
  readonly classes: number;
  readonly compileMs: number;
  readonly octets: number;
  readonly lookupNs: { readonly ipv4: number; readonly ipv6: number };
}

function measure(name: string, policy: Policy, atlas: Atlas, config: Config, random: Random): Row {
  const [{ trie, classes }, compileMs] = timed(() => {
    const { classOf, representatives } = partition(policy, atlas.locations, config);
    return { trie: compileClasses(atlas, classOf), classes: representatives.length };
  });
  const lookupNs = (isIpv6: boolean): number =>
    median(Array.from({ length: ROUNDS }, () => lookupNsOf(trie.nodes, isIpv6, random)));
  return {
    policy: name.replaceAll("-", " "),
    classes,
    compileMs,
    octets: trie.nodes.byteLength,
    lookupNs: { ipv4: lookupNs(false), ipv6: lookupNs(true) },
  };
}

/** Of random addresses, those of IPv6 in the blocks that are in use. */
function lookupNsOf(words: Uint32Array, isIpv6: boolean, random: Random): number {
  const addresses = Array.from({ length: 1 << 12 }, () => {
    const view = new DataView(new ArrayBuffer(16));
    for (let at = 0; at < 16; at += 4) view.setUint32(at, random.word());
    if (isIpv6) view.setUint32(0, (0x2000_0000 | (random.word() % IPV6_BLOCKS)) >>> 0);
    return view;
  });
  let sum = 0;
  const from = performance.now();
  for (let i = 0; i < LOOKUPS; i += 1) {
    const address = addresses[i & 0xfff];
    // Another address each time, so that no lookup finds what the one before has left in the cache.
    if (address !== undefined) {
      address.setUint16(isIpv6 ? 4 : 2, Math.imul(i, 40_503) & 0xffff);
      sum ^= lookupClass(words, 0, address, isIpv6);
    }
  }
  const ns = ((performance.now() - from) * 1e6) / LOOKUPS;
  if (sum === -1) throw new Error("expected leaves");
  return ns;
}

/** Networks of all sizes, whose neighbours are near each other. */
function cityDatabase(random: Random): Mmdb {
  const places: Place[] = [NO_PLACE, ...Array.from({ length: CITIES }, (_, i) => city(i, random))];
  const builder = new TreeBuilder(1 << 23);
  const leaf = (near: number): number => LEAF + 1 + ((near + (random.word() % 50)) % CITIES);
  const divide = (length: number, lengthMax: number, near: number): number => {
    if (length >= lengthMax || random.share() > DIVIDED_SHARE(length)) return leaf(near);
    return builder.join(divide(length + 1, lengthMax, near), divide(length + 1, lengthMax, near));
  };
  /** `blocks` a power of two. */
  const spread = (blocks: number, block: () => number): number => {
    if (blocks === 1) return block();
    return builder.join(spread(blocks / 2, block), spread(blocks / 2, block));
  };
  const near = (): number => random.word() % CITIES;
  const ipv4 = spread(1 << 16, () =>
    random.share() < USED_SHARE ? divide(16, IPV4_LENGTH_MAX, near()) : LEAF,
  );
  const blocks6 = spread(IPV6_BLOCKS, () => divide(32, 36, near()));
  // 2000::/15: the blocks are /32, so two words of zeros and ones lead to them.
  const ipv6 = chain(0x2000_0000, 32 - Math.log2(IPV6_BLOCKS), blocks6, builder);
  const tree = builder.finish(ipv4, ipv6);
  return { kind: "database", type: "Synthetic-City", builtAtSeconds: 0, ipVersion: 6, tree, places };
}

/** A path along the first `length` bits of `bits` to an entry. */
function chain(bits: number, length: number, end: number, builder: TreeBuilder): number {
  let entry = end;
  for (let depth = length - 1; depth >= 0; depth -= 1) {
    entry = ((bits >>> (31 - depth)) & 1) === 0 ? builder.join(entry, LEAF) : builder.join(LEAF, entry);
  }
  return entry;
}

/** A city near its country's middle; the next numbers are of the same country. */
function city(number: number, random: Random): Place {
  const [country, { continent, latitude, longitude }] =
    COUNTRY_ENTRIES[Math.trunc((number / CITIES) * COUNTRY_ENTRIES.length)] ?? COUNTRY_ENTRIES[0]!;
  const around = (middle: number, limit: number): number =>
    Math.max(-limit, Math.min(limit, Math.round((middle + 16 * (random.share() - 0.5)) * 1e4) / 1e4));
  const letters = "ABCDEFGHIJ";
  const subdivision = `${country}-A${letters[random.word() % letters.length] ?? "A"}`;
  return {
    continent,
    country,
    subdivision,
    asn: null,
    coordinates: { latitude: around(latitude, 90), longitude: around(longitude, 180) },
  };
}

/** Seeded, so that every run has the same world (xorshift32, Marsaglia 2003). */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  word(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }

  /** From 0 to 1. */
  share(): number {
    return this.word() / 2 ** 32;
  }
}

function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ policy, classes, compileMs, octets, lookupNs: { ipv4, ipv6 } }) =>
      `| ${policy} | ${count(classes)} | ${(compileMs / 1e3).toFixed(2)} s | ${mib(octets).toFixed(1)} MiB | ${ipv4.toFixed(0)} ns | ${ipv6.toFixed(0)} ns |`,
  );
  return [
    "| policy | classes | compiled in | trie | lookup, IPv4 | lookup, IPv6 |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    ...lines,
    `| at most | | ${COMPILE_S_MAX} s | ${TRIE_MIB_MAX} MiB | ${LOOKUP_NS_MAX} ns | ${LOOKUP_NS_MAX} ns |`,
  ].join("\n");
}

function faultsOf({ policy, compileMs, octets, lookupNs }: Row): readonly string[] {
  const beyond = [
    ...(compileMs > COMPILE_S_MAX * 1e3 ? ["compiled too slowly"] : []),
    ...(mib(octets) > TRIE_MIB_MAX ? ["its trie is too large"] : []),
    ...(Math.max(lookupNs.ipv4, lookupNs.ipv6) > LOOKUP_NS_MAX ? ["lookups are too slow"] : []),
  ];
  return beyond.map((fault) => `${policy}: ${fault}`);
}

function mib(octets: number): number {
  return octets / 2 ** 20;
}

function count(number: number): string {
  return number.toLocaleString("en");
}

function timed<T>(work: () => T): readonly [T, number] {
  const from = performance.now();
  const value = work();
  return [value, performance.now() - from];
}
