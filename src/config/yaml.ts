/** YAML text -> a plain tree of maps, lists and texts that know their places. */

import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  Scalar,
} from "yaml";
import type { Checked, Problem } from "../problem.ts";
import { formatCount } from "./units.ts";

/** Where something stands in the file, 1-based. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A value of the file. Scalars stay texts: what a text means depends on who reads it. */
export type Tree =
  | (Place & { readonly kind: "map"; readonly entries: readonly Entry[] })
  | (Place & { readonly kind: "list"; readonly items: readonly Tree[] })
  | (Place & { readonly kind: "text"; readonly text: string })
  /** No value, or an unquoted `null` or `~`. */
  | (Place & { readonly kind: "nothing" });

/** A key of a map with its value; keys are unique in their map. The place is the key's. */
export interface Entry extends Place {
  readonly key: string;
  readonly value: Tree;
}

/** Maps and lists may stand this deep in each other. */
const depthMax = 200;

/** Aliases (`*name`) may add this many values to a file; a few lines of them can stand for billions. */
const aliasedMax = 1_000_000;

/**
 * Reads one YAML 1.2 document. The value is null where its structure is in doubt; a duplicate key is a problem that
 * leaves the first one standing, so that the rest can still be checked.
 */
export function readYaml(file: string, text: string): Checked<Tree> {
  const lines = new LineCounter();
  // The package finds duplicate keys by comparing each with each: 100,000 took 443 s. TreeMaker does it with a map.
  const document = parseDocument(text, {
    uniqueKeys: false,
    schema: "failsafe",
    prettyErrors: false,
    lineCounter: lines,
  });
  const flaws = [...document.errors, ...document.warnings];
  if (flaws.length > 0) {
    const problems = flaws.map(({ pos, message }) => ({
      file,
      ...placeOf(lines, pos[0]),
      message: `Cannot read this as YAML: ${describe(message)}`,
    }));
    return { value: null, problems };
  }
  const maker = new TreeMaker(file, lines);
  const tree = maker.make(document.contents, 0, 0);
  return { value: maker.isWhole ? tree : null, problems: maker.problems };
}

/** Turns the package's nodes into a tree, with aliases replaced by what they stand for. */
class TreeMaker {
  readonly problems: Problem[] = [];
  /** False where a part of the file is missing from the tree. */
  isWhole = true;
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #anchors = new Map<string, { readonly tree: Tree; readonly size: number }>();
  /** How many values have been made so far, aliases written out. */
  #size = 0;
  #aliasedSize = 0;

  constructor(file: string, lines: LineCounter) {
    this.#file = file;
    this.#lines = lines;
  }

  /** The tree of a node; `offset` is its place where it has none of its own. */
  make(node: unknown, offset: number, depth: number): Tree {
    if (isAlias(node)) return this.#makeAlias(node);
    const sizeBefore = this.#size;
    const tree = this.#makeOwn(node, offset, depth);
    this.#size += 1;
    // An anchor is known only behind its node, so that a node cannot hold itself.
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined)
      this.#anchors.set(node.anchor, { tree, size: this.#size - sizeBefore });
    return tree;
  }

  #makeOwn(node: unknown, offset: number, depth: number): Tree {
    const place = placeOf(this.#lines, startOf(node) ?? offset);
    if (depth > depthMax) {
      this.#refuse(place, `maps and lists may stand at most ${depthMax} deep in each other`);
      return { kind: "nothing", ...place };
    }
    if (isMap(node)) return { kind: "map", ...place, entries: this.#makeEntries(node.items, depth) };
    if (isSeq(node)) {
      const items = node.items.map((item) => this.make(item, startOf(node) ?? offset, depth + 1));
      return { kind: "list", ...place, items };
    }
    if (!isScalar(node) || isNothing(node)) return { kind: "nothing", ...place };
    return { kind: "text", ...place, text: String(node.value) };
  }

  #makeEntries(pairs: readonly Pair[], depth: number): readonly Entry[] {
    const entries = new Map<string, Entry>();
    for (const { key, value } of pairs) {
      const offset = startOf(key) ?? startOf(value) ?? 0;
      const place = placeOf(this.#lines, offset);
      if (!isScalar(key) || String(key.value) === "") {
        this.#refuse(place, "expected a word as the key");
        continue;
      }
      const name = String(key.value);
      const first = entries.get(name);
      if (name === "<<") this.#refuse(place, 'merge keys ("<<") are not supported, write the keys out');
      else if (first === undefined)
        entries.set(name, { key: name, ...place, value: this.make(value, offset, depth + 1) });
      else this.#collect(place, `duplicate key ${quote(name)}, the first is in line ${first.line}`);
    }
    return [...entries.values()];
  }

  #makeAlias(alias: Alias): Tree {
    const place = placeOf(this.#lines, startOf(alias) ?? 0);
    const anchored = this.#anchors.get(alias.source);
    if (anchored === undefined) {
      this.#refuse(place, `alias "*${alias.source}" needs an anchor "&${alias.source}" before it`);
      return { kind: "nothing", ...place };
    }
    const sizeBefore = this.#aliasedSize;
    this.#aliasedSize += anchored.size;
    if (this.#aliasedSize > aliasedMax) {
      if (sizeBefore <= aliasedMax)
        this.#refuse(place, `aliases may stand for at most ${formatCount(aliasedMax)} values in a file`);
      return { kind: "nothing", ...place };
    }
    this.#size += anchored.size;
    return anchored.tree;
  }

  #refuse(place: Place, message: string): void {
    this.isWhole = false;
    this.#collect(place, message);
  }

  #collect(place: Place, message: string): void {
    this.problems.push({ file: this.#file, ...place, message });
  }
}

/** A text as messages show it: quoted, and cut where it is long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

function isNothing(node: Scalar): boolean {
  return node.type === Scalar.PLAIN && /^(|~|null|Null|NULL)$/.test(String(node.value));
}

function startOf(node: unknown): number | null {
  const isNode = isMap(node) || isSeq(node) || isScalar(node) || isAlias(node);
  return isNode ? (node.range?.[0] ?? null) : null;
}

function placeOf(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** The package's message in the form of ours. A file nested too deep for it overflows its stack, which it reports. */
function describe(message: string): string {
  if (/stack/i.test(message)) return "maps and lists stand too deep in each other";
  if (message.startsWith("Source contains multiple documents"))
    return 'expected one document, without "---" inside';
  return message.replace(/\.$/, "");
}
