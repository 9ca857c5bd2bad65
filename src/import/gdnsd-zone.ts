/** gdnsd's zone files (gdnsd.zonefile(5)) -> master files, and the names in them that plugins answer for. */

import type { Origin } from "./item.ts";

/** A DYNA or DYNC. */
export interface Dynamic extends Origin {
  /** With its final dot, in lower case. */
  readonly owner: string;
  readonly type: "DYNA" | "DYNC";
  readonly maxSeconds: number;
  readonly minSeconds: number;
  readonly plugin: string;
  /** Empty: none is named. */
  readonly resource: string;
}

/** A zone file in parts: text that goes over as it is, and what does not. */
export interface GdnsdZone {
  /** With its final dot. */
  readonly apex: string;
  readonly parts: readonly (string | Dynamic)[];
}

/** One RR or directive, which may go over several lines in parentheses. */
interface Statement extends Origin {
  readonly text: string;
  readonly words: readonly string[];
  /** False: the owner is that of the statement before. */
  readonly hasOwner: boolean;
}

const TTL = /^\d+[smhdw]?(?:\d+[smhdw])*$/i;
const DYNAMIC_TTL = /^([0-9smhdw]+)(?:\/([0-9smhdw]+))?$/i;
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Takes a zone file apart. `read` gives the text of a file that it includes; `ttlSeconds` is that of RRs without one. */
export function readGdnsdZone(
  file: string,
  text: string,
  apex: string,
  ttlSeconds: number,
  read: (path: string) => string | null,
): GdnsdZone {
  const parts: (string | Dynamic)[] = [`$ORIGIN ${apex}\n$TTL ${ttlSeconds}\n`];
  readInto(
    parts,
    { file, apex, fileOrigin: apex, origin: apex, owner: apex, ttlSeconds, read, depth: 0 },
    text,
  );
  return { apex, parts };
}

/** Where the reader of a file is. */
interface Reading {
  readonly file: string;
  readonly apex: string;
  /** The origin that the file began with. */
  readonly fileOrigin: string;
  readonly read: (path: string) => string | null;
  readonly depth: number;
  origin: string;
  owner: string;
  ttlSeconds: number;
}

const INCLUDES_MAX = 20;

function readInto(parts: (string | Dynamic)[], reading: Reading, text: string): void {
  /** Whether the owner that the next RR may leave out has gone from the text. */
  let hasLostOwner = false;
  for (const statement of statementsOf(reading.file, text)) {
    const words = statement.words.map((word) => withoutShorthand(word, reading));
    const [first = ""] = words;
    const plain = words.join(" ") === statement.words.join(" ") ? statement.text : `${words.join(" ")}\n`;
    if (first.startsWith("$")) {
      if (!direct(parts, reading, words)) parts.push(plain);
      continue;
    }
    if (words.length === 0) {
      parts.push(statement.text);
      continue;
    }
    if (statement.hasOwner) reading.owner = absolute(first, reading.origin);
    const dynamic = dynamicOf(statement, words.slice(statement.hasOwner ? 1 : 0), reading);
    if (dynamic !== null) {
      parts.push(dynamic);
      hasLostOwner = true;
    } else if (!statement.hasOwner && hasLostOwner) parts.push(`${reading.owner} ${plain.trimStart()}`);
    else parts.push(plain);
    if (statement.hasOwner && dynamic === null) hasLostOwner = false;
  }
}

/** Follows a directive; false: it goes over as it is. */
function direct(parts: (string | Dynamic)[], reading: Reading, words: readonly string[]): boolean {
  const [directive = "", value = "", origin] = words;
  switch (directive.toUpperCase()) {
    case "$ORIGIN":
      reading.origin = absolute(value, reading.origin);
      parts.push(`$ORIGIN ${reading.origin}\n`);
      return true;
    case "$TTL":
      reading.ttlSeconds = secondsOf(value) ?? reading.ttlSeconds;
      return false;
    case "$INCLUDE": {
      const text = reading.depth < INCLUDES_MAX ? reading.read(value) : null;
      if (text === null) return false;
      const from = origin === undefined ? reading.origin : absolute(origin, reading.origin);
      parts.push(`$ORIGIN ${from}\n`);
      readInto(
        parts,
        { ...reading, file: value, origin: from, fileOrigin: from, depth: reading.depth + 1 },
        text,
      );
      parts.push(`$ORIGIN ${reading.origin}\n$TTL ${reading.ttlSeconds}\n`);
      return true;
    }
    default:
      return false;
  }
}

/** `@Z` is the zone, and `@F` the origin that the file began with. */
function withoutShorthand(word: string, { apex, fileOrigin }: Reading): string {
  if (word.endsWith("@Z")) return `${word.slice(0, -2)}${apex}`;
  return word.endsWith("@F") ? `${word.slice(0, -2)}${fileOrigin}` : word;
}

/** The DYNA or DYNC of which these are TTL, class, type and data; null: it is another RR. */
function dynamicOf(
  { file, line, column }: Statement,
  words: readonly string[],
  reading: Reading,
): Dynamic | null {
  const at = words.findIndex((word) => /^DYN[AC]$/i.test(word));
  const before = words.slice(0, Math.max(at, 0));
  if (at < 0 || !before.every((word) => word.toUpperCase() === "IN" || DYNAMIC_TTL.test(word))) return null;
  const ttl = DYNAMIC_TTL.exec(before.find((word) => word.toUpperCase() !== "IN") ?? "");
  const maxSeconds = secondsOf(ttl?.[1] ?? "") ?? reading.ttlSeconds;
  const [plugin = "", resource = ""] = (words[at + 1] ?? "").split("!");
  return {
    file,
    line,
    column,
    owner: reading.owner.toLowerCase(),
    type: words[at]?.toUpperCase() === "DYNC" ? "DYNC" : "DYNA",
    maxSeconds,
    minSeconds: secondsOf(ttl?.[2] ?? "") ?? Math.trunc(maxSeconds / 2),
    plugin,
    resource,
  };
}

function absolute(name: string, origin: string): string {
  if (name === "@") return origin;
  if (name.endsWith(".")) return name;
  return origin === "." ? `${name}.` : `${name}.${origin}`;
}

/** `90`, `30M`, `1h30m`. */
function secondsOf(text: string): number | null {
  if (!TTL.test(text)) return null;
  let seconds = 0;
  for (const [, digits = "", unit = "s"] of text.matchAll(/(\d+)([smhdw]?)/gi))
    seconds += Number(digits) * (UNIT_SECONDS[unit.toLowerCase()] ?? 1);
  return seconds;
}

/** Cuts a file into statements, each with the blank lines and comments before it. */
function* statementsOf(file: string, text: string): Generator<Statement> {
  let line = 1;
  let begin = 0;
  while (begin < text.length) {
    const words: string[] = [];
    const hasOwner = !/[\s;]/.test(text[begin] ?? "");
    let depth = 0;
    let at = begin;
    let word = "";
    const finish = (): void => {
      if (word !== "") words.push(word);
      word = "";
    };
    for (; at < text.length; at += 1) {
      const char = text[at] ?? "";
      if (char === '"') {
        const end = endOfQuoted(text, at);
        word += text.slice(at, end);
        at = end - 1;
      } else if (char === "\\") {
        word += text.slice(at, at + 2);
        at += 1;
      } else if (char === ";") {
        const end = text.indexOf("\n", at);
        at = (end < 0 ? text.length : end) - 1;
      } else if (char === "(" || char === ")") {
        depth += char === "(" ? 1 : -1;
        finish();
      } else if (char === "\n" && depth <= 0) break;
      else if (/\s/.test(char)) finish();
      else word += char;
    }
    finish();
    const end = Math.min(at + 1, text.length);
    const whole = text.slice(begin, end);
    yield { file, line, column: 1, text: whole.endsWith("\n") ? whole : `${whole}\n`, words, hasOwner };
    line += whole.split("\n").length - 1;
    begin = end;
  }
}

function endOfQuoted(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}
