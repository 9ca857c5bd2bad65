/** Reads a zone from its master file (RFC 1035 §5), with every problem of it and of the files it includes. */

import { dirname, isAbsolute, join } from "node:path";
import type { Checked, Problem } from "../problem.ts";
import { finish, ITEMS_OF_STEP, type Steps } from "../steps.ts";
import { suggest } from "../suggest.ts";
import { type Name, parseName } from "../wire/name.ts";
import { checkZone } from "./check.ts";
import { generate, parseRange } from "./generate.ts";
import { type Context, readRR, type Sink } from "./rr.ts";
import { RRTable } from "./rr-table.ts";
import { Scanner, type Word } from "./scan.ts";
import { parseTtl, ttlExpected } from "./ttl.ts";
import type { Zone } from "./zone.ts";

/** How deep files may include files. */
const includeDepthMax = 8;

const directives = ["$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE"];

/**
 * The zone in `file`; null with any problem.
 *
 * `apex` is the origin at the start of the file; with null, relative names need an `$ORIGIN` before them. The zone's own
 * apex is the owner of its SOA. `read` gives the text of a file, and null where there is none; it is called for `file`
 * and, with paths relative to the including file, for each `$INCLUDE`.
 */
export function parseZone(
  file: string,
  apex: Name | null,
  read: (path: string) => string | null,
): Checked<Zone> {
  return finish(parseZoneInSteps(file, apex, read));
}

/** The same in steps. */
export function* parseZoneInSteps(
  file: string,
  apex: Name | null,
  read: (path: string) => string | null,
): Steps<Checked<Zone>> {
  const reader = new ZoneReader(read);
  const text = read(file);
  if (text === null) {
    const problem = { file, line: 0, column: 0, message: "cannot read this zone file: expected a text file" };
    return { value: null, problems: [problem] };
  }
  yield* reader.readFile(text, [file], {
    file,
    origin: apex,
    ...startOfFile,
    defaultTtl: null,
    lastTtl: null,
  });
  const checked = yield* checkZone(file, reader.rrs, reader.problems.length === 0);
  const problems = inReadingOrder([...reader.problems, ...checked.problems], reader.files);
  return { value: problems.length === 0 ? checked.value : null, problems };
}

/** A file does not take over the owner name of the file that includes it. */
const startOfFile = { owner: null, ownerRefused: false };

/** Why a directive has no effect, and the word that is to blame. */
interface Refusal {
  readonly word: Word;
  readonly message: string;
}

/** One directive and what it is read with. */
interface Directive {
  /** The word with the dollar sign. */
  readonly word: Word;
  /** The words after it. */
  readonly words: readonly Word[];
  readonly context: Context;
  readonly sink: Sink;
}

/** Gathers what a file and the files it includes say. */
class ZoneReader {
  readonly rrs = new RRTable();
  readonly problems: Problem[] = [];
  /** In the order in which they were first read. */
  readonly files: Set<string> = new Set();
  readonly #read: (path: string) => string | null;
  #entriesRead = 0;

  constructor(read: (path: string) => string | null) {
    this.#read = read;
  }

  /** Reads one file. `path` are the files that include each other down to it, itself last. */
  *readFile(text: string, path: readonly string[], context: Context): Steps<void> {
    const { file } = context;
    this.files.add(file);
    const scanner = new Scanner(text, (line, column, message) => {
      this.problems.push({ file, line, column, message });
    });
    const sink: Sink = {
      add: (rr) => this.rrs.add(rr),
      refuse: ({ line, column }, message) => this.problems.push({ file, line, column, message }),
    };
    for (let entry = scanner.next(); entry !== null; entry = scanner.next()) {
      const [word] = entry.words;
      if (word === undefined || word.quoted || !word.text.startsWith("$")) readRR(entry, context, sink);
      else if (entry.sound) {
        const refusal = yield* this.#readDirective(
          { word, words: entry.words.slice(1), context, sink },
          path,
        );
        if (refusal !== null) sink.refuse(refusal.word, refusal.message);
      }
      this.#entriesRead += 1;
      if (this.#entriesRead % ITEMS_OF_STEP === 0) yield;
    }
  }

  *#readDirective(directive: Directive, path: readonly string[]): Steps<Refusal | null> {
    const { text } = directive.word;
    switch (text.toUpperCase()) {
      case "$ORIGIN":
        return readOrigin(directive);
      case "$TTL":
        return readDefaultTtl(directive);
      case "$INCLUDE":
        return yield* this.#readInclude(directive, path);
      case "$GENERATE":
        return yield* readGenerate(directive);
      default: {
        const meant = suggest(text, directives);
        const hint = meant === null ? `expected one of ${directives.join(", ")}` : `did you mean ${meant}?`;
        return { word: directive.word, message: `"${text}" is not a directive: ${hint}` };
      }
    }
  }

  /** `$INCLUDE file [origin]`: what the file sets (origin, owner, TTL) ends with it. */
  *#readInclude({ word, words, context }: Directive, path: readonly string[]): Steps<Refusal | null> {
    const [fileWord, originWord] = words;
    if (fileWord === undefined || words.length > 2)
      return { word, message: "expected $INCLUDE <file> [origin]" };
    const file = isAbsolute(fileWord.text) ? fileWord.text : join(dirname(context.file), fileWord.text);
    if (path.includes(file)) {
      return { word: fileWord, message: `${file} includes itself: ${[...path, file].join(" includes ")}` };
    }
    if (path.length > includeDepthMax) {
      return { word: fileWord, message: `files include each other more than ${includeDepthMax} deep` };
    }
    let { origin } = context;
    if (originWord !== undefined) {
      const parsed = parseName(originWord.text, origin);
      if (parsed.kind === "problem") return { word: originWord, message: parsed.message };
      origin = parsed.name;
    }
    const text = this.#read(file);
    if (text === null) return { word: fileWord, message: `cannot read ${file}: expected a text file` };
    yield* this.readFile(text, [...path, file], { ...context, ...startOfFile, file, origin });
    return null;
  }
}

function readOrigin({ word, words, context }: Directive): Refusal | null {
  const [nameWord] = words;
  if (nameWord === undefined || words.length > 1) return { word, message: "expected $ORIGIN <name>" };
  const parsed = parseName(nameWord.text, context.origin);
  if (parsed.kind === "problem") return { word: nameWord, message: parsed.message };
  context.origin = parsed.name;
  return null;
}

function readDefaultTtl({ word, words, context }: Directive): Refusal | null {
  const [ttlWord] = words;
  const seconds = ttlWord === undefined ? null : parseTtl(ttlWord.text);
  // After a TTL that cannot be read, RRs without one are no further problem.
  context.defaultTtl = seconds ?? context.defaultTtl ?? 0;
  if (ttlWord === undefined || words.length > 1) return { word, message: "expected $TTL <ttl>" };
  return seconds === null
    ? { word: ttlWord, message: `cannot read TTL "${ttlWord.text}": ${ttlExpected}` }
    : null;
}

/** `$GENERATE range owner [TTL] [class] type rdata`. After the first RR with a problem the others would repeat it. */
function* readGenerate({ word, words, context, sink }: Directive): Steps<Refusal | null> {
  const [rangeWord, ...template] = words;
  if (rangeWord === undefined || template.length === 0) {
    return { word, message: "expected $GENERATE <start>-<stop>[/step] <owner> [TTL] [class] <type> <rdata>" };
  }
  const range = parseRange(rangeWord.text);
  if (typeof range === "string") return { word: rangeWord, message: range };
  let refusal: Refusal | null = null;
  const watching: Sink = {
    ...sink,
    refuse(refused, message) {
      refusal ??= { word: refused, message };
    },
  };
  for (let value = range.start; value <= range.stop && refusal === null; value += range.step) {
    const generated = generate(template, value);
    if (generated.kind === "problem") return generated;
    readRR({ startsBlank: false, words: generated.words, sound: true }, context, watching);
    if (((value - range.start) / range.step) % ITEMS_OF_STEP === 0) yield;
  }
  return refusal;
}

function inReadingOrder(problems: readonly Problem[], files: Iterable<string>): readonly Problem[] {
  const order = new Map([...files].map((file, i) => [file, i]));
  const rank = (problem: Problem): number => order.get(problem.file) ?? 0;
  return problems.toSorted((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
}
