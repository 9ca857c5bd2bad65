/** What a probe over HTTP does, and where it finds the load. */

import type { HttpExpectation, HttpProbeSpec, JsonExpectation, LoadSource } from "./check.ts";
import { type CheckFields, type ExpectFields, parseHost, parsePort, parseTls } from "./check-fields.ts";
import { keys } from "./keys.ts";
import { compilePattern } from "./pattern.ts";
import type { Reader } from "./read.ts";
import { quote } from "./yaml.ts";

const fullRange = { least: 0.001, most: 1_000_000_000 };
const fieldRange = { least: -1e15, most: 1e15 };

const jsonPath = /^[^.]+(\.[^.]+)*$/;
const jsonPathWords = "the path of a field, keys with dots between them such as queue.depth";

// A token, and printable ASCII (RFC 9110 §5.1, §5.5).
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const headerNameWords = "the name of a header";
const headerValue = /^[ -~]+$/;

/** Reads what a check of such a type says beyond what all do. */
export function parseHttp(
  check: CheckFields,
  expect: ExpectFields | null,
  type: "http" | "https" | "http2",
): Omit<HttpProbeSpec, "latencyMs" | "inverted"> {
  const method = check.optional("method")?.oneOf(["GET", "HEAD"]) ?? "GET";
  const load = check.optional("load");
  const source = load === null ? null : parseLoad(load);
  if (method === "HEAD") {
    const bodily = (["body", "pattern", "json"] as const).map((key) => expect?.optional(key));
    for (const reader of [...bodily, source?.from === "json" ? load : null])
      reader?.problemAtKey("a response to HEAD has no body, expected the method GET");
  }
  return {
    kind: "http",
    version: type === "http2" ? 2 : 1,
    tls: type === "http" ? null : parseTls(check, expect),
    port: parsePort(check, type === "http" ? 80 : 443),
    method,
    path:
      check.optional("path")?.matching(/^\/[!-~]*$/, "a path that starts with a slash, without spaces") ??
      "/",
    host: parseHost(check),
    headers: parseHeaders(check.optional("headers"), true),
    expect: parseHttpExpectation(expect),
    load: source,
  };
}

function parseHttpExpectation(expect: ExpectFields | null): HttpExpectation {
  const pattern = expect?.optional("pattern") ?? null;
  const text = pattern?.text("a pattern") ?? null;
  if (text !== null && compilePattern(text) === null)
    pattern?.expected(
      "a pattern that is matched in linear time: without lookaround, back references and large counts",
    );
  return {
    codes: parseCodes(expect?.optional("codes") ?? null),
    headers: parseHeaders(expect?.optional("headers") ?? null, false),
    body: expect?.optional("body")?.text() ?? null,
    pattern: text,
    json: parseFields(expect?.optional("json") ?? null),
  };
}

/** What fields must be, by their paths. */
function parseFields(reader: Reader | null): Readonly<Record<string, JsonExpectation>> {
  const fields = new Map<string, JsonExpectation>();
  for (const { name, key, value } of reader?.entries() ?? []) {
    if (key.matching(jsonPath, jsonPathWords) !== null) fields.set(name, parseField(value));
  }
  return Object.fromEntries(fields);
}

function parseField(reader: Reader): JsonExpectation {
  if (reader.kind !== "map")
    return { kind: "is", text: reader.text("a text, or bounds such as { below: 100 }") ?? "" };
  const bounds = reader.fields(keys["checks.*.expect.json.*"]);
  const above = bounds.optional("above")?.number(fieldRange) ?? null;
  const below = bounds.optional("below")?.number(fieldRange) ?? null;
  if (bounds.given.length === 0) reader.expected('the key "above" or "below" or both');
  if (above !== null && below !== null && above >= below) reader.expected("a number between the two bounds");
  return { kind: "between", above, below };
}

function parseLoad(reader: Reader): LoadSource | null {
  const load = reader.fields(keys["checks.*.load"]);
  const header = load.optional("header");
  const json = load.optional("json");
  const full = load.optional("full")?.number(fullRange) ?? 1;
  if (reader.kind === "map" && (header === null) === (json === null))
    reader.problemAtKey('expected one of the keys "header" and "json"');
  const name =
    header?.matching(headerName, headerNameWords) ?? json?.matching(jsonPath, jsonPathWords) ?? null;
  return name === null ? null : { from: header === null ? "json" : "header", name, full };
}

/** Names and values of headers; those of a request leave Host to the key of that name. */
function parseHeaders(reader: Reader | null, ofRequest: boolean): Readonly<Record<string, string>> {
  const headers = new Map<string, string>();
  const seen = new Set<string>();
  for (const { name, key, value } of reader?.entries() ?? []) {
    const text = value.matching(headerValue, "a text of printable ASCII");
    if (key.matching(headerName, headerNameWords) === null || text === null) continue;
    const folded = name.toLowerCase();
    if (ofRequest && folded === "host")
      key.problem('expected the key "host" of the check for the Host header');
    if (seen.has(folded)) key.problem(`${quote(name)} is there already, and case does not matter in headers`);
    seen.add(folded);
    headers.set(name, text);
  }
  return Object.fromEntries(headers);
}

/** A list of codes and ranges of them. */
function parseCodes(reader: Reader | null): readonly (readonly [number, number])[] {
  if (reader === null) return [[200, 299]];
  return reader.items("a list of status codes", "status code").flatMap((item) => {
    const text = item.matching(
      /^[1-5]\d\d(-[1-5]\d\d)?$/,
      "a status code such as 204 or a range such as 200-299",
    );
    if (text === null) return [];
    const [low = "", high = low] = text.split("-");
    if (low > high) item.problem(`expected the lower code first, ${high}-${low}`);
    return [[Number(low), Number(high)]];
  });
}
