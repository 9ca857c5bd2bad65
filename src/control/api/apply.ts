/** Declared files by the API: what they would change, putting them in force, and going back to earlier ones. */

import { dirname, isAbsolute, join, normalize } from "node:path/posix";
import Type from "typebox";
import { CONFIG_FILE } from "../config-file.ts";
import { formatDiff } from "../declared-diff.ts";
import type { Desk } from "../desk.ts";
import type { Preview } from "../preview.ts";
import type { Api } from "./api.ts";
import { dryRunQuery, orTried } from "./dry-run.ts";
import { badRequest, failureFor } from "./errors.ts";
import { answerChanged, proposed } from "./proposals.ts";
import { errorBody, nullable, object, problem, version } from "./schemas.ts";
import { simulationSchema, simulationView } from "./simulate.ts";
import { declaredDiff, orMissing, versionParameter } from "./snapshots.ts";
import { changeHeaders, etagOf, reasonText, ruledQuery, submit, submitByQuery } from "./submit.ts";

/** Room for zones with some 500,000 names. */
const DECLARED_OCTETS_MAX = 64 * 1024 * 1024;
const FILES_MAX = 10_000;
const PATH_LENGTH_MAX = 512;

type GivenTexts = Readonly<Record<string, string>>;

const files = Type.Unsafe<GivenTexts>(
  Type.Object(
    {},
    {
      additionalProperties: Type.String(),
      description: `the texts of ${CONFIG_FILE}, of zones with what they include, and of labels, by their paths`,
    },
  ),
);

const force = Type.Boolean({ description: "true: also if that breaks rules" });

const milliseconds = nullable(
  Type.Number({ minimum: 0, description: "null: none of its pools has a check" }),
);

const previewSchema = object(
  {
    version,
    diff: declaredDiff,
    bounds: Type.Array(object({ service: Type.String(), beforeMs: milliseconds, afterMs: milliseconds }), {
      description: "the failover bounds that become others",
    }),
    simulation: nullable(simulationSchema),
    against: Type.Array(problem, {
      description: "safety rules that it would break, for which it would be refused unless it is forced",
    }),
    approval: nullable(Type.String({ description: "why a second person would have to approve it" })),
    lines: Type.Array(Type.String(), { description: "all of it for people" }),
  },
  { description: "What would change, if nothing else changes before." },
);

const changed = object({ version }, { description: "The files are in force." });

export function applyRoutes(app: Api, desk: Desk): void {
  app.post(
    "/v1/preview",
    {
      bodyLimit: DECLARED_OCTETS_MAX,
      config: { access: "admin" },
      schema: {
        summary: "What other files, or those of a snapshot, would change; nothing is changed",
        tags: ["snapshots"],
        body: object(
          { files: Type.Optional(files), snapshot: Type.Optional(versionParameter) },
          { examples: [{ snapshot: 27 }] },
        ),
        response: { 200: previewSchema, default: errorBody },
      },
    },
    async ({ body }, reply) => {
      const outcome = await desk.preview(await proposedTexts(desk, body));
      if (outcome.kind === "refused") throw failureFor(422, outcome.problems);
      const { preview } = outcome;
      const simulation = preview.simulation && simulationView(preview.simulation, []);
      reply.header("etag", etagOf(preview.version));
      return {
        version: preview.version,
        diff: preview.diff,
        bounds: [...preview.bounds],
        simulation,
        against: [...preview.against],
        approval: preview.approval,
        lines: [...linesOf(preview, simulation?.lines ?? [])],
      };
    },
  );

  app.put(
    "/v1/config",
    {
      bodyLimit: DECLARED_OCTETS_MAX,
      config: { access: "admin" },
      schema: {
        summary: "Put a config in force, with its zones and labels",
        tags: ["snapshots"],
        headers: changeHeaders,
        querystring: dryRunQuery,
        body: object(
          { files, reason: reasonText, force: Type.Optional(force) },
          {
            examples: [
              {
                files: { [CONFIG_FILE]: "zones: [zones/gslb.example.zone]", "zones/gslb.example.zone": "…" },
                reason: "a new region",
              },
            ],
          },
        ),
        response: { 200: orTried(changed), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const { reason, force } = request.body;
      const texts = textsOf(desk, request.body.files);
      const outcome = await submit(desk, request, { kind: "apply", texts }, reason, force);
      return answerChanged(desk, reply, outcome);
    },
  );

  app.post(
    "/v1/snapshots/:version/rollback",
    {
      config: { access: "admin" },
      schema: {
        summary: "Put the files of a snapshot in force again",
        tags: ["snapshots"],
        headers: changeHeaders,
        params: object({ version: versionParameter }),
        querystring: dryRunQuery,
        body: object(
          { reason: reasonText, force: Type.Optional(force) },
          { examples: [{ reason: "errors since version 31" }] },
        ),
        response: { 200: orTried(changed), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const { reason, force } = request.body;
      const found = orMissing(await desk.snapshots.texts(request.params.version));
      const texts = Object.fromEntries(found.texts);
      const edit = { kind: "rollback", version: request.params.version, texts } as const;
      return answerChanged(desk, reply, await submit(desk, request, edit, reason, force));
    },
  );

  app.delete(
    "/v1/rollback",
    {
      config: { access: "admin" },
      schema: {
        summary: "Put the files on disk in force again, after a rollback",
        tags: ["snapshots"],
        headers: changeHeaders,
        querystring: ruledQuery,
        response: { 200: orTried(changed), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const outcome = await submitByQuery(desk, request, { kind: "end-rollback" }, "rollback ended by hand");
      return answerChanged(desk, reply, outcome);
    },
  );
}

async function proposedTexts(
  desk: Desk,
  { files, snapshot }: { readonly files?: GivenTexts; readonly snapshot?: number },
): Promise<ReadonlyMap<string, string>> {
  if (files !== undefined && snapshot === undefined) return new Map(Object.entries(textsOf(desk, files)));
  if (files === undefined && snapshot !== undefined)
    return orMissing(await desk.snapshots.texts(snapshot)).texts;
  throw badRequest(["expected either files or snapshot"]);
}

/** Under the paths that files in the folder of the node's own config would have. */
function textsOf(desk: Desk, files: GivenTexts): GivenTexts {
  const paths = Object.keys(files);
  const problems = paths
    .filter((path) => !isInside(path))
    .map(
      (path) =>
        `files: expected paths inside the folder of ${CONFIG_FILE}, got ${JSON.stringify(path.slice(0, 80))}`,
    );
  if (paths.length > FILES_MAX) problems.push(`files: expected at most ${FILES_MAX}, got ${paths.length}`);
  if (files[CONFIG_FILE] === undefined) problems.push(`files: expected ${CONFIG_FILE} to be among them`);
  if (problems.length > 0) throw badRequest(problems.slice(0, 20));
  const folder = dirname(desk.snapshot().config.file);
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [join(folder, path), text]));
}

function isInside(path: string): boolean {
  return (
    path.length <= PATH_LENGTH_MAX &&
    !isAbsolute(path) &&
    normalize(path) === path &&
    !path.startsWith("../") &&
    !/^\.{0,2}$|\/$|\0/.test(path)
  );
}

function linesOf(
  { diff, bounds, against, approval }: Preview,
  simulated: readonly string[],
): readonly string[] {
  const seconds = (ms: number | null): string => (ms === null ? "none" : `${ms / 1000} s`);
  return [
    ...formatDiff(diff),
    ...bounds.map(
      ({ service, beforeMs, afterMs }) =>
        `failover bound of ${service}: ${seconds(beforeMs)} -> ${seconds(afterMs)}`,
    ),
    ...against.map((broken) => `AGAINST THE RULES: ${broken.message}`),
    ...(approval === null ? [] : [`needs approval: ${approval}`]),
    ...(simulated.length === 0 ? [] : ["", ...simulated]),
  ];
}
