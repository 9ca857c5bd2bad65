/** `meridian get`: everything that a node can be asked about, as tables, or one thing whole. */

import { stringify } from "yaml";
import { type ApiOptions, getFromApi, getListFromApi } from "./api-call.ts";
import { complain, print, printTable } from "./console.ts";

/** What a table shows of an entry: its heading, and where in the entry it stands (`policy.name`). */
type Column = readonly [heading: string, path: string];

/** Something that the API lists. */
interface Resource {
  /** `{}` stands for what it is of, as the zone of RRsets. */
  readonly path: string;
  /** Under what the entries stand in the body. */
  readonly key: string;
  readonly columns: readonly Column[];
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
    columns: [
      ["severity", "severity"],
      ["since", "began"],
      ["kind", "kind"],
      ["what", "summary"],
    ],
    hasItems: false,
  },
  audit: {
    path: "/v1/audit",
    key: "entries",
    columns: [
      ["at", "at"],
      ["version", "version"],
      ["by", "author"],
      ["what", "event"],
      ["", "detail"],
      ["why", "reason"],
    ],
    hasItems: false,
  },
  capacity: {
    path: "/v1/capacity",
    key: "pools",
    columns: [
      ["pool", "pool"],
      ["regions", "regions"],
    ],
    hasItems: false,
  },
  challenges: {
    path: "/v1/challenges",
    key: "challenges",
    columns: [
      ["owner name", "owner"],
      ["value", "value"],
      ["by", "author"],
      ["until", "until"],
    ],
    hasItems: false,
  },
  changes: {
    path: "/v1/changes",
    key: "changes",
    columns: [
      ["version", "version"],
      ["at", "at"],
      ["by", "author"],
      ["what", "events.0.detail"],
      ["why", "reason"],
    ],
  },
  checks: {
    path: "/v1/checks",
    key: "checks",
    columns: [
      ["check", "check"],
      ["probe", "probe.kind"],
      ["asks", "probe.asks"],
      ["interval", "intervalMs"],
      ["timeout", "timeoutMs"],
      ["fall", "fall"],
      ["rise", "rise"],
      ["quorum", "quorum"],
      ["pools", "pools"],
    ],
  },
  drills: {
    path: "/v1/drills",
    key: "drills",
    columns: [
      ["drill", "id"],
      ["what", "summary"],
      ["by", "author"],
      ["phase", "phase"],
      ["ending", "ending.text"],
    ],
  },
  history: {
    path: "/v1/history",
    key: "entries",
    columns: [
      ["at", "at"],
      ["what", "kind"],
      ["of", "subject"],
      ["was from then on", "detail"],
    ],
    hasItems: false,
  },
  keys: {
    path: "/v1/keys",
    key: "zones",
    columns: [
      ["zone", "zone"],
      ["step", "rollover.step"],
      ["keys", "keys"],
    ],
    hasItems: false,
  },
  loads: {
    path: "/v1/loads",
    key: "loads",
    columns: [
      ["member", "member"],
      ["region", "region"],
      ["load", "load"],
      ["capacity", "capacity"],
      ["sheds above", "shedAbove"],
    ],
    hasItems: false,
  },
  nodes: {
    path: "/v1/nodes",
    key: "nodes",
    columns: [
      ["node", "node"],
      ["version", "version"],
      ["serves", "adoptedVersion"],
      ["since", "startedAt"],
    ],
  },
  overrides: {
    path: "/v1/overrides",
    key: "overrides",
    columns: [
      ["override", "id"],
      ["weight", "weight"],
      ["verdict", "verdict"],
      ["by", "author"],
      ["until", "until"],
      ["active", "active"],
      ["why", "reason"],
    ],
  },
  plans: {
    path: "/v1/services/{}/plans",
    key: "plans",
    columns: [
      ["class", "class"],
      ["clients", "clients"],
      ["IPv4", "ipv4.shares"],
      ["IPv6", "ipv6.shares"],
    ],
    of: "service",
    hasItems: false,
  },
  policies: {
    path: "/v1/policies",
    key: "policies",
    columns: [
      ["policy", "policy"],
      ["kind", "kind"],
      ["nodes", "nodes"],
    ],
  },
  pools: {
    path: "/v1/pools",
    key: "pools",
    columns: [
      ["pool", "pool"],
      ["check", "check"],
      ["members", "members"],
    ],
  },
  proposals: {
    path: "/v1/proposals",
    key: "proposals",
    columns: [
      ["proposal", "id"],
      ["what", "change"],
      ["by", "author"],
      ["at version", "version"],
      ["why", "reason"],
    ],
    hasItems: false,
  },
  regions: {
    path: "/v1/regions",
    key: "regions",
    columns: [
      ["region", "region"],
      ["VIPs", "vips"],
      ["up", "vipsUp"],
      ["drained", "drained"],
    ],
  },
  rrsets: {
    path: "/v1/zones/{}/rrsets",
    key: "rrsets",
    columns: [
      ["owner name", "name"],
      ["TTL", "ttlSeconds"],
      ["type", "type"],
      ["RDATA", "rdatas"],
    ],
    of: "zone",
    hasItems: false,
  },
  rtt: {
    path: "/v1/rtt",
    key: "rankings",
    columns: [
      ["cell", "cell"],
      ["regions", "regions"],
    ],
    hasItems: false,
  },
  services: {
    path: "/v1/services",
    key: "services",
    columns: [
      ["service", "name"],
      ["policy", "policy.kind"],
      ["TTL", "ttlSeconds"],
      ["bound", "boundMs"],
      ["objective", "failoverWithinMs"],
    ],
  },
  snapshots: {
    path: "/v1/snapshots",
    key: "snapshots",
    columns: [
      ["version", "version"],
      ["at", "at"],
      ["by", "author"],
      ["why", "reason"],
      ["in force", "inForce"],
    ],
  },
  splits: {
    path: "/v1/splits",
    key: "splits",
    columns: [
      ["service", "service"],
      ["queries", "queries"],
      ["regions", "regions"],
    ],
    hasItems: false,
  },
  tokens: {
    path: "/v1/tokens",
    key: "tokens",
    columns: [
      ["token", "name"],
      ["role", "role"],
      ["made", "createdAt"],
      ["expires", "expiresAt"],
      ["last used", "usedAt"],
    ],
    hasItems: false,
  },
  vantages: {
    path: "/v1/vantages",
    key: "vantages",
    columns: [
      ["vantage", "vantage"],
      ["streams", "streams"],
      ["fresh", "fresh"],
      ["isolated", "isolated"],
      ["reported", "reportedAt"],
    ],
  },
  verdicts: {
    path: "/v1/verdicts",
    key: "verdicts",
    columns: [
      ["VIP", "vip"],
      ["address", "address"],
      ["up", "up"],
      ["basis", "basis"],
      ["since", "since"],
      ["reason", "reason"],
    ],
  },
  vips: {
    path: "/v1/vips",
    key: "vips",
    columns: [
      ["VIP", "vip"],
      ["address", "address"],
      ["region", "region"],
      ["up", "up"],
    ],
  },
  zones: {
    path: "/v1/zones",
    key: "zones",
    columns: [
      ["zone", "zone"],
      ["serial", "serial"],
      ["names", "names"],
      ["signed", "signed"],
    ],
  },
};

export interface GetOptions extends ApiOptions {
  /** `KEY=VALUE`: filters of the list, as the API has them. */
  readonly where: readonly string[];
  readonly json?: boolean;
}

/** Prints what there is of a resource, or one of it whole. */
export async function get(resource: string, id: string | null, options: GetOptions): Promise<void> {
  const found = RESOURCES[resource];
  if (found === undefined)
    return complain(`there is no ${resource}; one of ${Object.keys(RESOURCES).join(", ")}`);
  if (found.of !== undefined && id === null) return complain(`${resource} of which ${found.of}?`);
  if (found.hasItems === false && found.of === undefined && id !== null)
    return complain(`${resource} are listed together: --where asks for some of them`);
  if (id !== null && found.of === undefined)
    return await getOne(`${found.path}/${encodeURIComponent(id)}`, options);
  await list(resource, found, id, options);
}

async function getOne(path: string, options: GetOptions): Promise<void> {
  const item = await getFromApi(path, options);
  if (item === null) return;
  print(options.json === true ? JSON.stringify(item, null, 2) : stringify(item).trimEnd());
}

async function list(
  resource: string,
  { path, key, columns }: Resource,
  of: string | null,
  options: GetOptions,
): Promise<void> {
  const filters = filtersOf(options.where);
  if (filters === null) return;
  const from = path.replace("{}", encodeURIComponent(of ?? ""));
  const entries = await getListFromApi(from, key, options, filters);
  if (entries === null) return;
  if (options.json === true) return print(JSON.stringify(entries, null, 2));
  if (entries.length === 0) return print(`no ${resource}`);
  const shown = columns.filter(([, path]) => entries.some((entry) => valueAt(entry, path) !== undefined));
  printTable(
    shown.map(([heading]) => heading),
    entries.map((entry) => shown.map(([, path]) => textOf(valueAt(entry, path), path))),
  );
}

function filtersOf(where: readonly string[]): Readonly<Record<string, string>> | null {
  const filters: Record<string, string> = {};
  for (const filter of where) {
    const at = filter.indexOf("=");
    if (at < 1) {
      complain(`--where: expected KEY=VALUE, got ${JSON.stringify(filter)}`);
      return null;
    }
    filters[filter.slice(0, at)] = filter.slice(at + 1);
  }
  return filters;
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
  if (typeof value === "number" && path.endsWith("Ms")) return `${value / 1_000}s`;
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? summaryOf(value) : String(value);
}

/** The first word of an object, with its share where it has one: `eu-west 80 %`. */
function summaryOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const words = Object.values(value).filter((part) => typeof part === "string");
  const share = Reflect.get(value, "probability") ?? Reflect.get(value, "planned");
  const percent = typeof share === "number" ? ` ${Math.round(share * 1_000) / 10} %` : "";
  return `${words[0] ?? "-"}${percent}`;
}
