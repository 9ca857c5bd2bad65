/** The section `services`: the steered names. */

import { type Name, nameKey } from "../wire/name.ts";
import type { HttpsParameters, Pool, PoolId, Service, WhenDown } from "./config.ts";
import { keys } from "./keys.ts";
import type { PolicyParser } from "./parse-policy.ts";
import type { NamedReader, Reader } from "./read.ts";
import { formatDuration, portRange } from "./units.ts";

const ttlRange = { least: 0, most: 86_400_000 };
const adaptiveTtlRange = { least: 1000, most: 86_400_000 };
const usualTtl = { ttlSeconds: 30, ttlSecondsMin: 30 };
const failoverRange = { least: 1000, most: 86_400_000 };

/** What services refer to. */
export interface ServiceContext {
  readonly file: string;
  readonly pools: ReadonlyMap<PoolId, Pool>;
  readonly policies: PolicyParser;
}

/** The section `services`; null where it is not given. */
export function parseServices(reader: Reader | null, context: ServiceContext): readonly Service[] {
  const seen = new Set<string>();
  return (reader?.entries() ?? []).flatMap((entry) => {
    const name = entry.key.domainName();
    const service = parseService(entry, name, context);
    if (name === null) return [];
    if (seen.has(nameKey(name)))
      entry.key.problem("this name is there already, and case does not matter in names");
    seen.add(nameKey(name));
    return service ?? [];
  });
}

/** What the file calls its services, also those with problems: nobody need be told that they do not exist. */
export function declaredServices(reader: Reader | null): readonly string[] {
  return reader?.kind === "map" ? reader.entries().map(({ name }) => labelOf(name)) : [];
}

/** Without the final dot. */
function labelOf(text: string): string {
  return text.endsWith(".") ? text.slice(0, -1) : text;
}

/** `name` is null where it could not be read; the rest is parsed for its problems. */
function parseService(
  { name: text, key, value }: NamedReader,
  name: Name | null,
  context: ServiceContext,
): Service | null {
  const service = value.fields(keys["services.*"]);
  const policyReader = service.required("policy");
  const policy = policyReader === null ? null : context.policies.parse(policyReader);
  const parsed = {
    label: labelOf(text),
    ...parseTtl(service.optional("ttl")),
    failoverWithinMs: service.optional("failoverWithin")?.duration(failoverRange) ?? null,
    whenDown: parseWhenDown(service.optional("whenDown"), context.pools),
    https: parseHttps(service.optional("https")),
    place: { file: context.file, line: key.place.line, column: key.place.column },
  };
  return name === null || policy === null ? null : { name, policy, ...parsed };
}

function parseTtl(reader: Reader | null): Pick<Service, "ttlSeconds" | "ttlSecondsMin"> {
  if (reader === null) return usualTtl;
  if (reader.kind !== "map") {
    const ttlSeconds = reader.duration(ttlRange, 1000, "{ min: 5s, max: 60s }") / 1000;
    return { ttlSeconds, ttlSecondsMin: ttlSeconds };
  }
  const ttl = reader.fields(keys["services.*.ttl"]);
  const minMs = ttl.required("min")?.duration(adaptiveTtlRange, 1000) ?? Number.NaN;
  const most = ttl.required("max");
  const maxMs = most?.duration(adaptiveTtlRange, 1000) ?? Number.NaN;
  if (maxMs < minMs) most?.expected(`at least the min, ${formatDuration(minMs)}`);
  return { ttlSeconds: maxMs / 1000, ttlSecondsMin: minMs / 1000 };
}

function parseWhenDown(reader: Reader | null, pools: ReadonlyMap<PoolId, Pool>): WhenDown {
  if (reader?.kind !== "map")
    return { kind: reader?.oneOf(["all", "lastGood", "nodata", "servfail"], "{ fallback: pool }") ?? "all" };
  const pool =
    reader.fields(keys["services.*.whenDown"]).required("fallback")?.reference("pool", pools) ?? null;
  return pool === null ? { kind: "all" } : { kind: "fallback", pool };
}

/** The ALPN identifiers are kept to visible ASCII without the comma, which separates them in a zone (RFC 9460 §7.1). */
function parseHttps(reader: Reader | null): HttpsParameters | null {
  if (reader === null) return null;
  const https = reader.fields(keys["services.*.https"]);
  const items = https.optional("alpn")?.items("a list of ALPN identifiers such as h2 and h3") ?? [];
  return {
    alpn: items.flatMap((item) => item.matching(/^[!-+.-~-]{1,255}$/, "an ALPN identifier such as h2") ?? []),
    port: https.optional("port")?.wholeNumber(portRange) ?? null,
  };
}
