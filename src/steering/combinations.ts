/** The combinations of regions up and down that invariants are tried in. */

/** With so many regions or fewer, every combination is tried: 256 of them. */
export const EXHAUSTIVE_REGIONS_MAX = 8;

/**
 * The sets of things that are down, those with the fewest first: all of them up to `EXHAUSTIVE_REGIONS_MAX` things. Of
 * more things none, each one, each two, all but each one, and all: a number that grows with the square alone.
 */
export function combinationsDown<T>(things: readonly T[], most: number): readonly (readonly T[])[] {
  const count = things.length;
  const sizes = count <= EXHAUSTIVE_REGIONS_MAX ? [...Array(count + 1).keys()] : [0, 1, 2, count - 1, count];
  return sizes.filter((size) => size <= most).flatMap((size) => subsets(things, size));
}

function subsets<T>(things: readonly T[], size: number): readonly (readonly T[])[] {
  if (size === 0) return [[]];
  if (size === things.length) return [things];
  // What is left out of a set is as good as what is in it, and of few things there is less to do.
  if (size > things.length / 2) {
    return subsets(things, things.length - size).map((without) =>
      things.filter((one) => !without.includes(one)),
    );
  }
  return things.flatMap((first, i) => subsets(things.slice(i + 1), size - 1).map((rest) => [first, ...rest]));
}
