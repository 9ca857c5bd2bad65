/**
 * gdnsd's configuration and zone files (gdnsd 3.8) -> Meridian's.
 *
 * Datacenters become regions, resources pools and policies, DYNA and DYNC services. What is chosen stays the same: a client of a map
 * stays within the list of its most specific place (`fence`), and where all of that is down the first answers as if it were up.
 */

import type { Checked, Problem } from "../problem.ts";
import { parseAddress } from "../wire/address.ts";
import {
  asName,
  Draft,
  type DraftMember,
  type DraftPolicy,
  inOrder,
  MAIN_REGION,
  type Translation,
} from "./draft.ts";
import { type Dynamic, type GdnsdZone, readGdnsdZone } from "./gdnsd-zone.ts";
import {
  entriesOf,
  type Item,
  isTrue,
  itemsOf,
  numberOf,
  type Origin,
  readItem,
  textOf,
  textsOf,
  valueAt,
} from "./item.ts";
import { readVscf, type SourceFiles } from "./vscf.ts";

/** What gdnsd takes where nothing is said (gdnsd.config(5)). */
const DEFAULTS = {
  ttlSeconds: 86_400,
  minTtlSeconds: 5,
  maxTtlSeconds: 3_600_000,
  port: 53,
  intervalSeconds: 10,
  upThresh: 20,
  downThresh: 10,
  /** Of addresses that must be up for a resource to be. */
  share: 0.5,
  autoLimit: 3,
} as const;
/** Meridian's own limits. */
const THRESHOLD_MAX = 100;
const SPREAD_MAX = 8;

/** Parameters of resources beside addresses, which go down from the plugin to the resource and the family. */
const PARAMETERS = new Set(["service_types", "up_thresh", "multi", "ignore_health", "plugin", "skip_first"]);

/** Translates the configuration in a folder whose file is `config`. The value is null where it cannot be read. */
export function importGdnsd(files: SourceFiles): Checked<Translation> {
  const config: Checked<Item> =
    files.read("config") === null ? readItem("config", "{}") : readVscf("config", files);
  const names = files.list("zones").filter((name) => !name.startsWith("."));
  const problems: Problem[] = [...config.problems];
  if (names.length === 0)
    problems.push({ file: "zones", line: 0, column: 0, message: "there is no zone file" });
  if (config.value === null || problems.length > 0) return { value: null, problems };
  return { value: new GdnsdImport(config.value, files).translate(names), problems: [] };
}

/** A resource in a datacenter; null: in none. */
interface Place {
  readonly datacenter: string | null;
  /** What names of its pools begin with. */
  readonly name: string;
}

/** Parameters that hold for addresses, the narrowest first. */
type Scopes = readonly (Item | null)[];

interface Addresses {
  readonly members: ReadonlyMap<string, DraftMember>;
  readonly policy: DraftPolicy | null;
}

class GdnsdImport {
  readonly #draft = new Draft();
  readonly #config: Item;
  readonly #plugins: Item | null;
  readonly #files: SourceFiles;
  /** By plugin, resource and datacenter; null: nothing of it can be translated. */
  readonly #policies = new Map<string, DraftPolicy | null>();
  /** Resources that are being translated: one that comes to itself would never end. */
  readonly #open = new Set<string>();

  constructor(config: Item, files: SourceFiles) {
    this.#config = config;
    this.#plugins = valueAt(config, "plugins");
    this.#files = files;
  }

  translate(zoneFiles: readonly string[]): Translation {
    const options = valueAt(this.#config, "options");
    this.#options(options);
    const ttlSeconds = numberOf(valueAt(options, "zones_default_ttl")) ?? DEFAULTS.ttlSeconds;
    for (const file of zoneFiles) {
      const apex = `${file.replaceAll("@", "/").replace(/\.$/, "").toLowerCase()}.`;
      const path = `zones/${file}`;
      const read = (name: string): string | null => this.#files.read(`zones/${name}`);
      const zone = readGdnsdZone(path, this.#files.read(path) ?? "", apex, ttlSeconds, read);
      this.#draft.zone(`zones/${asName(file)}.zone`, this.#masterFile(zone, options));
    }
    return this.#draft.finish("gdnsd");
  }

  #options(options: Item | null): void {
    const { node } = this.#draft;
    const port = numberOf(valueAt(options, "dns_port")) ?? DEFAULTS.port;
    const listen = valueAt(options, "listen");
    const said = listen?.kind === "map" ? listen.entries.map(({ key }) => key) : textsOf(listen);
    const all = said.length === 0 || said.includes("any") ? ["0.0.0.0", "::"] : said;
    node["listen"] = all.map((text) => endpointOf(text, port));
    const threads = numberOf(valueAt(options, "udp_threads"));
    if (threads !== null) node["workers"] = threads;
    for (const { key, ...origin } of entriesOf(options)) {
      if (KNOWN_OPTIONS.has(key)) continue;
      this.#draft.note("left-out", origin, `option ${key}: Meridian has its own way, see the section node`);
    }
  }

  /** The zone without its DYNA and DYNC: these are services, and a `STEER` where a service is there already. */
  #masterFile({ apex, parts }: GdnsdZone, options: Item | null): string {
    const services = new Map<string, string>();
    return parts
      .map((part) => (typeof part === "string" ? part : this.#dynamic(part, apex, options, services)))
      .join("");
  }

  /** What stands in the zone in place of a DYNA or DYNC. `services` are the names of those that are made, by what they answer. */
  #dynamic(dynamic: Dynamic, apex: string, options: Item | null, services: Map<string, string>): string {
    const { owner, plugin, resource } = dynamic;
    const fixed = this.#fixed(dynamic);
    if (fixed !== null) return fixed;
    const policy = this.#policyFor(plugin, resource, null, dynamic);
    if (policy === null) {
      this.#draft.note("left-out", dynamic, `${owner} ${dynamic.type}: nothing answers for it`);
      return "";
    }
    const least = numberOf(valueAt(options, "min_ttl")) ?? DEFAULTS.minTtlSeconds;
    const most = numberOf(valueAt(options, "max_ttl")) ?? DEFAULTS.maxTtlSeconds;
    const ttl = this.#draft.ttl(
      Math.min(Math.max(dynamic.minSeconds, least), most),
      Math.min(Math.max(dynamic.maxSeconds, least), most),
    );
    const key = JSON.stringify([policy, ttl]);
    const as = services.get(key);
    if (as !== undefined) return `${owner} STEER ${as}\n`;
    const isWildcard = owner.startsWith("*.");
    const name = isWildcard ? `${asName(resource || plugin).toLowerCase()}.${apex}` : owner;
    services.set(key, name);
    this.#draft.service(name.slice(0, -1), { ttl, policy });
    if (!isWildcard) return "";
    this.#draft.note(
      "assumed",
      dynamic,
      `${owner} is steered as ${name}, because a service has to have a name of its own`,
    );
    return `${owner} STEER ${name}\n`;
  }

  /** RRs that say the same at all times: of the plugins null, and static where it has a name; null: it is not one of these. */
  #fixed({ owner, maxSeconds, plugin, resource, ...origin }: Dynamic): string | null {
    if (plugin === "null") return `${owner} ${maxSeconds} A 0.0.0.0\n${owner} ${maxSeconds} AAAA ::\n`;
    if (plugin !== "static") return null;
    const target = textOf(valueAt(valueAt(this.#plugins, "static"), resource));
    if (target === null || parseAddress(target) !== null) return null;
    this.#draft.note("changed", origin, `${owner} is a CNAME in the zone: it was that at all times`);
    return `${owner} ${maxSeconds} CNAME ${target}\n`;
  }

  /** The policy of a resource; null: there is nothing to translate it to, and a note says why. */
  #policyFor(
    plugin: string,
    resource: string,
    datacenter: string | null,
    origin: Origin,
  ): DraftPolicy | null {
    const key = `${plugin}!${resource} ${datacenter ?? ""}`;
    const known = this.#policies.get(key);
    if (known !== undefined) return known;
    if (this.#open.has(key)) {
      this.#draft.note("left-out", origin, `${plugin}!${resource} comes to itself`);
      return null;
    }
    this.#open.add(key);
    const policy = this.#newPolicy(plugin, resource, datacenter, origin);
    this.#open.delete(key);
    this.#policies.set(key, policy);
    return policy;
  }

  #newPolicy(
    plugin: string,
    resource: string,
    datacenter: string | null,
    origin: Origin,
  ): DraftPolicy | null {
    const stanza = valueAt(this.#plugins, plugin);
    if (plugin === "geoip" || plugin === "metafo") return this.#meta(plugin, resource, datacenter, origin);
    const item = valueAt(stanza, resource);
    if (!["multifo", "weighted", "simplefo", "static"].includes(plugin)) {
      this.#draft.note("left-out", origin, `plugin ${plugin}: Meridian has nothing like it`);
      return null;
    }
    if (item === null) {
      this.#draft.note("left-out", origin, `there is no resource ${resource} of the plugin ${plugin}`);
      return null;
    }
    const name = datacenter === null ? resource : `${resource}-${datacenter}`;
    return this.#addresses(plugin, item, [item, stanza], { datacenter, name });
  }

  /** A resource of geoip or metafo, or one of its datacenters (`resource/datacenter`). */
  #meta(
    plugin: "geoip" | "metafo",
    named: string,
    within: string | null,
    origin: Origin,
  ): DraftPolicy | null {
    const [resource = "", only = null] = named.split("/");
    const stanza = valueAt(this.#plugins, plugin);
    const item = valueAt(valueAt(stanza, "resources"), resource);
    if (item === null) {
      this.#draft.note("left-out", origin, `there is no resource ${resource} of the plugin ${plugin}`);
      return null;
    }
    const policies = new Map<string, DraftPolicy>();
    for (const { key, value, ...at } of entriesOf(valueAt(item, "dcmap"))) {
      if (only !== null && key !== only) continue;
      const datacenter = within ?? key;
      this.#draft.region(datacenter, null, at);
      const place = {
        datacenter,
        name: within === null ? `${resource}-${key}` : `${resource}-${within}-${key}`,
      };
      const policy = this.#datacenter(value, [item, stanza], place);
      // It stands in several lists.
      if (policy !== null)
        policies.set(
          key,
          typeof policy === "string" ? policy : this.#draft.policy(`${place.name}-all`, policy),
        );
    }
    if (only !== null) return policies.get(only) ?? null;
    if (policies.size === 0) return null;
    if (plugin === "metafo") {
      const order = skipFirst(textsOf(valueAt(item, "datacenters")), item);
      const policy = inOrder(order.map((name) => policies.get(name) ?? null));
      return typeof policy === "string" || policy === null ? policy : this.#draft.policy(resource, policy);
    }
    const map = textOf(valueAt(item, "map")) ?? "";
    const found = valueAt(valueAt(stanza, "maps"), map);
    if (found === null) {
      this.#draft.note("left-out", item, `there is no map ${map} of the plugin geoip`);
      return null;
    }
    return this.#draft.policy(resource, this.#byMap(found, item, policies, resource));
  }

  /** What a datacenter of a dcmap says. */
  #datacenter(value: Item, scopes: Scopes, place: Place): DraftPolicy | null {
    const plugin = textOf(firstOf(scopes, "plugin")) ?? "multifo";
    const text = textOf(value);
    if (text !== null) {
      const reference = /^(?:%(?<plugin>[^!]+))?!(?<resource>.+)$/.exec(text)?.groups;
      if (reference !== undefined)
        return this.#policyFor(
          reference["plugin"] ?? plugin,
          reference["resource"] ?? "",
          place.datacenter,
          value,
        );
      if (parseAddress(text) === null) {
        this.#draft.note("left-out", value, `CNAME ${text}: Meridian answers with addresses alone`);
        return null;
      }
    }
    const own = value.kind === "map" ? (textOf(valueAt(value, "plugin")) ?? plugin) : "multifo";
    return this.#addresses(own, value, [value, ...scopes], place);
  }

  /** A map of geoip with the policies of one of its resources. */
  #byMap(
    map: Item,
    resource: Item,
    policies: ReadonlyMap<string, DraftPolicy>,
    name: string,
  ): { [key: string]: unknown } {
    const datacenters = textsOf(valueAt(map, "datacenters"));
    for (const { key, value, ...origin } of entriesOf(valueAt(map, "auto_dc_coords"))) {
      const [latitude = 0, longitude = 0] = itemsOf(value).map((item) => numberOf(item) ?? 0);
      this.#draft.region(key, [latitude, longitude], origin);
    }
    this.#database(map);
    if (isTrue(valueAt(map, "ignore_ecs")))
      this.#draft.noteOnce(
        "changed",
        map,
        "ignore_ecs: clients are where their subnet is, if their resolver sends one",
      );
    const lists = new PolicyLists(this.#draft, name, policies);
    const listOf = (item: Item): DraftPolicy | null => {
      if (textOf(item) === "auto") return this.#nearest(map, resource, policies);
      const order = skipFirst(textsOf(item), resource);
      const policy = lists.of(order);
      if (policy === null)
        this.#draft.note(
          "left-out",
          item,
          "a place without an answer: its clients get those of the place around it",
        );
      return policy;
    };
    const geo: Record<string, Record<string, DraftPolicy>> = {
      prefixes: {},
      subdivisions: {},
      countries: {},
      continents: {},
    };
    const put = (kind: string, key: string, policy: DraftPolicy | null): void => {
      const cases = geo[kind];
      if (policy !== null && cases !== undefined) cases[key] = policy;
    };
    for (const { key, value } of this.#nets(valueAt(map, "nets"))) put("prefixes", key, listOf(value));
    const places = valueAt(map, "map");
    for (const { key, value, ...origin } of entriesOf(places)) {
      if (key === "default") continue;
      if (value.kind !== "map") put("continents", key, listOf(value));
      else this.#countries(value, (kind, code, item) => put(kind, code === "" ? key : code, listOf(item)));
      if (!/^(AF|AN|AS|EU|NA|OC|SA)$/.test(key)) {
        delete geo["continents"]?.[key];
        this.#draft.note("left-out", origin, `${key} is not a continent`);
      }
    }
    const isAuto = valueAt(map, "auto_dc_coords") !== null;
    const said = valueAt(places, "default");
    const byDefault =
      said !== null
        ? listOf(said)
        : isAuto
          ? this.#nearest(map, resource, policies)
          : lists.of(skipFirst(datacenters, resource));
    const cases = Object.fromEntries(Object.entries(geo).filter(([, own]) => Object.keys(own).length > 0));
    if (Object.keys(cases).length === 0 && typeof byDefault === "object" && byDefault !== null)
      return { ...byDefault };
    return { geo: { ...cases, ...(byDefault === null ? {} : { default: byDefault }), fence: true } };
  }

  /** Tells what is said of a continent (an empty code), its countries and their subdivisions. */
  #countries(continent: Item, tell: (kind: string, code: string, item: Item) => void): void {
    for (const { key, value, ...origin } of entriesOf(continent)) {
      if (key === "default") tell("continents", "", value);
      else if (!/^[A-Z]{2}$/.test(key))
        this.#draft.note("left-out", origin, `${key} is not the code of a country`);
      else if (value.kind !== "map") tell("countries", key, value);
      else this.#subdivisions(key, value, true, tell);
    }
  }

  #subdivisions(
    country: string,
    places: Item,
    isCountry: boolean,
    tell: (kind: string, code: string, item: Item) => void,
  ): void {
    for (const { key, value, ...origin } of entriesOf(places)) {
      if (key === "default" && isCountry) tell("countries", country, value);
      else if (key === "default") this.#draft.note("left-out", origin, "a default within a subdivision");
      else if (!/^[A-Z0-9]{1,3}$/.test(key))
        this.#draft.note(
          "left-out",
          origin,
          `${key}: cities are not told apart, subdivisions are the smallest places`,
        );
      else if (value.kind !== "map") tell("subdivisions", `${country}-${key}`, value);
      else {
        const own = valueAt(value, "default");
        if (own !== null) tell("subdivisions", `${country}-${key}`, own);
        const deeper = value.entries.filter((entry) => entry.key !== "default");
        this.#subdivisions(country, { ...value, entries: deeper }, false, tell);
      }
    }
  }

  /** The nearest of the datacenters that have coordinates. */
  #nearest(map: Item, resource: Item, policies: ReadonlyMap<string, DraftPolicy>): DraftPolicy | null {
    const placed = new Set(entriesOf(valueAt(map, "auto_dc_coords")).map(({ key }) => key));
    const order = textsOf(valueAt(map, "datacenters")).filter((name) => placed.has(name));
    const limit = numberOf(valueAt(map, "auto_dc_limit")) ?? DEFAULTS.autoLimit;
    if (limit !== 0 && order.length > limit)
      this.#draft.noteOnce(
        "changed",
        map,
        `auto_dc_limit ${limit}: all datacenters are tried, the nearest first`,
      );
    if (isTrue(valueAt(resource, "skip_first")))
      this.#draft.note("changed", resource, "skip_first: the nearest datacenter is not left out");
    const all = inOrder(order.map((name) => policies.get(name) ?? null));
    return all === null ? null : { nearest: { of: all } };
  }

  #database(map: Item): void {
    const said = valueAt(map, "geoip2_db");
    const path = textOf(said);
    if (path === null || said === null) return;
    const database = path.startsWith("/") ? path : `/etc/gdnsd/geoip/${path}`;
    if (!path.startsWith("/"))
      this.#draft.noteOnce(
        "assumed",
        said,
        `${path} is ${database}, where gdnsd's geoip folder is by default`,
      );
    const { database: known } = this.#draft;
    if (known !== null && known !== database)
      this.#draft.note("changed", said, `${path}: a node has one database of places, ${known}`);
    this.#draft.database ??= database;
  }

  /** A map of prefixes, or the file that holds it. */
  #nets(nets: Item | null): readonly { readonly key: string; readonly value: Item }[] {
    const path = textOf(nets);
    if (path === null || nets === null) return entriesOf(nets);
    const { value, problems } = readVscf(path.startsWith("/") ? path : `geoip/${path}`, this.#files);
    for (const { message } of problems) this.#draft.note("left-out", nets, message);
    return entriesOf(value);
  }

  /** Addresses of a plugin that answers with them. */
  #addresses(plugin: string, item: Item, scopes: Scopes, place: Place): DraftPolicy | null {
    const families = (["addrs_v4", "addrs_v6"] as const).flatMap((key) => valueAt(item, key) ?? []);
    const policies: DraftPolicy[] = [];
    for (const family of families.length === 0 ? [item] : families) {
      const own = families.length === 0 ? scopes : [family, ...scopes];
      const suffix = families.length < 2 ? "" : family === families[0] ? "-ipv4" : "-ipv6";
      const { policy } = this.#family(plugin, family, own, { ...place, name: `${place.name}${suffix}` });
      if (policy !== null) policies.push(policy);
    }
    // A pool without addresses of a family is passed over for it.
    return policies.length < 2 ? (policies[0] ?? null) : { failover: policies };
  }

  #family(plugin: string, item: Item, scopes: Scopes, place: Place): Addresses {
    const region = this.#draft.region(place.datacenter ?? MAIN_REGION, null, item);
    const check = this.#check(scopes, item);
    const groups = entriesOf(item).filter(({ key, value }) => !PARAMETERS.has(key) && value.kind === "map");
    if (plugin === "weighted" && groups.length > 0) return this.#groups(groups, item, scopes, place);
    const members = new Map<string, DraftMember>();
    for (const [label, value] of labelled(item)) {
      const [first, weight] = plugin === "weighted" ? itemsOf(value) : [value];
      const text = textOf(first ?? null) ?? "";
      const address = parseAddress(text);
      if (address === null) {
        this.#draft.note("left-out", value, `${text || label}: Meridian answers with addresses alone`);
        continue;
      }
      members.set(asName(label), {
        region,
        ...(address.family === 4 ? { ipv4: text } : { ipv6: text }),
        ...(weight === undefined ? {} : { weight: numberOf(weight) ?? 1 }),
      });
    }
    if (members.size === 0) return { members, policy: null };
    const share = numberOf(firstOf(scopes, "up_thresh")) ?? DEFAULTS.share;
    const minUp = members.size > 1 && plugin !== "simplefo" && plugin !== "static" ? { minUp: share } : {};
    const pool = this.#draft.pool(place.name, {
      ...(check === null ? {} : { check }),
      ...minUp,
      members: Object.fromEntries(members),
    });
    return { members, policy: this.#choose(plugin, pool, members, scopes, item) };
  }

  /** How a plugin chooses among the members of a pool. */
  #choose(
    plugin: string,
    pool: string,
    members: ReadonlyMap<string, DraftMember>,
    scopes: Scopes,
    item: Item,
  ): DraftPolicy {
    if (plugin === "simplefo")
      return {
        failover: ["primary", "secondary"]
          .filter((label) => members.has(label))
          .map((label) => `${pool}/${label}`),
      };
    if (members.size === 1) return pool;
    if (plugin === "weighted") {
      if (!isTrue(firstOf(scopes, "multi"))) return pool;
      const weights = [...members.values()].map(({ weight = 1 }) => weight);
      const expected = weights.reduce((sum, weight) => sum + weight, 0) / Math.max(...weights);
      const count = Math.min(SPREAD_MAX, Math.max(1, Math.round(expected)));
      if (new Set(weights).size > 1)
        this.#draft.note(
          "changed",
          item,
          `multi: answers have ${count} addresses, where gdnsd has that many on average`,
        );
      return { spread: { of: pool, count } };
    }
    if (isTrue(firstOf(scopes, "ignore_health")))
      this.#draft.note("changed", item, "ignore_health: addresses that are down are left out of answers");
    if (members.size > SPREAD_MAX)
      this.#draft.note(
        "changed",
        item,
        `${members.size} addresses: an answer has at most ${SPREAD_MAX} of them`,
      );
    return { spread: { of: pool, count: Math.min(members.size, SPREAD_MAX) } };
  }

  /** Groups of weighted addresses: a group is drawn by the sum of its weights. */
  #groups(
    groups: readonly { key: string; value: Item }[],
    item: Item,
    scopes: Scopes,
    place: Place,
  ): Addresses {
    const isMulti = isTrue(firstOf(scopes, "multi"));
    const choices: Record<string, unknown> = {};
    const all = new Map<string, DraftMember>();
    for (const { key, value } of groups) {
      const inner = {
        kind: "text",
        file: value.file,
        line: value.line,
        column: value.column,
        text: "true",
      } as const;
      const everyone: Item = { ...value, kind: "map", entries: [{ ...value, key: "multi", value: inner }] };
      // Within a group it is the other way round: all of them where one group is drawn, one where several are.
      const own = isMulti ? scopes : [everyone, ...scopes];
      const { members, policy } = this.#family("weighted", value, own, {
        ...place,
        name: `${place.name}-${asName(key)}`,
      });
      if (policy === null) continue;
      const weight = [...members.values()].reduce((sum, member) => sum + (member.weight ?? 1), 0);
      choices[asName(key)] = { weight, use: policy };
      for (const [label, member] of members) all.set(`${key} ${label}`, member);
    }
    if (isMulti)
      this.#draft.note("changed", item, "multi with groups: an answer has one address, of one group");
    else if (groups.length > 1)
      this.#draft.note("changed", item, "groups: one that is partly down is still drawn by its whole weight");
    const minUp = numberOf(firstOf(scopes, "up_thresh")) ?? DEFAULTS.share;
    const policy = Object.keys(choices).length === 0 ? null : { weighted: { of: choices, minUp } };
    return { members: all, policy };
  }

  /** The check of what is monitored by these service types; null: it is not monitored. */
  #check(scopes: Scopes, item: Item): string | null {
    const said = firstOf(scopes, "service_types");
    const types = textsOf(said).filter((type) => type !== "up");
    const checks = types.flatMap((type) => this.#serviceType(type, said ?? item) ?? []);
    const [first] = checks;
    if (first === undefined || checks.length === 1) return first ?? null;
    const name = asName(checks.join("-and-"));
    if (this.#draft.hasCheck(name)) return name;
    this.#draft.noteOnce(
      "changed",
      said ?? item,
      `${checks.join(" and ")} are one check, at the times of the first`,
    );
    const { type: _, ...times } = this.#timing(
      valueAt(valueAt(this.#config, "service_types"), types[0] ?? ""),
    );
    return this.#draft.check(name, { type: "calculated", of: checks, need: "all", ...times });
  }

  #serviceType(type: string, origin: Origin): string | null {
    const name = asName(type);
    if (this.#draft.hasCheck(name)) return name;
    const item = valueAt(valueAt(this.#config, "service_types"), type);
    const plugin = textOf(valueAt(item, "plugin"));
    const port = numberOf(valueAt(item, "port"));
    const times = this.#timing(item);
    if (item !== null && (plugin === "http_status" || plugin === "tcp_connect"))
      this.#draft.noteOnce(
        "changed",
        item,
        "down_thresh: failures in a row count, and no others; after a first failure the next probe comes after `recheck`, here the interval",
      );
    if (plugin === "http_status") {
      const [path, host] = [textOf(valueAt(item, "url_path")), textOf(valueAt(item, "vhost"))];
      const codes = textsOf(valueAt(item, "ok_codes")).map(Number);
      return this.#draft.check(name, {
        type: "http",
        ...(port === null ? {} : { port }),
        ...(path === null ? {} : { path }),
        ...(host === null ? {} : { host }),
        expect: { codes: codes.length === 0 ? [200] : codes },
        ...times,
      });
    }
    if (plugin === "tcp_connect" && port !== null)
      return this.#draft.check(name, { type: "tcp", port, ...times });
    const isUp = plugin === "static" && textOf(valueAt(item, "state"))?.toUpperCase() !== "DOWN";
    if (!isUp)
      this.#draft.noteOnce(
        "left-out",
        item ?? origin,
        `service type ${type}${plugin === null ? "" : ` (${plugin})`}: not checked, so always up; write a check, or force verdicts by the API`,
      );
    return null;
  }

  #timing(item: Item | null): Record<string, unknown> {
    const seconds = numberOf(valueAt(item, "interval")) ?? DEFAULTS.intervalSeconds;
    const timeout = numberOf(valueAt(item, "timeout")) ?? Math.max(1, Math.trunc(seconds / 2));
    const [up, down] = [
      numberOf(valueAt(item, "up_thresh")) ?? DEFAULTS.upThresh,
      numberOf(valueAt(item, "down_thresh")) ?? DEFAULTS.downThresh,
    ];
    return {
      interval: `${seconds}s`,
      timeout: `${Math.min(timeout, seconds)}s`,
      recheck: `${seconds}s`,
      rise: Math.min(up, THRESHOLD_MAX),
      fall: Math.min(down, THRESHOLD_MAX),
      slowStart: "0s",
    };
  }
}

/** Lists of datacenters as policies; one that is used again gets a name. */
class PolicyLists {
  readonly #draft: Draft;
  readonly #name: string;
  readonly #policies: ReadonlyMap<string, DraftPolicy>;
  readonly #known = new Map<string, DraftPolicy | null>();

  constructor(draft: Draft, name: string, policies: ReadonlyMap<string, DraftPolicy>) {
    this.#draft = draft;
    this.#name = name;
    this.#policies = policies;
  }

  of(order: readonly string[]): DraftPolicy | null {
    const key = order.join(" ");
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const inline: DraftPolicy | null = inOrder(order.map((name) => this.#policies.get(name) ?? null));
    const policy: DraftPolicy | null =
      inline === null || typeof inline === "string"
        ? inline
        : this.#draft.policy(`${this.#name}-${order[0]}-first`, inline);
    this.#known.set(key, policy);
    return policy;
  }
}

const KNOWN_OPTIONS = new Set([
  "listen",
  "dns_port",
  "zones_default_ttl",
  "min_ttl",
  "max_ttl",
  "udp_threads",
  "tcp_threads",
  "run_dir",
  "state_dir",
]);

function skipFirst(order: readonly string[], resource: Item): readonly string[] {
  return isTrue(valueAt(resource, "skip_first")) && order.length > 1 ? order.slice(1) : order;
}

/** The value of a parameter in the narrowest scope that has it. */
function firstOf(scopes: Scopes, key: string): Item | null {
  for (const scope of scopes) {
    const value = valueAt(scope, key);
    if (value !== null) return value;
  }
  return null;
}

/** Values with their labels; in a list, or alone, they are called 1, 2 and so on. */
function labelled(item: Item): readonly (readonly [string, Item])[] {
  if (item.kind === "map")
    return item.entries.flatMap(({ key, value }) => (PARAMETERS.has(key) ? [] : [[key, value] as const]));
  return itemsOf(item).map((value, i) => [String(i + 1), value] as const);
}

/** `192.0.2.1`, `192.0.2.1:5300`, `[2001:db8::1]:5300` or `2001:db8::1`, with a port. */
function endpointOf(text: string, port: number): string {
  const address = parseAddress(text.replace(/^\[(.*)\]$/, "$1"));
  if (address === null) return text;
  return address.family === 6 ? `[${address.text}]:${port}` : `${address.text}:${port}`;
}
