/** Round-trip times: what operators observe, and what the orders of regions rest on. */

import Type, { type Static } from "typebox";
import type { Config, RegionId } from "../../config/config.ts";
import type { Measured } from "../../health/average.ts";
import type { CellRanking, EstimatedRegion } from "../../health/rtt.ts";
import { didYouMean } from "../../suggest.ts";
import { type Prefix, parsePrefix } from "../../wire/address.ts";
import type { ClientRtt, Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { badRequest } from "./errors.ts";
import { keyHeader } from "./idempotency.ts";
import { next, pageOf, pageQuery } from "./page.ts";
import { errorBody, formatMoment, moment, nullable, object, oneOf } from "./schemas.ts";

const OBSERVATIONS_MAX = 1_000;
/** Beyond it a client's answer was no answer of a server that is steered to. */
const RTT_MS_MAX = 10_000;
const SAMPLES_MAX = 1_000_000;
/** The clients of a wider prefix are in no one place. */
const PREFIX_LENGTH_MIN = { 4: 16, 6: 32 } as const;

const rttMs = Type.Number({ description: "milliseconds" });
const samples = Type.Integer({ minimum: 1, description: "how many samples it is the middle of" });

const observation = object({
  prefix: Type.String({
    maxLength: 50,
    description:
      "where the clients are: a prefix such as 203.0.113.0/24, of /16 or /32 at least, or an address",
  }),
  region: Type.String({ maxLength: 100, description: "the region that they asked" }),
  rttMs: Type.Number({
    exclusiveMinimum: 0,
    maximum: RTT_MS_MAX,
    description: `up to ${RTT_MS_MAX} milliseconds`,
  }),
  samples: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: SAMPLES_MAX,
      default: 1,
      description: `how many round-trip times it is the middle of, 1 to ${SAMPLES_MAX}`,
    }),
  ),
});

const body = object(
  {
    observations: Type.Array(observation, {
      minItems: 1,
      maxItems: OBSERVATIONS_MAX,
      description: `1 to ${OBSERVATIONS_MAX} observations`,
    }),
  },
  {
    examples: [{ observations: [{ prefix: "203.0.113.0/24", region: "eu-west", rttMs: 23.5, samples: 40 }] }],
  },
);

const taken = object({ taken: Type.Integer() }, { description: "All of them count from now on." });

const rankedSchema = object({
  region: Type.String(),
  rttMs,
  source: oneOf(["observations", "vantages", "distance"], "what it rests on"),
  samples: nullable(samples),
  measuredAt: nullable(moment),
});

const rankingSchema = object({
  cell: Type.String({ description: "country, point and network of the clients" }),
  regions: Type.Array(rankedSchema, { description: "best first" }),
  marginMs: nullable(
    Type.Number({
      description:
        "how much the second region is slower; below 0: it is faster, but not by enough to take over",
    }),
  ),
});

const measurementSchema = object({
  vantage: Type.String(),
  region: Type.String(),
  rttMs,
  samples,
  measuredAt: moment,
});

const rttList = object(
  { rankings: Type.Array(rankingSchema), next },
  { description: "The order of regions for each cell that a policy tells apart." },
);
const measurementList = object(
  { measurements: Type.Array(measurementSchema), next },
  { description: "What each vantage measures to each region." },
);

/** One order, as the API shows it. */
export interface RttRanking {
  readonly cell: string;
  /** Best first. */
  readonly regions: readonly {
    readonly region: string;
    readonly rttMs: number;
    readonly source: EstimatedRegion["source"];
    /** null: nobody has measured. */
    readonly samples: number | null;
    readonly measuredAt: string | null;
  }[];
  readonly marginMs: number | null;
}

export function rttRoutes(app: Api, desk: Desk): void {
  app.post(
    "/v1/observations",
    {
      config: { access: "observer" },
      schema: {
        summary: "Tell which round-trip times clients have",
        tags: ["rtt"],
        headers: keyHeader,
        body,
        response: { 200: taken, default: errorBody },
      },
    },
    (request) => {
      const { regions } = desk.snapshot().config;
      const read = request.body.observations.map((each, i) =>
        readObservation(each, `observations[${i}]`, regions),
      );
      const wrong = read.filter((each) => typeof each === "string");
      if (wrong.length > 0) throw badRequest(wrong);
      desk.observe(read.filter((each) => typeof each !== "string"));
      return { taken: read.length };
    },
  );

  app.get(
    "/v1/rtt",
    {
      config: { access: "reader" },
      schema: {
        summary: "In which order latency policies have the regions, and why",
        tags: ["rtt"],
        querystring: pageQuery(),
        response: { 200: rttList, default: errorBody },
      },
    },
    ({ query }) => {
      const { entries, next } = pageOf(desk.roundTrips().rankings, nameOf, query);
      return { rankings: entries.map(rankingView), next };
    },
  );

  app.get(
    "/v1/rtt/vantages",
    {
      config: { access: "reader" },
      schema: {
        summary: "Round-trip times from vantages to regions",
        tags: ["rtt"],
        querystring: pageQuery(),
        response: { 200: measurementList, default: errorBody },
      },
    },
    ({ query }) => {
      const measurements = [...desk.roundTrips().measurements].flatMap(([region, byVantage]) =>
        Array.from(byVantage, ([vantage, measured]) => ({
          vantage,
          region,
          rttMs: measured.rttMs,
          ...basisOf(measured),
        })),
      );
      const { entries, next } = pageOf(measurements, ({ vantage, region }) => `${vantage} ${region}`, query);
      return { measurements: [...entries], next };
    },
  );
}

/** What is wrong with it, if anything is. */
function readObservation(
  { prefix: text, region, rttMs, samples = 1 }: Static<typeof observation>,
  at: string,
  regions: Config["regions"],
): ClientRtt | string {
  const prefix = parsePrefix(text);
  if (prefix === null || isWide(prefix))
    return `${at}.prefix: expected a prefix such as 203.0.113.0/24, of /16 (IPv6: /32) at least, got "${text}"`;
  const known = regions.get(region as RegionId);
  if (known === undefined)
    return `${at}.region: there is no region "${region}"${didYouMean(region, regions.keys())}`;
  return { prefix, region: known.id, rttMs, samples };
}

function isWide({ address, length }: Prefix): boolean {
  return length < PREFIX_LENGTH_MIN[address.family];
}

/** A cell may be asked for more than one set of regions. */
function nameOf({ cell, regions }: CellRanking): string {
  return [cell, ...regions.map(({ region }) => region).sort()].join(" ");
}

function rankingView({ cell, regions }: CellRanking): Static<typeof rankingSchema> {
  const [first, second] = regions;
  return {
    cell,
    regions: regions.map(({ region, rttMs, source, measured }) => ({
      region,
      rttMs,
      source,
      ...(measured === undefined ? { samples: null, measuredAt: null } : basisOf(measured)),
    })),
    marginMs: first === undefined || second === undefined ? null : second.rttMs - first.rttMs,
  };
}

function basisOf({ samples, atMs }: Measured): { readonly samples: number; readonly measuredAt: string } {
  return { samples, measuredAt: formatMoment(atMs) };
}
