/**
 * A zone of octoDNS's YAML provider (octoDNS 1) -> a zone, and a service for each dynamic record.
 *
 * Rules are tried in order there, and the most specific place first here: octoDNS wants them in that very order, and where they
 * are not a note says so. A rule's pool is followed by its fallbacks, and in the end by the record's own values, which nobody checks.
 */

import type { Checked } from "../problem.ts";
import { parseAddress } from "../wire/address.ts";
import { quoteText } from "../zone/text.ts";
import { asName, Draft, type DraftMember, type DraftPolicy, type Translation } from "./draft.ts";
import {
  entriesOf,
  type Item,
  itemsOf,
  numberOf,
  type Origin,
  readItem,
  textOf,
  textsOf,
  valueAt,
} from "./item.ts";
import { zoneHead } from "./master-file.ts";
import { placeOf } from "./places.ts";

/** What octoDNS takes where nothing is said. */
const DEFAULTS = { ttlSeconds: 3_600, protocol: "HTTPS", path: "/_dns", port: 443 } as const;
const SPREAD_MAX = 8;
/** Octets of one string of a TXT. */
const STRING_MAX = 255;

/** The keys of RDATA with several parts, in the order in which a master file has them; alternatives between bars. */
const RDATA_KEYS: Readonly<Record<string, readonly string[]>> = {
  CAA: ["flags", "tag", '"value"'],
  DS: ["key_tag", "algorithm", "digest_type", "digest"],
  MX: ["preference|priority", "exchange|value"],
  NAPTR: ["order", "preference", '"flags"', '"service"', '"regexp"', "replacement"],
  SRV: ["priority", "weight", "port", "target"],
  SSHFP: ["algorithm", "fingerprint_type", "fingerprint"],
  TLSA: ["certificate_usage", "selector", "matching_type", "certificate_association_data"],
};
const PLAIN_TYPES = new Set(["A", "AAAA", "CNAME", "DNAME", "NS", "PTR"]);

/** Translates the text of a zone; `zone` is its name. The value is null where it cannot be read. */
export function importOctodns(file: string, text: string, zone: string): Checked<Translation> {
  // The apex is an empty key there, which is no word.
  const { value, problems } = readItem(file, text.replace(/^(''|""):/m, '"@":'));
  if (value === null) return { value: null, problems };
  if (value.kind !== "map") {
    const { line, column } = value;
    return { value: null, problems: [{ file, line, column, message: "expected records by their names" }] };
  }
  return { value: new OctodnsImport(`${zone.replace(/\.$/, "").toLowerCase()}.`).translate(value), problems };
}

/** A record of one type. */
interface DnsRecord {
  readonly type: string;
  readonly item: Item;
}

class OctodnsImport {
  readonly #draft = new Draft();
  readonly #apex: string;

  constructor(apex: string) {
    this.#apex = apex;
  }

  translate(zone: Item): Translation {
    const lines: string[] = [];
    let servers: readonly string[] = [];
    for (const { key: name, value, ...origin } of entriesOf(zone)) {
      const records = itemsOf(value).map((item) => ({ type: textOf(valueAt(item, "type")) ?? "", item }));
      const isDynamic = ({ item }: DnsRecord): boolean => valueAt(item, "dynamic") !== null;
      const dynamic = records.filter(isDynamic);
      for (const record of records.filter((one) => !isDynamic(one))) {
        if (name === "@" && record.type === "NS")
          servers = valuesOf(record.item).flatMap((item) => textOf(item) ?? []);
        lines.push(...this.#recordLines(name, record));
      }
      if (dynamic.length > 0) lines.push(...this.#dynamic(name, dynamic, origin));
    }
    const path = `zones/${asName(this.#apex.slice(0, -1))}.zone`;
    this.#draft.zone(
      path,
      zoneHead(this.#draft, this.#apex, servers, zone) + lines.map((line) => `${line}\n`).join(""),
    );
    return this.#draft.finish("octoDNS");
  }

  /** A record as lines of a master file. */
  #recordLines(name: string, { type, item }: DnsRecord): readonly string[] {
    if (valueAt(item, "geo") !== null)
      this.#draft.note(
        "left-out",
        item,
        "geo: places are steered by `dynamic` alone, the values are answered to everybody",
      );
    const ttlSeconds = numberOf(valueAt(item, "ttl")) ?? DEFAULTS.ttlSeconds;
    return valuesOf(item).flatMap((value) => {
      const rdata = rdataOf(type, value);
      if (rdata !== null) return [`${name} ${ttlSeconds} ${type} ${rdata}`];
      this.#draft.note("left-out", value, `${name} ${type || "without a type"}: cannot be written down here`);
      return [];
    });
  }

  /** The service of a name's dynamic records; returns what the zone has in its place. */
  #dynamic(name: string, records: readonly DnsRecord[], origin: Origin): readonly string[] {
    const [first, ...others] = records;
    if (first === undefined) return [];
    const label = name === "@" ? asName(this.#apex.slice(0, -1)) : asName(name.replace("*", "any"));
    const used = [first];
    for (const record of others) {
      if (outlineOf(record.item) === outlineOf(first.item)) used.push(record);
      else
        this.#draft.note(
          "left-out",
          record.item,
          `${name} ${record.type}: other rules than those of ${first.type}`,
        );
    }
    for (const { type, item } of used)
      if (type !== "A" && type !== "AAAA")
        this.#draft.note("left-out", item, `${name} ${type}: Meridian answers with addresses alone`);
    const owner = name === "@" ? this.#apex : `${name}.${this.#apex}`;
    const policy = this.#policy(label, used, owner);
    if (policy === null) return [];
    const ttlSeconds = numberOf(valueAt(first.item, "ttl")) ?? DEFAULTS.ttlSeconds;
    const isWildcard = owner.startsWith("*.");
    const service = isWildcard ? `${label.toLowerCase()}.${this.#apex}` : owner;
    this.#draft.service(service.slice(0, -1), { ttl: this.#draft.ttl(ttlSeconds, ttlSeconds), policy });
    if (!isWildcard) return [];
    this.#draft.note(
      "assumed",
      origin,
      `${owner} is steered as ${service}, because a service has to have a name of its own`,
    );
    return [`${owner} STEER ${service}`];
  }

  #policy(label: string, records: readonly DnsRecord[], owner: string): DraftPolicy | null {
    const items = records.map(({ item }) => item);
    const [first] = items;
    if (first === undefined) return null;
    const check = this.#check(label, first, owner);
    const backup = this.#backup(label, items);
    const dynamic = valueAt(first, "dynamic");
    const pools = new Map<
      string,
      { readonly policy: DraftPolicy | null; readonly fallback: string | null }
    >();
    for (const { key, value } of entriesOf(valueAt(dynamic, "pools"))) {
      const values = items.flatMap((item) => poolValues(item, key));
      const policy = this.#pool(`${label}-${key}`, key, values, check, value);
      pools.set(key, { policy, fallback: textOf(valueAt(value, "fallback")) });
    }
    const chains = new Map<string, DraftPolicy | null>();
    const chainOf = (pool: string): DraftPolicy | null => {
      const known = chains.get(pool);
      if (known !== undefined) return known;
      const chain: DraftPolicy[] = [];
      const seen = new Set<string>();
      for (
        let next: string | null = pool;
        next !== null && !seen.has(next);
        next = pools.get(next)?.fallback ?? null
      ) {
        seen.add(next);
        const policy = pools.get(next)?.policy ?? null;
        if (policy !== null) chain.push(policy);
      }
      if (backup !== null) chain.push(backup);
      const policy =
        chain.length < 2
          ? (chain[0] ?? null)
          : this.#draft.policy(`${label}-${pool}-first`, { failover: chain });
      chains.set(pool, policy);
      return policy;
    };
    return this.#rules(itemsOf(valueAt(dynamic, "rules")), chainOf);
  }

  #rules(rules: readonly Item[], chainOf: (pool: string) => DraftPolicy | null): DraftPolicy | null {
    const geo: Record<string, Record<string, DraftPolicy>> = {};
    const taken = new Set<string>();
    let byDefault: DraftPolicy | null = null;
    for (const rule of rules) {
      const policy = chainOf(textOf(valueAt(rule, "pool")) ?? "");
      const [geos, subnets] = [textsOf(valueAt(rule, "geos")), textsOf(valueAt(rule, "subnets"))];
      if (policy === null) continue;
      if (geos.length + subnets.length === 0) byDefault ??= policy;
      const put = (kind: string, key: string): void => {
        geo[kind] = { [key]: policy, ...geo[kind] };
      };
      for (const subnet of subnets) put("prefixes", subnet);
      for (const code of geos) {
        const [continent = "", country = "", subdivision] = code.split("-");
        const wider = [continent, `${continent}-${country}`].find((one) => one !== code && taken.has(one));
        if (wider !== undefined)
          this.#draft.note(
            "changed",
            rule,
            `${code}: ${wider} stands in a rule before it, and took it; here ${code} has its own`,
          );
        taken.add(code);
        if (subdivision !== undefined) put("subdivisions", `${country}-${subdivision}`);
        else if (country !== "") put("countries", country);
        else put("continents", continent);
      }
    }
    if (Object.keys(geo).length === 0) return byDefault;
    return { geo: { ...geo, ...(byDefault === null ? {} : { default: byDefault }), fence: true } };
  }

  /** A pool: its checked values, and beside them those that are always up. */
  #pool(
    name: string,
    region: string,
    values: readonly Item[],
    check: string,
    origin: Origin,
  ): DraftPolicy | null {
    const at = this.#draft.region(region, placeOf(region), origin);
    const checked: Record<string, DraftMember> = {};
    const always: Record<string, DraftMember> = {};
    for (const [i, value] of values.entries()) {
      const status = textOf(valueAt(value, "status")) ?? "obey";
      if (status === "down") {
        this.#draft.note("left-out", value, "status down: it was never answered");
        continue;
      }
      const member = memberOf(textOf(valueAt(value, "value")) ?? "", at, numberOf(valueAt(value, "weight")));
      if (member === null) continue;
      (status === "up" ? always : checked)[String(i + 1)] = member;
    }
    const weightOf = (members: Record<string, DraftMember>): number =>
      Object.values(members).reduce((sum, { weight = 1 }) => sum + weight, 0);
    const parts: { readonly use: string; readonly weight: number }[] = [];
    if (Object.keys(checked).length > 0)
      parts.push({ use: this.#draft.pool(name, { check, members: checked }), weight: weightOf(checked) });
    if (Object.keys(always).length > 0)
      parts.push({ use: this.#draft.pool(`${name}-always`, { members: always }), weight: weightOf(always) });
    if (parts.length < 2) return parts[0]?.use ?? null;
    return { weighted: { of: Object.fromEntries(parts.map((part) => [part.use, part])) } };
  }

  /** The record's own values, which are answered when nothing else is up. */
  #backup(label: string, items: readonly Item[]): DraftPolicy | null {
    const values = items.flatMap((item) => valuesOf(item).flatMap((value) => textOf(value) ?? []));
    const region = this.#draft.region("backup", null, items[0] ?? { file: "", line: 0, column: 0 });
    const members = Object.fromEntries(
      values.flatMap((value, i) => {
        const member = memberOf(value, region, null);
        return member === null ? [] : [[String(i + 1), member]];
      }),
    );
    const count = Object.keys(members).length;
    if (count === 0) return null;
    const pool = this.#draft.pool(`${label}-backup`, { members });
    return count === 1 ? pool : { spread: { of: pool, count: Math.min(count, SPREAD_MAX) } };
  }

  #check(label: string, record: Item, owner: string): string {
    const said = valueAt(valueAt(record, "octodns"), "healthcheck");
    const protocol = (textOf(valueAt(said, "protocol")) ?? DEFAULTS.protocol).toUpperCase();
    const port = numberOf(valueAt(said, "port")) ?? DEFAULTS.port;
    const host = textOf(valueAt(said, "host")) ?? owner.replace(/\.$/, "").replace(/^\*\./, "");
    const path = textOf(valueAt(said, "path")) ?? DEFAULTS.path;
    this.#draft.noteOnce(
      "assumed",
      said ?? record,
      "interval, timeout and thresholds of checks are Meridian's own",
    );
    if (protocol === "TCP") return this.#draft.check(label, { type: "tcp", port });
    if (protocol !== "HTTP" && protocol !== "HTTPS")
      this.#draft.note("changed", said ?? record, `${protocol}: checked by HTTPS`);
    const type = protocol === "HTTP" ? "http" : "https";
    const slash = path.startsWith("/") ? path : `/${path}`;
    return this.#draft.check(label, { type, host, path: slash, port, expect: { codes: [200] } });
  }
}

/** Pools, their fallbacks and rules, without addresses: what A and AAAA of a name share. */
function outlineOf(record: Item): string {
  const dynamic = valueAt(record, "dynamic");
  const pools = entriesOf(valueAt(dynamic, "pools")).map(({ key, value }) => [
    key,
    textOf(valueAt(value, "fallback")),
  ]);
  const rules = itemsOf(valueAt(dynamic, "rules")).map((rule) => [
    textsOf(valueAt(rule, "geos")),
    textsOf(valueAt(rule, "subnets")),
    textOf(valueAt(rule, "pool")),
  ]);
  return JSON.stringify([pools, rules]);
}

function poolValues(record: Item, pool: string): readonly Item[] {
  return itemsOf(valueAt(valueAt(valueAt(valueAt(record, "dynamic"), "pools"), pool), "values"));
}

function valuesOf(record: Item): readonly Item[] {
  return [...itemsOf(valueAt(record, "value")), ...itemsOf(valueAt(record, "values"))];
}

function memberOf(text: string, region: string, weight: number | null): DraftMember | null {
  const address = parseAddress(text);
  if (address === null) return null;
  const family = address.family === 4 ? { ipv4: text } : { ipv6: text };
  return { region, ...family, ...(weight === null ? {} : { weight }) };
}

/** RDATA as a master file has it; null: this type is not known, or a part is missing. */
function rdataOf(type: string, value: Item): string | null {
  if (type === "TXT" || type === "SPF") {
    const text = textOf(value);
    return text === null || type === "SPF" ? null : stringsOf(text.replaceAll("\\;", ";"));
  }
  if (PLAIN_TYPES.has(type)) return textOf(value);
  const keys = RDATA_KEYS[type];
  if (keys === undefined) return null;
  const parts = keys.map((key) => {
    const isQuoted = key.startsWith('"');
    const names = (isQuoted ? key.slice(1, -1) : key).split("|");
    const text = names.map((name) => textOf(valueAt(value, name))).find((one) => one !== null) ?? null;
    return text === null || !isQuoted ? text : stringsOf(text);
  });
  return parts.includes(null) ? null : parts.join(" ");
}

/** A text as strings of a master file, each as long as a string can be. */
function stringsOf(text: string): string {
  const octets = Buffer.from(text);
  const strings: string[] = [];
  for (let at = 0; at === 0 || at < octets.length; at += STRING_MAX) {
    strings.push(quoteText(octets.subarray(at, at + STRING_MAX)));
  }
  return strings.join(" ");
}
