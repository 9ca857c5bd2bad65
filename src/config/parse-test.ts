/** The section `tests`: examples of clients, and what they must be answered. */

import { parseAddress, parsePrefix } from "../wire/address.ts";
import { formatName, nameKey } from "../wire/name.ts";
import type { MemberId, Place, RegionId, Service } from "./config.ts";
import { keys } from "./keys.ts";
import {
  type ParseMatch,
  parseAsnMatch,
  parseContinentMatch,
  parseCountryMatch,
  parseLabelMatch,
  parseSubdivisionMatch,
} from "./parse-geo-match.ts";
import { weightRange } from "./parse-pool.ts";
import { parseSelectionShares, parseSelections, type SelectionContext } from "./parse-selection.ts";
import { childrenOf, type Policy } from "./policy.ts";
import type { Reader } from "./read.ts";
import type { ExampleClient, Expectation, PolicyTest } from "./rules.ts";
import type { Range } from "./units.ts";

/** What tests and invariants refer to. */
export interface RuleContext extends SelectionContext {
  readonly file: string;
  readonly services: readonly Service[];
  /** What the file calls its services, also those with problems. */
  readonly declared: readonly string[];
  /** ISO 3166-1 alpha-2 codes, upper case. */
  readonly countries: ReadonlySet<string>;
}

const rttRange: Range = { least: 0, most: 60_000 };

/** Shares of a third are written as 33%. */
const TOLERANCE = 0.005;

/** The section `tests`; null where it is not given. */
export function parseTests(reader: Reader | null, context: RuleContext): readonly PolicyTest[] {
  const services = new Map(context.services.map((service) => [nameKey(service.name), service]));
  return (reader?.entries() ?? []).flatMap(({ name, key, value }) => {
    const test = parseTest(value, context, services);
    return test === null ? [] : [{ name, place: placeOf(key, context.file), ...test }];
  });
}

/** Where a rule is declared. */
export function placeOf(key: Reader, file: string): Place {
  return { file, line: key.place.line, column: key.place.column };
}

function parseTest(
  reader: Reader,
  context: RuleContext,
  services: ReadonlyMap<string, Service>,
): Omit<PolicyTest, "name" | "place"> | null {
  const test = reader.fields(keys["tests.*"]);
  const serviceReader = test.required("service");
  const service = serviceReader === null ? null : parseService(serviceReader, services, context.declared);
  const clientReader = test.required("client");
  const client = clientReader === null ? null : parseClient(clientReader, context.countries);
  const expectReader = test.required("expect");
  const expect =
    expectReader === null ? null : parseExpect(expectReader, test.optional("tolerance"), context);
  const family = test.optional("family")?.oneOf(["ipv4", "ipv6"]) ?? null;
  const down = parseOptionalSelections(test.optional("down"), context);
  const drained = parseOptionalSelections(test.optional("drained"), context);
  const weights = parseWeights(test.optional("weights"), service, context);
  const rttMs = parseRtts(test.optional("rtt"), service, context);
  if (service === null || client === null || expect === null) return null;
  return {
    service,
    client,
    family: family === null ? null : family === "ipv4" ? 4 : 6,
    down: new Set(down.flatMap(({ vips }) => [...vips])),
    drained: new Set(
      [...context.members.values()]
        .filter(({ ipv4, ipv6 }) =>
          drained.some(({ vips }) => [ipv4, ipv6].some((vip) => vip !== null && vips.has(vip.id))),
        )
        .map(({ id }) => id),
    ),
    ...weights,
    rttMs,
    expect,
  };
}

function parseOptionalSelections(
  reader: Reader | null,
  context: RuleContext,
): ReturnType<typeof parseSelections> {
  return reader === null ? [] : parseSelections(reader, context);
}

function parseService(
  reader: Reader,
  services: ReadonlyMap<string, Service>,
  declared: readonly string[],
): Service | null {
  const name = reader.domainName();
  if (name === null) return null;
  const service = services.get(nameKey(name));
  const label = formatName(name).slice(0, -1);
  if (service === undefined && !declared.some((known) => known.toLowerCase() === label.toLowerCase()))
    reader.unknown("service", label, declared);
  return service ?? null;
}

/** An address, a prefix for its first address, or what is known of the client. */
function parseClient(reader: Reader, countries: ReadonlySet<string>): ExampleClient | null {
  if (reader.kind !== "map") {
    const text = reader.text("an address, a prefix, or a map of what is known of the client");
    if (text === null) return null;
    const address = parseAddress(text) ?? parsePrefix(text)?.address ?? null;
    if (address === null) reader.expected("an address, a prefix, or a map of what is known of the client");
    return address === null ? null : { kind: "address", address };
  }
  const fields = reader.fields(keys["tests.*.client"]);
  const traits = traitKeys.flatMap(([key, parse]) => {
    const value = fields.optional(key);
    return value === null ? [] : (parse(value, countries) ?? []);
  });
  const coordinates = fields.optional("at")?.coordinates() ?? null;
  return { kind: "known", traits, coordinates };
}

const traitKeys: readonly (readonly [Exclude<(typeof keys)["tests.*.client"][number], "at">, ParseMatch])[] =
  [
    ["continent", parseContinentMatch],
    ["country", parseCountryMatch],
    ["subdivision", parseSubdivisionMatch],
    ["asn", parseAsnMatch],
    ["label", parseLabelMatch],
  ];

function parseExpect(reader: Reader, tolerance: Reader | null, context: RuleContext): Expectation | null {
  const give = tolerance?.fraction() ?? TOLERANCE;
  if (reader.kind === "map") {
    const shares = parseSelectionShares(reader, context);
    const sum = shares.reduce((whole, { share }) => whole + share, 0);
    if (sum > 1 + give * shares.length) reader.problemAtKey("the shares add up to more than 100%");
    return { kind: "shares", shares, tolerance: give };
  }
  tolerance?.problemAtKey('expected only where "expect" gives shares');
  const word = reader.kind === "text" ? reader.text() : null;
  if (word === "nodata" || word === "servfail") return { kind: word };
  return { kind: "only", selections: parseSelections(reader, context) };
}

function parseWeights(
  reader: Reader | null,
  service: Service | null,
  { members }: RuleContext,
): Pick<PolicyTest, "memberWeights" | "choiceWeights"> {
  const memberWeights = new Map<MemberId, number>();
  const choiceWeights = new Map<string, number>();
  const choices = service === null ? [] : choicesIn(service.policy, service.label);
  for (const { name, key, value } of reader?.entries() ?? []) {
    const weight = value.number(weightRange);
    if (members.has(name as MemberId)) memberWeights.set(name as MemberId, weight);
    else if (choices.includes(name)) choiceWeights.set(name, weight);
    else if (service !== null) key.unknown("member or choice", name, [...choices, ...members.keys()]);
  }
  return { memberWeights, choiceWeights };
}

function parseRtts(
  reader: Reader | null,
  service: Service | null,
  { regions }: RuleContext,
): ReadonlyMap<RegionId, number> {
  if (service !== null && !hasLatency(service.policy))
    reader?.problemAtKey("expected only of a service with a `latency` policy");
  const rttMs = new Map<RegionId, number>();
  for (const { key, value } of reader?.entries() ?? []) {
    const region = key.reference("region", regions);
    const ms = value.duration(rttRange);
    if (region !== null) rttMs.set(region, ms);
  }
  return rttMs;
}

function hasLatency(policy: Policy): boolean {
  return policy.kind === "latency" || childrenOf(policy).some(hasLatency);
}

/** As overrides name them: `policy/choice`, or `service/choice` where the policy is written in place. */
function choicesIn(policy: Policy, label: string): readonly string[] {
  const own =
    policy.kind === "weighted" ? policy.choices.map(({ key }) => `${policy.name ?? label}/${key}`) : [];
  return [...own, ...childrenOf(policy).flatMap((child) => choicesIn(child, label))];
}
