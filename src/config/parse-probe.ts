/** What a probe of a check does, from the keys of its type. */

import type { ProbeSpec, SingleProbeSpec } from "./check.ts";
import {
  type CheckFields,
  type CheckKey,
  type ExpectFields,
  type ExpectKey,
  parseHost,
  parsePort,
  parseTls,
  requiredPort,
} from "./check-fields.ts";
import type { CheckId } from "./config.ts";
import { keys } from "./keys.ts";
import { parseDns } from "./parse-dns-probe.ts";
import { parseHttp } from "./parse-http-probe.ts";
import { type Fields, formatChoice, type Reader } from "./read.ts";
import { quote } from "./yaml.ts";

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
