/** What goes into a book. */

import type { Service, Vip, VipId } from "../config/config.ts";
import type { KeyDuty } from "../dnssec/key-duty.ts";
import type { ClassTrie } from "../geo/trie.ts";
import type { Plan } from "../steering/plan.ts";
import type { Prefix } from "../wire/address.ts";
import type { Zone } from "../zone/zone.ts";

/** All that a book holds. */
export interface BookContent {
  /** Grows with every book; below 2^53. */
  readonly version: number;
  readonly zones: readonly Zone[];
  /** By `nameKey` of the apex: the signed ones, whose DNSKEY RRsets are in them already. */
  readonly signing: ReadonlyMap<string, ZoneSigning>;
  /** Every VIP; its index is its number in plans. */
  readonly vips: readonly Vip[];
  /** Region number of a VIP, for the counters. */
  readonly regionOf: (vip: VipId) => number;
  readonly services: readonly BookService[];
  readonly admissions: readonly Admission[];
}

/** A prefix from which requests come that control answers. */
export interface Admission {
  readonly prefix: Prefix;
  readonly updates: boolean;
  readonly transfers: boolean;
  readonly explains: boolean;
}

/** How a zone is signed. */
export interface ZoneSigning {
  readonly validitySeconds: number;
  readonly keys: readonly KeyDuty[];
}

/** A service with the plans of all its classes. */
export interface BookService {
  readonly service: Service;
  /** Class of every client; null: all are class 0. One trie may serve many services. */
  readonly trie: ClassTrie | null;
  /** The most places for VIPs that a plan of the family can ever take. */
  readonly capacity4: number;
  readonly capacity6: number;
  /** Into how many buckets clients are put for what is sticky; 0: none of its plans ever has anything sticky. */
  readonly buckets: number;
  /** 1: an answer of some plan can have several VIPs; 0: none can. */
  readonly rings: 0 | 1;
  /** By class number; services with one array share its slots, and need equal capacities, buckets and rings. */
  readonly plans: readonly ClassPlans[];
  /** The members that a plan can ever hold; one array may serve many services. */
  readonly reach: readonly ReachableMember[];
}

/** The VIPs of a member. */
export interface ReachableMember {
  readonly ipv4: VipId | null;
  readonly ipv6: VipId | null;
}

export interface ClassPlans {
  readonly ipv4: Plan;
  readonly ipv6: Plan;
  /** TTLs of the answers by these plans. */
  readonly ttlSeconds4: number;
  readonly ttlSeconds6: number;
}
