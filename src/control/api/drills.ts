/** Drills: what is declared, what was run, and how to try, begin and end one. */

import type { FastifyRequest } from "fastify";
import Type, { type Static } from "typebox";
import type { DrillSpec } from "../../config/drills.ts";
import { parseDrill } from "../../config/parse-drill.ts";
import type { DrillRecord } from "../../drill/drill.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { authorOf, beyondToken, scopeOf } from "./auth.ts";
import {
  declaredDrill,
  declaredView,
  drillView,
  MODES,
  rehearsal,
  rehearsalView,
  run,
} from "./drill-view.ts";
import { dryRunQuery, isDryRun } from "./dry-run.ts";
import { Failure, failureFor } from "./errors.ts";
import { keyHeader } from "./idempotency.ts";
import { itemOf, next, pageOf, pageQuery } from "./page.ts";
import { errorBody, idParameter, object, oneOf } from "./schemas.ts";
import { reasonText } from "./submit.ts";

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

const wanted = Type.Union(
  [
    object({ name: word("the name of a drill of the config"), reason: reasonText }),
    object({ drill, reason: reasonText }),
  ],
  { description: "an object with one of name, drill, and with a reason" },
);

const runs = object(
  { drills: Type.Array(run), next },
  { description: "Drills that were begun, the newest first." },
);

const declared = object(
  { drills: Type.Array(declaredDrill), next },
  { description: "The drills of the config, in its order." },
);

/** The path of one. */
export const drillId: Type.TObject<{ id: Type.TString }> = idParameter("the id of a drill that was begun");

export function drillRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/drills",
    {
      config: { access: "reader" },
      schema: {
        summary: "The drills that were begun",
        tags: ["drills"],
        querystring: pageQuery(),
        response: { 200: runs, default: errorBody },
      },
    },
    (request) => {
      const { entries, next } = pageOf(desk.drills.list(), ({ id }) => id, request.query);
      return { drills: entries.map(drillView), next };
    },
  );

  app.get(
    "/v1/drills/declared",
    {
      config: { access: "reader" },
      schema: {
        summary: "The drills of the config",
        tags: ["drills"],
        querystring: pageQuery(),
        response: { 200: declared, default: errorBody },
      },
    },
    ({ query }) => {
      const specs = [...desk.snapshot().config.drills.values()];
      const { entries, next } = pageOf(specs, ({ name }) => name, query);
      return {
        drills: entries.map((spec) => declaredView(spec, desk.drills.nextMs(spec))),
        next,
      };
    },
  );

  app.post(
    "/v1/drills",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "Begin a drill",
        tags: ["drills"],
        headers: keyHeader,
        querystring: dryRunQuery,
        body: wanted,
        response: { 200: rehearsal, 201: run, default: errorBody },
      },
    },
    async (request, reply) => {
      const { reason } = request.body;
      const spec = specOf(request.body, desk);
      checkScope(request, spec, desk);
      if (isDryRun(request)) {
        const rehearsed = await desk.drills.rehearse(spec);
        if (rehearsed.problems.length > 0) throw failureFor(422, rehearsed.problems);
        reply.code(200);
        return rehearsalView(rehearsed);
      }
      const outcome = await desk.drills.begin({ spec, author: authorOf(request), reason });
      if (outcome.kind === "refused") throw failureFor(422, outcome.problems);
      const view = drillView(outcome.record);
      reply.code(201).header("location", view.url);
      return view;
    },
  );

  app.get(
    "/v1/drills/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "A drill that was begun",
        tags: ["drills"],
        params: drillId,
        response: { 200: run, default: errorBody },
      },
    },
    (request) => drillView(recordOf(request, desk)),
  );

  app.post(
    "/v1/drills/:id/abort",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "End a drill before its time, and put everything back",
        tags: ["drills"],
        headers: keyHeader,
        params: drillId,
        body: object({ reason: reasonText }),
        response: { 200: run, default: errorBody },
      },
    },
    async (request) => {
      const { id, spec } = recordOf(request, desk);
      checkScope(request, spec, desk);
      const aborted = await desk.drills.abort(id, authorOf(request), request.body.reason);
      if (!aborted) throw new Failure("over", `drill ${id} does not run any more`);
      return drillView(recordOf(request, desk));
    },
  );
}

function specOf(body: Static<typeof wanted>, desk: Desk): DrillSpec {
  const { config } = desk.snapshot();
  if ("name" in body) {
    return itemOf("drill", [...config.drills.values()], ({ name }) => name, body.name);
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
