/** The section `checks`: how members are probed, and when they are judged. */

import type { Check, CheckId, HttpProbeSpec, ProbeSpec, Quorum } from "./config.ts";
import { keys } from "./keys.ts";
import type { Fields, Reader } from "./read.ts";
import { formatDuration, portRange, type Range } from "./units.ts";
import { quote } from "./yaml.ts";

type CheckKey = (typeof keys)["checks.*"][number];
type CheckFields = Fields<CheckKey>;

const countRange = { least: 1, most: 100 };
const vantagesRange = { least: 1, most: 1000 };
const percentRange = { least: 1, most: 100 };
const intervalRange = { least: 100, most: 3_600_000 };
const timeoutRange = { least: 10, most: 3_600_000 };
const jitterRange = { least: 0, most: 3_600_000 };
const slowStartRange = { least: 0, most: 86_400_000 };

/** The section `checks`; null where it is not given. `vantageCount` is how many vantages the file declares. */
export function parseChecks(reader: Reader | null, vantageCount: number): ReadonlyMap<CheckId, Check> {
  const checks = reader?.named() ?? [];
  return new Map(
    checks.map(({ name, value }) => [name as CheckId, parseCheck(name as CheckId, value, vantageCount)]),
  );
}

function parseCheck(id: CheckId, reader: Reader, vantageCount: number): Check {
  const check = reader.fields(keys["checks.*"]);
  const intervalMs = check.optional("interval")?.duration(intervalRange) ?? 5000;
  return {
    id,
    probe: parseProbe(check),
    intervalMs,
    timeoutMs: atMost(intervalMs, check.optional("timeout"), timeoutRange, 2000),
    rise: check.optional("rise")?.wholeNumber(countRange) ?? 2,
    fall: check.optional("fall")?.wholeNumber(countRange) ?? 2,
    recheckMs: atMost(intervalMs, check.optional("recheck"), timeoutRange, 1000),
    jitterMs: atMost(intervalMs, check.optional("jitter"), jitterRange, Math.round(intervalMs / 10)),
    quorum: parseQuorum(check.optional("quorum")),
    minVantages: parseMinVantages(check.optional("minVantages"), vantageCount),
    slowStartMs: check.optional("slowStart")?.duration(slowStartRange) ?? 60_000,
  };
}

/** A duration that may not be longer than the interval; where it is not given, `usual` or the interval if that is shorter. */
function atMost(intervalMs: number, reader: Reader | null, range: Range, usual: number): number {
  const ms = reader?.duration(range) ?? Math.min(usual, intervalMs);
  if (ms > intervalMs) reader?.expected(`at most the interval, ${formatDuration(intervalMs)}`);
  return ms;
}

function parseProbe(check: CheckFields): ProbeSpec {
  // An unreadable type is read as https, which knows every key.
  const type = check.required("type")?.oneOf(["http", "https", "tcp"]) ?? "https";
  if (type === "http") refuse(check, ["insecure"], "https");
  if (type !== "tcp") return parseHttpProbe(check, type === "https");
  refuse(check, ["path", "host", "method", "headers", "expect", "insecure"], "http or https");
  return { kind: "tcp", port: check.required("port")?.wholeNumber(portRange) ?? Number.NaN };
}

function refuse(check: CheckFields, foreign: readonly CheckKey[], type: string): void {
  for (const key of foreign) check.optional(key)?.problemAtKey(`expected only in a check of type ${type}`);
}

function parseHttpProbe(check: CheckFields, tls: boolean): HttpProbeSpec {
  const expect = check.optional("expect")?.fields(keys["checks.*.expect"]);
  const method = check.optional("method")?.oneOf(["GET", "HEAD"]) ?? "GET";
  const body = expect?.optional("body") ?? null;
  if (method === "HEAD") body?.problemAtKey("a response to HEAD has no body, expected the method GET");
  return {
    kind: "http",
    tls,
    port: check.optional("port")?.wholeNumber(portRange) ?? (tls ? 443 : 80),
    method,
    path:
      check.optional("path")?.matching(/^\/[!-~]*$/, "a path that starts with a slash, without spaces") ??
      "/",
    host: check.optional("host")?.matching(/^[A-Za-z0-9._-]+$/, "a host name without a port") ?? null,
    headers: parseHeaders(check.optional("headers")),
    expect: { codes: parseCodes(expect?.optional("codes") ?? null), body: body?.text() ?? null },
    insecure: check.optional("insecure")?.boolean() ?? false,
  };
}

/** Field names are tokens, and values are kept to printable ASCII (RFC 9110 §5.1, §5.5). */
function parseHeaders(reader: Reader | null): Readonly<Record<string, string>> {
  const headers = new Map<string, string>();
  const seen = new Set<string>();
  for (const { name, key, value } of reader?.entries() ?? []) {
    const text = value.matching(/^[ -~]+$/, "a text of printable ASCII");
    if (key.matching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "the name of a header") === null || text === null)
      continue;
    const folded = name.toLowerCase();
    if (folded === "host") key.problem('expected the key "host" of the check for the Host header');
    if (seen.has(folded)) key.problem(`${quote(name)} is there already, and case does not matter in headers`);
    seen.add(folded);
    headers.set(name, text);
  }
  return Object.fromEntries(headers);
}

/** A list of codes and ranges of them. */
function parseCodes(reader: Reader | null): readonly (readonly [number, number])[] {
  if (reader === null) return [[200, 299]];
  const items = reader.items("a list of status codes");
  if (reader.kind === "list" && items.length === 0) reader.expected("at least one status code");
  return items.flatMap((item) => {
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

/** With fewer vantages than this every verdict would be held for ever. */
function parseMinVantages(reader: Reader | null, vantageCount: number): number {
  const count = reader?.wholeNumber(vantagesRange) ?? 1;
  if (reader !== null && count > vantageCount)
    reader.expected(`at most ${vantageCount}, the number of vantages in the section "vantages"`);
  return count;
}

function parseQuorum(reader: Reader | null): Quorum {
  if (reader?.kind === "map") {
    const quorum = reader.fields(keys["checks.*.quorum"]);
    return { kind: "percent", percent: quorum.required("percent")?.number(percentRange) ?? Number.NaN };
  }
  return { kind: reader?.oneOf(["majority", "any", "all"], "{ percent: 60 }") ?? "majority" };
}
