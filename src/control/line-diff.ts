/** Two versions of a text, line by line, in the form of `diff -u`. */

import type { Steps } from "../steps.ts";

/** Lines around a change that stay. */
const CONTEXT_LINES = 3;

/** Beyond so many edits the shortest way costs more than it shows: all between the first and the last is one change. */
const EDITS_MAX = 1_000;

/** A diff of more lines is cut. */
const LINES_MAX = 5_000;

const NO_NEWLINE = "\n\\ No newline at end of file";

/** Lines of one text that stand in place of lines of another; the ends are exclusive. */
interface Change {
  readonly from: number;
  readonly to: number;
  readonly otherFrom: number;
  readonly otherTo: number;
}

/** A diff, which is empty where the texts are equal. */
export interface UnifiedDiff {
  readonly text: string;
  /** Only the beginning of a long one is there. */
  readonly isCut: boolean;
}

/** What makes `before` into `after`; null: there is no such file. */
export function* unifiedDiff(path: string, before: string | null, after: string | null): Steps<UnifiedDiff> {
  if (before === after) return { text: "", isCut: false };
  const [a, b] = [linesOf(before ?? ""), linesOf(after ?? "")];
  const changes = yield* changesBetween(a, b);
  const lines = [
    `--- ${before === null ? "/dev/null" : `a/${path}`}`,
    `+++ ${after === null ? "/dev/null" : `b/${path}`}`,
  ];
  for (const hunk of hunksOf(changes)) {
    for (const line of formatHunk(hunk, a, b)) {
      if (lines.length > LINES_MAX) break;
      lines.push(line);
    }
  }
  const isCut = lines.length > LINES_MAX;
  return { text: `${lines.slice(0, LINES_MAX).join("\n")}\n`, isCut };
}

/** A last line that does not end is another one than one that does. */
function linesOf(text: string): readonly string[] {
  const lines = text.split("\n");
  const last = lines.pop();
  return last === "" || last === undefined ? lines : [...lines, last + NO_NEWLINE];
}

/** Changes so near to each other that their contexts touch are shown together. */
function hunksOf(changes: readonly Change[]): readonly (readonly Change[])[] {
  const hunks: Change[][] = [];
  for (const change of changes) {
    const before = hunks.at(-1)?.at(-1);
    if (before !== undefined && change.from - before.to <= 2 * CONTEXT_LINES) hunks.at(-1)?.push(change);
    else hunks.push([change]);
  }
  return hunks;
}

function* formatHunk(hunk: readonly Change[], a: readonly string[], b: readonly string[]): Generator<string> {
  const [first, last] = [hunk[0], hunk.at(-1)];
  if (first === undefined || last === undefined) return;
  const lead = Math.min(CONTEXT_LINES, first.from);
  const end = Math.min(a.length, last.to + CONTEXT_LINES);
  const otherEnd = last.otherTo + end - last.to;
  yield `@@ -${rangeOf(first.from - lead, end)} +${rangeOf(first.otherFrom - lead, otherEnd)} @@`;
  let at = first.from - lead;
  for (const { from, to, otherFrom, otherTo } of hunk) {
    for (const line of a.slice(at, from)) yield ` ${line}`;
    for (const line of a.slice(from, to)) yield `-${line}`;
    for (const line of b.slice(otherFrom, otherTo)) yield `+${line}`;
    at = to;
  }
  for (const line of a.slice(at, end)) yield ` ${line}`;
}

/** Lines count from 1; a range of none names the line before it. */
function rangeOf(from: number, to: number): string {
  if (to === from) return `${from},0`;
  return to - from === 1 ? `${from + 1}` : `${from + 1},${to - from}`;
}

function* changesBetween(a: readonly string[], b: readonly string[]): Steps<readonly Change[]> {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let [end, otherEnd] = [a.length, b.length];
  while (end > start && otherEnd > start && a[end - 1] === b[otherEnd - 1]) {
    end -= 1;
    otherEnd -= 1;
  }
  const changes = yield* shortestEdit(a.slice(start, end), b.slice(start, otherEnd));
  return changes.map(({ from, to, otherFrom, otherTo }) => ({
    from: from + start,
    to: to + start,
    otherFrom: otherFrom + start,
    otherTo: otherTo + start,
  }));
}

/** E. W. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986): for each number of edits, how far each diagonal gets. */
function* shortestEdit(a: readonly string[], b: readonly string[]): Steps<readonly Change[]> {
  if (a.length + b.length === 0) return [];
  const editsMax = Math.min(a.length + b.length, EDITS_MAX);
  /** Of diagonal `k`, how many lines of `a` are behind it, at `k + middle`. */
  const reach = new Int32Array(2 * editsMax + 3);
  const middle = editsMax + 1;
  const rounds: Int32Array[] = [];
  for (let edits = 0; edits <= editsMax; edits += 1) {
    rounds.push(reach.slice(middle - edits - 1, middle + edits + 2));
    for (let k = -edits; k <= edits; k += 2) {
      let x = isInsertion(reach, middle, edits, k)
        ? at(reach, middle + k + 1)
        : at(reach, middle + k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach[middle + k] = x;
      if (x >= a.length && x - k >= b.length) return changesOf(rounds, a.length, b.length);
    }
    yield;
  }
  return [{ from: 0, to: a.length, otherFrom: 0, otherTo: b.length }];
}

/** Whether the way to diagonal `k` comes from the one above it, by a line of the other text. */
function isInsertion(reach: Int32Array, middle: number, edits: number, k: number): boolean {
  return k === -edits || (k !== edits && at(reach, middle + k - 1) < at(reach, middle + k + 1));
}

/** The way back through what each round had reached before it. */
function changesOf(rounds: readonly Int32Array[], length: number, otherLength: number): readonly Change[] {
  const changes: Change[] = [];
  let [x, y] = [length, otherLength];
  for (let edits = rounds.length - 1; edits > 0; edits -= 1) {
    const reach = rounds[edits] ?? new Int32Array();
    const middle = edits + 1;
    const k = x - y;
    const inserts = isInsertion(reach, middle, edits, k);
    const from = at(reach, middle + (inserts ? k + 1 : k - 1));
    const otherFrom = from - (inserts ? k + 1 : k - 1);
    const edit = { from, to: from + Number(!inserts), otherFrom, otherTo: otherFrom + Number(inserts) };
    const next = changes.at(-1);
    if (next !== undefined && next.from === edit.to && next.otherFrom === edit.otherTo)
      changes[changes.length - 1] = { ...next, from: edit.from, otherFrom: edit.otherFrom };
    else changes.push(edit);
    [x, y] = [from, otherFrom];
  }
  return changes.reverse();
}

function at(reach: Int32Array, index: number): number {
  return reach[index] ?? 0;
}
