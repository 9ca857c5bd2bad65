/** Drills as the API shows them: those of the config, those that were begun, and what one would do. */

import Type from "typebox";
import type { DrillSpec } from "../../config/drills.ts";
import { describeDrill, describeEnding, describeMoment } from "../../drill/describe.ts";
import type { DrillEnding, DrillRecord } from "../../drill/drill.ts";
import type { RehearsedDrill } from "../drill-rehearsal.ts";
import { itemUrl } from "./page.ts";
import {
  family,
  familyName,
  formatMoment,
  formatOptionalMoment,
  moment,
  nullable,
  object,
  oneOf,
} from "./schemas.ts";

export const MODES = ["drain", "dead", "cut", "weight"] as const;

/** A watched service, as the API gives it. */
interface DrilledView {
  readonly service: string;
  readonly ttlSeconds: number;
  readonly boundMs: number | null;
  readonly objectiveMs: number | null;
}

/** A drill that was begun, as the API gives it. */
export interface DrillView {
  readonly id: string;
  readonly url: string;
  readonly name: string;
  readonly summary: string;
  readonly mode: (typeof MODES)[number];
  readonly durationMs: number;
  readonly author: string;
  readonly reason: string;
  readonly phase: DrillRecord["phase"];
  readonly startedAt: string;
  readonly until: string;
  readonly ending: { readonly kind: DrillEnding["kind"]; readonly text: string } | null;
  readonly services: readonly DrilledView[];
  readonly vips: readonly string[];
  readonly moments: readonly { readonly at: string; readonly kind: string; readonly text: string }[];
}

/** A drill of the config, as the API gives it. */
export interface DeclaredDrillView {
  readonly name: string;
  readonly summary: string;
  readonly durationMs: number;
  readonly nextAt: string | null;
}

/** What a drill would do, as the API gives it. */
export interface RehearsalView {
  readonly dryRun: true;
  readonly services: readonly DrilledView[];
  readonly vips: readonly string[];
  readonly vantages: readonly string[];
  readonly moves: readonly {
    readonly service: string;
    readonly family: "ipv4" | "ipv6";
    readonly regions: readonly { readonly region: string; readonly before: number; readonly after: number }[];
  }[];
  readonly loads: readonly { readonly pool: string; readonly load: number }[];
  readonly restoresWithinMs: number;
}

const drilled = object({
  service: Type.String(),
  ttlSeconds: Type.Integer(),
  boundMs: nullable(Type.Number({ description: "its failover bound; null: nothing of it is probed" })),
  objectiveMs: nullable(Type.Number({ description: "what is expected of it; null: the bound" })),
});

/** A drill that was begun. */
export const run: Type.TUnsafe<DrillView> = Type.Unsafe<DrillView>(
  object(
    {
      id: Type.String(),
      url: Type.String(),
      name: Type.String({ description: 'of the drill in the config; "adhoc" for others' }),
      summary: Type.String({ description: "what it does, in a clause" }),
      mode: oneOf(MODES, "drain, dead, cut or weight"),
      durationMs: Type.Number(),
      author: Type.String(),
      reason: Type.String(),
      phase: oneOf(["watching", "running", "restoring", "over"], "where it is"),
      startedAt: moment,
      until: Type.Unsafe<string>({
        ...moment,
        description: "from then on nothing of it is in force, whoever is alive",
      }),
      ending: nullable(
        object({
          kind: oneOf(["on-time", "guard", "by-hand", "refused", "control-died"], "why the failure ended"),
          text: Type.String({ description: "the same for people" }),
        }),
      ),
      services: Type.Array(drilled),
      vips: Type.Array(Type.String(), { description: "what it takes away" }),
      moments: Type.Array(object({ at: moment, kind: Type.String(), text: Type.String() }), {
        description: "what the node saw and did, in the order in which it noticed",
      }),
    },
    { description: "A drill that was begun." },
  ),
);

/** A drill of the config. */
export const declaredDrill: Type.TUnsafe<DeclaredDrillView> = Type.Unsafe<DeclaredDrillView>(
  object({
    name: Type.String(),
    summary: Type.String({ description: "what it does, in a clause" }),
    durationMs: Type.Number(),
    nextAt: nullable(
      Type.Unsafe<string>({
        ...moment,
        description: "when it begins by itself; null: never, or not within a year",
      }),
    ),
  }),
);

const share = Type.Number({ description: "a part of the answers, 0 to 1" });
/** What a drill would do. */
export const rehearsal: Type.TUnsafe<RehearsalView> = Type.Unsafe<RehearsalView>(
  object(
    {
      dryRun: Type.Literal(true),
      services: Type.Array(drilled),
      vips: Type.Array(Type.String()),
      vantages: Type.Array(Type.String(), { description: "those that report a death, or fall silent" }),
      moves: Type.Array(
        object({
          service: Type.String(),
          family,
          regions: Type.Array(object({ region: Type.String(), before: share, after: share })),
        }),
        { description: "who would answer, as a mean over the classes of clients that are concerned" },
      ),
      loads: Type.Array(object({ pool: Type.String(), load: Type.Number() }), {
        description:
          "the part of the capacity that is left of each pool that would be in use, where it is known",
      }),
      restoresWithinMs: Type.Number({ description: "how long putting everything back may take" }),
    },
    { description: "What the drill would do; it has not begun." },
  ),
);

function serviceView({
  label,
  ttlSeconds,
  boundMs,
  objectiveMs,
}: DrillRecord["services"][number]): DrilledView {
  return { service: label, ttlSeconds, boundMs, objectiveMs };
}

/** A rehearsal for the eyes of people and programs. */
export function rehearsalView(rehearsed: RehearsedDrill): RehearsalView {
  const { services, vips, vantages, moves, loads, restoresWithinMs } = rehearsed;
  return {
    dryRun: true,
    services: services.map(serviceView),
    vips,
    vantages,
    moves: moves.map(({ service, family, regions }) => ({ service, family: familyName(family), regions })),
    loads: Array.from(loads, ([pool, load]) => ({ pool, load })),
    restoresWithinMs,
  };
}

/** A drill that was begun, for the same. */
export function drillView(record: DrillRecord): DrillView {
  const { id, spec, author, reason, phase, startedMs, untilMs, ending, services, vips, moments } = record;
  return {
    id,
    url: itemUrl("drills", id),
    name: spec.name,
    summary: describeDrill(spec),
    mode: spec.action.kind,
    durationMs: spec.durationMs,
    author,
    reason,
    phase,
    startedAt: formatMoment(startedMs),
    until: formatMoment(untilMs),
    ending: ending && { kind: ending.kind, text: describeEnding(ending) },
    services: services.map(serviceView),
    vips,
    moments: moments.map((one) => ({
      at: formatMoment(one.atMs),
      kind: one.kind,
      text: describeMoment(one),
    })),
  };
}

/** A drill of the config; `nextMs` null: it does not begin by itself. */
export function declaredView(spec: DrillSpec, nextMs: number | null): DeclaredDrillView {
  const { name, durationMs } = spec;
  return { name, summary: describeDrill(spec), durationMs, nextAt: formatOptionalMoment(nextMs) };
}
