/** Finds things of a config by words that may or may not be their ids: an operator's, or a store's. */

import type { Config, Member } from "../config/config.ts";

/** What a map of branded keys has under a word. */
export function lookup<T>(map: ReadonlyMap<string, T>, word: string): T | null {
  return map.get(word) ?? null;
}

/** The member that a VIP id (`pool/member/ipv4`) names, if it has that VIP. */
export function memberOfVip(config: Config, vip: string): Member | null {
  const member = lookup(config.members, vip.slice(0, Math.max(0, vip.lastIndexOf("/"))));
  return member?.ipv4?.id === vip || member?.ipv6?.id === vip ? member : null;
}
