/** Two drills side by side. */

import Type from "typebox";
import { compareDrills } from "../../drill/compare.ts";
import type { DrillReport } from "../../drill/report.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { recordOf } from "./drills.ts";
import { errorBody, family, familyName, nullable, object, oneOf } from "./schemas.ts";

const milliseconds = nullable(
  Type.Number({ description: "milliseconds; null: that drill has no such figure" }),
);
const times = { firstMs: milliseconds, secondMs: milliseconds };
const passage = oneOf(["failover", "recovery"], "failover or recovery");

const drill = object({
  id: Type.String(),
  verdict: oneOf(["passed", "failed", "aborted", "inconclusive"], "what came of it"),
});

/** Two drills, as the API compares them. */
export interface ComparisonView {
  readonly first: DrillHead;
  readonly second: DrillHead;
  readonly alike: boolean;
  readonly figures: readonly FigureView[];
  readonly clients: readonly ClientView[];
}

interface DrillHead {
  readonly id: string;
  readonly verdict: DrillReport["verdict"]["kind"];
}

interface Times {
  readonly passage: "failover" | "recovery";
  readonly firstMs: number | null;
  readonly secondMs: number | null;
}

interface FigureView extends Times {
  readonly part: (typeof PARTS)[number];
  readonly quantile: "p50" | "p95" | "worst";
}

interface ClientView extends Times {
  readonly vantage: string;
  readonly resolver: string | null;
  readonly service: string;
  readonly family: "ipv4" | "ipv6";
}

const PARTS = ["total", "detect", "decide", "publish", "cache", "client"] as const;

const comparison = Type.Unsafe<ComparisonView>(
  object(
    {
      first: drill,
      second: drill,
      alike: Type.Boolean({
        description:
          "false: they did other things, or to other services; the figures are of different failures",
      }),
      figures: Type.Array(
        object({
          passage,
          part: oneOf(PARTS, "all of it, or a segment"),
          quantile: oneOf(["p50", "p95", "worst"], "p50, p95 or worst"),
          ...times,
        }),
        { description: "over the resolvers that keep to TTLs" },
      ),
      clients: Type.Array(
        object({
          vantage: Type.String(),
          resolver: nullable(Type.String()),
          service: Type.String(),
          family,
          passage,
          ...times,
        }),
        { description: "how long clients that are in both took for all of it" },
      ),
    },
    { description: "What two drills say of the same." },
  ),
);

export function drillCompareRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/drills/:id/compare/:other",
    {
      config: { access: "reader" },
      schema: {
        summary: "A drill beside another",
        tags: ["drills"],
        params: object({
          id: Type.String({ description: "the id of a drill that was begun" }),
          other: Type.String({ description: "the id of another" }),
        }),
        response: { 200: comparison, default: errorBody },
      },
    },
    ({ params }) => {
      const [first, second] = [reportOf(params.id, desk), reportOf(params.other, desk)];
      const { alike, figures, clients } = compareDrills(first, second);
      return {
        first: headOf(first),
        second: headOf(second),
        alike,
        figures,
        clients: clients.map(({ label, family, ...rest }) => {
          return { ...rest, service: label, family: familyName(family) };
        }),
      };
    },
  );
}

function reportOf(id: string, desk: Desk): DrillReport {
  return desk.drills.report(recordOf({ params: { id } }, desk));
}

function headOf({ drill: { id }, verdict }: DrillReport): DrillHead {
  return { id, verdict: verdict.kind };
}
