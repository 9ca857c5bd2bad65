/** The sections `node`, `geo` and `zones`: how this machine serves, and the files it reads. */

import { isAbsolute, join } from "node:path/posix";
import { addressOf } from "../wire/address.ts";
import type { GeoConfig } from "./config.ts";
import { keys } from "./keys.ts";
import type { Endpoint, NodeConfig, ProfileConfig, RateLimitConfig, TlsFiles } from "./node.ts";
import { parsePrefixes } from "./parse-prefixes.ts";
import type { Fields, Reader } from "./read.ts";

/** What the machine says of itself where the file is silent. */
export interface NodeDefaults {
  readonly nodeName: string;
  /** How many threads can run at once. */
  readonly cores: number;
}

const anyIpv4 = new Uint8Array(4);
const anyIpv6 = new Uint8Array(16);
const loopback = Uint8Array.of(127, 0, 0, 1);

/** The ports of DNS (RFC 1035 §4.2), DNS over TLS (RFC 7858 §3.1) and DNS over HTTPS (RFC 9110 §4.2.2). */
const ports = { dns: 53, tls: 853, https: 443 } as const;

const httpsPath = /^\/[\w.~!$&'()*+,;=:@%/-]*$/;
const defaultApi: Endpoint = { address: addressOf(loopback), port: 8053 };

/** What strangers are told of a node. */
const nodeText = /^[\x20-\x7e]{1,64}$/;
const nodeTextExpected = "1 to 64 printable ASCII characters";

const connectionsRange = { least: 1, most: 1_000_000 };
const workersRange = { least: 1, most: 256 };
const idleTimeoutRange = { least: 100, most: 3_600_000 };
/** A balance takes 16 bits, and the debt of a window is most of it. */
const rateRange = { least: 0, most: 1000 };
const windowRange = { least: 1000, most: 30_000 };
const slipRange = { least: 0, most: 100 };
/** Truncated replies have at least the octets of their query; 1 lets no more pass. */
const amplificationRange = { least: 1, most: 100 };
const sampleRange = { least: 0, most: 1_000_000 };
/** A window at the least. */
const keepRange = { least: 300_000, most: 7 * 24 * 3_600_000 };
const historyRange = { least: 3_600_000, most: 10 * 366 * 24 * 3_600_000 };
/** What was done within a month is lost by no slip of the pen. */
const auditRange = { least: 30 * 24 * 3_600_000, most: 10 * 366 * 24 * 3_600_000 };
const entriesRange = { least: 10_000, most: 100_000_000 };
const boundTermRange = { least: 1, most: 60_000 };

/** What Linux allows, without what would be another folder, or end a name in a list. */
const interfaceName = /^(?!\.{1,2}$)[^\s/:,]{1,15}$/;

/** The section `node`; null where it is not given. Relative paths start at `folder`. */
export function parseNode(reader: Reader | null, folder: string, defaults: NodeDefaults): NodeConfig {
  const node = reader?.fields(keys.node);
  const tcp = node?.optional("tcp")?.fields(keys["node.tcp"]);
  const chaos = node?.optional("chaos")?.fields(keys["node.chaos"]);
  const cookies = node?.optional("cookies")?.fields(keys["node.cookies"]);
  const history = node?.optional("history")?.fields(keys["node.history"]);
  const audit = node?.optional("audit")?.fields(keys["node.audit"]);
  const api = node?.optional("api")?.fields(keys["node.api"]);
  const apiTls = api?.optional("tls")?.fields(keys["node.api.tls"]);
  const tls = node?.optional("tls")?.fields(keys["node.tls"]);
  const https = node?.optional("https")?.fields(keys["node.https"]);
  const listen = new Listen();
  const files = (at: Pick<Fields<"certificate" | "key">, "required">): TlsFiles => {
    const file = (key: "certificate" | "key"): string => parsePath(at.required(key), folder) ?? "";
    return { certificate: file("certificate"), key: file("key") };
  };
  return {
    name: node?.optional("name")?.text() ?? defaults.nodeName,
    listen: listen.parse(node?.optional("listen") ?? null, ports.dns),
    workers: node?.optional("workers")?.wholeNumber(workersRange) ?? defaults.cores,
    udp: node?.optional("udp")?.oneOf(["auto", "batch", "datagram"]) ?? "auto",
    xdp: parseInterfaces(node?.optional("xdp") ?? null, node?.optional("udp") ?? null),
    tcp: {
      maxConnections: tcp?.optional("maxConnections")?.wholeNumber(connectionsRange) ?? 1000,
      maxConnectionsPerClient: tcp?.optional("maxConnectionsPerClient")?.wholeNumber(connectionsRange) ?? 20,
      maxWastedPerClient: tcp?.optional("maxWastedPerClient")?.wholeNumber(connectionsRange) ?? 10,
      idleTimeoutMs: tcp?.optional("idleTimeout")?.duration(idleTimeoutRange) ?? 10_000,
    },
    nsid: node?.optional("nsid")?.matching(nodeText, nodeTextExpected) ?? null,
    tls: tls ? { listen: listen.parse(tls.optional("listen"), ports.tls), ...files(tls) } : null,
    https: https
      ? {
          listen: listen.parse(https.optional("listen"), ports.https),
          path: https.optional("path")?.matching(httpsPath, "a path such as /dns-query") ?? "/dns-query",
          ...files(https),
        }
      : null,
    proxyProtocol: parsePrefixes(node?.optional("proxyProtocol") ?? null),
    chaos: {
      id: chaos?.optional("id")?.matching(nodeText, nodeTextExpected) ?? null,
      version: chaos?.optional("version")?.matching(nodeText, nodeTextExpected) ?? null,
      bookFor: parsePrefixes(chaos?.optional("bookFor") ?? null),
    },
    explain: parsePrefixes(node?.optional("explain") ?? null),
    cookies: {
      mode: cookies?.optional("mode")?.oneOf(["off", "optional", "require"]) ?? "optional",
      secrets: parsePath(cookies?.optional("secrets") ?? null, folder),
    },
    rateLimit: parseRateLimit(node?.optional("rateLimit") ?? null),
    maxAmplification: node?.optional("maxAmplification")?.number(amplificationRange) ?? null,
    profile: parseProfile(node?.optional("profile") ?? null),
    history: {
      keepMs: history?.optional("keep")?.duration(historyRange) ?? 90 * 24 * 3_600_000,
      entriesMax: history?.optional("entries")?.wholeNumber(entriesRange) ?? 1_000_000,
    },
    audit: { keepMs: audit?.optional("keep")?.duration(auditRange) ?? 5 * 366 * 24 * 3_600_000 },
    api: api?.optional("listen")?.endpoint() ?? defaultApi,
    apiTls: apiTls ? files(apiTls) : null,
    stateFolder: parsePath(node?.optional("state") ?? null, folder) ?? join(folder, "var"),
    source: node?.optional("source")?.oneOf(["files", "api"]) ?? "files",
    reportMs: node?.optional("reportWithin")?.duration(boundTermRange) ?? 500,
    publishMs: node?.optional("publishWithin")?.duration(boundTermRange) ?? 100,
  };
}

/** The section `geo`; null where it is not given. */
export function parseGeo(reader: Reader | null, folder: string): GeoConfig {
  const geo = reader?.fields(keys.geo);
  return {
    database: parsePath(geo?.optional("database") ?? null, folder),
    asnDatabase: parsePath(geo?.optional("asnDatabase") ?? null, folder),
    labels: parsePaths(geo?.optional("labels") ?? null, folder),
  };
}

/** A list of files, each named once; empty where it is not given. */
export function parsePaths(reader: Reader | null, folder: string): readonly string[] {
  return parseDistinct(reader, "file", (item) => parsePath(item, folder));
}

/** A list of network interfaces, each named once; empty where it is not given. */
function parseInterfaces(reader: Reader | null, udp: Reader | null): readonly string[] {
  const names = parseDistinct(reader, "interface", (item) =>
    item.matching(interfaceName, "the name of a network interface such as eth0"),
  );
  if (names.length > 0 && udp?.text() === "datagram")
    udp.problem('expected auto or batch with "xdp", which comes in batches, found "datagram"');
  return names;
}

function parseDistinct(
  reader: Reader | null,
  what: string,
  parse: (item: Reader) => string | null,
): readonly string[] {
  const found = new Set<string>();
  for (const item of reader?.items(`a list of ${what}s`) ?? []) {
    const one = parse(item);
    if (one === null) continue;
    if (found.has(one)) item.problem(`this ${what} is in the list already`);
    found.add(one);
  }
  return [...found];
}

/** A path; a relative one starts at `folder`. */
export function parsePath(reader: Reader | null, folder: string): string | null {
  const path = reader?.text("a path") ?? null;
  return path === null || isAbsolute(path) ? path : join(folder, path);
}

/** The section `node.rateLimit`; null where it is not given. What is said of answers holds for the rest too. */
function parseRateLimit(reader: Reader | null): RateLimitConfig | null {
  if (reader === null) return null;
  const limit = reader.fields(keys["node.rateLimit"]);
  const answers = limit.required("answers")?.wholeNumber(rateRange) ?? Number.NaN;
  const rate = (key: "denials" | "referrals" | "errors"): number =>
    limit.optional(key)?.wholeNumber(rateRange) ?? answers;
  return {
    answers,
    denials: rate("denials"),
    referrals: rate("referrals"),
    errors: rate("errors"),
    windowSeconds: (limit.optional("window")?.duration(windowRange, 1000) ?? 15_000) / 1000,
    slip: limit.optional("slip")?.wholeNumber(slipRange) ?? 2,
    ipv4PrefixLength: limit.optional("ipv4Prefix")?.wholeNumber({ least: 1, most: 32 }) ?? 24,
    ipv6PrefixLength: limit.optional("ipv6Prefix")?.wholeNumber({ least: 1, most: 128 }) ?? 56,
    exempt: parsePrefixes(limit.optional("exempt")),
    dryRun: limit.optional("dryRun")?.boolean() ?? false,
  };
}

/** The section `node.profile`; null where it says that nothing is sampled. */
function parseProfile(reader: Reader | null): ProfileConfig | null {
  const profile = reader?.fields(keys["node.profile"]);
  const sample = profile?.optional("sample")?.wholeNumber(sampleRange) ?? 100;
  const keepMs = profile?.optional("keep")?.duration(keepRange) ?? 24 * 3_600_000;
  return sample === 0 ? null : { sample, keepMs };
}

/** The lists of endpoints in one file; no endpoint may be in them twice. */
class Listen {
  /** The lists' paths by endpoint. */
  readonly #taken: Map<string, string> = new Map();

  /** One list; every address of the machine where it is not given. */
  parse(reader: Reader | null, defaultPort: number): readonly Endpoint[] {
    if (reader === null)
      return [anyIpv4, anyIpv6].map((any) => ({ address: addressOf(any), port: defaultPort }));
    const items = reader.items("a list of addresses with their ports", "address with its port");
    return items.flatMap((item) => this.#parseItem(item, reader.path) ?? []);
  }

  #parseItem(item: Reader, list: string): Endpoint | null {
    const endpoint = item.endpoint();
    // With port 0 the system chooses another port each time.
    if (endpoint === null || endpoint.port === 0) return endpoint;
    const key = `${endpoint.address.text} ${endpoint.port}`;
    const taken = this.#taken.get(key);
    this.#taken.set(key, list);
    if (taken === undefined) return endpoint;
    item.problem(`this address and port are in ${taken === list ? "the list" : taken} already`);
    return null;
  }
}
