/**
 * gdnsd's configuration and zone files (gdnsd 3.8) -> Meridian's.
 *
 * Datacenters become regions, resources pools and policies, DYNA and DYNC services. What is chosen stays the same: a client of a map
 * stays within the list of its most specific place (`fence`), and where all of that is down the first answers as if it were up.
 */

import type { Checked, Problem } from "../problem.ts";
import { parseAddress } from "../wire/address.ts";
import { asName, Draft, type DraftPolicy, inOrder, type Translation } from "./draft.ts";
import { AddressReader, firstOf, type Place, type Scopes } from "./gdnsd-addresses.ts";
import { ServiceTypes } from "./gdnsd-checks.ts";
import { MapReader, skipFirst } from "./gdnsd-map.ts";
import { type Dynamic, type GdnsdZone, readGdnsdZone } from "./gdnsd-zone.ts";
import { entriesOf, type Item, numberOf, type Origin, readItem, textOf, textsOf, valueAt } from "./item.ts";
import { readVscf, type SourceFiles } from "./vscf.ts";

/** What gdnsd takes where nothing is said (gdnsd.config(5)). */
const DEFAULTS = {
  ttlSeconds: 86_400,
  minTtlSeconds: 5,
  maxTtlSeconds: 3_600_000,
  port: 53,
} as const;

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

/** Translates one configuration. */
class GdnsdImport {
  readonly #draft = new Draft();
  readonly #config: Item;
  readonly #plugins: Item | null;
  readonly #files: SourceFiles;
  readonly #addresses: AddressReader;
  readonly #maps: MapReader;
  /** By plugin, resource and datacenter; null: nothing of it can be translated. */
  readonly #policies = new Map<string, DraftPolicy | null>();
  /** Resources that are being translated: one that comes to itself would never end. */
  readonly #open = new Set<string>();

  constructor(config: Item, files: SourceFiles) {
    this.#config = config;
    this.#plugins = valueAt(config, "plugins");
    this.#files = files;
    this.#addresses = new AddressReader(
      this.#draft,
      new ServiceTypes(this.#draft, valueAt(config, "service_types")),
    );
    this.#maps = new MapReader(this.#draft, files);
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
    return this.#addresses.read(plugin, item, [item, stanza], { datacenter, name });
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
    return this.#draft.policy(resource, this.#maps.read(found, item, policies, resource));
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
    return this.#addresses.read(own, value, [value, ...scopes], place);
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

/** `192.0.2.1`, `192.0.2.1:5300`, `[2001:db8::1]:5300` or `2001:db8::1`, with a port. */
function endpointOf(text: string, port: number): string {
  const address = parseAddress(text.replace(/^\[(.*)\]$/, "$1"));
  if (address === null) return text;
  return address.family === 6 ? `[${address.text}]:${port}` : `${address.text}:${port}`;
}
