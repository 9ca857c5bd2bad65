/** What operators declare in `meridian.yaml`, after the strict parser (`config/parse.ts`) has checked it. */

import type { IpAddress, Prefix } from "../wire/address.ts";
import type { Name } from "../wire/name.ts";
import type { TsigAlgorithm } from "../wire/tsig.ts";
import type { AlarmConfig } from "./alarms.ts";
import type { DeclaredDrill } from "./drills.ts";
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

/** How many fresh vantages must agree. */
export type Quorum =
  | { readonly kind: "majority" }
  | { readonly kind: "any" }
  | { readonly kind: "all" }
  | { readonly kind: "percent"; readonly percent: number };

/** What happens when a VIP that was down is healthy again. Times in milliseconds. */
export type Failback =
  | {
      readonly kind: "auto";
      /** How long it must have been healthy before it comes back, after its first flap; 0: it comes back at once. */
      readonly holdDownMs: number;
      /** Each further flap doubles that up to here; at least `holdDownMs`. */
      readonly holdDownMsMax: number;
      /** Being up for so long makes one flap forgotten, so it halves the hold. */
      readonly halfLifeMs: number;
    }
  /** It stays down until an operator releases it. */
  | { readonly kind: "manual" };

/** How a member is probed, and when it is judged. All times in milliseconds. */
export interface Check {
  readonly id: CheckId;
  readonly probe: ProbeSpec;
  readonly intervalMs: number;
  /** A probe not answered by then has failed; at most `intervalMs`. */
  readonly timeoutMs: number;
  /** Consecutive successes before a vantage calls a VIP healthy again. */
  readonly rise: number;
  /** Consecutive failures before a vantage calls a VIP unhealthy. */
  readonly fall: number;
  /** After a failure the next probe starts this long after the failed one, until the state is settled. */
  readonly recheckMs: number;
  /** At most this much is added to an interval at random, so that probes do not come in bursts. */
  readonly jitterMs: number;
  readonly quorum: Quorum;
  /** With fewer fresh vantages verdicts are held as they are. */
  readonly minVantages: number;
  readonly failback: Failback;
  /** A VIP that comes back takes its full share only after this long; 0: at once. */
  readonly slowStartMs: number;
}

/** What one probe does. */
export type ProbeSpec = SingleProbeSpec | CalculatedProbeSpec;

/** A probe that looks for itself. */
export type SingleProbeSpec = HttpProbeSpec | TcpProbeSpec | DnsProbeSpec | GrpcProbeSpec | IcmpProbeSpec;

/** What every probe is judged by besides its own expectations. */
interface CommonProbeSpec {
  /** A success that took longer, from the start of the probe to its end, is a failure; null: it may take its timeout. */
  readonly latencyMs: number | null;
  /** A failure is what is wanted, and a success is none. */
  readonly inverted: boolean;
}

/** Which certificate will do. */
export interface TlsProbeSpec {
  /** Accepts any. */
  readonly insecure: boolean;
  /** For so long the certificate must still be valid; 0: now. */
  readonly validForMs: number;
}

export interface HttpProbeSpec extends CommonProbeSpec {
  readonly kind: "http";
  /** 2: HTTP/2, agreed by ALPN. */
  readonly version: 1 | 2;
  /** null: without TLS. */
  readonly tls: TlsProbeSpec | null;
  readonly port: number;
  readonly method: "GET" | "HEAD";
  readonly path: string;
  /** Host header, and with TLS the SNI and the name the certificate must carry; null: the VIP itself. */
  readonly host: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly expect: HttpExpectation;
  /** Where the response says how loaded the VIP is; null: nowhere. */
  readonly load: LoadSource | null;
}

/** Which response is a success. */
export interface HttpExpectation {
  /** Inclusive ranges of status codes. */
  readonly codes: readonly (readonly [number, number])[];
  /** The values of headers, by their names. */
  readonly headers: Readonly<Record<string, string>>;
  /** A text that the body must contain (first 64 KiB); null: any body. */
  readonly body: string | null;
  /** A pattern of `config/pattern.ts` that must match in the first 64 KiB of the body; null: none. */
  readonly pattern: string | null;
  /** What fields of a JSON body must be, by their paths. */
  readonly json: Readonly<Record<string, JsonExpectation>>;
}

/** What a field of a JSON body must be. */
export type JsonExpectation =
  /** This text, or the number, the boolean or null that is written so. */
  | { readonly kind: "is"; readonly text: string }
  /** A number between both, which it must not reach; null: without that end. */
  | { readonly kind: "between"; readonly above: number | null; readonly below: number | null };

/** Where a response says how loaded the VIP is. */
export interface LoadSource {
  readonly from: "header" | "json";
  /** The header's name, or the path of the field. */
  readonly name: string;
  /** The number that stands for full load. */
  readonly full: number;
}

/** A connection, with TLS or without; then, where they are given, what is sent and what must come. */
export interface TcpProbeSpec extends CommonProbeSpec {
  readonly kind: "tcp";
  readonly tls: TlsProbeSpec | null;
  readonly port: number;
  /** With TLS the SNI and the name the certificate must carry; null: the VIP itself. */
  readonly host: string | null;
  /** Octets in hexadecimal digits; null: nothing is sent. */
  readonly send: string | null;
  /** Octets in hexadecimal digits that must come, within the first 64 KiB; null: nothing need come. */
  readonly expect: string | null;
}

/** One query and its response. */
export interface DnsProbeSpec extends CommonProbeSpec {
  readonly kind: "dns";
  readonly port: number;
  readonly transport: "udp" | "tcp";
  /** As `formatName` writes it. */
  readonly qname: string;
  readonly qtype: number;
  /** RCODEs that are a success; with NOERROR there must be an RR of the QTYPE. */
  readonly rcodes: readonly number[];
  /** Addresses that must be among the answers. */
  readonly answers: readonly string[];
}

/** `grpc.health.v1.Health/Check`. */
export interface GrpcProbeSpec extends CommonProbeSpec {
  readonly kind: "grpc";
  readonly tls: TlsProbeSpec | null;
  readonly port: number;
  /** The `:authority`, and with TLS the SNI and the name the certificate must carry; null: the VIP itself. */
  readonly host: string | null;
  /** "": the server as a whole. */
  readonly service: string;
}

/** An ICMP echo. */
interface IcmpProbeSpec extends CommonProbeSpec {
  readonly kind: "icmp";
}

/** Several probes of one VIP at the same time, of which so many must succeed. */
export interface CalculatedProbeSpec extends CommonProbeSpec {
  readonly kind: "calculated";
  readonly need: number;
  readonly of: readonly PartSpec[];
}

/** A probe that is a part of another. */
interface PartSpec {
  /** The check that it is from, for the words of a failure. */
  readonly check: CheckId;
  readonly probe: SingleProbeSpec;
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

/** A certificate with its chain, and the key to it (PEM files). */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
}

/** DNS over TLS. */
interface TlsConfig extends TlsFiles {
  readonly listen: readonly Endpoint[];
}

/** DNS over HTTPS. */
interface HttpsConfig extends TlsConfig {
  /** Where queries are taken. */
  readonly path: string;
}

/** How this machine serves; a change of it takes a new process. */
export interface NodeConfig {
  readonly name: string;
  /** Addresses and ports for DNS, UDP and TCP. */
  readonly listen: readonly Endpoint[];
  /** Worker threads for each UDP address. */
  readonly workers: number;
  /** How UDP is read: system calls in batches, `node:dgram`, or batches where they work. */
  readonly udp: "auto" | "batch" | "datagram";
  readonly tcp: {
    readonly maxConnections: number;
    readonly maxConnectionsPerClient: number;
    readonly maxWastedPerClient: number;
    readonly idleTimeoutMs: number;
  };
  /** What replies call this node when asked with NSID (RFC 5001); null: nothing. */
  readonly nsid: string | null;
  /** null: no DNS over TLS. */
  readonly tls: TlsConfig | null;
  /** null: no DNS over HTTPS. */
  readonly https: HttpsConfig | null;
  /** Where load balancers are that put a PROXY header (version 2) before each connection. */
  readonly proxyProtocol: readonly Prefix[];
  /** What is told in class CH (RFC 4892); null and none: nothing, to nobody. */
  readonly chaos: {
    readonly id: string | null;
    readonly version: string | null;
    readonly bookFor: readonly Prefix[];
  };
  /** Who may ask by DNS why names are answered as they are. */
  readonly explain: readonly Prefix[];
  /** DNS Cookies (RFC 7873). */
  readonly cookies: CookieConfig;
  /** null: responses are not limited. */
  readonly rateLimit: RateLimitConfig | null;
  /** How many times as long as its query a reply over UDP may be without a valid cookie; null: any. */
  readonly maxAmplification: number | null;
  /** null: no profile of traffic is kept. */
  readonly profile: ProfileConfig | null;
  readonly history: HistoryConfig;
  readonly api: Endpoint;
  /** Certificate and key of the API (PEM files); null: plain HTTP. */
  readonly apiTls: TlsFiles | null;
  /** Folder for the book, the store and tokens. */
  readonly stateFolder: string;
  /** Where everything but this section comes from: the files beside it, or what is applied through the API. */
  readonly source: "files" | "api";
  /** Terms of the failover bound: how long a report may travel, and a patch may take to be adopted. */
  readonly reportMs: number;
  readonly publishMs: number;
}

/** How DNS Cookies are used (RFC 7873). */
interface CookieConfig {
  /** require: over UDP a client that does cookies is answered only with one of ours. */
  readonly mode: "off" | "optional" | "require";
  /** File with secrets that several nodes share; null: the node makes its own. */
  readonly secrets: string | null;
}

/** How often one source gets one answer over UDP. */
export interface RateLimitConfig {
  /** Responses a second; 0: without limit. */
  readonly answers: number;
  readonly denials: number;
  readonly referrals: number;
  readonly errors: number;
  /** How many seconds' worth of responses can be owed. */
  readonly windowSeconds: number;
  /** Every so many limited responses one is sent truncated; 0: none. */
  readonly slip: number;
  /** Sources with equal prefixes of these lengths are one. */
  readonly ipv4PrefixLength: number;
  readonly ipv6PrefixLength: number;
  readonly exempt: readonly Prefix[];
  /** Counts what would be limited, and limits nothing. */
  readonly dryRun: boolean;
}

/** What is kept of traffic, to try changes with. */
export interface ProfileConfig {
  /** One of so many steered queries is sampled. */
  readonly sample: number;
  readonly keepMs: number;
}

/** What is kept of verdicts, orders of regions, overrides and files that are not in force any more. */
interface HistoryConfig {
  readonly keepMs: number;
  /** How many changes at the most. */
  readonly entriesMax: number;
}

/** An address and a port; port 0 asks the system for a free one. */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
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
