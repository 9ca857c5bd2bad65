/** Lays prefixes that operators name over the address space: for each address, the labels and prefixes that hold it. */

import type { Prefix } from "../wire/address.ts";
import { type AddressTree, bitAt, LEAF, TreeBuilder } from "./tree.ts";

/** A prefix that tells its clients apart: by a label, or by itself where the label is null. */
export interface Mark {
  readonly prefix: Prefix;
  readonly label: string | null;
}

/** The marks on an address, as in `Location`. */
export interface Overlay {
  readonly labels: readonly string[];
  readonly prefixes: readonly string[];
}

/** The overlay of an unmarked address. */
export const BLANKET: Overlay = { labels: [], prefixes: [] };

/** The marks as a tree, whose leaves are indexes of `overlays`; 0 is `BLANKET`. */
export function overlayTree(marks: readonly Mark[]): {
  readonly tree: AddressTree;
  readonly overlays: readonly Overlay[];
} {
  const overlays: Overlay[] = [BLANKET];
  const builder = new TreeBuilder(marks.length);

  /** The entry of the space `depth` bits down, which holds all of `inside` and has the overlay numbered `outer`. */
  const grow = (inside: readonly Mark[], depth: number, outer: number): number => {
    if (inside.length === 0) return LEAF + outer;
    const here = inside.filter((mark) => mark.prefix.length === depth);
    const longer = inside.filter((mark) => mark.prefix.length > depth);
    const own =
      here.length === 0 ? outer : overlays.push(here.reduce(extend, overlays[outer] ?? BLANKET)) - 1;
    const under = (bit: 0 | 1): readonly Mark[] =>
      longer.filter((mark) => bitAt(mark.prefix.address.bytes, depth) === bit);
    return longer.length === 0
      ? LEAF + own
      : builder.join(grow(under(0), depth + 1, own), grow(under(1), depth + 1, own));
  };

  const ofFamily = (family: 4 | 6): readonly Mark[] =>
    marks.filter((mark) => mark.prefix.address.family === family);
  return { tree: builder.finish(grow(ofFamily(4), 0, 0), grow(ofFamily(6), 0, 0)), overlays };
}

/** Puts a mark of a longer prefix first; what is there already moves up. */
function extend({ labels, prefixes }: Overlay, { prefix, label }: Mark): Overlay {
  return label === null
    ? { labels, prefixes: [prefix.text, ...prefixes.filter((other) => other !== prefix.text)] }
    : { labels: [label, ...labels.filter((other) => other !== label)], prefixes };
}
