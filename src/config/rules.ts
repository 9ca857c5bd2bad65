/** What operators hold their steering to: tests, which are examples, and invariants, which hold whatever is up or down. */

import type { IpAddress } from "../wire/address.ts";
import type { Coordinates, MemberId, Place, RegionId, Service, VipId } from "./config.ts";
import type { GeoMatch } from "./policy.ts";

/** The VIPs that a word stands for: of a region, a member, or one by its id or address; `*` is any part of a name. */
export interface Selection {
  readonly text: string;
  readonly vips: ReadonlySet<VipId>;
}

/** A selection with its share of answers, 0 to 1. */
export interface SelectionShare {
  readonly selection: Selection;
  readonly share: number;
}

/** One client at one moment, and what it must be answered. */
export interface PolicyTest {
  readonly name: string;
  readonly place: Place;
  readonly service: Service;
  readonly client: ExampleClient;
  /** null: each that the service has addresses of. */
  readonly family: 4 | 6 | null;
  /** VIPs that are down; all others are up. */
  readonly down: ReadonlySet<VipId>;
  readonly drained: ReadonlySet<MemberId>;
  readonly memberWeights: ReadonlyMap<MemberId, number>;
  /** By `policy/choice`. */
  readonly choiceWeights: ReadonlyMap<string, number>;
  /** Round-trip times in milliseconds; those of other regions are the distance's. */
  readonly rttMs: ReadonlyMap<RegionId, number>;
  readonly expect: Expectation;
}

/** Who asks. */
export type ExampleClient =
  /** Whoever has this address, by the geo data and labels in force. */
  | { readonly kind: "address"; readonly address: IpAddress }
  /** Somebody of whom no more is known than this and what follows from the country. */
  | {
      readonly kind: "known";
      readonly traits: readonly GeoMatch[];
      /** null: those of the country. */
      readonly coordinates: Coordinates | null;
    };

/** What must be answered. */
export type Expectation =
  | { readonly kind: "nodata" }
  | { readonly kind: "servfail" }
  /** Some of these VIPs, and no others. */
  | { readonly kind: "only"; readonly selections: readonly Selection[] }
  /** Each selection in its share, give or take the tolerance; what they leave over is anybody's. */
  | { readonly kind: "shares"; readonly shares: readonly SelectionShare[]; readonly tolerance: number };

/** What must hold for services and clients in every combination of regions up and down. */
export interface Invariant {
  readonly name: string;
  readonly place: Place;
  readonly services: readonly Service[];
  /** Clients that match one of each list; no lists: all clients. */
  readonly clients: readonly (readonly GeoMatch[])[];
  /** Holds with at most so many regions down at a time; null: with any. */
  readonly failures: number | null;
  readonly requirements: readonly Requirement[];
}

/** One thing that an invariant asks for. */
export type Requirement =
  /** Only these VIPs are ever answered. */
  | { readonly kind: "only"; readonly selections: readonly Selection[] }
  | { readonly kind: "never"; readonly selections: readonly Selection[] }
  /** A selection has at most this share of the answers. */
  | ({ readonly kind: "at-most" } & SelectionShare)
  /** Each member has at most this share of the answers. */
  | { readonly kind: "each-at-most"; readonly share: number }
  /** So many regions could each answer if all others were down. */
  | { readonly kind: "answerable"; readonly regions: number }
  /**
   * always: never NODATA or SERVFAIL, of a family that the service has addresses of. while-up: besides, an answer that
   * is up, for as long as the service has any such in the family.
   */
  | { readonly kind: "answered"; readonly when: "always" | "while-up" };
