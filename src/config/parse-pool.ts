/** The section `pools`: VIPs that serve the same thing, and their places in it. */

import type { Check, ProbeSpec } from "./check.ts";
import type {
  CheckId,
  Member,
  MemberId,
  Pool,
  PoolId,
  Region,
  RegionId,
  SignalRules,
  Vantage,
  VantageId,
  Vip,
  VipId,
} from "./config.ts";
import { keys } from "./keys.ts";
import { portsOf } from "./probe-ports.ts";
import type { NamedReader, Reader } from "./read.ts";
import { portRange, type Range } from "./units.ts";

/** Shares of answers are ratios of weights, so a bound costs nothing and keeps their sums exact. */
export const weightRange: Range = { least: 0, most: 1_000_000 };

const capacityRange: Range = { least: 0.001, most: 1_000_000_000 };
const everyRange: Range = { least: 1_000, most: 3_600_000 };
const samplesRange: Range = { least: 1, most: 1_000_000 };

/** What pools refer to. */
export interface PoolContext {
  readonly regions: ReadonlyMap<RegionId, Region>;
  readonly checks: ReadonlyMap<CheckId, Check>;
  readonly vantages: ReadonlyMap<VantageId, Vantage>;
}

/** The section `pools`; null where it is not given. */
export function parsePools(reader: Reader | null, context: PoolContext): ReadonlyMap<PoolId, Pool> {
  const pools = reader?.named() ?? [];
  // Once for all, not once for each member.
  if (pools.length > 0 && context.regions.size === 0)
    reader?.problemAtKey('members stand in regions, expected at least one in the section "regions"');
  return new Map(pools.map(({ name, value }) => [name as PoolId, parsePool(name as PoolId, value, context)]));
}

function parsePool(id: PoolId, reader: Reader, context: PoolContext): Pool {
  const pool = reader.fields(keys["pools.*"]);
  const check = pool.optional("check")?.reference("check", context.checks) ?? null;
  const shedAbove = pool.optional("shedAbove")?.fraction() ?? null;
  const list = pool.required("members");
  const entries = list?.named() ?? [];
  if (list?.kind === "map" && entries.length === 0) list.problemAtKey("expected at least one member");
  const probe = check === null ? null : (context.checks.get(check)?.probe ?? null);
  const members = entries.map(({ name, value }) => {
    const member = parseMember(id, name, value, context.regions, probe);
    return { ...member, shedAbove: member.shedAbove ?? shedAbove };
  });
  refuseSharedAddresses(members, entries);
  const minUp = pool.optional("minUp")?.fraction() ?? 0;
  const signals = parseSignals(pool.optional("signals"), check);
  const perVantage = parsePerVantage(pool.optional("perVantage"), check, context);
  return { id, check, members, minUp, signals, perVantage };
}

/** Without probes, or without vantages, nobody would ever say anything. */
function parsePerVantage(reader: Reader | null, check: CheckId | null, { vantages }: PoolContext): boolean {
  const perVantage = reader?.boolean() ?? false;
  if (perVantage && check === null)
    reader?.problemAtKey('expected the key "check" beside it: vantages say what their probes see');
  if (perVantage && vantages.size === 0)
    reader?.problemAtKey('expected at least one vantage in the section "vantages"');
  return perVantage;
}

/** Signals join the votes of probes, so there must be some. */
function parseSignals(reader: Reader | null, check: CheckId | null): SignalRules | null {
  if (reader === null) return null;
  if (check === null)
    reader.problemAtKey(
      'expected the key "check" beside it, whose thresholds and quorum hold for signals too',
    );
  const signals = reader.fields(keys["pools.*.signals"]);
  return {
    everyMs: signals.optional("every")?.duration(everyRange) ?? 10_000,
    errorsAbove: signals.optional("errorsAbove")?.fraction() ?? 0.1,
    samples: signals.optional("samples")?.wholeNumber(samplesRange) ?? 20,
  };
}

function parseMember(
  pool: PoolId,
  name: string,
  reader: Reader,
  regions: ReadonlyMap<RegionId, Region>,
  checked: ProbeSpec | null,
): Member {
  const id = `${pool}/${name}` as MemberId;
  const member = reader.fields(keys["pools.*.members.*"]);
  const port = member.optional("port")?.wholeNumber(portRange) ?? null;
  if (port !== null && checked !== null && portsOf(checked).length !== 1)
    member.optional("port")?.problemAtKey("expected only with a check of one port");
  const probe = member.optional("probe")?.oneOf(["ipv4", "ipv6", "each"]) ?? "each";
  if (probe !== "each" && member.optional(probe) === null)
    member.optional("probe")?.problem(`expected the key "${probe}" beside it, the address to probe`);
  if (reader.kind === "map" && member.optional("ipv4") === null && member.optional("ipv6") === null)
    reader.problemAtKey('expected an address, the key "ipv4" or "ipv6" or both');

  const vip = (family: "ipv4" | "ipv6"): Vip | null => {
    const address = member.optional(family)?.address(family === "ipv4" ? 4 : 6) ?? null;
    if (address === null) return null;
    const judge = probe === "each" ? family : probe;
    return { id: `${id}/${family}` as VipId, address, judgedBy: `${id}/${judge}` as VipId, port };
  };
  return {
    id,
    pool,
    region: parseRegion(member.optional("region"), name, reader, regions),
    ipv4: vip("ipv4"),
    ipv6: vip("ipv6"),
    weight: member.optional("weight")?.number(weightRange) ?? 1,
    capacity: member.optional("capacity")?.number(capacityRange) ?? null,
    shedAbove: member.optional("shedAbove")?.fraction() ?? null,
  };
}

/** The region that is named, else the one that has the member's own name. */
function parseRegion(
  reader: Reader | null,
  name: string,
  member: Reader,
  regions: ReadonlyMap<RegionId, Region>,
): RegionId {
  const own = name as RegionId;
  if (regions.size === 0) return own;
  if (reader !== null) return reader.reference("region", regions) ?? own;
  if (!regions.has(own)) {
    const hint = member.problems.hint(name, regions.keys());
    member.problemAtKey(`expected the key "region", as there is no region "${name}"${hint}`);
  }
  return own;
}

/** The same address twice in a pool is a slip of copying: one of the regions would never be used. */
function refuseSharedAddresses(members: readonly Member[], entries: readonly NamedReader[]): void {
  const owners = new Map<string, string>();
  for (const [i, { ipv4, ipv6 }] of members.entries()) {
    const entry = entries[i];
    for (const vip of [ipv4, ipv6]) {
      if (vip === null || entry === undefined) continue;
      const owner = owners.get(vip.address.text);
      if (owner !== undefined)
        entry.value.problemAtKey(`${vip.address.text} is the address of member "${owner}" already`);
      owners.set(vip.address.text, entry.name);
    }
  }
}
