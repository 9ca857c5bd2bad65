/** Follows ids into the config. The parser has resolved every one, so one that is missing is our own mistake. */

import assert from "node:assert/strict";
import type { Config, Member, MemberId, Pool, PoolId, Region, RegionId } from "../config/config.ts";

/** The pool of this id. */
export function poolOf(id: PoolId, config: Pick<Config, "pools">): Pool {
  return known(config.pools.get(id), "pool", id);
}

/** The member of this id. */
export function memberOf(id: MemberId, config: Pick<Config, "members">): Member {
  return known(config.members.get(id), "member", id);
}

/** The region of this id. */
export function regionOf(id: RegionId, config: Pick<Config, "regions">): Region {
  return known(config.regions.get(id), "region", id);
}

function known<T>(found: T | undefined, what: string, id: string): T {
  assert(found !== undefined, `the config has no ${what} ${id}`);
  return found;
}
