/** What is different between two sets of declared files, by what they declare: regions, pools, services, RRsets. */

import { dirname, isAbsolute, join, relative } from "node:path";
import { readYaml, type Tree } from "../config/yaml.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { rrTypeName } from "../wire/codes.ts";
import { formatName } from "../wire/name.ts";
import { parseZoneInSteps } from "../zone/parse.ts";
import { formatRdata } from "../zone/rdata.ts";
import type { ZoneNode, ZoneNodes } from "../zone/zone.ts";
import { unifiedDiff } from "./line-diff.ts";
import { originOf } from "./zone-loader.ts";

/** So many differences are listed; all are counted. */
const LISTED_MAX = 1_000;

/** The texts of a config and of the files that it names. */
export interface DeclaredTexts {
  /** The path of the `meridian.yaml`. */
  readonly file: string;
  /** By path, that file with them. */
  readonly texts: ReadonlyMap<string, string>;
}

type ChangeKind = "added" | "removed" | "changed";

/** One thing that is there, is not there any more, or is declared otherwise. */
interface Difference {
  readonly change: ChangeKind;
  /** `region`, `pool`, `member`, `service`, `policy`, `RRset`, …; `section` for what has no name of its own. */
  readonly kind: string;
  readonly name: string;
  /** As they are written; null: it is not there. */
  readonly values: readonly ValueDifference[];
}

interface ValueDifference {
  /** Of the key, from the thing on; "": the thing itself is a value. */
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** A file that is not as it was. */
interface FileDifference {
  /** Relative to the folder of the config. */
  readonly path: string;
  readonly change: ChangeKind;
  /** As `diff -u` has it. */
  readonly diff: string;
  /** Only its beginning is there. */
  readonly isCut: boolean;
}

/** What is different, or nothing. */
export interface DeclaredDiff {
  readonly counts: Readonly<Record<ChangeKind, number>>;
  /** The first thousand. */
  readonly differences: readonly Difference[];
  /** What could not be compared by what it declares; its text is compared all the same. */
  readonly notes: readonly string[];
  readonly files: readonly FileDifference[];
}

/** Zones whose texts are equal are not read. */
export function* diffDeclared(before: DeclaredTexts, after: DeclaredTexts): Steps<DeclaredDiff> {
  const found = new Found();
  const [a, b] = [readConfig(before, found), readConfig(after, found)];
  yield* found.compare(a.things, b.things);
  for (const path of new Set([...a.zones, ...b.zones])) {
    const [old, now] = [a, b].map(({ zones }) => zones.has(path));
    if (old === now && !mayDiffer(path, before, after)) continue;
    const was = old === true ? yield* nodesOf(path, before, found) : NO_NODES;
    const is = now === true ? yield* nodesOf(path, after, found) : NO_NODES;
    if (was !== null && is !== null) yield* compareZones(was, is, found);
  }
  return { ...found.result(), files: yield* diffFiles(before, after) };
}

/** A path as an operator would write it in that config. */
export function pathIn({ file }: Pick<DeclaredTexts, "file">, path: string): string {
  const short = relative(dirname(file), path);
  return short.startsWith("../") ? path : short;
}

/** For people, in the manner of `terraform plan`. */
export function formatDiff({ counts, differences, notes, files }: DeclaredDiff): readonly string[] {
  const { added, changed, removed } = counts;
  const more = added + changed + removed - differences.length;
  if (files.length === 0) return ["nothing is different"];
  return [
    ...differences.flatMap(formatDifference),
    ...(more > 0 ? [`… and ${more} more`] : []),
    ...notes,
    ...(added + changed + removed === 0
      ? [`only the text of ${files.map(({ path }) => path).join(", ")}`]
      : []),
    `${added} added, ${changed} changed, ${removed} removed`,
  ];
}

const SIGNS: Readonly<Record<ChangeKind, string>> = { added: "+", removed: "-", changed: "~" };

function formatDifference({ change, kind, name, values }: Difference): readonly string[] {
  const shown = values.map(({ path, before, after }) => {
    const what =
      change === "changed" ? `${before ?? "(nothing)"} -> ${after ?? "(nothing)"}` : (after ?? before);
    return path === "" ? `    ${what}` : `    ${path}: ${what}`;
  });
  return [`${SIGNS[change]} ${kind} ${name}`, ...shown];
}

/** A thing that is declared: each of its values by its path. */
interface Thing {
  readonly kind: string;
  readonly name: string;
  readonly values: ReadonlyMap<string, string>;
}

/** What has been found so far. */
class Found {
  readonly #differences: Difference[] = [];
  readonly #counts = { added: 0, removed: 0, changed: 0 };
  readonly #notes: string[] = [];

  note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text);
  }

  *compare(before: ReadonlyMap<string, Thing>, after: ReadonlyMap<string, Thing>): Steps<void> {
    yield* forEachInSteps(before, ([key, thing]) => this.take(thing, after.get(key) ?? null));
    yield* forEachInSteps(after, ([key, thing]) => {
      if (!before.has(key)) this.take(null, thing);
    });
  }

  /** Notes what is different between two states of a thing; null: it is not there. */
  take(before: Thing | null, after: Thing | null): void {
    const thing = after ?? before;
    if (thing === null) return;
    const values: ValueDifference[] = [];
    for (const path of new Set([...(before?.values.keys() ?? []), ...(after?.values.keys() ?? [])])) {
      const [old, now] = [before?.values.get(path) ?? null, after?.values.get(path) ?? null];
      if (old !== now) values.push({ path, before: old, after: now });
    }
    if (before !== null && after !== null && values.length === 0) return;
    const change = before === null ? "added" : after === null ? "removed" : "changed";
    this.#counts[change] += 1;
    if (this.#differences.length < LISTED_MAX)
      this.#differences.push({ change, kind: thing.kind, name: thing.name, values });
  }

  result(): Omit<DeclaredDiff, "files"> {
    return { counts: this.#counts, differences: this.#differences, notes: this.#notes };
  }
}

/** Sections of named things, and what one of them is called. All other sections are one thing each. */
const NAMED: ReadonlyMap<string, string> = new Map([
  ["regions", "region"],
  ["vantages", "vantage"],
  ["checks", "check"],
  ["pools", "pool"],
  ["policies", "policy"],
  ["services", "service"],
  ["tests", "test"],
  ["invariants", "invariant"],
  ["keys", "key"],
  ["dnssec", "signed zone"],
]);

interface DeclaredConfig {
  /** By kind and name. */
  readonly things: ReadonlyMap<string, Thing>;
  /** The files of its zones. */
  readonly zones: ReadonlySet<string>;
}

function readConfig({ file, texts }: DeclaredTexts, found: Found): DeclaredConfig {
  const { value } = readYaml(file, texts.get(file) ?? "");
  const things = new Map<string, Thing>();
  const zones = new Set<string>();
  const add = (kind: string, name: string, tree: Tree): void => {
    things.set(`${kind} ${name}`, { kind, name, values: new Map(valuesIn(tree, "")) });
  };
  if (value === null) found.note(`a text of ${file} cannot be read as YAML`);
  for (const { key, value: section } of entriesOf(value)) {
    const kind = NAMED.get(key);
    if (key === "zones" && section.kind === "list") {
      for (const item of section.items)
        if (item.kind === "text")
          zones.add(isAbsolute(item.text) ? item.text : join(dirname(file), item.text));
    }
    if (kind === undefined) {
      add("section", key, section);
      continue;
    }
    for (const { key: name, value: tree } of entriesOf(section)) {
      add(kind, name, kind === "pool" ? without(tree, "members") : tree);
      const members = kind === "pool" ? entriesOf(tree).find((entry) => entry.key === "members") : undefined;
      for (const member of entriesOf(members?.value ?? null))
        add("member", `${name}/${member.key}`, member.value);
    }
  }
  return { things, zones };
}

function entriesOf(tree: Tree | null): Extract<Tree, { kind: "map" }>["entries"] {
  return tree?.kind === "map" ? tree.entries : [];
}

function without(tree: Tree, key: string): Tree {
  return tree.kind === "map" ? { ...tree, entries: tree.entries.filter((entry) => entry.key !== key) } : tree;
}

/** Each value with its path; a list of texts is one value. */
function* valuesIn(tree: Tree, path: string): Generator<readonly [string, string]> {
  switch (tree.kind) {
    case "text":
      yield [path, tree.text];
      break;
    case "nothing":
      yield [path, "null"];
      break;
    case "map":
      for (const { key, value } of tree.entries) yield* valuesIn(value, path === "" ? key : `${path}.${key}`);
      break;
    case "list": {
      const texts = tree.items.flatMap((item) => (item.kind === "text" ? [item.text] : []));
      if (texts.length === tree.items.length) yield [path, `[${texts.join(", ")}]`];
      else for (const [i, item] of tree.items.entries()) yield* valuesIn(item, `${path}[${i}]`);
    }
  }
}

/** A zone that includes others may differ though its own text does not. */
function mayDiffer(path: string, before: DeclaredTexts, after: DeclaredTexts): boolean {
  const text = before.texts.get(path);
  if (text !== after.texts.get(path)) return true;
  return (
    /^\$INCLUDE/im.test(text ?? "") &&
    [...after.texts].some(([other, now]) => before.texts.get(other) !== now)
  );
}

const NO_NODES: ZoneNodes = new Map();

function* nodesOf(path: string, declared: DeclaredTexts, found: Found): Steps<ZoneNodes | null> {
  const read = (file: string): string | null => declared.texts.get(file) ?? null;
  const { value } = yield* parseZoneInSteps(path, originOf(path), read);
  if (value === null) found.note(`a text of ${pathIn(declared, path)} cannot be read as a zone`);
  return value?.nodes ?? null;
}

function* compareZones(before: ZoneNodes, after: ZoneNodes, found: Found): Steps<void> {
  const compare = (was: ZoneNode | undefined, is: ZoneNode | undefined): void => {
    const [old, now] = [rrsetsOf(was), rrsetsOf(is)];
    for (const type of new Set([...old.keys(), ...now.keys()]))
      found.take(old.get(type) ?? null, now.get(type) ?? null);
  };
  yield* forEachInSteps(before, ([key, node]) => compare(node, after.get(key)));
  yield* forEachInSteps(after, ([key, node]) => {
    if (!before.has(key)) compare(undefined, node);
  });
}

/** By type, with what is steered as one more. The order of RRs says nothing. */
function rrsetsOf(node: ZoneNode | undefined): ReadonlyMap<string, Thing> {
  const things = new Map<string, Thing>();
  if (node === undefined) return things;
  const owner = formatName(node.name);
  const add = (type: string, values: ReadonlyMap<string, string>): void => {
    things.set(type, { kind: "RRset", name: `${owner} ${type}`, values });
  };
  for (const { type, ttlSeconds, rdatas } of node.rrsets.values()) {
    const texts = rdatas.map((rdata) => formatRdata(type, rdata)).sort();
    add(
      rrTypeName(type),
      new Map([
        ["ttl", String(ttlSeconds)],
        ["rdata", texts.join(", ")],
      ]),
    );
  }
  if (node.steered !== null) add("STEER", new Map([["as", formatName(node.steered.as)]]));
  return things;
}

function* diffFiles(before: DeclaredTexts, after: DeclaredTexts): Steps<readonly FileDifference[]> {
  const files: FileDifference[] = [];
  for (const path of new Set([...before.texts.keys(), ...after.texts.keys()])) {
    const [old, now] = [before.texts.get(path) ?? null, after.texts.get(path) ?? null];
    if (old === now) continue;
    const name = pathIn(after, path);
    const change = old === null ? "added" : now === null ? "removed" : "changed";
    const { text, isCut } = yield* unifiedDiff(name, old, now);
    files.push({ path: name, change, diff: text, isCut });
  }
  return files;
}
