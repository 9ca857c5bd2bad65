/** Drills: what is declared, what was run, and how to try, begin and end one. */

import type { FastifyRequest } from "fastify";
import Type, { type Static } from "typebox";
import type { DrillSpec } from "../../config/drills.ts";
import { parseDrill } from "../../config/parse-drill.ts";
import { describeDrill, describeEnding, describeMoment } from "../../drill/describe.ts";
import type { DrillEnding, DrillRecord } from "../../drill/drill.ts";
import type { Problem } from "../../problem.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { authorOf, beyondToken, scopeOf } from "./auth.ts";
import { Failure, failureFor } from "./errors.ts";
import { keyHeader } from "./idempotency.ts";
import { pageOf, pageQuery } from "./page.ts";
import {
  errorBody,
  formatMoment,
  formatOptionalMoment,
  moment,
  nullable,
  object,
  oneOf,
  problem,
} from "./schemas.ts";
import { reasonText } from "./submit.ts";

const MODES = ["drain", "dead", "cut", "weight"] as const;

const word = (description: string) => Type.String({ minLength: 1, maxLength: 600, description });
const words = (description: string) =>
  Type.Union([word(description), Type.Array(word(description), { minItems: 1, maxItems: 1_000 })]);
const duration = (description: string) => Type.String({ maxLength: 40, description });
const fraction = (description: string) =>
  Type.Union([Type.Number({ minimum: 0, maximum: 1 }), Type.String({ maxLength: 20 })], { description });

/** The keys of a drill in the config, but for its schedule. */
const drill = object(
  {
    mode: oneOf(MODES, "drain, dead, cut or weight"),
    target: object({
      region: Type.Optional(word("a region")),
      member: Type.Optional(word("a member such as web/us-east")),
      vip: Type.Optional(word("a VIP such as web/us-east/ipv4; only with mode dead")),
      vantages: Type.Optional(words("vantages; only with mode cut")),
    }),
    weight: Type.Optional(Type.Number({ description: "with mode weight: a weight, 0 or more" })),
    by: Type.Optional(words("with mode dead: the vantages that report it; all where it is left out")),
    duration: duration("a duration such as 2m"),
    services: Type.Optional(words("names of services, in which * is any text")),
    expect: Type.Optional(
      object({
        to: Type.Optional(words("regions, members, VIPs or addresses")),
        within: Type.Optional(duration("a duration such as 15s")),
      }),
    ),
    guards: Type.Optional(
      object({
        regionsUp: Type.Optional(Type.Integer({ description: "a number of regions" })),
        errorsAtMost: Type.Optional(fraction("a share such as 0.1 or 10%")),
        loadAtMost: Type.Optional(fraction("a share such as 0.9 or 90%")),
        quietElsewhere: Type.Optional(Type.Boolean()),
      }),
    ),
  },
  { description: "A drill that is not in the config." },
);

const wanted = Type.Union([object({ name: word("the name of a drill of the config") }), object({ drill })], {
  description: "an object with one of name, drill",
});
const begun = Type.Union(
  [
    object({ name: word("the name of a drill of the config"), reason: reasonText }),
    object({ drill, reason: reasonText }),
  ],
  { description: "an object with one of name, drill, and with a reason" },
);

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

/** The drills of the config, as the API gives them. */
export interface DeclaredView {
  readonly drills: readonly {
    readonly name: string;
    readonly summary: string;
    readonly durationMs: number;
    readonly nextAt: string | null;
  }[];
}

/** What a drill would do, as the API gives it. */
export interface RehearsalView {
  readonly refused: boolean;
  readonly problems: readonly Problem[];
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

const runs = object(
  { drills: Type.Array(run), next: nullable(Type.String()) },
  { description: "Drills that were begun, the newest first." },
);

const declared = Type.Unsafe<DeclaredView>(
  object(
    {
      drills: Type.Array(
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
      ),
    },
    { description: "The drills of the config, in its order." },
  ),
);

const share = Type.Number({ description: "a part of the answers, 0 to 1" });
const rehearsal = Type.Unsafe<RehearsalView>(
  object(
    {
      refused: Type.Boolean({ description: "true: it would not begin" }),
      problems: Type.Array(problem, { description: "why" }),
      services: Type.Array(drilled),
      vips: Type.Array(Type.String()),
      vantages: Type.Array(Type.String(), { description: "those that report a death, or fall silent" }),
      moves: Type.Array(
        object({
          service: Type.String(),
          family: oneOf(["ipv4", "ipv6"], "ipv4 or ipv6"),
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
    { description: "What a drill would do." },
  ),
);

/** The path of one. */
export const drillIdParams: Type.TObject<{ id: Type.TString }> = object({
  id: Type.String({ description: "the id of a drill that was begun" }),
});

export function drillRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/drills",
    {
      config: { access: "reader" },
      schema: {
        summary: "The drills that were begun",
        tags: ["drills"],
        querystring: pageQuery,
        response: { 200: runs, default: errorBody },
      },
    },
    (request) => {
      const { entries, next } = pageOf(desk.drills.list(), ({ id }) => id, request.query);
      return { drills: entries.map(viewOf), next };
    },
  );

  app.get(
    "/v1/drills/declared",
    {
      config: { access: "reader" },
      schema: {
        summary: "The drills of the config",
        tags: ["drills"],
        response: { 200: declared, default: errorBody },
      },
    },
    () => ({
      drills: [...desk.snapshot().config.drills.values()].map((spec) => ({
        name: spec.name,
        summary: describeDrill(spec),
        durationMs: spec.durationMs,
        nextAt: formatOptionalMoment(desk.drills.nextMs(spec)),
      })),
    }),
  );

  app.post(
    "/v1/drills",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "Begin a drill",
        tags: ["drills"],
        headers: keyHeader,
        body: begun,
        response: { 201: run, default: errorBody },
      },
    },
    async (request, reply) => {
      const { reason } = request.body;
      const spec = specOf(request.body, desk);
      checkScope(request, spec, desk);
      const outcome = await desk.drills.begin({ spec, author: authorOf(request), reason });
      if (outcome.kind === "refused") throw failureFor(422, outcome.problems);
      const view = viewOf(outcome.record);
      reply.code(201).header("location", view.url);
      return view;
    },
  );

  app.post(
    "/v1/drills/rehearsals",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "Say what a drill would do; nothing changes",
        tags: ["drills"],
        body: wanted,
        response: { 200: rehearsal, default: errorBody },
      },
    },
    async (request) => {
      const { problems, services, vips, vantages, moves, loads, restoresWithinMs } =
        await desk.drills.rehearse(specOf(request.body, desk));
      return {
        refused: problems.length > 0,
        problems,
        services: services.map(serviceView),
        vips,
        vantages,
        moves: moves.map(({ service, family, regions }) => {
          return {
            service,
            family: family === 4 ? ("ipv4" as const) : ("ipv6" as const),
            regions: [...regions],
          };
        }),
        loads: Array.from(loads, ([pool, load]) => ({ pool, load })),
        restoresWithinMs,
      };
    },
  );

  app.get(
    "/v1/drills/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "A drill that was begun",
        tags: ["drills"],
        params: drillIdParams,
        response: { 200: run, default: errorBody },
      },
    },
    (request) => viewOf(recordOf(request, desk)),
  );

  app.post(
    "/v1/drills/:id/abort",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "End a drill before its time, and put everything back",
        tags: ["drills"],
        headers: keyHeader,
        params: drillIdParams,
        body: object({ reason: reasonText }),
        response: { 200: run, default: errorBody },
      },
    },
    async (request) => {
      const { id, spec } = recordOf(request, desk);
      checkScope(request, spec, desk);
      const aborted = await desk.drills.abort(id, authorOf(request), request.body.reason);
      if (!aborted) throw new Failure(409, `drill ${id} does not run any more`);
      return viewOf(recordOf(request, desk));
    },
  );
}

function specOf(body: Static<typeof wanted>, desk: Desk): DrillSpec {
  const { config } = desk.snapshot();
  if ("name" in body) {
    const found = config.drills.get(body.name);
    if (found !== undefined) return found;
    throw new Failure(404, `there is no drill "${body.name}" in ${config.file}`);
  }
  const { value, problems } = parseDrill("adhoc", JSON.stringify(body.drill), config);
  if (value === null) throw failureFor(422, problems);
  return value;
}

/** Fails where a drill goes beyond the scope of the token. */
function checkScope(request: Pick<FastifyRequest, "token">, spec: DrillSpec, desk: Desk): void {
  const { scope } = scopeOf(request);
  const why = scope === undefined ? null : desk.drills.beyondScope(scope, spec);
  if (why !== null) throw beyondToken(request, why);
}

/** The drill that a request names; throws what it gets where there is none. */
export function recordOf(
  { params }: Pick<FastifyRequest<{ Params: { id: string } }>, "params">,
  desk: Desk,
): DrillRecord {
  const record = desk.drills.find(params.id);
  if (record === null) throw new Failure(404, `there is no drill "${params.id}"`);
  return record;
}

function serviceView({
  label,
  ttlSeconds,
  boundMs,
  objectiveMs,
}: DrillRecord["services"][number]): DrilledView {
  return { service: label, ttlSeconds, boundMs, objectiveMs };
}

export function viewOf(record: DrillRecord): DrillView {
  const { id, spec, author, reason, phase, startedMs, untilMs, ending, services, vips, moments } = record;
  return {
    id,
    url: `/v1/drills/${encodeURIComponent(id)}`,
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
