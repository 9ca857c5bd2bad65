/** What operators declare in `meridian.yaml`, after the strict parser (`config/parse.ts`) has checked it. */

import type { IpAddress, Prefix } from "../wire/address.ts";
import type { Name } from "../wire/name.ts";
import type { TsigAlgorithm } from "../wire/tsig.ts";
import type { AlarmConfig } from "./alarms.ts";
import type { Check } from "./check.ts";
import type { DeclaredDrill } from "./drills.ts";
import type { Endpoint, NodeConfig } from "./node.ts";
import type { Policy } from "./policy.ts";
import type { Invariant, PolicyTest } from "./rules.ts";
import type { SafetyConfig } from "./safety.ts";

declare const brand: unique symbol;
/** Names that must not be mixed; only the config parser makes them. */
export type RegionId = string & { readonly [brand]: "RegionId" };
export type VantageId = string & { readonly [brand]: "VantageId" };
export type CheckId = string & { readonly [brand]: "CheckId" };
export type PoolId = string & { readonly [brand]: "PoolId" };
/** `pool/member`, unique in a config. */
export type MemberId = string & { readonly [brand]: "MemberId" };
/** `pool/member/ipv4` or `pool/member/ipv6`: one address we may answer with, as that member. */
export type VipId = string & { readonly [brand]: "VipId" };

/** Degrees; south and west are negative. */
export interface Coordinates {
  readonly latitude: number;
  readonly longitude: number;
}

/** Where VIPs stand. */
export interface Region {
  readonly id: RegionId;
  readonly coordinates: Coordinates;
}

/** Where an agent looks from. */
export interface Vantage {
  readonly id: VantageId;
  readonly coordinates: Coordinates;
}

/** VIPs that serve the same thing. */
export interface Pool {
  readonly id: PoolId;
  /** null: not probed, always up. */
  readonly check: CheckId | null;
  readonly members: readonly Member[];
  /** The least share of its members, by weight, that must be up; 0: any one of them. */
  readonly minUp: number;
  /** null: it takes none. */
  readonly signals: SignalRules | null;
  /** Whether a VIP that is up is down for clients near whom vantages see it down (`health/nearby.ts`). */
  readonly perVantage: boolean;
}

/** What a pool makes of signals: errors and loads that others see in real traffic. */
export interface SignalRules {
  /** How often a source promises to send them; they count for three times as long. */
  readonly everyMs: number;
  /** The share of failed requests, 0 to 1, above which they are a failure. */
  readonly errorsAbove: number;
  /** How many requests it takes to say so. */
  readonly samples: number;
}

/** A VIP pair's place in a pool: at least one of `ipv4` and `ipv6` is there. */
export interface Member {
  readonly id: MemberId;
  readonly pool: PoolId;
  readonly region: RegionId;
  readonly ipv4: Vip | null;
  readonly ipv6: Vip | null;
  /** Share of answers among the pool's members; 0: only when nothing else is up. */
  readonly weight: number;
  /** What it can serve, in a unit of the operator's own; null: not said. */
  readonly capacity: number | null;
  /** The load, 0 to 1, above which it gives answers away; null: it never does for its load. */
  readonly shedAbove: number | null;
}

/** An address we may answer with. */
export interface Vip {
  readonly id: VipId;
  readonly address: IpAddress;
  /** The VIP whose probes decide for this one: itself, or the member's other family. */
  readonly judgedBy: VipId;
  /** Port to probe instead of the check's; null: the check's. */
  readonly port: number | null;
}

/** What a service answers when its whole policy is down. */
export type WhenDown =
  | { readonly kind: "all" }
  /** What it answered last while something was up; `all` where that is not known. */
  | { readonly kind: "lastGood" }
  | { readonly kind: "nodata" }
  | { readonly kind: "servfail" }
  | { readonly kind: "fallback"; readonly pool: PoolId };

/** The parameters of the HTTPS RR of a service (RFC 9460); hints come from the pick. */
export interface HttpsParameters {
  readonly alpn: readonly string[];
  /** null: the default port 443. */
  readonly port: number | null;
}

/** A steered name. */
export interface Service {
  readonly name: Name;
  /** The name as the operator wrote it, without a final dot, for messages. */
  readonly label: string;
  /** TTL of its answers; of an adaptive one the longest. */
  readonly ttlSeconds: number;
  /** The shortest TTL: below the other it is adaptive (`steering/ttl.ts`). */
  readonly ttlSecondsMin: number;
  /** The recovery-time objective; null: not promised. */
  readonly failoverWithinMs: number | null;
  readonly policy: Policy;
  readonly whenDown: WhenDown;
  /** null: the service has no HTTPS RR. */
  readonly https: HttpsParameters | null;
  /** Where it is declared, for problems found later. */
  readonly place: Place;
}

export interface GeoConfig {
  /** Path of an MMDB; null: the built-in country database. */
  readonly database: string | null;
  /** Path of an MMDB with AS numbers, for those that the other does not have; null: there is none. */
  readonly asnDatabase: string | null;
  /** CSV files of operator prefixes: `prefix,label`. */
  readonly labels: readonly string[];
}

/** A zone that a section names by its apex. */
export interface DeclaredZone {
  readonly apex: Name;
  /** The apex as the operator wrote it, without a final dot, for messages. */
  readonly label: string;
  /** Where it is declared, for problems found later. */
  readonly place: Place;
}

/** A zone that is signed. */
export interface DnssecZone extends DeclaredZone {
  /** Of keys that are made from now on. Where keys are rolled, those of another are replaced. */
  readonly algorithm: "ecdsap256sha256" | "ed25519";
  /** How long a signature holds. */
  readonly validitySeconds: number;
  /** TTL of DNSKEY, CDS and CDNSKEY: how long an old set may be remembered when keys change. */
  readonly keyTtlSeconds: number;
  /** What CDS and CDNSKEY ask the parent for: the DS of the keys, or that it takes every DS out (RFC 8078 §4). */
  readonly cds: "keys" | "delete";
  /** null: keys change by hand alone. */
  readonly rollover: RolloverConfig | null;
}

/** How the keys of a zone are rolled. */
export interface RolloverConfig {
  /** The name of the node that does it; all others do as its files say. */
  readonly by: string;
  /** How long a key signs; null: until somebody asks for another. */
  readonly everyMs: number | null;
  /** How long it takes until all servers of the zone answer alike, and all of the parent. */
  readonly propagationMs: number;
  /** The servers of the parent zone; none: a resolver knows them. */
  readonly parent: readonly Endpoint[];
  /** null: those that the system uses. */
  readonly resolver: Endpoint | null;
  /** How often the parent is looked at while a rollover is under way. */
  readonly lookEveryMs: number;
}

/** A secret shared with somebody who sends UPDATEs or transfers zones (RFC 8945); the file is read elsewhere. */
export interface KeyConfig {
  readonly name: Name;
  /** As the operator wrote it. */
  readonly label: string;
  readonly algorithm: TsigAlgorithm;
  /** A file with the secret in base64. */
  readonly secretFile: string;
  readonly place: Place;
}

/** What a key may do by UPDATE: set and remove TXT RRs at `_acme-challenge` below these names. */
export interface AcmeGrant {
  /** `nameKey` of the key. */
  readonly key: string;
  readonly names: readonly Name[];
  /** These names and all below them. */
  readonly below: readonly Name[];
  readonly from: readonly Prefix[];
  readonly place: Place;
}

export interface AcmeConfig {
  /** How long a challenge stays whose end nobody says. */
  readonly keepMs: number;
  readonly grants: readonly AcmeGrant[];
}

/** Somebody who may transfer a zone. */
export interface TransferPeer {
  /** `nameKey` of the key that it signs with. */
  readonly key: string;
  readonly from: readonly Prefix[];
  /** Where it is told that the zone has changed (RFC 1996). */
  readonly notify: readonly Endpoint[];
}

/** A zone whose static part may be transferred (RFC 5936). */
export interface TransferZone extends DeclaredZone {
  readonly peers: readonly TransferPeer[];
  /** What is steered is left out; otherwise nothing may be. */
  readonly omitsSteered: boolean;
}

/** Where in the file something is declared, for problems found later. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A whole `meridian.yaml`. Relative paths are already resolved against its folder. */
export interface Config {
  readonly file: string;
  readonly node: NodeConfig;
  readonly geo: GeoConfig;
  /** Master files, one per zone. */
  readonly zones: readonly string[];
  /** The signed ones among the zones, by `nameKey` of the apex. */
  readonly dnssec: ReadonlyMap<string, DnssecZone>;
  readonly regions: ReadonlyMap<RegionId, Region>;
  readonly vantages: ReadonlyMap<VantageId, Vantage>;
  readonly checks: ReadonlyMap<CheckId, Check>;
  readonly pools: ReadonlyMap<PoolId, Pool>;
  readonly members: ReadonlyMap<MemberId, Member>;
  /** Named policies, by name; references to them are already resolved inside `Service.policy`. */
  readonly policies: ReadonlyMap<string, Policy>;
  readonly services: readonly Service[];
  readonly tests: readonly PolicyTest[];
  readonly invariants: readonly Invariant[];
  /** By name. */
  readonly drills: ReadonlyMap<string, DeclaredDrill>;
  /** By `nameKey`. */
  readonly keys: ReadonlyMap<string, KeyConfig>;
  readonly acme: AcmeConfig;
  /** By `nameKey` of the apex. */
  readonly transfer: ReadonlyMap<string, TransferZone>;
  readonly safety: SafetyConfig;
  readonly alarms: AlarmConfig;
}
