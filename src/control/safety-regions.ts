/** The rule that so many regions stay up. */

import type { RegionId } from "../config/config.ts";
import type { SafetyConfig } from "../config/safety.ts";
import { formatQuantity } from "../config/units.ts";
import type { Problem } from "../problem.ts";
import { formatLocation } from "../steering/explain.ts";
import { regionsIn, regionsUp } from "../steering/regions-up.ts";
import type { Passage, Way } from "./passage.ts";

/** How many cases a problem names. */
const LISTED_MAX = 5;

/**
 * Each class of clients keeps at least so many regions that are up, or as many as its policy had for it in the first place where
 * that is fewer. A change that leaves too few is no breach where there were no more before it.
 */
export class RegionsRule {
  readonly #rule: NonNullable<SafetyConfig["minRegionsUp"]>;
  readonly #cases: string[] = [];
  #services = 0;
  #worst: { readonly up: number; readonly text: string } | null = null;

  constructor(rule: NonNullable<SafetyConfig["minRegionsUp"]>) {
    this.#rule = rule;
  }

  add({ services, before, after, classes }: Passage): void {
    if (after === null) return;
    let isBroken = false;
    for (const [classBefore, classAfter] of classes)
      for (const family of [4, 6] as const) {
        const [was, is] = [readyIn(before, classBefore, family), readyIn(after, classAfter, family)];
        const least = Math.min(this.#rule.regions, declaredIn(before, classBefore, family));
        if (is.size >= least || is.size >= was.size) continue;
        isBroken = true;
        const [label = ""] = services;
        const text = `${label} would have ${regionsText(is)}, expected at least ${least}, and has ${regionsText(was)}`;
        const location = before.split.partition.representatives[classBefore];
        const clients = location === undefined ? "" : ` for clients in ${formatLocation(location)}`;
        if (this.#worst === null || is.size < this.#worst.up) this.#worst = { up: is.size, text };
        if (this.#cases.length < LISTED_MAX) this.#cases.push(`${text}${clients}, IPv${family}`);
      }
    if (isBroken) this.#services += services.length;
  }

  problems(): readonly Problem[] {
    if (this.#worst === null) return [];
    const others = this.#services === 1 ? "" : ` (+${formatQuantity(this.#services - 1, "service")})`;
    const message = `safety.minRegionsUp: ${this.#worst.text}${others}`;
    return [{ ...this.#rule.place, message, details: this.#cases }];
  }
}

function readyIn({ split, facts }: Way, classNumber: number, family: 4 | 6): ReadonlySet<RegionId> {
  const local = split.locals[classNumber];
  return local === undefined ? new Set() : regionsUp(local, split.standsFor.label, family, facts);
}

function declaredIn({ split }: Way, classNumber: number, family: 4 | 6): number {
  const local = split.locals[classNumber];
  return local === undefined ? 0 : regionsIn(local, family).size;
}

function regionsText(regions: ReadonlySet<string>): string {
  const names = regions.size === 0 ? "" : ` (${[...regions].join(", ")})`;
  return `${formatQuantity(regions.size, "region")} up${names}`;
}
