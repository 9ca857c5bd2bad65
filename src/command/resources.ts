/** What a node can be asked about, and how it is shown. */

import { percent, printTable, seconds } from "./console.ts";

/** Something that the API lists. */
export interface Resource {
  /** `{}` stands for what it is of, as the zone of RRsets. */
  readonly path: string;
  /** Under what the entries stand in the body. */
  readonly key: string;
  /** What a table shows of an entry: by heading, where in the entry it stands (`policy.name`). */
  readonly columns: Readonly<Record<string, string>>;
  /** What it is of; absent: of the node. */
  readonly of?: string;
  /** False: there is no URL for one of them. */
  readonly hasItems?: false;
}

/** By their names in the command. A test holds them against the routes of the API. */
export const RESOURCES: Readonly<Record<string, Resource>> = {
  alarms: {
    path: "/v1/alarms",
    key: "alarms",
    columns: { severity: "severity", since: "began", kind: "kind", what: "summary" },
    hasItems: false,
  },
  audit: {
    path: "/v1/audit",
    key: "entries",
    columns: { at: "at", version: "version", by: "author", what: "event", "": "detail", why: "reason" },
    hasItems: false,
  },
  capacity: {
    path: "/v1/capacity",
    key: "pools",
    columns: { pool: "pool", regions: "regions" },
    hasItems: false,
  },
  challenges: {
    path: "/v1/challenges",
    key: "challenges",
    columns: { "owner name": "owner", value: "value", by: "author", until: "until" },
    hasItems: false,
  },
  changes: {
    path: "/v1/changes",
    key: "changes",
    columns: { version: "version", at: "at", by: "author", what: "events.0.detail", why: "reason" },
  },
  checks: {
    path: "/v1/checks",
    key: "checks",
    columns: {
      check: "check",
      probe: "probe.kind",
      asks: "probe.asks",
      interval: "intervalMs",
      timeout: "timeoutMs",
      fall: "fall",
      rise: "rise",
      quorum: "quorum",
      pools: "pools",
    },
  },
  drills: {
    path: "/v1/drills",
    key: "drills",
    columns: { drill: "id", what: "summary", by: "author", phase: "phase", ending: "ending.text" },
  },
  history: {
    path: "/v1/history",
    key: "entries",
    columns: { at: "at", what: "kind", of: "subject", "was from then on": "detail" },
    hasItems: false,
  },
  keys: {
    path: "/v1/keys",
    key: "zones",
    columns: { zone: "zone", step: "rollover.step", keys: "keys" },
    hasItems: false,
  },
  loads: {
    path: "/v1/loads",
    key: "loads",
    columns: {
      member: "member",
      region: "region",
      load: "load",
      capacity: "capacity",
      "sheds above": "shedAbove",
    },
    hasItems: false,
  },
  nodes: {
    path: "/v1/nodes",
    key: "nodes",
    columns: { node: "node", version: "version", serves: "adoptedVersion", since: "startedAt" },
  },
  overrides: {
    path: "/v1/overrides",
    key: "overrides",
    columns: {
      override: "id",
      weight: "weight",
      verdict: "verdict",
      by: "author",
      until: "until",
      active: "active",
      why: "reason",
    },
  },
  plans: {
    path: "/v1/services/{}/plans",
    key: "plans",
    columns: { class: "class", clients: "clients", IPv4: "ipv4.shares", IPv6: "ipv6.shares" },
    of: "service",
    hasItems: false,
  },
  policies: {
    path: "/v1/policies",
    key: "policies",
    columns: { policy: "policy", kind: "kind", nodes: "nodes" },
  },
  pools: {
    path: "/v1/pools",
    key: "pools",
    columns: { pool: "pool", check: "check", members: "members" },
  },
  proposals: {
    path: "/v1/proposals",
    key: "proposals",
    columns: { proposal: "id", what: "change", by: "author", "at version": "version", why: "reason" },
    hasItems: false,
  },
  regions: {
    path: "/v1/regions",
    key: "regions",
    columns: { region: "region", VIPs: "vips", up: "vipsUp", drained: "drained" },
  },
  rrsets: {
    path: "/v1/zones/{}/rrsets",
    key: "rrsets",
    columns: { "owner name": "name", TTL: "ttlSeconds", type: "type", RDATA: "rdatas" },
    of: "zone",
    hasItems: false,
  },
  rtt: {
    path: "/v1/rtt",
    key: "rankings",
    columns: { cell: "cell", regions: "regions" },
    hasItems: false,
  },
  services: {
    path: "/v1/services",
    key: "services",
    columns: {
      service: "name",
      policy: "policy.kind",
      TTL: "ttlSeconds",
      bound: "boundMs",
      objective: "failoverWithinMs",
    },
  },
  snapshots: {
    path: "/v1/snapshots",
    key: "snapshots",
    columns: { version: "version", at: "at", by: "author", why: "reason", "in force": "inForce" },
  },
  splits: {
    path: "/v1/splits",
    key: "splits",
    columns: { service: "service", queries: "queries", regions: "regions" },
    hasItems: false,
  },
  tokens: {
    path: "/v1/tokens",
    key: "tokens",
    columns: { token: "name", role: "role", made: "createdAt", expires: "expiresAt", "last used": "usedAt" },
    hasItems: false,
  },
  vantages: {
    path: "/v1/vantages",
    key: "vantages",
    columns: {
      vantage: "vantage",
      streams: "streams",
      fresh: "fresh",
      isolated: "isolated",
      reported: "reportedAt",
    },
  },
  verdicts: {
    path: "/v1/verdicts",
    key: "verdicts",
    columns: { VIP: "vip", address: "address", up: "up", basis: "basis", since: "since", reason: "reason" },
  },
  vips: {
    path: "/v1/vips",
    key: "vips",
    columns: { VIP: "vip", address: "address", region: "region", up: "up" },
  },
  zones: {
    path: "/v1/zones",
    key: "zones",
    columns: { zone: "zone", serial: "serial", names: "names", signed: "signed" },
  },
};

/** Prints entries of a resource; columns that none of them has are left out. */
export function printEntries({ columns }: Resource, entries: readonly unknown[]): void {
  const shown = Object.entries(columns).filter(([, path]) =>
    entries.some((entry) => valueAt(entry, path) !== undefined),
  );
  printTable(
    shown.map(([heading]) => heading),
    entries.map((entry) => shown.map(([, path]) => textOf(valueAt(entry, path), path))),
  );
}

function valueAt(entry: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => {
    return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  }, entry);
}

/** A value in a cell: durations with their unit, of lists how many there are, or the words in them. */
function textOf(value: unknown, path: string): string {
  if (value === null || value === undefined) return "-";
  if (Array.isArray(value)) return value.map(summaryOf).join(", ") || "-";
  if (typeof value === "number" && path.endsWith("Ms")) return seconds(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? summaryOf(value) : String(value);
}

/** The first word of an object, with its share where it has one: `eu-west 80 %`. */
function summaryOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const words = Object.values(value).filter((part) => typeof part === "string");
  const share = Reflect.get(value, "probability") ?? Reflect.get(value, "planned");
  return `${words[0] ?? "-"}${typeof share === "number" ? ` ${percent(share)}` : ""}`;
}
