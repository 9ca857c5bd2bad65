/** The metrics of this node, for Prometheus; without a token, because they hold no secret and scrapers seldom have one. */

import Type from "typebox";
import { ALARM_KINDS } from "../../alarm/alarm.ts";
import { vipsOf } from "../../health/tracked.ts";
import { dissentersOf, sideOf, type Verdict } from "../../health/verdict.ts";
import type { MeasuredLoad, MeasuredVip, Sample } from "../../telemetry/measured.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import { formatName, nameKey } from "../../wire/name.ts";
import { serialOf } from "../axfr.ts";
import type { Desk } from "../desk.ts";
import { isActive } from "../override.ts";
import type { Snapshot } from "../snapshot.ts";
import type { Api } from "./api.ts";
import type { Lockout } from "./lockout.ts";
import type { RequestCounts } from "./request-counts.ts";
import { errorBody, familyName } from "./schemas.ts";

/** A dns that has not told its counters by then is left out of this scrape. */
const COUNTERS_MS_MAX = 1_000;

const text = Type.String({ description: "The metrics in the text format of Prometheus." });

/** What the API knows of itself. */
interface ApiState {
  readonly lockout: Lockout;
  readonly requests: RequestCounts;
}

export function metricRoutes(app: Api, desk: Desk, api: ApiState): void {
  const metrics = new Metrics(() => sampleOf(desk, api));
  app.get(
    "/metrics",
    {
      config: { access: "public" },
      schema: {
        summary: "Metrics for Prometheus",
        tags: ["health"],
        produces: ["text/plain"],
        response: { 200: text, default: errorBody },
      },
    },
    async (_request, reply) => {
      reply.type(metrics.contentType);
      return metrics.text();
    },
  );
}

async function sampleOf(desk: Desk, { lockout, requests }: ApiState): Promise<Sample> {
  const counters = await withinTime(desk.counters());
  const { config, geo } = desk.snapshot();
  const {
    version,
    adoptedVersion,
    startedMs,
    reportsTaken,
    transfers,
    notifies,
    lastReload,
    apiCertificateEndMs,
    store,
    declared,
  } = desk.status();
  const active = desk.overrides().filter((override) => isActive(override, desk.nowMs()));
  const { standing, destinations } = desk.alarms();
  const kinds = ["weight", "drain", "force", "freeze"] as const;
  return {
    counters,
    regions: [...config.regions.keys()],
    version,
    adoptedVersion,
    startedMs,
    reportsTaken,
    transfers,
    notifies,
    serials: serialsIn(desk.snapshot()),
    vips: vipsIn(desk),
    loads: loadsIn(desk),
    vantages: desk.vantages(),
    overrides: Object.fromEntries(
      kinds.map((kind) => [kind, active.filter(({ action }) => action.kind === kind).length]),
    ),
    services: config.services.length,
    isDrillRunning: desk.drills.isRunning,
    rollovers: desk.signedZones().flatMap(({ zone, state }) => {
      if (state === null) return [];
      return [{ zone: zone.label, step: state.step, servedMs: state.servedMs }];
    }),
    store: { isWritable: store.problem === null, unrecorded: store.unrecorded },
    drifts: declared.drift !== null,
    lastReload: { loaded: lastReload.kind === "loaded", atMs: lastReload.atMs },
    geoBuiltAtSeconds: geo.builtAtSeconds,
    apiCertificateEndMs,
    tokenFailures: lockout.failures,
    addressesLocked: lockout.locked(desk.nowMs()),
    measuredServices: await desk.measureServices(),
    alarms: Object.fromEntries(
      ALARM_KINDS.map((kind) => [kind, standing.filter((alarm) => alarm.kind === kind).length]),
    ),
    destinations,
    requests: requests.all(),
  };
}

function serialsIn({ config, zones }: Snapshot): Readonly<Record<string, number>> {
  const transferred = zones.filter(({ apex }) => config.transfer.has(nameKey(apex)));
  return Object.fromEntries(transferred.map((zone) => [formatName(zone.apex), serialOf(zone)]));
}

function vipsIn(desk: Desk): readonly MeasuredVip[] {
  const { verdicts, takes } = desk.facts();
  return [...desk.snapshot().config.members.values()].flatMap((member) =>
    vipsOf(member).map(({ id, address }) => {
      const verdict = verdicts.get(id);
      return {
        pool: member.pool,
        member: member.id,
        region: member.region,
        family: familyName(address.family),
        up: verdict?.up === true,
        held: verdict?.basis === "held",
        heldDown: (verdict?.hold ?? null) !== null,
        flaps: verdict?.flaps ?? 0,
        votesUp: votesOf(verdict, "up"),
        votesDown: votesOf(verdict, "down"),
        dissenting: verdict === undefined ? 0 : dissentersOf(verdict).length,
        take: takes.get(id) ?? 1,
      };
    }),
  );
}

function votesOf(verdict: Verdict | undefined, side: "up" | "down"): number {
  return verdict?.votes.filter((vote) => sideOf(vote) === side).length ?? 0;
}

function loadsIn(desk: Desk): readonly MeasuredLoad[] {
  const { loads } = desk.facts();
  return [...desk.snapshot().config.members.values()].flatMap(({ id, pool, region }) => {
    const load = loads.get(id);
    return load === undefined ? [] : [{ pool, member: id, region, load }];
  });
}

async function withinTime(counters: Promise<readonly number[]>): Promise<readonly number[] | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), COUNTERS_MS_MAX);
  });
  try {
    return await Promise.race([counters, late]);
  } finally {
    clearTimeout(timer);
  }
}
