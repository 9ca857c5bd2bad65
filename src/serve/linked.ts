/**
 * Loads modules so that V8 sees their imports as constants.
 *
 * What a module imports V8 looks up, and checks, at each use: it may be exported by a `let`. A hot path of many small
 * modules spends a third of its time on that. Here each module is compiled as a function, and its imports are constants
 * in it; its lines stay where they are, so stack traces are as ever. An answer by location with a rate limit took 235 ns,
 * and takes 157 (Node 26).
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import { compileFunction } from "node:vm";

type Exports = Readonly<Record<string, unknown>>;

/** What a module does, as the body of a function, line by line; and whom it imports and what it exports, by name. */
interface FunctionText {
  readonly body: string;
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

/** Modules by URL, as plain data that other threads can be given. */
export type ModuleTexts = ReadonlyMap<string, FunctionText>;

/**
 * Reads the modules at `urls` and all that these import: once for all threads, for taking the types out of them takes a quarter of a
 * second. Throws where one has a form of import or export that is not known here.
 */
export function readModules(...urls: readonly string[]): ModuleTexts {
  const texts = new Map<string, FunctionText>();
  const read = (url: string): void => {
    if (texts.has(url)) return;
    const text = asFunction(stripTypeScriptTypes(readFileSync(fileURLToPath(url), "utf8")), url);
    texts.set(url, text);
    for (const from of text.imports) if (isOwn(from)) read(new URL(from, url).href);
  };
  for (const url of urls) read(url);
  return texts;
}

/** A set of modules, each of which is loaded once; they share nothing with those that `import` has loaded. */
export class LinkedModules {
  readonly #texts: ModuleTexts;
  /** By URL; null: it is being loaded. */
  readonly #modules = new Map<string, Exports | null>();

  constructor(texts: ModuleTexts) {
    this.#texts = texts;
  }

  /** The exports of the module at a URL, which is among the texts. Throws where modules import one another. */
  load(url: string): Exports {
    const loaded = this.#modules.get(url);
    if (loaded === null) throw new Error(`${url} imports itself`);
    if (loaded !== undefined) return loaded;
    this.#modules.set(url, null);
    const module = this.#run(url);
    this.#modules.set(url, module);
    return module;
  }

  #run(url: string): Exports {
    const text = this.#texts.get(url);
    assert(text !== undefined, `${url} was not read`);
    const code = `"use strict";${text.body}\nreturn { ${text.exports.join(", ")} };`;
    const run = compileFunction(code, ["$import", "$meta"], { filename: fileURLToPath(url) });
    const load = (from: string): unknown =>
      isOwn(from) ? this.load(new URL(from, url).href) : process.getBuiltinModule(from);
    return run(load, { url }) as Exports;
  }
}

function isOwn(from: string): boolean {
  return from.startsWith(".");
}

/** `import { a, b as c } from "d";` and `import a from "node:b";`, whose module is what it exports by default. */
const IMPORT = /^import (\w+|\{[^}]*\}) from "([^"\n]+)";/gm;
const EXPORT = /^export (?=(?:async )?(?:function\*?|class|const) (\w+))/gm;

function asFunction(source: string, url: string): FunctionText {
  const imports: string[] = [];
  const exports: string[] = [];
  const body = source
    .replace(IMPORT, (_, what: string, from: string) => {
      imports.push(from);
      return `const ${what.replaceAll(" as ", ": ")} = $import("${from}");`;
    })
    .replace(EXPORT, (_, name: string) => {
      exports.push(name);
      return "";
    })
    .replaceAll("import.meta", "$meta");
  const other = /^(?:import|export)\b.*/m.exec(body);
  if (other !== null) throw new Error(`${url} has a line that cannot be linked: ${other[0]}`);
  return { body, imports, exports };
}
