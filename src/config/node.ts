/** How this machine serves: the section `node`. */

import type { IpAddress, Prefix } from "../wire/address.ts";

/** How this machine serves; a change of it takes a new process. */
export interface NodeConfig {
  readonly name: string;
  /** Addresses and ports for DNS, UDP and TCP. */
  readonly listen: readonly Endpoint[];
  /** Worker threads for each UDP address. */
  readonly workers: number;
  /** How UDP is read: system calls in batches, `node:dgram`, or batches where they work. */
  readonly udp: "auto" | "batch" | "datagram";
  /** Names of interfaces whose queries are taken before the kernel's network stack has seen them. */
  readonly xdp: readonly string[];
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
  readonly audit: AuditConfig;
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

/** How long is kept who changed what. */
interface AuditConfig {
  readonly keepMs: number;
}

/** An address and a port; port 0 asks the system for a free one. */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}
