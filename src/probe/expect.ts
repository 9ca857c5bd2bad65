/** What a check expects of an HTTP response, and the load that it tells. */

import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { HttpExpectation, HttpProbeSpec, JsonExpectation, LoadSource } from "../config/check.ts";
import { compilePattern } from "../config/pattern.ts";
import { LOAD_MAX } from "../health/report.ts";
import type { Attempt } from "./attempt.ts";

/** How much of a body is looked at. */
const BODY_BYTES_MAX = 65_536;

/** A response whose body is still to come. */
export interface Response {
  readonly code: number;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Readable;
}

/** Ends the attempt as soon as the response has shown enough. */
export function judge(attempt: Attempt, response: Response, spec: HttpProbeSpec): void {
  const { code } = response;
  const { codes, headers, body, pattern, json } = spec.expect;
  if (!codes.some(([first, last]) => first <= code && code <= last)) {
    attempt.fail("status", `expected ${codes.map(formatCodes).join(" or ")}, got ${code}`);
    return;
  }
  for (const [name, expected] of Object.entries(headers)) {
    const value = headerOf(response, name);
    if (value === expected) continue;
    attempt.fail("header", `expected ${name} ${JSON.stringify(expected)}, got ${excerpt(value)}`);
    return;
  }
  const needsWhole = pattern !== null || Object.keys(json).length > 0 || spec.load?.from === "json";
  if (needsWhole) readWhole(attempt, response, spec);
  else if (body === null) attempt.succeed(loadOf(spec.load, response, null));
  else search(attempt, response, body, loadOf(spec.load, response, null));
}

function formatCodes([first, last]: readonly [number, number]): string {
  return first === last ? `${first}` : `${first} to ${last}`;
}

/** A header's values as one; null: it is not there. */
function headerOf({ headers }: Response, name: string): string | null {
  const value = headers[name.toLowerCase()];
  if (value === undefined) return null;
  return typeof value === "string" ? value : value.join(", ");
}

/** Reads the body only until it has shown the expected text or cannot show it any more. */
function search(attempt: Attempt, { body }: Response, expected: string, load: number | null): void {
  attempt.waitFor(`${JSON.stringify(expected)} in the body`);
  let searched = 0;
  read(attempt, body, (text, end) => {
    if (text.includes(expected, searched)) attempt.succeed(load);
    else if (end !== null) attempt.fail("body", missing(expected, text, end));
    searched = Math.max(0, text.length - expected.length);
  });
}

/** Reads the body to its end, or as far as is looked, and judges it then. */
function readWhole(attempt: Attempt, response: Response, spec: HttpProbeSpec): void {
  attempt.waitFor("the end of the body");
  read(attempt, response.body, (text, end) => {
    if (end === null) return;
    const value = parseJson(text);
    const flaw = flawOf(spec.expect, text, end, value);
    if (flaw === null) attempt.succeed(loadOf(spec.load, response, value));
    else attempt.fail("body", flaw);
  });
}

/** Where a text ended: with the body, or where no more of it is looked at; null: it goes on. */
type End = "the body" | "the first 64 KiB" | null;

/** Calls `onText` with all that has come of a body, each time when there is more. */
function read(attempt: Attempt, body: Readable, onText: (text: string, end: End) => void): void {
  const decoder = new StringDecoder("utf8");
  let text = "";
  let length = 0;
  body.on("data", (chunk: Buffer) => {
    if (length >= BODY_BYTES_MAX) return;
    text += decoder.write(chunk.subarray(0, BODY_BYTES_MAX - length));
    length += chunk.length;
    onText(text, length >= BODY_BYTES_MAX ? "the first 64 KiB" : null);
  });
  body.on("end", () => onText(text, "the body"));
  body.on("error", (error) => attempt.failBy(error));
}

/** What is wrong with a body; null: nothing. */
function flawOf(expect: HttpExpectation, text: string, end: string, value: Json): string | null {
  if (expect.body !== null && !text.includes(expect.body)) return missing(expect.body, text, end);
  if (expect.pattern !== null && compilePattern(expect.pattern)?.test(text) !== true) {
    return `expected /${expect.pattern}/ to match in ${end}, got ${excerpt(text)}`;
  }
  const fields = Object.entries(expect.json);
  if (fields.length > 0 && value === undefined) return `expected JSON in ${end}, got ${excerpt(text)}`;
  for (const [path, expected] of fields) {
    const field = fieldAt(value, path);
    if (!isAsExpected(field, expected)) {
      return `expected ${path} ${formatExpectation(expected)}, got ${formatField(field)}`;
    }
  }
  return null;
}

function missing(expected: string, text: string, end: string): string {
  return `expected ${JSON.stringify(expected)} in ${end}, got ${excerpt(text)}`;
}

/** The beginning of a text, on one line. */
function excerpt(text: string | null): string {
  if (text === null) return "nothing";
  const beginning = JSON.stringify(text.slice(0, 60));
  return text.length > 60 ? `${beginning}...` : beginning;
}

/** Any JSON value; undefined: none. */
type Json = unknown;

function parseJson(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The value at a path, which goes by keys of objects and numbers of items, from 0; undefined: there is none. */
function fieldAt(value: Json, path: string): Json {
  let field = value;
  for (const key of path.split(".")) {
    if (typeof field !== "object" || field === null || !Object.hasOwn(field, key)) return undefined;
    field = (field as Readonly<Record<string, Json>>)[key];
  }
  return field;
}

function isAsExpected(field: Json, expected: JsonExpectation): boolean {
  switch (expected.kind) {
    case "is":
      return isScalar(field) && String(field) === expected.text;
    case "between": {
      const { above, below } = expected;
      return (
        typeof field === "number" && (above === null || field > above) && (below === null || field < below)
      );
    }
  }
}

function isScalar(field: Json): boolean {
  return field !== undefined && (typeof field !== "object" || field === null);
}

function formatExpectation(expected: JsonExpectation): string {
  if (expected.kind === "is") return JSON.stringify(expected.text);
  const { above, below } = expected;
  return [above === null ? [] : `above ${above}`, below === null ? [] : `below ${below}`]
    .flat()
    .join(" and ");
}

function formatField(field: Json): string {
  return field === undefined ? "nothing" : excerpt(typeof field === "string" ? field : JSON.stringify(field));
}

/** The load that a response tells, 0 to `LOAD_MAX`; null: none. */
function loadOf(source: LoadSource | null, response: Response, value: Json): number | null {
  if (source === null) return null;
  const told = source.from === "header" ? headerOf(response, source.name) : fieldAt(value, source.name);
  if (typeof told !== "number" && (typeof told !== "string" || told.trim() === "")) return null;
  const load = Number(told) / source.full;
  return load >= 0 ? Math.min(load, LOAD_MAX) : null;
}
