/** The facts: regions with their VIPs, verdicts with their votes, vantages. */

import Type, { type Static } from "typebox";
import type { Config } from "../../config/config.ts";
import { vipsOf } from "../../health/tracked.ts";
import { dissentersOf, type Verdict, type Vote } from "../../health/verdict.ts";
import type { Facts } from "../../steering/facts.ts";
import type { Desk } from "../desk.ts";
import { memberOfVip } from "../lookup.ts";
import type { Past } from "../past.ts";
import type { Api } from "./api.ts";
import { type VipQuery, vipFilters } from "./declared.ts";
import { itemOf, itemUrl, next, pageOf, pageQuery } from "./page.ts";
import { aPastMomentOrNow, pastOr404 } from "./past.ts";
import {
  errorBody,
  family,
  familyName,
  formatMoment,
  formatOptionalMoment,
  idParameter,
  moment,
  nullable,
  object,
  oneOf,
  url,
} from "./schemas.ts";

const coordinates = object({ latitude: Type.Number(), longitude: Type.Number() });

const regionSchema = object(
  {
    region: Type.String(),
    url,
    coordinates,
    members: Type.Array(Type.String(), { description: "the members that stand there" }),
    vips: Type.Integer({ description: "how many VIPs they have" }),
    vipsUp: Type.Integer({ description: "how many of these are up" }),
    drained: Type.Array(Type.String(), { description: "the members that are drained" }),
  },
  { description: "A region." },
);

const phase = nullable(Type.Number());
const timings = object(
  { connectMs: phase, tlsMs: phase, firstByteMs: phase, totalMs: phase },
  { description: "of the last probe, from its start to the end of each phase; null: it was not reached" },
);

const vote = object({
  vantage: Type.String(),
  opinion: oneOf(["unknown", "healthy", "degraded", "unhealthy"], "an opinion"),
  counts: Type.Boolean({ description: "false: the vantage is silent or isolated" }),
  error: nullable(object({ class: Type.String(), detail: Type.String() })),
  timings: nullable(timings),
  reportedAt: nullable(moment),
});

const verdictSchema = object(
  {
    vip: Type.String(),
    url,
    pool: Type.String(),
    member: Type.String(),
    region: Type.String(),
    family,
    address: Type.String(),
    up: Type.Boolean(),
    basis: oneOf(["judged", "held", "assumed", "unchecked", "forced"], "how it came about"),
    reason: Type.String(),
    since: moment,
    recovering: Type.Boolean({ description: "it comes back after having been down" }),
    flaps: Type.Integer({ description: "how many flaps counted when it last went down" }),
    hold: nullable(
      object(
        { healthySince: moment, until: nullable(moment) },
        {
          description:
            "it is healthy and held down: since when, and until when, or null: until it is released",
        },
      ),
    ),
    take: Type.Number({
      description: "the share, 0 to 1, that it takes of what it would be given: slow start and load",
    }),
    load: nullable(
      Type.Number({ description: "how busy its member says it is; 1: as busy as can be; null: nobody says" }),
    ),
    dissenting: Type.Array(Type.String(), {
      description:
        "the vantages whose vote counts and who see it otherwise: down while it is up, up while it is down",
    }),
    votes: Type.Array(vote),
  },
  { description: "A verdict." },
);

const vantageSchema = object(
  {
    vantage: Type.String(),
    url,
    coordinates,
    streams: Type.Integer({ description: "report streams that are open" }),
    fresh: Type.Boolean({ description: "it has reported of late" }),
    isolated: Type.Boolean({ description: "it alone sees most VIPs down, so it has no vote" }),
    reportedAt: nullable(moment),
  },
  { description: "A vantage." },
);

interface VerdictQuery extends VipQuery {
  readonly up?: "true" | "false";
  readonly at?: string;
}

const verdictQuery = pageQuery<VerdictQuery>({
  ...vipFilters,
  up: Type.Optional(oneOf(["true", "false"], "true or false; only VIPs that are up, or down, are given")),
  at: Type.Optional(Type.String({ maxLength: 64, description: aPastMomentOrNow })),
});

const regionList = object({ regions: Type.Array(regionSchema), next }, { description: "Regions." });
const verdictList = object(
  { verdicts: Type.Array(verdictSchema), next },
  { description: "A verdict for each VIP, in the order of the config." },
);
const vantageList = object({ vantages: Type.Array(vantageSchema), next }, { description: "Vantages." });

const loadSchema = object({
  member: Type.String(),
  pool: Type.String(),
  region: Type.String(),
  load: nullable(Type.Number({ description: "1: as busy as can be; null: nobody says" })),
  capacity: nullable(Type.Number()),
  shedAbove: nullable(Type.Number({ description: "the load above which it gives answers away" })),
});
const loadList = object({ loads: Type.Array(loadSchema), next }, { description: "How busy members are." });

export function factRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/regions",
    {
      config: { access: "reader" },
      schema: {
        summary: "Where VIPs stand",
        tags: ["facts"],
        querystring: pageQuery(),
        response: { 200: regionList, default: errorBody },
      },
    },
    ({ query }) => {
      const { entries, next } = pageOf(regionsOf(desk), ({ region }) => region, query);
      return { regions: [...entries], next };
    },
  );

  app.get(
    "/v1/regions/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "A region",
        tags: ["facts"],
        params: idParameter("a region"),
        response: { 200: regionSchema, default: errorBody },
      },
    },
    ({ params: { id } }) => itemOf("region", regionsOf(desk), ({ region }) => region, id),
  );

  app.get(
    "/v1/verdicts",
    {
      config: { access: "reader" },
      schema: {
        summary: "Which VIPs are up, and who says so",
        tags: ["facts"],
        querystring: verdictQuery,
        response: { 200: verdictList, default: errorBody },
      },
    },
    async ({ query }) => {
      const { config, facts, verdicts } = await worldOf(desk, query.at);
      const wanted = verdicts.filter((verdict) => isWanted(verdict, config, query));
      const { entries, next } = pageOf(wanted, ({ vip }) => vip, query);
      return {
        verdicts: entries.flatMap((entry) => verdictOf(entry, facts, config)),
        next,
      };
    },
  );

  app.get(
    "/v1/verdicts/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "Whether a VIP is up, and who says so",
        tags: ["facts"],
        params: idParameter("a VIP"),
        response: { 200: verdictSchema, default: errorBody },
      },
    },
    ({ params: { id } }) => {
      const { config } = desk.snapshot();
      const facts = desk.facts();
      const verdicts = desk.verdicts().flatMap((verdict) => verdictOf(verdict, facts, config));
      return itemOf("VIP", verdicts, ({ vip }) => vip, id);
    },
  );

  app.get(
    "/v1/loads",
    {
      config: { access: "reader" },
      schema: {
        summary: "How busy members are",
        tags: ["facts"],
        querystring: pageQuery(),
        response: { 200: loadList, default: errorBody },
      },
    },
    ({ query }) => {
      const { loads } = desk.facts();
      const members = [...desk.snapshot().config.members.values()];
      const { entries, next } = pageOf(members, ({ id }) => id, query);
      return {
        loads: entries.map(({ id, pool, region, capacity, shedAbove }) => ({
          member: id,
          pool,
          region,
          load: loads.get(id) ?? null,
          capacity,
          shedAbove,
        })),
        next,
      };
    },
  );

  app.get(
    "/v1/vantages",
    {
      config: { access: "reader" },
      schema: {
        summary: "Who looks at the VIPs",
        tags: ["facts"],
        querystring: pageQuery(),
        response: { 200: vantageList, default: errorBody },
      },
    },
    ({ query }) => {
      const { entries, next } = pageOf(vantagesOf(desk), ({ vantage }) => vantage, query);
      return { vantages: [...entries], next };
    },
  );

  app.get(
    "/v1/vantages/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "A vantage",
        tags: ["facts"],
        params: idParameter("a vantage"),
        response: { 200: vantageSchema, default: errorBody },
      },
    },
    ({ params: { id } }) => itemOf("vantage", vantagesOf(desk), ({ vantage }) => vantage, id),
  );
}

async function worldOf(
  desk: Desk,
  at: string | undefined,
): Promise<Pick<Past, "config" | "facts" | "verdicts">> {
  if (at !== undefined) return await pastOr404(desk, "at", at);
  return { config: desk.snapshot().config, facts: desk.facts(), verdicts: desk.verdicts() };
}

function regionsOf(desk: Desk): Static<typeof regionSchema>[] {
  const { config } = desk.snapshot();
  const { drained, verdicts } = desk.facts();
  const byRegion = Map.groupBy(config.members.values(), (member) => member.region);
  return Array.from(config.regions.values(), ({ id, coordinates }) => {
    const members = byRegion.get(id) ?? [];
    const vips = members.flatMap(vipsOf);
    return {
      region: id,
      url: itemUrl("regions", id),
      coordinates,
      members: members.map((member) => member.id),
      vips: vips.length,
      vipsUp: vips.filter((vip) => verdicts.get(vip.id)?.up === true).length,
      drained: members.map((member) => member.id).filter((member) => drained.has(member)),
    };
  });
}

function isWanted({ vip, up }: Verdict, config: Config, query: VerdictQuery): boolean {
  if (query.up !== undefined && up !== (query.up === "true")) return false;
  if (query.pool === undefined && query.region === undefined) return true;
  const member = memberOfVip(config, vip);
  const { pool = member?.pool, region = member?.region } = query;
  return member?.pool === pool && member?.region === region;
}

/** None where the VIP has gone from the config. */
function verdictOf(
  verdict: Verdict,
  { takes, loads }: Facts,
  config: Config,
): Static<typeof verdictSchema>[] {
  const member = memberOfVip(config, verdict.vip);
  const vip = member === null ? undefined : vipsOf(member).find(({ id }) => id === verdict.vip);
  if (member === null || vip === undefined) return [];
  const { up, basis, reason, sinceMs, recovering, flaps, hold, votes } = verdict;
  return [
    {
      vip: vip.id,
      url: itemUrl("verdicts", vip.id),
      pool: member.pool,
      member: member.id,
      region: member.region,
      family: familyName(vip.address.family),
      address: vip.address.text,
      up,
      basis,
      reason,
      since: formatMoment(sinceMs),
      recovering,
      flaps,
      hold: hold && {
        healthySince: formatMoment(hold.healthySinceMs),
        until: formatOptionalMoment(hold.untilMs),
      },
      take: takes.get(vip.id) ?? 1,
      load: loads.get(member.id) ?? null,
      dissenting: [...dissentersOf(verdict)],
      votes: votes.map(voteOf),
    },
  ];
}

function voteOf({ vantage, opinion, counts, error, timings, reportedAtMs }: Vote): Static<typeof vote> {
  return {
    vantage,
    opinion,
    counts,
    error,
    timings: timings === null ? null : { ...timings, totalMs: timings.totalMs ?? null },
    reportedAt: formatOptionalMoment(reportedAtMs),
  };
}

function vantagesOf(desk: Desk): readonly Static<typeof vantageSchema>[] {
  const { vantages } = desk.snapshot().config;
  return desk.vantages().flatMap(({ vantage, streams, fresh, isolated, reportedAtMs }) => {
    const declared = vantages.get(vantage);
    if (declared === undefined) return [];
    const reportedAt = formatOptionalMoment(reportedAtMs);
    const { coordinates } = declared;
    return [
      { vantage, url: itemUrl("vantages", vantage), coordinates, streams, fresh, isolated, reportedAt },
    ];
  });
}
