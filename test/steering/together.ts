/** Which VIPs a plan gives together and how often, straight from the words of the reference. */

import type { VipId } from "../../src/config/config.ts";
import type { Plan } from "../../src/steering/plan.ts";
import { arcsOf, type Spread, TURN } from "../../src/steering/spread.ts";

/** VIPs that are answered together, and in what part of the answers of their spread. */
export interface Together {
  readonly vips: readonly VipId[];
  readonly part: number;
}

/** The part of a spread's answers that each of its VIPs is to be in: by its share, as far as that is not more than all. */
export function partsOf({ count, shares }: Spread): readonly number[] {
  const inAll = new Set<number>();
  for (;;) {
    const rest = shares.reduce((sum, { share }, i) => (inAll.has(i) ? sum : sum + share), 0);
    const parts = shares.map(({ share }, i) => (inAll.has(i) ? 1 : ((count - inAll.size) * share) / rest));
    const over = parts.flatMap((part, i) => (part > 1 && !inAll.has(i) ? [i] : []));
    if (over.length === 0) return parts;
    for (const i of over) inAll.add(i);
  }
}

/**
 * All sets that a spread answers with: those above one needle, wherever it stands. Arcs are as they are rounded: by real numbers
 * some small set would be another one.
 */
export function setsOf(spread: Spread): readonly Together[] {
  const parts = Array.from(arcsOf(spread), (arc) => arc / TURN);
  const ends = parts.map((_, i) => parts.slice(0, i + 1).reduce((sum, part) => sum + part, 0));
  const marks = [0, ...ends.map((end) => end % 1), 1].sort((a, b) => a - b);
  return marks.slice(1).flatMap((mark, i) => {
    const part = mark - marks[i]!;
    if (part === 0) return [];
    const needle = marks[i]! + part / 2;
    const vips = spread.shares.filter((_, nth) => {
      const begin = ends[nth]! - parts[nth]!;
      return Math.ceil(begin - needle) < ends[nth]! - needle;
    });
    return [{ vips: vips.map(({ vip }) => vip), part }];
  });
}

/** Whether a plan can answer with these and no others. */
export function canBeAnswered(plan: Plan & { readonly kind: "answer" }, vips: readonly VipId[]): boolean {
  const { spreads, sticky, shares } = plan;
  const isOne = (of: readonly { readonly vip: VipId | null; readonly share: number }[]): boolean =>
    vips.length === 1 && of.some(({ vip, share }) => vip === vips[0] && share > 0);
  if (isOne(sticky?.claims ?? [])) return true;
  if (spreads === null) return isOne(sticky?.drawn ?? shares);
  const key = vips.toSorted().join(" ");
  return spreads.some((spread) => setsOf(spread).some((set) => set.vips.toSorted().join(" ") === key));
}
