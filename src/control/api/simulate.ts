/** What a change would do to the traffic that there was. */

import Type from "typebox";
import { formatPercent } from "../../steering/words.ts";
import type { Desk } from "../desk.ts";
import type { Simulation } from "../simulate.ts";
import { aWhatIf } from "../what-if.ts";
import type { Api } from "./api.ts";
import { Failure, failureFor } from "./errors.ts";
import { NO_PROFILE, sinceMs, sinceText } from "./profile.ts";
import { errorBody, formatMoment, moment, nullable, object, oneOf } from "./schemas.ts";

/** Room for a config with some 100,000 services. */
const CONFIG_OCTETS_MAX = 16 * 1024 * 1024;

const body = object(
  {
    config: Type.Optional(
      Type.String({
        maxLength: CONFIG_OCTETS_MAX,
        description: "the text of a meridian.yaml to try in place of the running one",
      }),
    ),
    if: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 1_300, description: aWhatIf }), {
        maxItems: 64,
        description: "facts to suppose, the later over the earlier",
      }),
    ),
    since: Type.Optional(sinceText),
    even: Type.Optional(
      Type.Boolean({
        description: "true for as many queries from each country, in place of what was recorded",
      }),
    ),
  },
  { examples: [{ if: ["down:eu-west"], since: "1h" }] },
);

const queries = Type.Integer({ minimum: 0, description: "queries, as far as the samples tell" });

const load = Type.Number({
  minimum: 0,
  description: "the part of its capacity that is in use; above 1: more than it can serve; null: not known",
});

/** What a change would do to the traffic that there was. */
export const simulationSchema: Type.TUnsafe<SimulationView> = Type.Unsafe<SimulationView>(
  object(
    {
      traffic: oneOf(["recorded", "even"], "recorded, or even: made up, not of this node"),
      from: nullable(moment),
      until: nullable(moment),
      queries,
      samples: Type.Integer({ minimum: 0, description: "queries that were replayed" }),
      supposed: Type.Array(Type.String(), {
        description: "the facts that were supposed, as they were asked",
      }),
      regions: Type.Array(
        object({
          region: nullable(Type.String({ description: "null: no VIP to give" })),
          recorded: nullable(Type.Integer({ description: "as it was answered, by the facts of then" })),
          before: queries,
          after: queries,
          loadBefore: nullable(load),
          loadAfter: nullable(load),
        }),
        { description: "where answers lead by the facts of now, before the change and after" },
      ),
      moved: object(
        { queries, prefixes: Type.Integer(), prefixesInAll: Type.Integer() },
        { description: "queries that lead to another region, and the client prefixes that have such" },
      ),
      rtt: nullable(
        object(
          { queries, beforeMs: Type.Number(), afterMs: Type.Number() },
          { description: "mean round-trip times, measured or estimated" },
        ),
      ),
      services: Type.Array(object({ service: Type.String(), queries, moved: queries }), {
        description: "those of which the most moved",
      }),
      lines: Type.Array(Type.String(), { description: "all of it for people" }),
    },
    { description: "What the change would do." },
  ),
);

interface SimulationView
  extends Pick<Simulation, "queries" | "samples" | "regions" | "moved" | "rtt" | "services"> {
  readonly traffic: "recorded" | "even";
  readonly from: string | null;
  readonly until: string | null;
  readonly supposed: readonly string[];
  readonly lines: readonly string[];
}

export function simulateRoutes(app: Api, desk: Desk): void {
  app.post(
    "/v1/simulate",
    {
      bodyLimit: CONFIG_OCTETS_MAX,
      // Whoever may try a config can keep control busy with it.
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "What a change would do to the traffic that there was; nothing is changed",
        tags: ["services"],
        body,
        response: { 200: simulationSchema, default: errorBody },
      },
    },
    async ({ body: { config, if: supposed, since, even } }) => {
      const isEven = even === true;
      const outcome = await desk.rehearse({
        config: config ?? null,
        supposed: supposed ?? [],
        isEven,
        fromMs: sinceMs(desk, since),
      });
      switch (outcome.kind) {
        case "simulated":
          return simulationView(outcome.simulation, supposed ?? []);
        case "refused":
          throw failureFor(422, outcome.problems);
        case "no-traffic": {
          const reason = desk.snapshot().config.node.profile === null ? NO_PROFILE : NO_TRAFFIC;
          throw new Failure(
            404,
            isEven ? NO_SERVICES : `${reason}; even traffic from all countries can be tried`,
          );
        }
      }
    },
  );
}

const NO_TRAFFIC = "no steered query was recorded in this time";
const NO_SERVICES = "there is no service, or no country, to make up traffic for";

/** As the API gives it. */
export function simulationView(simulation: Simulation, supposed: readonly string[]): SimulationView {
  const { isRecorded, fromSeconds, untilSeconds, regions, moved, rtt, services, queries, samples } =
    simulation;
  const view = {
    traffic: isRecorded ? ("recorded" as const) : ("even" as const),
    from: fromSeconds === null ? null : formatMoment(fromSeconds * 1000),
    until: untilSeconds === null ? null : formatMoment(untilSeconds * 1000),
    queries,
    samples,
    supposed,
    regions,
    moved,
    rtt,
    services,
  };
  return { ...view, lines: linesOf(view) };
}

function linesOf(view: Omit<SimulationView, "lines">): readonly string[] {
  const { traffic, from, until, queries, samples, supposed, regions, moved, rtt, services } = view;
  const share = (part: number): string => (queries === 0 ? "-" : formatPercent(part / queries));
  const overloaded = regions.filter(({ loadAfter }) => (loadAfter ?? 0) > 1);
  const rows = regions.map(({ region, recorded, before, after, loadBefore, loadAfter }) => [
    region ?? "(no VIP)",
    recorded === null ? "-" : share(recorded),
    share(before),
    share(after),
    `${after >= before ? "+" : ""}${after - before}`,
    [loadBefore, loadAfter].map((part) => (part === null ? "-" : formatPercent(part))).join(" -> "),
  ]);
  return [
    traffic === "recorded"
      ? `${queries} queries from ${from} to ${until}, ${samples} of them replayed`
      : `EVEN TRAFFIC, not of this node: ${queries} queries, as many from each country`,
    ...(supposed.length === 0 ? [] : [`supposed: ${supposed.join(", ")}`]),
    ...table([["region", "recorded", "before", "after", "queries", "load"], ...rows]),
    ...overloaded.map(
      ({ region, loadAfter }) => `CAPACITY EXCEEDED: ${region} at ${formatPercent(loadAfter ?? 0)}`,
    ),
    `moved: ${share(moved.queries)} of queries, of ${moved.prefixes} of ${moved.prefixesInAll} client prefixes`,
    ...(rtt === null
      ? []
      : [
          `mean round trip: ${rtt.beforeMs} ms before, ${rtt.afterMs} ms after, for ${share(rtt.queries)} of queries`,
        ]),
    ...services.map(
      ({ service, queries: asked, moved: gone }) => `${service}: ${gone} of ${asked} queries moved`,
    ),
  ];
}

/** Columns under one another: words to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
  );
}
