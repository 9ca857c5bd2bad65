/** Words that stand for VIPs in tests and invariants. */

import { parseAddress } from "../wire/address.ts";
import type { Member, MemberId, Region, RegionId, Vip, VipId } from "./config.ts";
import type { Reader } from "./read.ts";
import type { Selection, SelectionShare } from "./rules.ts";
import { quote } from "./yaml.ts";

/** What selections choose from. */
export interface SelectionContext {
  readonly regions: ReadonlyMap<RegionId, Region>;
  readonly members: ReadonlyMap<MemberId, Member>;
}

/** What a selection may be, for messages. */
const what = "a region, pool/member, pool/member/ipv4 or address";

/** One word or a list of them; at least one. */
export function parseSelections(reader: Reader, context: SelectionContext): readonly Selection[] {
  const items = reader.kind === "list" ? reader.items() : [reader];
  if (items.length === 0) reader.expected(what);
  return items.flatMap((item) => parseSelection(item, context) ?? []);
}

/** A map from words to shares. */
export function parseSelectionShares(reader: Reader, context: SelectionContext): readonly SelectionShare[] {
  const entries = reader.entries();
  if (reader.kind === "map" && entries.length === 0) reader.expected(`${what}, each with its share`);
  return entries.flatMap(({ key, value }) => {
    const selection = parseSelection(key, context);
    const share = value.fraction();
    return selection === null ? [] : [{ selection, share }];
  });
}

/** Null where it stands for nothing, which is collected: a rule about nothing would always hold. */
function parseSelection(reader: Reader, { regions, members }: SelectionContext): Selection | null {
  const text = reader.text(what);
  if (text === null) return null;
  const all = [...members.values()];
  const select = (found: readonly (Vip | null)[]): Selection | null => {
    const vips = found.flatMap((vip) => vip?.id ?? []);
    return vips.length === 0 ? null : { text, vips: new Set(vips) };
  };
  const bothOf = (chosen: readonly Member[]): Selection | null =>
    select(chosen.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]));

  const address = parseAddress(text);
  if (address !== null) {
    const found = all.map((member) => (address.family === 4 ? member.ipv4 : member.ipv6));
    const selection = select(found.filter((vip) => vip?.address.text === address.text));
    if (selection === null) reader.problem(`no member has the address ${address.text}`);
    return selection;
  }
  const matches = matcherOf(text);
  const vipIds = all.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6].flatMap((vip) => vip?.id ?? []));
  switch (text.split("/").length) {
    case 1: {
      const chosen = new Set([...regions.keys()].filter(matches));
      if (chosen.size === 0) return noneOf(reader, "region", text, regions.keys());
      const selection = bothOf(all.filter(({ region }) => chosen.has(region)));
      if (selection === null) reader.problem(`no member stands in region ${quote(text)}`);
      return selection;
    }
    case 2:
      return bothOf(all.filter(({ id }) => matches(id))) ?? noneOf(reader, "member", text, members.keys());
    default: {
      const chosen = vipIds.filter(matches);
      return chosen.length === 0
        ? noneOf(reader, "VIP", text, vipIds)
        : { text, vips: new Set<VipId>(chosen) };
    }
  }
}

function noneOf(reader: Reader, kind: string, text: string, candidates: Iterable<string>): null {
  reader.unknown(kind, text, candidates);
  return null;
}

/** Whether a name fits a pattern, in which `*` is any text without a slash. */
export function matcherOf(pattern: string): (name: string) => boolean {
  if (!pattern.includes("*")) return (name) => name === pattern;
  const parts = pattern.split("*").map((part) => part.replaceAll(/[^A-Za-z0-9_/]/g, "\\$&"));
  const regExp = new RegExp(`^${parts.join("[^/]*")}$`);
  return (name) => regExp.test(name);
}
