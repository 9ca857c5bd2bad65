/** "Did you mean": the known word that is nearest to one that is not known. */

/** Longer words are compared by nothing but their case: a typo in one is rare, and a comparison costs its square. */
const lengthMax = 64;

/** Of more candidates the rest is compared by case alone: who misspells one of 100,000 names must not hold everybody up. */
const comparedMax = 2_000;

/**
 * The candidate that differs from `word` by case alone, else the one with the fewest typos: one for each three letters,
 * and three at most. Null where none is so near.
 */
export function suggest(word: string, candidates: Iterable<string>): string | null {
  const folded = word.toLowerCase();
  let best: string | null = null;
  let bestTypos = folded.length > lengthMax ? 0 : Math.min(3, Math.floor(folded.length / 3)) + 1;
  let compared = 0;
  for (const candidate of candidates) {
    const other = candidate.toLowerCase();
    if (other === folded) return candidate;
    if (Math.abs(other.length - folded.length) >= bestTypos || compared === comparedMax) continue;
    compared += 1;
    const typos = countTypos(folded, other, bestTypos);
    if (typos >= bestTypos) continue;
    best = candidate;
    bestTypos = typos;
  }
  return best;
}

/** `; did you mean "near"?`, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const near = suggest(word, candidates);
  return near === null ? "" : `; did you mean "${near}"?`;
}

/**
 * Letters to insert, remove, change or swap with their neighbour to make one word of the other (optimal string
 * alignment distance). `row[j]` is the distance between the first `i` letters of `a` and the first `j` of `b`. What comes to `most`
 * is not counted any further.
 */
export function countTypos(a: string, b: string, most: number = Number.POSITIVE_INFINITY): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const changed = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(beforeLast, j - 2) + 1 : changed;
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, changed, swapped));
    }
    // No row has a lower number than the one before it.
    if (row.every((typos) => typos >= most)) return most;
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], j: number): number {
  return row[j] ?? Number.POSITIVE_INFINITY;
}
