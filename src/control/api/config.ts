/** The node itself: how it is doing, and reading its files again. */

import Type, { type Static } from "typebox";
import type { DeclaredState, Desk, LastReload, StoreStatus } from "../desk.ts";
import { STORE_FAULTS } from "../store-file.ts";
import type { Api } from "./api.ts";
import { orTried } from "./dry-run.ts";
import { answerUnmade, proposed } from "./proposals.ts";
import { errorBody, formatMoment, moment, nullable, object, oneOf, problem, version } from "./schemas.ts";
import { changeHeaders, etagOf, ruledQuery, submitByQuery } from "./submit.ts";

const lastReload = object({
  outcome: oneOf(["loaded", "refused"], "loaded or refused"),
  at: moment,
  problems: Type.Array(problem, {
    description: "why the files were refused; what was read before stays in force",
  }),
  warnings: Type.Array(problem, { description: "what could not be used, so that something older is" }),
});

const declared = object(
  {
    source: oneOf(["files", "api"], "files or api, as node.source says"),
    by: nullable(
      object({
        kind: oneOf(["applied", "rollback"], "applied or rollback"),
        snapshot: nullable(Type.Integer({ description: "the version that was rolled back to" })),
        author: Type.String(),
        reason: Type.String(),
        at: moment,
      }),
    ),
    drift: nullable(
      Type.String({ description: "what is in force that the files on disk do not say; null: nothing" }),
    ),
  },
  { description: "where config and zones come from; by is null where they are the files on disk" },
);

const storeSchema = object({
  problem: nullable(
    object({
      fault: oneOf(STORE_FAULTS, STORE_FAULTS.join(", ")),
      since: moment,
      message: Type.String({ description: "what is wrong, and what is to be done" }),
    }),
  ),
  unrecorded: Type.Integer({ description: "changes by break-glass in force that it does not have yet" }),
});

const status = object(
  {
    node: Type.String({ description: "the name of the node" }),
    version,
    adoptedVersion: Type.Integer({
      minimum: 0,
      description: "the version of the book that dns serves; 0: none",
    }),
    startedAt: moment,
    now: moment,
    zones: Type.Integer({ minimum: 0 }),
    services: Type.Integer({ minimum: 0 }),
    geo: object({
      file: Type.String({ description: "where locations come from" }),
      type: Type.String({ description: "what its maker calls this sort of database" }),
      builtAt: moment,
    }),
    lastReload,
    store: storeSchema,
    declared,
  },
  { description: "How the node is doing." },
);

const reloaded = object(
  { version, warnings: Type.Array(problem) },
  { description: "The files are in force." },
);

export function configRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/status",
    {
      config: { access: "reader" },
      schema: {
        summary: "How the node is doing",
        tags: ["node"],
        response: { 200: status, default: errorBody },
      },
    },
    () => statusOf(desk),
  );

  app.post(
    "/v1/reload",
    {
      config: { access: "admin" },
      schema: {
        summary: "Read config, zones and geo data again",
        tags: ["node"],
        headers: changeHeaders,
        querystring: ruledQuery,
        response: { 200: orTried(reloaded), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const outcome = await submitByQuery(desk, request, { kind: "reload" }, "reload by API");
      if (outcome.kind !== "published") return answerUnmade(desk, reply, outcome);
      const { version } = outcome;
      const warnings = reloadOf(desk.status().lastReload).warnings;
      reply.header("etag", etagOf(version));
      return { version, warnings };
    },
  );
}

function statusOf(desk: Desk): Static<typeof status> {
  const { version, adoptedVersion, startedMs, lastReload, store, declared } = desk.status();
  const { config, zones, geo } = desk.snapshot();
  return {
    node: config.node.name,
    version,
    adoptedVersion,
    startedAt: formatMoment(startedMs),
    now: formatMoment(desk.nowMs()),
    zones: zones.length,
    services: config.services.length,
    geo: { file: geo.file, type: geo.type, builtAt: formatMoment(1_000 * geo.builtAtSeconds) },
    lastReload: reloadOf(lastReload),
    store: storeOf(store),
    declared: declaredOf(declared),
  };
}

function storeOf({ problem, unrecorded }: StoreStatus): Static<typeof storeSchema> {
  if (problem === null) return { problem, unrecorded };
  const { fault, sinceMs, message } = problem;
  return { problem: { fault, since: formatMoment(sinceMs), message }, unrecorded };
}

function declaredOf({ source, by, drift }: DeclaredState): Static<typeof declared> {
  if (by === null) return { source, by, drift };
  const { kind, version, author, reason, atMs } = by;
  return { source, by: { kind, snapshot: version, author, reason, at: formatMoment(atMs) }, drift };
}

function reloadOf(reload: LastReload): Static<typeof lastReload> {
  return {
    outcome: reload.kind,
    at: formatMoment(reload.atMs),
    problems: reload.kind === "refused" ? [...reload.problems] : [],
    warnings: reload.kind === "loaded" ? [...reload.warnings] : [],
  };
}
