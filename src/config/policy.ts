/** The tree of an operator's steering rule, with every reference resolved. */

import type { MemberId, PoolId, RegionId } from "./config.ts";

/**
 * A policy. Leaves are pools and members. A named policy that is used stands here with its `name` set, so that
 * traces and overrides can speak of it; loops were refused by the parser.
 */
export type Policy = PoolLeaf | MemberLeaf | Geo | Nearest | Latency | Weighted | Failover | Sticky | Spread;

interface Named {
  /** The name under `policies:`, or null for a policy written in place. */
  readonly name: string | null;
  /** The least share of children (by weight where there are weights) that must be up; 0: any one of them. */
  readonly minUp: number;
}

/** A pool: its members by weight. */
interface PoolLeaf {
  readonly kind: "pool";
  readonly pool: PoolId;
}

/** One member of a pool. */
interface MemberLeaf {
  readonly kind: "member";
  readonly member: MemberId;
}

/** The most specific case that matches the client's location and is up; `default` matches every location. */
export interface Geo extends Named {
  readonly kind: "geo";
  /** Clients stay in the most specific case that matches: when it is down, the policy is down for them. */
  readonly fence: boolean;
  readonly cases: readonly GeoCase[];
  readonly default: Policy | null;
}

/** One case, matched by exactly one property of a location. */
export interface GeoCase {
  readonly match: GeoMatch;
  readonly use: Policy;
}

/** Specificity falls from top to bottom; among prefixes the longest, among labels the longest prefix's, wins. */
export type GeoMatch =
  | { readonly by: "prefix"; readonly prefix: string }
  | { readonly by: "label"; readonly label: string }
  | { readonly by: "asn"; readonly asn: number }
  | { readonly by: "subdivision"; readonly subdivision: string }
  | { readonly by: "country"; readonly country: string }
  | { readonly by: "continent"; readonly continent: string };

/** The members of `of` whose region is nearest to the client; the next nearest when that is down. */
export interface Nearest extends Named {
  readonly kind: "nearest";
  readonly of: Policy;
  /** Kilometres taken off a region's distance, to draw more clients to it (or fewer, when negative). */
  readonly biasKm: ReadonlyMap<RegionId, number>;
  /** Regions farther than the nearest by no more than this share of its distance are used with it; null: it is alone. */
  readonly within: number | null;
}

/** The members of `of` whose region has the lowest round-trip time to the client; the next when that is down. */
export interface Latency extends Named {
  readonly kind: "latency";
  readonly of: Policy;
  /** Networks with round-trip times of their own, where operators have observed them: prefixes in canonical text, and AS numbers. */
  readonly prefixes: readonly string[];
  readonly asns: readonly number[];
}

/** Shares of answers. */
export interface Weighted extends Named {
  readonly kind: "weighted";
  readonly choices: readonly WeightedChoice[];
}

export interface WeightedChoice {
  /** For overrides and traces: the key in the config, unique among the choices. */
  readonly key: string;
  readonly weight: number;
  readonly use: Policy;
}

/** The first that is up. */
export interface Failover extends Named {
  readonly kind: "failover";
  readonly order: readonly Policy[];
}

/** What `of` comes to, shared out among clients by their prefix instead of being drawn anew for each query. */
export interface Sticky extends Named {
  readonly kind: "sticky";
  readonly of: Policy;
}

/** As many VIPs at once of what `of` comes to, instead of one. Nothing sticky stands in it, nor it in that, nor in another. */
export interface Spread extends Named {
  readonly kind: "spread";
  readonly of: Policy;
  /** From 1 to `SPREAD_MAX`. */
  readonly count: number;
}

/** Eight IPv6 addresses at the longest name still fit into the 512 octets of plain DNS. */
export const SPREAD_MAX = 8;

/** The policies that one is directly made of, in its order. */
export function childrenOf(policy: Policy): readonly Policy[] {
  switch (policy.kind) {
    case "pool":
    case "member":
      return [];
    case "geo": {
      const cases = policy.cases.map(({ use }) => use);
      return policy.default === null ? cases : [...cases, policy.default];
    }
    case "nearest":
    case "latency":
    case "sticky":
    case "spread":
      return [policy.of];
    case "weighted":
      return policy.choices.map(({ use }) => use);
    case "failover":
      return policy.order;
  }
}
