/** gdnsd's geoip maps -> `geo` and `nearest`. */

import { type Draft, type DraftPolicy, inOrder } from "./draft.ts";
import { entriesOf, type Item, isTrue, itemsOf, numberOf, textOf, textsOf, valueAt } from "./item.ts";
import { readVscf, type SourceFiles } from "./vscf.ts";

/** How many datacenters city-auto-mode tries where nothing is said. */
const AUTO_LIMIT = 3;

/** Makes policies of maps. */
export class MapReader {
  readonly #draft: Draft;
  readonly #files: SourceFiles;

  constructor(draft: Draft, files: SourceFiles) {
    this.#draft = draft;
    this.#files = files;
  }

  /** A map of geoip with the policies of one of its resources. */
  read(
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
    const limit = numberOf(valueAt(map, "auto_dc_limit")) ?? AUTO_LIMIT;
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

/** The order of a resource whose first datacenter is passed over, if it says so. */
export function skipFirst(order: readonly string[], resource: Item): readonly string[] {
  return isTrue(valueAt(resource, "skip_first")) && order.length > 1 ? order.slice(1) : order;
}
