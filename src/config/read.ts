/** Reads the values of a config file: each reader says what it expects, and collects a problem where it finds another. */

import type { Problem } from "../problem.ts";
import { suggest } from "../suggest.ts";
import { type IpAddress, type Prefix, parseAddress, parsePrefix } from "../wire/address.ts";
import { labelCount, type Name, parseName, rootName } from "../wire/name.ts";
import type { Coordinates } from "./config.ts";
import type { Endpoint } from "./node.ts";
import {
  formatDurationRange,
  formatNumberRange,
  parseDuration,
  parseEndpoint,
  parseNumber,
  parseWholeNumber,
  type Range,
} from "./units.ts";
import { type Entry, type Place, quote, type Tree } from "./yaml.ts";

/** How many words are looked at for "did you mean" in one file: with 100,000 typos and 100,000 candidates it ends. */
const comparedMax = 200_000;

/** The problems found so far in one file. */
export class Problems {
  readonly all: Problem[] = [];
  readonly #file: string;
  #compared = 0;

  constructor(file: string) {
    this.#file = file;
  }

  /** Collects one problem. */
  add(place: Place, message: string): void {
    this.all.push({ file: this.#file, line: place.line, column: place.column, message });
  }

  /** The end of a message about an unknown word: the candidate that was meant, else the candidates if they are few. */
  hint(word: string, candidates: Iterable<string>): string {
    if (this.#compared > comparedMax) return "";
    const known = [...candidates];
    this.#compared += known.length;
    const meant = suggest(word, known);
    if (meant !== null) return `, did you mean ${quote(meant)}`;
    return known.length === 0 || known.length > 20 ? "" : `, expected ${formatChoice(known.map(quote))}`;
  }
}

/**
 * One value with its path. Each reading method returns what it read; where the value is something else, it collects a
 * problem and returns null, or NaN for a number: no comparison holds for NaN, so one mistake is not reported twice.
 */
export class Reader {
  /** Keys from the top of the file, as in `node.listen[0]`; empty for the whole file. */
  readonly path: string;
  readonly problems: Problems;
  /** Where the value is named: its key, or the value itself in a list. */
  readonly place: Place;
  readonly #tree: Tree;

  constructor(tree: Tree, place: Place, path: string, problems: Problems) {
    this.#tree = tree;
    this.place = place;
    this.path = path;
    this.problems = problems;
  }

  /** What the value is, where more than one kind may stand. */
  get kind(): Tree["kind"] {
    return this.#tree.kind;
  }

  /** Collects a problem with the value. */
  problem(message: string): void {
    this.problems.add(this.#tree, this.#withPath(message));
  }

  /** Collects a problem with the value's key, as for something that the map under it lacks. */
  problemAtKey(message: string): void {
    this.problems.add(this.place, this.#withPath(message));
  }

  /** Collects that another value was expected. */
  expected(what: string): void {
    this.problem(`expected ${what}, found ${describe(this.#tree)}`);
  }

  /** Collects that a word names nothing of its kind. */
  unknown(kind: string, word: string, candidates: Iterable<string>): void {
    this.problem(`there is no ${kind} ${quote(word)}${this.problems.hint(word, candidates)}`);
  }

  /** The name of something declared elsewhere in the file. */
  reference<Id extends string>(kind: string, known: ReadonlyMap<Id, unknown>): Id | null {
    const word = this.text(`the name of a ${kind}`);
    if (word === null) return null;
    if (known.has(word as Id)) return word as Id;
    this.unknown(kind, word, known.keys());
    return null;
  }

  /** A text that is not empty; `what` describes it in the problem. */
  text(what = "a text"): string | null {
    if (this.#tree.kind === "text" && this.#tree.text !== "") return this.#tree.text;
    this.expected(what);
    return null;
  }

  /** A text that matches `pattern`. */
  matching(pattern: RegExp, what: string): string | null {
    return this.parsed(what, (text) => (pattern.test(text) ? text : null));
  }

  /** One of a few words; `others` are what else may stand here, for the message. */
  oneOf<Word extends string>(words: readonly Word[], ...others: readonly string[]): Word | null {
    const what = formatChoice([...words, ...others]);
    return this.parsed(what, (text) => words.find((word) => word === text) ?? null);
  }

  /** A domain name from the root, with or without its final dot. */
  domainName(): Name | null {
    const text = this.text("a domain name");
    if (text === null) return null;
    const parsed = parseName(text, rootName);
    if (parsed.kind === "problem") {
      this.problem(`expected a domain name, but ${parsed.message}`);
      return null;
    }
    if (labelCount(parsed.name) > 0) return parsed.name;
    this.expected("a domain name below the root");
    return null;
  }

  boolean(): boolean | null {
    const word = this.oneOf(["true", "false"]);
    return word === null ? null : word === "true";
  }

  number(range: Range): number {
    const what = `a number ${formatNumberRange(range)}`;
    return this.parsed(what, (text) => within(range, parseNumber(text))) ?? Number.NaN;
  }

  wholeNumber(range: Range): number {
    const what = `a whole number ${formatNumberRange(range)}`;
    return this.parsed(what, (text) => within(range, parseWholeNumber(text))) ?? Number.NaN;
  }

  /** A share, as `0.5` or `50%`: 0 to 1. */
  fraction(): number {
    const parse = (text: string): number | null => {
      const percent = text.endsWith("%");
      const value = parseNumber(percent ? text.slice(0, -1) : text);
      return within({ least: 0, most: 1 }, value !== null && percent ? value / 100 : value);
    };
    return this.parsed("a share from 0 to 1, or from 0% to 100%", parse) ?? Number.NaN;
  }

  /** A duration in milliseconds; `stepMs` is the unit it must be whole in, `other` what may stand there instead of one. */
  duration(range: Range, stepMs = 1, other: string | null = null): number {
    const step = stepMs === 1000 ? "in whole seconds " : "";
    const or = other === null ? "" : `, or ${other}`;
    const what = `a duration such as 500ms, 5s, 1m or 1h, ${step}${formatDurationRange(range)}${or}`;
    const parse = (text: string): number | null => {
      const value = within(range, parseDuration(text));
      return value === null || value % stepMs !== 0 ? null : value;
    };
    return this.parsed(what, parse) ?? Number.NaN;
  }

  address(family: 4 | 6): IpAddress | null {
    const what = family === 4 ? "an IPv4 address such as 192.0.2.1" : "an IPv6 address such as 2001:db8::1";
    return this.parsed(what, (text) => {
      const address = parseAddress(text);
      return address?.family === family ? address : null;
    });
  }

  prefix(): Prefix | null {
    const what = "a prefix without host bits such as 192.0.2.0/24 or 2001:db8::/32";
    return this.parsed(what, parsePrefix);
  }

  /** An address with a port, where 0 lets the system choose one. */
  endpoint(): Endpoint | null {
    return this.parsed("an address with a port such as 127.0.0.1:53 or [::1]:53", parseEndpoint);
  }

  /** `[latitude, longitude]` in degrees; NaN where it is something else. */
  coordinates(): Coordinates {
    const [latitude, longitude, ...rest] = this.#tree.kind === "list" ? this.items() : [];
    if (latitude === undefined || longitude === undefined || rest.length > 0) {
      this.expected("[latitude, longitude] in degrees");
      return { latitude: Number.NaN, longitude: Number.NaN };
    }
    return {
      latitude: latitude.number({ least: -90, most: 90 }),
      longitude: longitude.number({ least: -180, most: 180 }),
    };
  }

  /** The values of a list; `one` says of what there must be at least one, null: it may be empty. */
  items(what = "a list", one: string | null = null): readonly Reader[] {
    if (this.#tree.kind !== "list") {
      this.expected(what);
      return [];
    }
    if (one !== null && this.#tree.items.length === 0) this.expected(`at least one ${one}`);
    return this.#tree.items.map((item, i) => new Reader(item, item, `${this.path}[${i}]`, this.problems));
  }

  /** The entries of a map whose keys are the operator's. */
  entries(): readonly NamedReader[] {
    if (this.#tree.kind !== "map") {
      this.expected("a map");
      return [];
    }
    return this.#tree.entries.map((entry) => {
      const key: Tree = { kind: "text", text: entry.key, line: entry.line, column: entry.column };
      return {
        name: entry.key,
        key: new Reader(key, key, this.path, this.problems),
        value: this.#at(entry),
      };
    });
  }

  /** The entries of a map whose keys name things: names are short, and have no slash because `pool/member` has one. */
  named(): readonly NamedReader[] {
    const what = 'a name of at most 63 letters, digits, ".", "-" and "_"';
    return this.entries().filter(
      ({ key }) => key.matching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, what) !== null,
    );
  }

  /** The values of a map whose keys are known; a key that is not is a problem. */
  fields<Key extends string>(known: readonly Key[]): Fields<Key> {
    if (this.#tree.kind !== "map") {
      this.expected("a map");
      return new Fields<Key>(null, new Map());
    }
    const readers = new Map<Key, Reader>();
    for (const entry of this.#tree.entries) {
      const key = known.find((name) => name === entry.key);
      if (key !== undefined) readers.set(key, this.#at(entry));
      else {
        const hint = this.problems.hint(entry.key, known);
        this.problems.add(entry, this.#withPath(`unknown key ${quote(entry.key)}${hint}`));
      }
    }
    return new Fields<Key>(this, readers);
  }

  #at(entry: Entry): Reader {
    const path = this.path === "" ? entry.key : `${this.path}.${entry.key}`;
    return new Reader(entry.value, entry, path, this.problems);
  }

  /** A text in a form of its own: `parse` gives null where it is not in it, and `what` describes it. */
  parsed<T>(what: string, parse: (text: string) => T | null): T | null {
    const value = this.#tree.kind === "text" ? parse(this.#tree.text) : null;
    if (value === null) this.expected(what);
    return value;
  }

  #withPath(message: string): string {
    return this.path === "" ? message : `${this.path}: ${message}`;
  }
}

/** An entry of a map whose keys are the operator's. */
export interface NamedReader {
  readonly name: string;
  /** Reads the key, where that is more than a name. */
  readonly key: Reader;
  readonly value: Reader;
}

/** The values of a map by their known keys. */
export class Fields<Key extends string> {
  /** Reads the map itself; null where it was no map, which has been collected. */
  readonly #map: Reader | null;
  readonly #readers: ReadonlyMap<Key, Reader>;

  constructor(map: Reader | null, readers: ReadonlyMap<Key, Reader>) {
    this.#map = map;
    this.#readers = readers;
  }

  /** The keys that are given, in the order of the file. */
  get given(): readonly Key[] {
    return [...this.#readers.keys()];
  }

  /** The value of a key; null where it is not given. */
  optional(key: Key): Reader | null {
    return this.#readers.get(key) ?? null;
  }

  /** The value of a key that must be given; null where it is not, which is a problem. */
  required(key: Key): Reader | null {
    const reader = this.optional(key);
    if (reader === null) this.#map?.problemAtKey(`expected the key "${key}"`);
    return reader;
  }
}

function within(range: Range, value: number | null): number | null {
  return value !== null && value >= range.least && value <= range.most ? value : null;
}

/** `a, b or c`. */
export function formatChoice(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function describe(tree: Tree): string {
  switch (tree.kind) {
    case "map":
      return tree.entries.length === 0 ? "an empty map" : "a map";
    case "list":
      return tree.items.length === 0 ? "an empty list" : "a list";
    case "text":
      return quote(tree.text);
    case "nothing":
      return "nothing";
  }
}
