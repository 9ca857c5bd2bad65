/** Reads one RR of a master file: owner, TTL and class in any order, type, rdata (RFC 1035 §5.1). */

import { suggest } from "../suggest.ts";
import { numberAfter, RRClass, RRType, rrTypeCode, rrTypeName } from "../wire/codes.ts";
import { type Name, parseName } from "../wire/name.ts";
import { RdataWords } from "./fields.ts";
import { parseRdata } from "./rdata.ts";
import { type ResourceRecord, STEER } from "./rr-table.ts";
import type { Entry, Word } from "./scan.ts";
import { parseTtl, ttlExpected } from "./ttl.ts";
import type { Place } from "./zone.ts";

/** What earlier lines of a file mean for the next one. */
export interface Context {
  readonly file: string;
  origin: Name | null;
  /** Owner of the last RR; null before the first one, and after an owner that could not be read. */
  owner: Name | null;
  /** Whether `owner` is null because it could not be read: then RRs without one are no further problem. */
  ownerRefused: boolean;
  /** From `$TTL`; null before it (RFC 2308 §4). */
  defaultTtl: number | null;
  /** Of the last RR; null before the first one. */
  lastTtl: number | null;
}

/** Takes the RRs of a zone and the problems of its files. */
export interface Sink {
  readonly add: (rr: ResourceRecord) => void;
  readonly refuse: (word: Word, message: string) => void;
}

/** The words of an RR before its rdata. */
interface Head {
  /** Null where none is written; its seconds are null where they could not be read. */
  readonly ttl: { readonly word: Word; readonly seconds: number | null } | null;
  readonly typeWord: Word;
  /** Index of that word in the entry; the rdata follow it. */
  readonly typeAt: number;
}

/** Those that data can have; ANY and NONE stand in messages alone, and ANY is also a type. */
const classes: ReadonlyMap<string, number> = new Map([
  ["IN", RRClass.IN],
  ["CH", RRClass.CH],
  ["HS", RRClass.HS],
]);
const steer = "STEER";
const typeNames: readonly string[] = [...Object.keys(RRType), steer];

/** Reads an entry that is no directive into `sink`, and keeps in `context` what it means for the next one. */
export function readRR(entry: Entry, context: Context, sink: Sink): void {
  const first = entry.words[0];
  if (first === undefined) return;
  if (!entry.startsBlank) readOwner(first, context, sink);
  else if (context.owner === null && !context.ownerRefused) {
    sink.refuse(first, "no owner name: the line starts with a blank, and there is no RR before it");
    context.ownerRefused = true;
  }
  // Where a problem inside the entry is reported already, its words would only give false ones.
  if (!entry.sound) return;
  const head = readHead(entry, sink);
  if (head === null) return;

  const { typeWord } = head;
  const place = { file: context.file, line: first.line, column: first.column };
  const words = new RdataWords(entry.words, head.typeAt, context.origin);
  if (typeWord.text.toUpperCase() === steer) {
    readSteering(head, words, context, place, sink);
    return;
  }
  const type = readType(typeWord, sink);
  const ttlSeconds = type === null ? null : ttlOf(head, context, sink);
  const rdata = type === null ? null : parseRdata(type, words);
  if (words.problem !== null) sink.refuse(words.problem.word, words.problem.message);
  if (type === null || ttlSeconds === null || rdata === null || context.owner === null) return;
  sink.add({ owner: context.owner, type, ttlSeconds, rdata, place });
}

function readOwner(word: Word, context: Context, sink: Sink): void {
  const parsed = word.quoted
    ? { kind: "problem" as const, message: "an owner name is written without quotes" }
    : parseName(word.text, context.origin);
  context.owner = parsed.kind === "name" ? parsed.name : null;
  context.ownerRefused = parsed.kind === "problem";
  if (parsed.kind === "problem") sink.refuse(word, parsed.message);
}

/** Finds TTL, class and type; null where one of the first two is there twice, or there is no type. */
function readHead(entry: Entry, sink: Sink): Head | null {
  let at = entry.startsBlank ? 0 : 1;
  let ttl: Head["ttl"] = null;
  let hasClass = false;
  for (let word = entry.words[at]; word !== undefined; word = entry.words[at]) {
    const isTtl = /^\d\w*$/.test(word.text);
    const code = isTtl ? null : classCode(word.text);
    if (!isTtl && code === null) return { ttl, typeWord: word, typeAt: at };
    if (isTtl ? ttl !== null : hasClass) {
      sink.refuse(word, `"${word.text}" is a second ${isTtl ? "TTL" : "class"}: expected an RR type`);
      return null;
    }
    if (isTtl) {
      ttl = { word, seconds: parseTtl(word.text) };
      if (ttl.seconds === null) sink.refuse(word, `cannot read TTL "${word.text}": ${ttlExpected}`);
    } else {
      hasClass = true;
      if (code !== RRClass.IN) sink.refuse(word, `class ${word.text} is not served: expected IN`);
    }
    at += 1;
  }
  const last = entry.words.at(-1);
  if (last !== undefined) {
    sink.refuse(last, "an RR ends before its type: expected [owner] [TTL] [class] type rdata");
  }
  return null;
}

function classCode(text: string): number | null {
  const mnemonic = text.toUpperCase();
  return classes.get(mnemonic) ?? numberAfter("CLASS", mnemonic);
}

function readType(word: Word, sink: Sink): number | null {
  if (word.quoted) {
    sink.refuse(word, "an RR type is written without quotes");
    return null;
  }
  const code = rrTypeCode(word.text);
  if (code === null) {
    const meant = suggest(word.text, typeNames);
    const hint = meant === null ? "expected one such as A, or TYPE123" : `did you mean ${meant}?`;
    sink.refuse(word, `"${word.text}" is not an RR type: ${hint}`);
    return null;
  }
  // QTYPEs and Meta-TYPEs (RFC 6895 §3.1).
  if (code === 0 || code === RRType.OPT || (code >= 128 && code <= 255)) {
    sink.refuse(word, `${rrTypeName(code)} stands in messages, never in a zone`);
    return null;
  }
  return code;
}

/** The TTL that is written, else that of `$TTL`, else the last RR's (RFC 2308 §4); null after a problem. */
function ttlOf(head: Head, context: Context, sink: Sink): number | null {
  const ttl = head.ttl === null ? (context.defaultTtl ?? context.lastTtl) : head.ttl.seconds;
  if (ttl === null && head.ttl === null) {
    sink.refuse(
      head.typeWord,
      "no TTL: write one before the type, or $TTL at the top of the file (RFC 2308 §4)",
    );
    // Once is enough: what is missing is one line at the top.
    context.lastTtl = 0;
  } else if (ttl !== null) context.lastTtl = ttl;
  return ttl;
}

function readSteering(head: Head, words: RdataWords, context: Context, place: Place, sink: Sink): void {
  if (head.ttl !== null) {
    sink.refuse(head.ttl.word, "STEER takes no TTL: it is the service's, from the config");
  }
  const text = words.takePlain("the name of a service");
  const parsed = text === null ? null : parseName(text, context.origin);
  if (parsed?.kind === "problem") words.refuse(parsed.message);
  else if (words.left > 0) {
    const extra = words.take("");
    words.refuse(`"${extra?.text}" is one word too many: expected STEER <name>`);
  }
  if (words.problem !== null) sink.refuse(words.problem.word, words.problem.message);
  if (words.problem !== null || parsed?.kind !== "name" || context.owner === null) return;
  sink.add({ owner: context.owner, type: STEER, ttlSeconds: 0, rdata: parsed.name, place });
}
