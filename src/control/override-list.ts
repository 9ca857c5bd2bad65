/** The overrides in force as lists show them: each is worked out once for a config, since there may be ten thousand. */

import type { Config } from "../config/config.ts";
import type { ListedOverride } from "./desk.ts";
import { isStale, type Override } from "./override.ts";

export class OverrideList {
  #config: Config | null = null;
  #overrides: readonly Override[] = [];
  #list: readonly ListedOverride[] = [];
  #listed = new WeakMap<Override, ListedOverride>();

  /** The same list as the last time, where nothing has changed. */
  of(overrides: readonly Override[], config: Config): readonly ListedOverride[] {
    if (config !== this.#config) this.#listed = new WeakMap();
    else if (overrides === this.#overrides) return this.#list;
    this.#config = config;
    this.#overrides = overrides;
    this.#list = overrides.map((override) => this.#one(override, config));
    return this.#list;
  }

  #one(override: Override, config: Config): ListedOverride {
    const known = this.#listed.get(override);
    if (known !== undefined) return known;
    const listed = { ...override, stale: isStale(config, override) };
    this.#listed.set(override, listed);
    return listed;
  }
}
