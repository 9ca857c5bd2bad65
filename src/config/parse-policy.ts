/** Policies, in place or by name: from their texts to trees with every reference resolved. */

import type { Member, MemberId, Pool, PoolId, Region, RegionId } from "./config.ts";
import { keys } from "./keys.ts";
import { caseMaps, type ParseMatch, parseAsn } from "./parse-geo-match.ts";
import { weightRange } from "./parse-pool.ts";
import {
  childrenOf,
  type Failover,
  type Geo,
  type GeoCase,
  type Latency,
  type Nearest,
  type Policy,
  SPREAD_MAX,
  type Spread,
  type Sticky,
  type Weighted,
  type WeightedChoice,
} from "./policy.ts";
import type { NamedReader, Reader } from "./read.ts";
import { formatCount } from "./units.ts";

/** Policies may stand this deep in each other, in place or by name. */
const depthMax = 64;

/** What a policy may expand to: a few names that each use the next one twice would stand for billions. */
const sizeMax = 100_000;

/** Half the way around the earth: no bias beyond it changes anything. */
const biasRange = { least: -20_000, most: 20_000 };

/** What policies refer to. */
export interface PolicyContext {
  readonly regions: ReadonlyMap<RegionId, Region>;
  readonly pools: ReadonlyMap<PoolId, Pool>;
  readonly members: ReadonlyMap<MemberId, Member>;
  /** ISO 3166-1 alpha-2 codes, upper case. */
  readonly countries: ReadonlySet<string>;
}

/** How much a policy expands to. */
interface Extent {
  readonly size: number;
  readonly depth: number;
  /** Whether it or anything in it is sticky, or a spread. */
  readonly sticky: boolean;
  readonly spread: boolean;
}

const leafExtent: Extent = { size: 1, depth: 0, sticky: false, spread: false };

/**
 * Parses policies, the named ones on first use:
 *
 *     unread --used--> open --its tree is whole--> done
 *                        |
 *                        `--used again: a loop
 */
export class PolicyParser {
  readonly #context: PolicyContext;
  readonly #named: ReadonlyMap<string, Reader>;
  /** The named policies that are being parsed, outermost first. */
  readonly #open: string[] = [];
  /** Null: it has problems, which are collected. */
  readonly #done = new Map<string, Policy | null>();
  readonly #extents = new WeakMap<Policy, Extent>();
  #depth = 0;

  constructor(named: readonly NamedReader[], context: PolicyContext) {
    this.#context = context;
    this.#named = new Map(named.map(({ name, value }) => [name, value]));
    for (const { name, key } of named) {
      if (context.pools.has(name as PoolId))
        key.problem(`there is a pool "${name}" too, expected a name of its own`);
    }
  }

  /** All named policies. */
  parseNamed(): ReadonlyMap<string, Policy> {
    const policies = new Map<string, Policy>();
    for (const [name, reader] of this.#named) {
      const policy = this.#parseNamed(name, reader, reader);
      if (policy !== null) policies.set(name, policy);
    }
    return policies;
  }

  /** The policy that stands here; null where it has problems, which are collected. */
  parse(reader: Reader): Policy | null {
    return this.#parse(reader, null);
  }

  #parse(reader: Reader, name: string | null): Policy | null {
    if (reader.kind !== "map") return this.#resolve(reader);
    if (this.#depth >= depthMax) return refuseDepth(reader);
    this.#depth += 1;
    const policy = this.#parseInPlace(reader, name);
    this.#depth -= 1;
    return policy === null ? null : this.#measure(policy, reader);
  }

  /** What a word stands for. */
  #resolve(reader: Reader): Policy | null {
    const word = reader.text("a policy, or the name of a pool, pool/member or policy");
    if (word === null) return null;
    const { pools, members } = this.#context;
    if (pools.has(word as PoolId)) return { kind: "pool", pool: word as PoolId };
    if (members.has(word as MemberId)) return { kind: "member", member: word as MemberId };
    const named = this.#named.get(word);
    if (named !== undefined) return this.#parseNamed(word, named, reader);
    const candidates = word.includes("/") ? members.keys() : [...pools.keys(), ...this.#named.keys()];
    reader.unknown("pool, member or policy", word, candidates);
    return null;
  }

  /** `user` reads the place where the name is used. */
  #parseNamed(name: string, reader: Reader, user: Reader): Policy | null {
    const done = this.#done.get(name);
    if (done !== undefined) return done;
    const start = this.#open.indexOf(name);
    if (start >= 0) {
      user.problem(
        `policies may not use themselves, found ${[...this.#open.slice(start), name].join(" -> ")}`,
      );
      return null;
    }
    if (this.#open.length >= depthMax) return refuseDepth(user);
    this.#open.push(name);
    const policy = this.#parse(reader, name);
    this.#open.pop();
    this.#done.set(name, policy);
    return policy;
  }

  #parseInPlace(reader: Reader, name: string | null): Policy | null {
    const fields = reader.fields(keys.policy);
    const [kind, ...others] = fields.given;
    if (others.length > 0 || reader.entries().length === 0)
      reader.problem(`expected exactly one of the keys ${keys.policy.join(", ")}`);
    const value = kind === undefined ? null : fields.optional(kind);
    if (kind === undefined || value === null) return null;
    switch (kind) {
      case "geo":
        return this.#parseGeo(value, name);
      case "nearest":
        return this.#parseNearest(value, name);
      case "latency":
        return this.#parseLatency(value, name);
      case "sticky":
        return this.#parseSticky(value, name);
      case "spread":
        return this.#parseSpread(value, name);
      case "weighted":
        return this.#parseWeighted(value, name);
      case "failover":
        return this.#parseFailover(value, name);
    }
  }

  #parseGeo(reader: Reader, name: string | null): Geo {
    const fields = reader.fields(keys["policy.geo"]);
    if (reader.kind === "map" && fields.given.every((key) => key === "minUp" || key === "fence"))
      reader.problemAtKey('expected at least one case or the key "default"');
    const cases = caseMaps.flatMap(([key, parseMatch]) => {
      const map = fields.optional(key);
      return map === null ? [] : this.#parseCases(map, parseMatch);
    });
    const whole = fields.optional("default");
    return {
      kind: "geo",
      name,
      minUp: parseMinUp(fields.optional("minUp")),
      fence: fields.optional("fence")?.boolean() ?? false,
      cases,
      default: whole && this.parse(whole),
    };
  }

  #parseCases(map: Reader, parseMatch: ParseMatch): readonly GeoCase[] {
    const seen = new Set<string>();
    return map.entries().flatMap(({ name, key, value }) => {
      const match = parseMatch(key, this.#context.countries);
      const use = this.parse(value);
      if (match === null || use === null) return [];
      // Two texts can be one prefix: 2001:DB8::/32 and 2001:db8::/32.
      const text = JSON.stringify(match);
      if (seen.has(text)) key.problem(`"${name}" is there already, written differently`);
      seen.add(text);
      return [{ match, use }];
    });
  }

  #parseNearest(reader: Reader, name: string | null): Nearest | null {
    const fields = reader.kind === "map" ? reader.fields(keys["policy.nearest"]) : null;
    const of = this.#parseOf(fields === null ? reader : fields.required("of"));
    const minUp = parseMinUp(fields?.optional("minUp"));
    const biasKm = this.#parseBias(fields?.optional("biasKm"));
    const within = fields?.optional("within")?.fraction() ?? null;
    return of === null ? null : { kind: "nearest", name, minUp, of, biasKm, within };
  }

  #parseLatency(reader: Reader, name: string | null): Latency | null {
    const fields = reader.kind === "map" ? reader.fields(keys["policy.latency"]) : null;
    const of = this.#parseOf(fields === null ? reader : fields.required("of"));
    const minUp = parseMinUp(fields?.optional("minUp"));
    const prefixes = parseDistinct(
      fields?.optional("prefixes"),
      "prefixes",
      (item) => item.prefix()?.text ?? null,
    );
    const asns = parseDistinct(fields?.optional("asns"), "AS numbers", parseAsn);
    return of === null ? null : { kind: "latency", name, minUp, of, prefixes, asns };
  }

  #parseSticky(reader: Reader, name: string | null): Sticky | null {
    const fields = reader.kind === "map" ? reader.fields(keys["policy.sticky"]) : null;
    const of = this.#parseOf(fields === null ? reader : fields.required("of"));
    const minUp = parseMinUp(fields?.optional("minUp"));
    if (of === null) return null;
    if (this.#extentOf(of).spread)
      reader.problemAtKey("what is sticky has one member for each client, expected no spread in it");
    return { kind: "sticky", name, minUp, of };
  }

  #parseSpread(reader: Reader, name: string | null): Spread | null {
    const fields = reader.fields(keys["policy.spread"]);
    const of = this.#parseOf(fields.required("of"));
    const count = fields.required("count")?.wholeNumber({ least: 1, most: SPREAD_MAX }) ?? Number.NaN;
    const minUp = parseMinUp(fields.optional("minUp"));
    if (of === null) return null;
    const { sticky, spread } = this.#extentOf(of);
    if (sticky)
      reader.problemAtKey(
        "what is sticky has one member for each client, expected nothing sticky in a spread",
      );
    if (spread) reader.problemAtKey("expected no other spread in a spread");
    return { kind: "spread", name, minUp, of, count };
  }

  #parseOf(reader: Reader | null): Policy | null {
    return reader === null ? null : this.parse(reader);
  }

  #parseBias(reader: Reader | null | undefined): ReadonlyMap<RegionId, number> {
    const { regions } = this.#context;
    const biasKm = new Map<RegionId, number>();
    for (const { key, value } of reader?.entries() ?? []) {
      const region = key.reference("region", regions);
      const km = value.number(biasRange);
      if (region !== null) biasKm.set(region, km);
    }
    return biasKm;
  }

  #parseWeighted(reader: Reader, name: string | null): Weighted {
    const fields = isLongWeighted(reader) ? reader.fields(keys["policy.weighted"]) : null;
    const map = fields === null ? reader : fields.required("of");
    const entries = map?.entries() ?? [];
    const choices = entries.flatMap((entry) => this.#parseChoice(entry));
    if (
      map?.kind === "map" &&
      choices.length === entries.length &&
      choices.every(({ weight }) => weight === 0)
    )
      map.problemAtKey("expected at least one choice with a weight above 0");
    return { kind: "weighted", name, minUp: parseMinUp(fields?.optional("minUp")), choices };
  }

  /** `key: { weight: 80, use: policy }`, or `key: 80` where the key says what to use. */
  #parseChoice({ name, key, value }: NamedReader): readonly WeightedChoice[] {
    const fields = value.kind === "map" ? value.fields(keys["policy.weighted.of.*"]) : null;
    const weight = (fields === null ? value : fields.required("weight"))?.number(weightRange) ?? Number.NaN;
    const use = this.#parseOf(fields === null ? key : fields.required("use"));
    return use === null ? [] : [{ key: name, weight, use }];
  }

  #parseFailover(reader: Reader, name: string | null): Failover {
    const fields = reader.kind === "map" ? reader.fields(keys["policy.failover"]) : null;
    const list = fields === null ? reader : fields.required("order");
    const items = list?.items("a list of policies", "policy") ?? [];
    const order = items.flatMap((item) => this.parse(item) ?? []);
    return { kind: "failover", name, minUp: parseMinUp(fields?.optional("minUp")), order };
  }

  /** Notes how much a policy expands to; null where that is too much. */
  #measure(policy: Policy, reader: Reader): Policy | null {
    const extents = childrenOf(policy).map((child) => this.#extentOf(child));
    const size = extents.reduce((sum, extent) => sum + extent.size, 1);
    const depth = extents.reduce((deepest, extent) => Math.max(deepest, extent.depth + 1), 1);
    if (depth > depthMax) return refuseDepth(reader);
    if (size > sizeMax) {
      reader.problem(
        `a policy may expand to at most ${formatCount(sizeMax)} others, and a named one counts each time it is used`,
      );
      return null;
    }
    const sticky = policy.kind === "sticky" || extents.some((extent) => extent.sticky);
    const spread = policy.kind === "spread" || extents.some((extent) => extent.spread);
    this.#extents.set(policy, { size, depth, sticky, spread });
    return policy;
  }

  #extentOf(policy: Policy): Extent {
    return this.#extents.get(policy) ?? leafExtent;
  }
}

/** A list without repetitions; items with problems, which are collected, are left out. */
function parseDistinct<T>(
  reader: Reader | null | undefined,
  what: string,
  parseItem: (item: Reader) => T | null,
): readonly T[] {
  const seen = new Set<T>();
  for (const item of reader?.items(`a list of ${what}`) ?? []) {
    const value = parseItem(item);
    if (value === null) continue;
    if (seen.has(value)) item.problem(`${String(value)} is there already`);
    seen.add(value);
  }
  return [...seen];
}

/** Whether the choices stand under a key of their own. A choice that has the name of one of the keys must stand there. */
function isLongWeighted(reader: Reader): boolean {
  const isKey = (name: string): boolean => keys["policy.weighted"].some((key) => key === name);
  return reader.kind === "map" && reader.entries().some(({ name }) => isKey(name));
}

function parseMinUp(reader: Reader | null | undefined): number {
  return reader?.fraction() ?? 0;
}

function refuseDepth(reader: Reader): null {
  reader.problem(`policies may stand at most ${depthMax} deep in each other, in place or by name`);
  return null;
}
