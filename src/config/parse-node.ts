/** The sections `node`, `geo` and `zones`: how this machine serves, and the files it reads. */

import { isAbsolute, join } from "node:path/posix";
import { addressOf, type Prefix } from "../wire/address.ts";
import type { Endpoint, GeoConfig, NodeConfig } from "./config.ts";
import { keys } from "./keys.ts";
import type { Reader } from "./read.ts";

/** What the machine says of itself where the file is silent. */
export interface NodeDefaults {
  readonly nodeName: string;
  /** How many threads can run at once. */
  readonly cores: number;
}

const anyIpv4 = new Uint8Array(4);
const anyIpv6 = new Uint8Array(16);
const loopback = Uint8Array.of(127, 0, 0, 1);

const defaultListen: readonly Endpoint[] = [
  { address: addressOf(anyIpv4), port: 53 },
  { address: addressOf(anyIpv6), port: 53 },
];
const defaultApi: Endpoint = { address: addressOf(loopback), port: 8053 };

/** What strangers are told of a node. */
const nodeText = /^[\x20-\x7e]{1,64}$/;
const nodeTextExpected = "1 to 64 printable ASCII characters";

const connectionsRange = { least: 1, most: 1_000_000 };
const workersRange = { least: 1, most: 256 };
const idleTimeoutRange = { least: 100, most: 3_600_000 };
const boundTermRange = { least: 1, most: 60_000 };

/** The section `node`; null where it is not given. Relative paths start at `folder`. */
export function parseNode(reader: Reader | null, folder: string, defaults: NodeDefaults): NodeConfig {
  const node = reader?.fields(keys.node);
  const tcp = node?.optional("tcp")?.fields(keys["node.tcp"]);
  const cookies = node?.optional("cookies")?.fields(keys["node.cookies"]);
  const api = node?.optional("api")?.fields(keys["node.api"]);
  const tls = api?.optional("tls")?.fields(keys["node.api.tls"]);
  const file = (at: Reader | null): string => parsePath(at, folder) ?? "";
  return {
    name: node?.optional("name")?.text() ?? defaults.nodeName,
    listen: parseListen(node?.optional("listen") ?? null),
    workers: node?.optional("workers")?.wholeNumber(workersRange) ?? defaults.cores,
    udp: node?.optional("udp")?.oneOf(["auto", "batch", "datagram"]) ?? "auto",
    tcp: {
      maxConnections: tcp?.optional("maxConnections")?.wholeNumber(connectionsRange) ?? 1000,
      maxConnectionsPerClient: tcp?.optional("maxConnectionsPerClient")?.wholeNumber(connectionsRange) ?? 20,
      idleTimeoutMs: tcp?.optional("idleTimeout")?.duration(idleTimeoutRange) ?? 10_000,
    },
    nsid: node?.optional("nsid")?.matching(nodeText, nodeTextExpected) ?? null,
    proxyProtocol: parsePrefixes(node?.optional("proxyProtocol") ?? null),
    cookies: {
      mode: cookies?.optional("mode")?.oneOf(["off", "optional", "require"]) ?? "optional",
      secrets: parsePath(cookies?.optional("secrets") ?? null, folder),
    },
    api: api?.optional("listen")?.endpoint() ?? defaultApi,
    apiTls: tls ? { certificate: file(tls.required("certificate")), key: file(tls.required("key")) } : null,
    stateFolder: parsePath(node?.optional("state") ?? null, folder) ?? join(folder, "var"),
    reportMs: node?.optional("reportWithin")?.duration(boundTermRange) ?? 500,
    publishMs: node?.optional("publishWithin")?.duration(boundTermRange) ?? 100,
  };
}

/** The section `geo`; null where it is not given. */
export function parseGeo(reader: Reader | null, folder: string): GeoConfig {
  const geo = reader?.fields(keys.geo);
  return {
    database: parsePath(geo?.optional("database") ?? null, folder),
    labels: parsePaths(geo?.optional("labels") ?? null, folder),
  };
}

/** A list of files, each named once; null where it is not given. */
export function parsePaths(reader: Reader | null, folder: string): readonly string[] {
  const paths = new Set<string>();
  for (const item of reader?.items("a list of files") ?? []) {
    const path = parsePath(item, folder);
    if (path === null) continue;
    if (paths.has(path)) item.problem("this file is in the list already");
    paths.add(path);
  }
  return [...paths];
}

function parsePath(reader: Reader | null, folder: string): string | null {
  const path = reader?.text("a path") ?? null;
  return path === null || isAbsolute(path) ? path : join(folder, path);
}

/** A list of prefixes, each named once; empty where it is not given. */
function parsePrefixes(reader: Reader | null): readonly Prefix[] {
  const prefixes = new Map<string, Prefix>();
  for (const item of reader?.items("a list of prefixes") ?? []) {
    const prefix = item.prefix();
    if (prefix === null) continue;
    if (prefixes.has(prefix.text)) item.problem("this prefix is in the list already");
    prefixes.set(prefix.text, prefix);
  }
  return [...prefixes.values()];
}

function parseListen(reader: Reader | null): readonly Endpoint[] {
  if (reader === null) return defaultListen;
  const items = reader.items("a list of addresses with their ports");
  if (reader.kind === "list" && items.length === 0) reader.expected("at least one address with its port");
  const endpoints = new Map<string, Endpoint>();
  for (const item of items) {
    const endpoint = item.endpoint();
    if (endpoint === null) continue;
    // With port 0 the system chooses another port each time.
    const key = endpoint.port === 0 ? item.path : `${endpoint.address.text} ${endpoint.port}`;
    if (endpoints.has(key)) item.problem("this address and port are in the list already");
    endpoints.set(key, endpoint);
  }
  return [...endpoints.values()];
}
