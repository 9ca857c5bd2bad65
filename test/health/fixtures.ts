/** Small configs, VIPs and reports to judge. */

import type { Check } from "../../src/config/check.ts";
import type {
  CheckId,
  Config,
  Coordinates,
  Member,
  MemberId,
  Pool,
  PoolId,
  RegionId,
  Service,
  VantageId,
  VipId,
} from "../../src/config/config.ts";
import type { ErrorClass, Report } from "../../src/health/report.ts";
import type { TrackedVip } from "../../src/health/tracked.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { parseName } from "../../src/wire/name.ts";
import { BARE_CONFIG } from "../config/bare.ts";
import { tcpSpec } from "../probe/specs.ts";

export const vipId = (text: string): VipId => text as VipId;
export const vantageId = (text: string): VantageId => text as VantageId;
export const regionId = (text: string): RegionId => text as RegionId;
export const poolId = (text: string): PoolId => text as PoolId;
export const memberId = (text: string): MemberId => text as MemberId;
export const checkId = (text: string): CheckId => text as CheckId;

/** A check with the values of the demo, and what a test changes of them. */
export function checkWith(changes: Partial<Check> = {}): Check {
  return {
    id: checkId("web"),
    probe: tcpSpec(80),
    intervalMs: 5_000,
    timeoutMs: 2_000,
    rise: 2,
    fall: 3,
    recheckMs: 1_000,
    jitterMs: 0,
    quorum: { kind: "majority" },
    minVantages: 1,
    failback: { kind: "auto", holdDownMs: 0, holdDownMsMax: 3_600_000, halfLifeMs: 900_000 },
    slowStartMs: 0,
    ...changes,
  };
}

/** VIPs that are each judged by their own reports. */
export function tracked(vips: readonly VipId[], check: Check | null): readonly TrackedVip[] {
  return vips.map((vip) => ({
    vip,
    address: `address of ${vip}`,
    judgedBy: vip,
    check,
    signalsFreshMs: null,
    perVantage: false,
  }));
}

export function success(vantage: VantageId, vip: VipId, atMs: number, connectMs = 10): Report {
  const timings = { connectMs, tlsMs: null, firstByteMs: null };
  return { vantage, vip, atMs, outcome: { kind: "success", timings } };
}

export function failure(vantage: VantageId, vip: VipId, atMs: number, error: ErrorClass = "timeout"): Report {
  const timings = { connectMs: null, tlsMs: null, firstByteMs: null };
  return { vantage, vip, atMs, outcome: { kind: "failure", error, detail: `${error} in a test`, timings } };
}

/** A member with an IPv4 address made from its number, in the region of its name's last part. */
export function memberOf(pool: string, name: string, region: string, number: number): Member {
  const id = `${pool}/${name}`;
  const vip = vipId(`${id}/ipv4`);
  const address = parseAddress(`192.0.2.${number}`)!;
  return {
    id: memberId(id),
    pool: poolId(pool),
    region: regionId(region),
    ipv4: { id: vip, address, judgedBy: vip, port: null },
    ipv6: null,
    weight: 1,
    capacity: null,
    shedAbove: null,
  };
}

export interface ConfigParts {
  readonly regions?: Readonly<Record<string, Coordinates>>;
  readonly vantages?: Readonly<Record<string, Coordinates>>;
  readonly checks?: readonly Check[];
  readonly pools?: readonly Pool[];
  readonly services?: readonly Service[];
}

/** A config of which only health's parts are filled. */
export function configWith(parts: ConfigParts): Config {
  const { regions = {}, vantages = {}, checks = [], pools = [], services = [] } = parts;
  return {
    ...BARE_CONFIG,
    regions: placesOf(regions, regionId),
    vantages: placesOf(vantages, vantageId),
    checks: new Map(checks.map((check) => [check.id, check])),
    pools: new Map(pools.map((pool) => [pool.id, pool])),
    members: new Map(pools.flatMap(({ members }) => members.map((member) => [member.id, member]))),
    services,
  };
}

/** A service of one pool, and what a test changes of it. */
export function serviceWith(changes: Partial<Service> = {}): Service {
  const parsed = parseName("www.gslb.example.", null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return {
    name: parsed.name,
    label: "www.gslb.example",
    ttlSeconds: 5,
    ttlSecondsMin: changes.ttlSeconds ?? 5,
    failoverWithinMs: null,
    policy: { kind: "pool", pool: poolId("web") },
    whenDown: { kind: "all" },
    https: null,
    place: { file: "meridian.yaml", line: 12, column: 3 },
    ...changes,
  };
}

function placesOf<Id extends string>(
  places: Readonly<Record<string, Coordinates>>,
  idOf: (text: string) => Id,
): ReadonlyMap<Id, { readonly id: Id; readonly coordinates: Coordinates }> {
  return new Map(
    Object.entries(places).map(([name, coordinates]) => [idOf(name), { id: idOf(name), coordinates }]),
  );
}
