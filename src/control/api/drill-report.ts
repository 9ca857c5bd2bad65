/** The report of a drill, in each of its forms. */

import { createHash } from "node:crypto";
import Type from "typebox";
import type { Figures } from "../../drill/figures.ts";
import type { Passage } from "../../drill/measure.ts";
import type { Run } from "../../drill/observation.ts";
import type { DrillReport } from "../../drill/report.ts";
import { htmlReport, REPORT_STYLE } from "../../drill/report-html.ts";
import { junitReport } from "../../drill/report-junit.ts";
import { markdownReport } from "../../drill/report-markdown.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { drillView, run } from "./drill-view.ts";
import { drillId, recordOf } from "./drills.ts";
import {
  errorBody,
  family,
  familyName,
  formatMoment,
  formatOptionalMoment,
  moment,
  nullable,
  object,
  oneOf,
} from "./schemas.ts";

/** The forms, with their media types. */
const FORMS = {
  json: "application/json",
  markdown: "text/markdown; charset=utf-8",
  html: "text/html; charset=utf-8",
  junit: "application/xml; charset=utf-8",
} as const;

type Form = keyof typeof FORMS;

/** The page may use the one style that it has, and load nothing. */
const PAGE_CSP = `default-src 'none'; frame-ancestors 'none'; style-src 'sha256-${createHash("sha256").update(REPORT_STYLE).digest("base64")}'`;

const ms = Type.Number({ minimum: 0, description: "milliseconds" });

const passage = Type.Unsafe<Passage>(
  Type.Union(
    [
      object({
        kind: Type.Literal("passed"),
        segments: object({
          detectMs: Type.Number({ description: "from the beginning to the vote that decides" }),
          decideMs: Type.Number({ description: "to the verdict" }),
          publishMs: Type.Number({ description: "to other answers of the nodes" }),
          cacheMs: Type.Number({ description: "to another answer of the resolver" }),
          clientMs: Type.Number({ description: "to a connection" }),
        }),
        totalMs: Type.Number({ description: "the sum of the segments" }),
        lastBeforeMs: Type.Number({
          description: "from the beginning to the last look that was answered as before",
        }),
        addresses: Type.Array(Type.String(), { description: "what it got then" }),
      }),
      object({ kind: Type.Literal("untouched") }),
      object({
        kind: Type.Literal("waiting"),
        afterMs: ms,
        for: oneOf(["node", "resolver", "connection"], "what had not changed yet"),
      }),
      object({ kind: Type.Literal("unknown"), reason: Type.String() }),
    ],
    { description: "how clients passed from one answer to another" },
  ),
);

const quantiles = object({ p50Ms: ms, p95Ms: ms, worstMs: ms });
const client = { vantage: Type.String(), resolver: nullable(Type.String()), service: Type.String(), family };
const figures = nullable(
  object({
    passages: Type.Integer({ minimum: 1 }),
    total: quantiles,
    segments: object({
      detect: quantiles,
      decide: quantiles,
      publish: quantiles,
      cache: quantiles,
      client: quantiles,
    }),
    slowest: object(client),
  }),
);

const share = nullable(Type.Number({ minimum: 0, maximum: 1 }));

const report = object(
  {
    drill: run,
    verdict: object({
      kind: oneOf(["passed", "failed", "aborted", "inconclusive"], "what came of it"),
      reasons: Type.Array(Type.String()),
    }),
    begunAt: nullable(moment),
    endedAt: nullable(moment),
    restoredAt: nullable(moment),
    failover: figures,
    recovery: figures,
    services: Type.Array(
      object({
        service: Type.String(),
        boundMs: nullable(ms),
        objectiveMs: nullable(ms),
        lastBeforeMs: nullable(ms),
        failover: figures,
      }),
    ),
    stretchers: Type.Array(
      object({
        vantage: Type.String(),
        resolver: nullable(Type.String()),
        service: Type.String(),
        ttlSeconds: Type.Number({ description: "the longest TTL that the service has" }),
        answeredTtlSeconds: nullable(
          Type.Number({ description: "the longest that the resolver answered with" }),
        ),
        heldMs: Type.Number({ description: "how long it kept an old answer after the nodes had none" }),
        factor: Type.Number({ description: "how many times as long as it may it keeps an answer, at least" }),
      }),
      { description: "resolvers that stretch TTLs" },
    ),
    watchers: Type.Array(
      object({
        vantage: Type.String(),
        resolver: nullable(Type.String()),
        watches: Type.Boolean({ description: "false: an agent of a release that does not watch" }),
        uncertaintyMs: nullable(
          Type.Number({ description: "by how much its times may be off at most; null: it saw nothing" }),
        ),
        looks: Type.Integer({ minimum: 0 }),
        dropped: Type.Integer({ minimum: 0, description: "looks beyond what is kept of a drill" }),
      }),
    ),
    clients: Type.Array(
      object({
        ...client,
        stretched: Type.Boolean({ description: "true: its resolver stretches TTLs" }),
        failover: passage,
        recovery: passage,
        share: object(
          { before: share, during: share },
          { description: "the part of the answers that had what the drill takes away" },
        ),
        runs: Type.Array(
          object({
            from: moment,
            until: moment,
            looks: Type.Integer({ minimum: 1 }),
            rcode: nullable(Type.Integer()),
            addresses: Type.Array(Type.String()),
            connection: oneOf(["none", "made", "failed"], "what came of connections"),
            ttlSecondsMax: nullable(Type.Number()),
          }),
          { description: "looks in a row through the resolver that saw the same" },
        ),
      }),
    ),
  },
  { description: "What a drill has shown." },
);

const text = (description: string) => ({ schema: Type.String({ description }) });

export function drillReportRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/drills/:id/report",
    {
      config: { access: "reader" },
      schema: {
        summary: "What a drill has shown; until now where it is under way",
        tags: ["drills"],
        params: drillId,
        querystring: object({
          format: Type.Optional(
            oneOf(Object.keys(FORMS) as readonly Form[], "json, markdown, html or junit"),
          ),
        }),
        response: {
          200: {
            description: "The report.",
            content: {
              "application/json": { schema: report },
              "text/markdown": text("The same for tickets and wikis."),
              "text/html": text("The same as a page with a timeline, which needs nothing else."),
              "application/xml": text("The same as JUnit XML, for pipelines."),
            },
          },
          default: errorBody,
        },
      },
    },
    (request, reply) => {
      const { format = "json" } = request.query;
      const made = desk.drills.report(recordOf(request, desk));
      reply.type(FORMS[format]);
      if (format === "html") reply.header("content-security-policy", PAGE_CSP);
      return formatted(made, format);
    },
  );
}

function formatted(made: DrillReport, format: Form) {
  switch (format) {
    case "json":
      return reportView(made);
    case "markdown":
      return markdownReport(made);
    case "html":
      return htmlReport(made);
    case "junit":
      return junitReport(made);
  }
}

function reportView(made: DrillReport) {
  const { drill, verdict, begunAtMs, endedAtMs, restoredAtMs, failover, recovery } = made;
  return {
    drill: drillView(drill),
    verdict: { kind: verdict.kind, reasons: [...verdict.reasons] },
    begunAt: formatOptionalMoment(begunAtMs),
    endedAt: formatOptionalMoment(endedAtMs),
    restoredAt: formatOptionalMoment(restoredAtMs),
    failover: figuresView(failover),
    recovery: figuresView(recovery),
    services: made.services.map(({ label, failover: own, ...promises }) => ({
      service: label,
      ...promises,
      failover: figuresView(own),
    })),
    stretchers: made.stretchers.map(({ label, ...rest }) => ({ service: label, ...rest })),
    watchers: [...made.watchers],
    clients: made.clients.map(
      ({ stretched, failover: moved, recovery: back, share: parts, runs, ...who }) => ({
        ...nameView(who),
        stretched,
        failover: moved,
        recovery: back,
        share: parts,
        runs: runs.map(runView),
      }),
    ),
  };
}

function figuresView(figures: Figures | null) {
  return figures && { ...figures, slowest: nameView(figures.slowest) };
}

function nameView({ vantage, resolver, label, family }: Figures["slowest"]) {
  return { vantage, resolver, service: label, family: familyName(family) };
}

function runView({ firstAskedAtMs, lastAskedAtMs, looks, rcode, addresses, connection, ttlSecondsMax }: Run) {
  return {
    from: formatMoment(firstAskedAtMs),
    until: formatMoment(lastAskedAtMs),
    looks,
    rcode,
    addresses: [...addresses],
    connection,
    ttlSecondsMax,
  };
}
