/** What a node keeps of its traffic: services, prefixes and regions, as its samples show them. */

import Type, { type Static } from "typebox";
import { parseDuration } from "../../config/units.ts";
import type { Steps } from "../../steps.ts";
import { addressOf } from "../../wire/address.ts";
import { putU32 } from "../../wire/bytes.ts";
import type { Desk } from "../desk.ts";
import { inTurns } from "../in-turns.ts";
import { type ProfileWindow, type SampledQuery, WINDOW_SECONDS } from "../profile.ts";
import type { Api } from "./api.ts";
import { badRequest, Failure } from "./errors.ts";
import { next, type PageQuery, pageOf, pageQuery } from "./page.ts";
import { errorBody, formatMoment, moment, nullable, object } from "./schemas.ts";

const aDuration = "a duration such as 1h";
export const sinceText: Type.TString = Type.String({ maxLength: 20, description: aDuration });
const DEFAULT_SINCE = "1h";

/** Of services and prefixes those asked most are listed. */
const LISTED_MAX = 50;

const queries = Type.Integer({ minimum: 0, description: "steered queries, as far as the samples tell" });

const profileSchema = object(
  {
    queries,
    samples: Type.Integer({ minimum: 0, description: "queries of which more than their number is known" }),
    prefixes: Type.Integer({ minimum: 0, description: "different client prefixes in the samples" }),
    windows: Type.Array(
      object({ from: moment, until: moment, queries, samples: Type.Integer({ minimum: 0 }) }),
      { description: "five minutes each, the oldest first" },
    ),
    regions: Type.Array(object({ region: nullable(Type.String()), queries }), {
      description: "where answers led; null: nowhere",
    }),
    services: Type.Array(object({ service: Type.String(), queries }), {
      description: `the ${LISTED_MAX} asked most`,
    }),
    clients: Type.Array(object({ prefix: Type.String(), queries }), {
      description: `the ${LISTED_MAX} that ask most: /24, /56, or what shorter prefix a resolver sends`,
    }),
  },
  { description: "What is known of the traffic." },
);

const part = Type.Number({ minimum: 0, description: "0 to 1" });

const splitsSchema = object(
  {
    splits: Type.Array(
      object({
        service: Type.String(),
        queries,
        regions: Type.Array(
          object({
            region: nullable(Type.String({ description: "null: nowhere" })),
            planned: part,
            actual: part,
          }),
          {
            description:
              "planned: by the plans in force, for the clients that asked; actual: as they were answered",
          },
        ),
      }),
    ),
    next,
  },
  { description: "Services that were asked, those asked most first." },
);
const splitsQuery = pageQuery<PageQuery & { readonly since?: string }>({ since: Type.Optional(sinceText) });

/** What is said where there is nothing to tell. */
export const NO_PROFILE = "this node keeps no profile of its traffic: node.profile.sample is 0";

export function profileRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/profile",
    {
      config: { access: "reader" },
      schema: {
        summary: "What a node keeps of its traffic",
        tags: ["services"],
        querystring: object({ since: Type.Optional(sinceText) }),
        response: { 200: profileSchema, default: errorBody },
      },
    },
    async ({ query: { since } }) => {
      const windows = await desk.profile(sinceMs(desk, since));
      if (windows === null) throw new Failure(404, NO_PROFILE);
      return await inTurns(profileView(windows));
    },
  );

  app.get(
    "/v1/splits",
    {
      config: { access: "reader" },
      schema: {
        summary: "How answers are shared out among regions, as planned and as they were",
        tags: ["services"],
        querystring: splitsQuery,
        response: { 200: splitsSchema, default: errorBody },
      },
    },
    async ({ query }) => {
      const shares = await desk.splits(sinceMs(desk, query.since));
      if (shares === null) throw new Failure(404, NO_PROFILE);
      const { entries, next } = pageOf(shares, ({ service }) => service, query);
      const splits = entries.map((one) => ({
        ...one,
        regions: one.regions.map((region) => ({ ...region })),
      }));
      return { splits, next };
    },
  );
}

/** The moment so long ago, by default an hour. */
export function sinceMs(desk: Desk, since: string = DEFAULT_SINCE): number {
  const ms = parseDuration(since);
  if (ms === null) throw badRequest([`since: expected ${aDuration}, got ${JSON.stringify(since)}`]);
  return desk.nowMs() - ms;
}

function* profileView(windows: Iterable<ProfileWindow>): Steps<Static<typeof profileSchema>> {
  const [regions, services, clients] = [new Tally<string | null>(), new Tally<string>(), new Tally<string>()];
  const listed: Static<typeof profileSchema>["windows"] = [];
  for (const { startSeconds, queries, samples } of windows) {
    listed.push({
      from: formatMoment(startSeconds * 1000),
      until: formatMoment((startSeconds + WINDOW_SECONDS) * 1000),
      queries,
      samples: samples.length,
    });
    for (const sample of samples) {
      const weight = queries / samples.length;
      regions.add(sample.region, weight);
      services.add(sample.service, weight);
      clients.add(prefixOf(sample), weight);
    }
    yield;
  }
  return {
    queries: listed.reduce((sum, { queries }) => sum + queries, 0),
    samples: listed.reduce((sum, { samples }) => sum + samples, 0),
    prefixes: clients.size,
    windows: listed,
    regions: regions.most().map(([region, queries]) => ({ region, queries })),
    services: services.most().map(([service, queries]) => ({ service, queries })),
    clients: clients.most().map(([prefix, queries]) => ({ prefix, queries })),
  };
}

/** Adds up by key. */
class Tally<K> {
  readonly #sums = new Map<K, number>();

  get size(): number {
    return this.#sums.size;
  }

  add(key: K, weight: number): void {
    this.#sums.set(key, weight + (this.#sums.get(key) ?? 0));
  }

  /** The largest first, in whole numbers. */
  most(): readonly (readonly [key: K, sum: number])[] {
    const sorted = [...this.#sums].toSorted(([, a], [, b]) => b - a);
    return sorted.slice(0, LISTED_MAX).map(([key, sum]) => [key, Math.round(sum)]);
  }
}

/** The text of a sample's prefix. */
function prefixOf({ isIpv6, prefixLength, high, low }: SampledQuery): string {
  const octets = new Uint8Array(isIpv6 ? 16 : 4);
  putU32(octets, 0, high);
  if (isIpv6) putU32(octets, 4, low);
  return `${addressOf(octets).text}/${prefixLength}`;
}
