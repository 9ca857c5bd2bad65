/** gdnsd's configuration language (gdnsd.config(5), "Low-level syntax") -> a tree. */

import { posix } from "node:path";
import type { Checked, Problem } from "../problem.ts";
import { readEscape } from "../wire/name.ts";
import type { Item, ItemEntry, Origin } from "./item.ts";

/** The files of a configuration, by paths that begin where its folder does. */
export interface SourceFiles {
  /** null: there is none. */
  readonly read: (path: string) => string | null;
  /** The names in a folder, in order; none: there is no such folder. */
  readonly list: (folder: string) => readonly string[];
}

/** Files may include each other this deep. */
const DEPTH_MAX = 20;
/** What an unquoted text may not hold unless it is escaped. */
const SPECIAL = /[\][}{;#,"=\\\s]/;

/** Reads a file and what it includes. The value is null where its structure is in doubt. */
export function readVscf(path: string, files: SourceFiles): Checked<Item> {
  const problems: Problem[] = [];
  const value = readFile(path, files, 0, null, problems);
  return { value: problems.length === 0 ? value : null, problems };
}

function readFile(
  path: string,
  files: SourceFiles,
  depth: number,
  from: Origin | null,
  problems: Problem[],
): Item {
  const nothing: Item = { kind: "nothing", file: path, line: 1, column: 1 };
  const text = files.read(path);
  const complain = (message: string): Item => {
    problems.push({ ...(from ?? { file: path, line: 0, column: 0 }), message });
    return nothing;
  };
  if (text === null) return complain(`there is no file ${path}`);
  if (depth > DEPTH_MAX) return complain(`files may include each other at most ${DEPTH_MAX} deep`);
  try {
    return new VscfReader(path, text, files, depth, problems).readAll();
  } catch (cause) {
    if (!(cause instanceof SyntaxProblem)) throw cause;
    problems.push({ ...cause.origin, message: cause.message });
    return nothing;
  }
}

class SyntaxProblem extends Error {
  readonly origin: Origin;

  constructor(origin: Origin, message: string) {
    super(message);
    this.origin = origin;
  }
}

class VscfReader {
  readonly #file: string;
  readonly #text: string;
  readonly #files: SourceFiles;
  readonly #depth: number;
  readonly #problems: Problem[];
  #at = 0;
  #line = 1;
  #lineAt = 0;

  constructor(file: string, text: string, files: SourceFiles, depth: number, problems: Problem[]) {
    this.#file = file;
    this.#text = text;
    this.#files = files;
    this.#depth = depth;
    this.#problems = problems;
  }

  /** The whole file: a list in brackets, or a map without braces. */
  readAll(): Item {
    this.#skip();
    const origin = this.#origin();
    const item: Item = this.#sees("[")
      ? this.#list()
      : { kind: "map", ...origin, entries: this.#entries("") };
    this.#skip();
    if (this.#at < this.#text.length)
      this.#fail(`expected the end of the file, got "${this.#text[this.#at]}"`);
    return item;
  }

  #value(): Item {
    const origin = this.#origin();
    if (this.#sees("{")) {
      this.#step();
      const entries = this.#entries("}");
      this.#expect("}");
      return { kind: "map", ...origin, entries };
    }
    if (this.#sees("[")) return this.#list();
    if (!this.#isInclude()) return { kind: "text", ...origin, text: this.#word() };
    const paths = this.#include();
    const [path] = paths;
    if (path === undefined || paths.length > 1)
      throw new SyntaxProblem(origin, `$include in place of a value: expected one file, got ${paths.length}`);
    return readFile(path, this.#files, this.#depth + 1, origin, this.#problems);
  }

  #list(): Item {
    const origin = this.#origin();
    this.#expect("[");
    const items: Item[] = [];
    for (this.#skip(); this.#at < this.#text.length && !this.#sees("]"); this.#skip()) {
      items.push(this.#value());
      this.#comma();
    }
    this.#expect("]");
    return { kind: "list", ...origin, items };
  }

  /** The entries up to `end`; empty: up to the end of the file. */
  #entries(end: string): readonly ItemEntry[] {
    const entries = new Map<string, ItemEntry>();
    const add = (entry: ItemEntry): void => {
      const first = entries.get(entry.key);
      if (first !== undefined)
        throw new SyntaxProblem(entry, `duplicate key "${entry.key}", the first is in line ${first.line}`);
      entries.set(entry.key, entry);
    };
    for (this.#skip(); this.#at < this.#text.length && !(end !== "" && this.#sees(end)); this.#skip()) {
      const origin = this.#origin();
      if (this.#isInclude()) {
        for (const path of this.#include()) {
          const included = readFile(path, this.#files, this.#depth + 1, origin, this.#problems);
          if (included.kind === "list") throw new SyntaxProblem(origin, `${path}: expected keys, got a list`);
          if (included.kind === "map") for (const entry of included.entries) add(entry);
        }
      } else {
        const key = this.#word();
        this.#skip();
        this.#expect("=");
        if (this.#sees(">")) this.#step();
        this.#skip();
        add({ key, ...origin, value: this.#value() });
      }
      this.#comma();
    }
    return [...entries.values()];
  }

  #isInclude(): boolean {
    return this.#text.startsWith("$include{", this.#at);
  }

  /** The files that an $include stands for: one, those that match a pattern, or all of a folder. */
  #include(): readonly string[] {
    const origin = this.#origin();
    this.#at += "$include{".length;
    this.#skip();
    const said = this.#word();
    this.#skip();
    this.#expect("}");
    const path = posix.isAbsolute(said) ? said : posix.join(posix.dirname(this.#file), said);
    if (this.#files.read(path) !== null) return [path];
    const inFolder = this.#files.list(path);
    if (inFolder.length > 0) return inFolder.map((name) => posix.join(path, name));
    const pattern = new RegExp(
      `^${posix
        .basename(path)
        .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
        .replaceAll("*", ".*")
        .replaceAll("?", ".")}$`,
    );
    const folder = posix.dirname(path);
    const matching = this.#files.list(folder).filter((name) => pattern.test(name));
    if (matching.length === 0) throw new SyntaxProblem(origin, `$include: there is no ${path}`);
    return matching.map((name) => posix.join(folder, name));
  }

  /** A text, quoted or not, without its escapes. */
  #word(): string {
    const isQuoted = this.#sees('"');
    if (isQuoted) this.#step();
    let word = "";
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? "";
      if (char === "\\") {
        const escaped = readEscape(this.#text, this.#at);
        if (escaped === null) this.#fail('expected an escape such as \\" or \\092');
        word += String.fromCharCode(escaped.octet);
        this.#at += escaped.length;
      } else if (isQuoted ? char === '"' : SPECIAL.test(char)) break;
      else {
        word += char;
        this.#step();
      }
    }
    if (isQuoted) this.#expect('"');
    else if (word === "")
      this.#fail(`expected a word, got "${this.#text[this.#at] ?? "the end of the file"}"`);
    return word;
  }

  #comma(): void {
    this.#skip();
    if (this.#sees(",")) this.#step();
  }

  /** Space and comments, which begin with # or ; and end with the line. */
  #skip(): void {
    for (; this.#at < this.#text.length; this.#step()) {
      if (this.#sees("#") || this.#sees(";")) {
        const end = this.#text.indexOf("\n", this.#at);
        this.#at = end < 0 ? this.#text.length : end;
        if (end < 0) return;
      } else if (!/\s/.test(this.#text[this.#at] ?? "")) return;
    }
  }

  #sees(char: string): boolean {
    return this.#text[this.#at] === char;
  }

  #step(): void {
    if (this.#sees("\n")) {
      this.#line += 1;
      this.#lineAt = this.#at + 1;
    }
    this.#at += 1;
  }

  #expect(char: string): void {
    if (!this.#sees(char))
      this.#fail(`expected "${char}", got "${this.#text[this.#at] ?? "the end of the file"}"`);
    this.#step();
  }

  #origin(): Origin {
    return { file: this.#file, line: this.#line, column: this.#at - this.#lineAt + 1 };
  }

  #fail(message: string): never {
    throw new SyntaxProblem(this.#origin(), message);
  }
}
