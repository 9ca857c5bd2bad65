/** What a probe of a check does, from the keys of its type. */

import { isTransfer, Rcode, RRType, rrTypeCode } from "../wire/codes.ts";
import { formatName } from "../wire/name.ts";
import type {
  DnsProbeSpec,
  HttpExpectation,
  HttpProbeSpec,
  JsonExpectation,
  LoadSource,
  ProbeSpec,
  SingleProbeSpec,
  TlsProbeSpec,
} from "./check.ts";
import type { CheckId } from "./config.ts";
import { keys } from "./keys.ts";
import { compilePattern } from "./pattern.ts";
import { type Fields, formatChoice, type Reader } from "./read.ts";
import { portRange } from "./units.ts";
import { quote } from "./yaml.ts";

type CheckKey = (typeof keys)["checks.*"][number];
type ExpectKey = (typeof keys)["checks.*.expect"][number];
type ExpectFields = Fields<ExpectKey>;

/** The values of one check. */
export type CheckFields = Fields<CheckKey>;

const checkTypes = ["http", "https", "http2", "tcp", "tls", "dns", "grpc", "icmp", "calculated"] as const;
type CheckType = (typeof checkTypes)[number];

const web: readonly CheckType[] = ["http", "https", "http2"];
const encrypted: readonly CheckType[] = ["https", "http2", "tls", "grpc"];
const conversation: readonly CheckType[] = ["tcp", "tls"];

/** The types that have a key; all others are of every type. */
const typesOfKey: Partial<Record<CheckKey, readonly CheckType[]>> = {
  port: checkTypes.filter((type) => type !== "icmp" && type !== "calculated"),
  path: web,
  method: web,
  headers: web,
  load: web,
  host: [...web, "tls", "grpc"],
  insecure: encrypted,
  send: conversation,
  qname: ["dns"],
  qtype: ["dns"],
  transport: ["dns"],
  service: ["grpc"],
  tls: ["grpc"],
  of: ["calculated"],
  need: ["calculated"],
};

/** The types in whose `expect` a key may stand; all others are of every type. */
const typesOfExpectation: Partial<Record<ExpectKey, readonly CheckType[]>> = {
  codes: web,
  headers: web,
  body: web,
  pattern: web,
  json: web,
  validFor: encrypted,
  text: conversation,
  hex: conversation,
  rcodes: ["dns"],
  answers: ["dns"],
};

const latencyRange = { least: 1, most: 3_600_000 };
const validForRange = { least: 0, most: 8_760 * 3_600_000 };
const fullRange = { least: 0.001, most: 1_000_000_000 };
const fieldRange = { least: -1e15, most: 1e15 };

/** What RCODEs are called in presentation form, as dig shows them. */
const rcodes: ReadonlyMap<string, number> = new Map(
  Object.entries(Rcode).map(([name, code]) => [name.toUpperCase(), code]),
);

const hexadecimal = /^([0-9A-Fa-f]{2}\s*)+$/;
const hexadecimalWords = "octets in hexadecimal digits such as 50 49 4e 47";

/** The probes of all checks of a file. */
export function parseProbes(checks: ReadonlyMap<CheckId, CheckFields>): ReadonlyMap<CheckId, ProbeSpec> {
  const probes = new Map<CheckId, ProbeSpec>();
  const singles = new Map<CheckId, SingleProbeSpec>();
  const calculated: CheckId[] = [];
  for (const [id, check] of checks) {
    // An unreadable type is read as https, which knows most keys.
    const read = check.required("type")?.oneOf(checkTypes) ?? null;
    if (read !== null) refuseForeign(check, typesOfKey, read);
    if (read === "calculated") {
      calculated.push(id);
      continue;
    }
    const probe = parseSingle(check, read ?? "https");
    singles.set(id, probe);
    probes.set(id, probe);
  }
  // Only now all are known that they can be calculated of.
  for (const id of calculated) {
    const check = checks.get(id);
    if (check !== undefined) probes.set(id, parseCalculated(check, singles, calculated));
  }
  return probes;
}

function refuseForeign<Key extends string>(
  fields: Fields<Key>,
  typesOf: Partial<Record<Key, readonly CheckType[]>>,
  type: CheckType,
): void {
  for (const key of fields.given) {
    const types = typesOf[key];
    if (types !== undefined && !types.includes(type))
      fields.optional(key)?.problemAtKey(`expected only in a check of type ${formatChoice(types)}`);
  }
}

function parseExpect(check: CheckFields, type: CheckType): ExpectFields | null {
  const expect = check.optional("expect")?.fields(keys["checks.*.expect"]) ?? null;
  if (expect !== null) refuseForeign(expect, typesOfExpectation, type);
  return expect;
}

/** What every probe is judged by. */
function parseCommon(
  check: CheckFields,
  expect: ExpectFields | null,
): { readonly latencyMs: number | null; readonly inverted: boolean } {
  return {
    latencyMs: expect?.optional("latency")?.duration(latencyRange) ?? null,
    inverted: check.optional("inverted")?.boolean() ?? false,
  };
}

function parseSingle(check: CheckFields, type: Exclude<CheckType, "calculated">): SingleProbeSpec {
  const expect = parseExpect(check, type);
  const common = parseCommon(check, expect);
  switch (type) {
    case "http":
    case "https":
    case "http2":
      return { ...common, ...parseHttp(check, expect, type) };
    case "tcp":
    case "tls": {
      const send = check.optional("send");
      return {
        ...common,
        kind: "tcp",
        tls: type === "tls" ? parseTls(check, expect) : null,
        port: type === "tls" ? parsePort(check, 443) : requiredPort(check),
        host: parseHost(check),
        send:
          send?.kind === "map" ? parseHex(send.fields(keys["checks.*.send"]).required("hex")) : hexOf(send),
        expect: parseExpectedOctets(expect),
      };
    }
    case "dns":
      return { ...common, ...parseDns(check, expect) };
    case "grpc": {
      const plain = check.optional("tls")?.boolean() === false;
      if (plain) {
        for (const reader of [check.optional("insecure"), expect?.optional("validFor")])
          reader?.problemAtKey("expected only with TLS");
      }
      return {
        ...common,
        kind: "grpc",
        tls: plain ? null : parseTls(check, expect),
        port: requiredPort(check),
        host: parseHost(check),
        service: check.optional("service")?.matching(/^[!-~]{1,255}$/, "the name of a gRPC service") ?? "",
      };
    }
    case "icmp":
      return { ...common, kind: "icmp" };
  }
}

function parsePort(check: CheckFields, usual: number): number {
  return check.optional("port")?.wholeNumber(portRange) ?? usual;
}

function requiredPort(check: CheckFields): number {
  return check.required("port")?.wholeNumber(portRange) ?? Number.NaN;
}

function parseHost(check: CheckFields): string | null {
  return check.optional("host")?.matching(/^[A-Za-z0-9._-]+$/, "a host name without a port") ?? null;
}

function parseTls(check: CheckFields, expect: ExpectFields | null): TlsProbeSpec {
  return {
    insecure: check.optional("insecure")?.boolean() ?? false,
    validForMs: expect?.optional("validFor")?.duration(validForRange) ?? 0,
  };
}

function parseHttp(
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

const jsonPath = /^[^.]+(\.[^.]+)*$/;
const jsonPathWords = "the path of a field, keys with dots between them such as queue.depth";

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

// A token, and printable ASCII (RFC 9110 §5.1, §5.5).
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const headerNameWords = "the name of a header";
const headerValue = /^[ -~]+$/;

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

/** A text in UTF-8, as hexadecimal digits. */
function hexOf(reader: Reader | null): string | null {
  const text = reader?.text("a text or { hex: 0d0a }") ?? null;
  return text === null ? null : Buffer.from(text, "utf8").toString("hex");
}

function parseHex(reader: Reader | null): string | null {
  const text = reader?.matching(hexadecimal, hexadecimalWords) ?? null;
  return text === null ? null : text.replaceAll(/\s/g, "").toLowerCase();
}

function parseExpectedOctets(expect: ExpectFields | null): string | null {
  const text = expect?.optional("text") ?? null;
  const hex = expect?.optional("hex") ?? null;
  if (text !== null && hex !== null) hex.problemAtKey('expected only one of the keys "text" and "hex"');
  return hexOf(text) ?? parseHex(hex);
}

function parseDns(
  check: CheckFields,
  expect: ExpectFields | null,
): Omit<DnsProbeSpec, "latencyMs" | "inverted"> {
  const qname = check.required("qname")?.domainName() ?? null;
  const qtype = parseQtype(check.optional("qtype"));
  const codes = expect?.optional("rcodes") ?? null;
  const answers = expect?.optional("answers") ?? null;
  return {
    kind: "dns",
    port: parsePort(check, 53),
    transport: check.optional("transport")?.oneOf(["udp", "tcp"]) ?? "udp",
    qname: qname === null ? "." : formatName(qname),
    qtype,
    rcodes: codes === null ? [Rcode.NoError] : parseRcodes(codes),
    answers: answers === null ? [] : parseAnswers(answers, qtype),
  };
}

function parseQtype(reader: Reader | null): number {
  const text = reader?.text("an RR type") ?? "A";
  const code = rrTypeCode(text);
  // Neither a zone nor everything there is makes one small response.
  const single = code !== null && code !== RRType.ANY && code !== RRType.OPT && !isTransfer(code);
  if (!single) reader?.expected("an RR type such as A or SOA");
  return code ?? RRType.A;
}

function parseRcodes(reader: Reader): readonly number[] {
  return reader.items("a list of RCODEs", "RCODE").flatMap((item) => {
    const name = item.oneOf([...rcodes.keys()].filter((rcode) => (rcodes.get(rcode) ?? 0) <= 10));
    const code = name === null ? undefined : rcodes.get(name);
    return code === undefined ? [] : [code];
  });
}

function parseAnswers(reader: Reader, qtype: number): readonly string[] {
  if (qtype !== RRType.A && qtype !== RRType.AAAA) {
    reader.problemAtKey("expected only with the qtype A or AAAA");
    return [];
  }
  const family = qtype === RRType.A ? 4 : 6;
  return reader.items("a list of addresses", "address").flatMap((item) => item.address(family)?.text ?? []);
}

function parseCalculated(
  check: CheckFields,
  singles: ReadonlyMap<CheckId, SingleProbeSpec>,
  calculated: readonly CheckId[],
): ProbeSpec {
  const list = check.required("of");
  const items = list?.items("a list of checks", "check") ?? [];
  const parts = new Map<CheckId, SingleProbeSpec>();
  for (const item of items) {
    const name = item.text("the name of a check") as CheckId | null;
    const probe = name === null ? undefined : singles.get(name);
    if (name === null) continue;
    if (probe !== undefined && !parts.has(name)) parts.set(name, probe);
    else if (probe !== undefined) item.problem(`${quote(name)} is in the list already`);
    else if (calculated.includes(name)) item.expected("a check that is not calculated itself");
    else item.unknown("check", name, singles.keys());
  }
  return {
    ...parseCommon(check, parseExpect(check, "calculated")),
    kind: "calculated",
    need: parseNeed(check.optional("need"), items.length),
    of: Array.from(parts, ([name, probe]) => ({ check: name, probe })),
  };
}

function parseNeed(reader: Reader | null, count: number): number {
  if (reader === null) return count;
  const most = Math.max(1, count);
  const what = `all, any or a whole number from 1 to ${most}, the number of checks`;
  const word = reader.matching(/^(all|any|[1-9]\d{0,3})$/, what);
  if (word === "any") return 1;
  if (word === null || word === "all") return count;
  if (Number(word) > most) reader.expected(what);
  return Number(word);
}
