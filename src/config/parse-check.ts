/** The section `checks`: how members are probed, and when they are judged. */

import type { Check, Failback, ProbeSpec, Quorum } from "./check.ts";
import type { CheckFields } from "./check-fields.ts";
import type { CheckId } from "./config.ts";
import { keys } from "./keys.ts";
import { parseProbes } from "./parse-probe.ts";
import type { Reader } from "./read.ts";
import { formatDuration, type Range } from "./units.ts";

const countRange = { least: 1, most: 100 };
const vantagesRange = { least: 1, most: 1000 };
const percentRange = { least: 1, most: 100 };
const intervalRange = { least: 100, most: 3_600_000 };
const timeoutRange = { least: 10, most: 3_600_000 };
const jitterRange = { least: 0, most: 3_600_000 };
const holdRange = { least: 1000, most: 86_400_000 };
const slowStartRange = { least: 0, most: 86_400_000 };

/** The section `checks`; null where it is not given. `vantageCount` is how many vantages the file declares. */
export function parseChecks(reader: Reader | null, vantageCount: number): ReadonlyMap<CheckId, Check> {
  const named = reader?.named() ?? [];
  const fields = new Map(named.map(({ name, value }) => [name as CheckId, value.fields(keys["checks.*"])]));
  const probes = parseProbes(fields);
  const checks = new Map<CheckId, Check>();
  for (const [id, check] of fields) {
    const probe = probes.get(id);
    if (probe !== undefined) checks.set(id, parseCheck(id, check, probe, vantageCount));
  }
  return checks;
}

function parseCheck(id: CheckId, check: CheckFields, probe: ProbeSpec, vantageCount: number): Check {
  const intervalMs = check.optional("interval")?.duration(intervalRange) ?? 5000;
  const timeoutMs = atMost(intervalMs, check.optional("timeout"), timeoutRange, 2000);
  if (probe.latencyMs !== null && probe.latencyMs >= timeoutMs)
    check
      .optional("expect")
      ?.problemAtKey(`expected a latency below the timeout, ${formatDuration(timeoutMs)}`);
  return {
    id,
    probe,
    intervalMs,
    timeoutMs,
    rise: check.optional("rise")?.wholeNumber(countRange) ?? 2,
    fall: check.optional("fall")?.wholeNumber(countRange) ?? 2,
    recheckMs: atMost(intervalMs, check.optional("recheck"), timeoutRange, 1000),
    jitterMs: atMost(intervalMs, check.optional("jitter"), jitterRange, Math.round(intervalMs / 10)),
    quorum: parseQuorum(check.optional("quorum")),
    minVantages: parseMinVantages(check.optional("minVantages"), vantageCount),
    failback: parseFailback(check.optional("failback")),
    slowStartMs: check.optional("slowStart")?.duration(slowStartRange) ?? 60_000,
  };
}

/** A duration that may not be longer than the interval; where it is not given, `usual` or the interval if that is shorter. */
function atMost(intervalMs: number, reader: Reader | null, range: Range, usual: number): number {
  const ms = reader?.duration(range) ?? Math.min(usual, intervalMs);
  if (ms > intervalMs) reader?.expected(`at most the interval, ${formatDuration(intervalMs)}`);
  return ms;
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

/** At once where nothing is said: only who asks for a hold is to wait. */
function parseFailback(reader: Reader | null): Failback {
  const usual = { kind: "auto", holdDownMs: 0, holdDownMsMax: 3_600_000, halfLifeMs: 900_000 } as const;
  if (reader?.kind !== "map") {
    const kind = reader?.oneOf(["auto", "manual"], "{ holdDown: 2m }") ?? "auto";
    return kind === "manual" ? { kind } : usual;
  }
  const failback = reader.fields(keys["checks.*.failback"]);
  const holdDownMs = failback.required("holdDown")?.duration(holdRange) ?? Number.NaN;
  const most = failback.optional("holdDownMax");
  const holdDownMsMax = most?.duration(holdRange) ?? Math.max(usual.holdDownMsMax, holdDownMs);
  if (holdDownMsMax < holdDownMs) most?.expected(`at least the holdDown, ${formatDuration(holdDownMs)}`);
  const halfLifeMs = failback.optional("halfLife")?.duration(holdRange) ?? usual.halfLifeMs;
  return { kind: "auto", holdDownMs, holdDownMsMax, halfLifeMs };
}
