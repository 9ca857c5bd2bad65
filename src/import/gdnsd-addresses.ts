/** Resources of gdnsd's plugins that answer with addresses: multifo, weighted, simplefo, static -> pools and how they are chosen from. */

import { parseAddress } from "../wire/address.ts";
import { asName, type Draft, type DraftMember, type DraftPolicy, MAIN_REGION } from "./draft.ts";
import type { ServiceTypes } from "./gdnsd-checks.ts";
import { entriesOf, type Item, isTrue, itemsOf, numberOf, textOf, valueAt } from "./item.ts";

/** The share of addresses that must be up for a resource to be, where nothing is said. */
const SHARE = 0.5;
/** An answer has at most so many VIPs. */
const SPREAD_MAX = 8;

/** Parameters of resources beside addresses, which go down from the plugin to the resource and the family. */
const PARAMETERS = new Set(["service_types", "up_thresh", "multi", "ignore_health", "plugin", "skip_first"]);

/** Parameters that hold for addresses, the narrowest first. */
export type Scopes = readonly (Item | null)[];

/** A resource in a datacenter; null: in none. */
export interface Place {
  readonly datacenter: string | null;
  /** What names of its pools begin with. */
  readonly name: string;
}

interface Addresses {
  readonly members: ReadonlyMap<string, DraftMember>;
  readonly policy: DraftPolicy | null;
}

/** Makes pools and policies of addresses. */
export class AddressReader {
  readonly #draft: Draft;
  readonly #types: ServiceTypes;

  constructor(draft: Draft, types: ServiceTypes) {
    this.#draft = draft;
    this.#types = types;
  }

  /** Addresses of a plugin that answers with them. */
  read(plugin: string, item: Item, scopes: Scopes, place: Place): DraftPolicy | null {
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
    const check = this.#types.checkFor(firstOf(scopes, "service_types"), item);
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
    const share = numberOf(firstOf(scopes, "up_thresh")) ?? SHARE;
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
    const minUp = numberOf(firstOf(scopes, "up_thresh")) ?? SHARE;
    const policy = Object.keys(choices).length === 0 ? null : { weighted: { of: choices, minUp } };
    return { members: all, policy };
  }
}

/** The value of a parameter in the narrowest scope that has it. */
export function firstOf(scopes: Scopes, key: string): Item | null {
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
