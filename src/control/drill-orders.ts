/** What a drill orders agents to do: to watch, to report a death, to fall silent. */

import type { Check, TcpProbeSpec } from "../config/check.ts";
import type { Config, Service } from "../config/config.ts";
import type { DrillSpec } from "../config/drills.ts";
import type { DrillRecord } from "../drill/drill.ts";
import type { DrillOrder, WatchedConnection, WatchedNode } from "../drill/observation.ts";
import { trackedVips, vipsOf } from "../health/tracked.ts";
import { declaredMembers } from "../steering/reach.ts";
import type { Scene } from "./drill-scene.ts";

/** From one look at a route to the next. */
const WATCH_EVERY_MS = 200;

/** Ticks and timers may be late by this. */
const SLACK_MS = 2_000;

/** Everybody who can watches these services at this node and through their own resolvers. */
export function watchOrder(services: readonly Service[], config: Config, untilMs: number): DrillOrder {
  const members = new Set(services.flatMap((service) => [...declaredMembers(service.policy, config)]));
  return {
    kind: "watch",
    untilMs,
    everyMs: WATCH_EVERY_MS,
    services: services.map((service) => {
      const own = [...declaredMembers(service.policy, config)];
      const has = (family: "ipv4" | "ipv6"): boolean => own.some((member) => member[family] !== null);
      return {
        label: service.label,
        families: [...(has("ipv4") ? [4 as const] : []), ...(has("ipv6") ? [6 as const] : [])],
      };
    }),
    nodes: nodesOf(config),
    connections: [...members].flatMap((member) => {
      const checkId = config.pools.get(member.pool)?.check ?? null;
      const check = checkId === null ? undefined : config.checks.get(checkId);
      // What is judged by its member's other address may serve nobody here, or anywhere.
      const probed = vipsOf(member).filter(({ id, judgedBy }) => id === judgedBy);
      return check === undefined ? [] : probed.flatMap((vip) => connectionTo(vip, check));
    }),
  };
}

/** The first address that can be asked; port 0 is one that only the node itself knows. */
function nodesOf({ node }: Config): readonly WatchedNode[] {
  const [first] = node.listen.filter(({ port }) => port !== 0);
  if (first === undefined) return [];
  const isAny = first.address.text === "0.0.0.0" || first.address.text === "::";
  return [{ node: node.name, address: isAny ? null : first.address.text, port: first.port }];
}

/** As the check connects, without asking for more; null where it does not connect. */
function connectionTo(
  vip: { readonly address: { readonly text: string }; readonly port: number | null },
  { probe }: Check,
): readonly WatchedConnection[] {
  const [single] = probe.kind === "calculated" ? probe.of.map((part) => part.probe) : [probe];
  if (single === undefined || (single.kind !== "http" && single.kind !== "tcp" && single.kind !== "grpc"))
    return [];
  const { tls, host, port } = single;
  const connection: TcpProbeSpec = {
    kind: "tcp",
    tls,
    host,
    port: vip.port ?? port,
    send: null,
    expect: null,
    latencyMs: null,
    inverted: false,
  };
  return [{ address: vip.address.text, probe: connection }];
}

/** What makes the failure; each order has its end in it. */
export function failures(
  { untilMs }: DrillRecord,
  { probed, vantages, override }: Scene,
): readonly DrillOrder[] {
  if (override !== null) return [];
  if (probed.length === 0) return [{ kind: "silence", vantages, untilMs }];
  return [{ kind: "pretend", vantages, vips: probed, untilMs }];
}

/** By when all must be as before, counted from the end of the failure. */
export function restoresWithin({ action }: DrillSpec, { vips, services }: Scene, config: Config): number {
  const { reportMs, publishMs } = config.node;
  const ttlMs = Math.max(0, ...services.map(({ ttlSeconds }) => ttlSeconds * 1_000));
  const isJudged = action.kind === "dead" || action.kind === "cut";
  const checks = trackedVips(config).flatMap(({ vip, check }) =>
    isJudged && check && (vips.size === 0 || vips.has(vip)) ? [check] : [],
  );
  return Math.max(0, ...checks.map(recoveryMs)) + reportMs + publishMs + ttlMs + SLACK_MS;
}

/** Worst, a VIP is found healthy `rise` probes after it is, and takes its full share at the end of its slow start. */
function recoveryMs({ intervalMs, jitterMs, rise, recheckMs, timeoutMs, slowStartMs }: Check): number {
  return intervalMs + jitterMs + (rise - 1) * Math.max(recheckMs, timeoutMs) + timeoutMs + slowStartMs;
}
