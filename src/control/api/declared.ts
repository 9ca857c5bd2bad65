/** What the config declares, piece by piece: pools with their members, VIPs and checks. */

import Type, { type Static } from "typebox";
import type { Check, ProbeSpec } from "../../config/check.ts";
import type { Config, Member, Pool } from "../../config/config.ts";
import { vipsOf } from "../../health/tracked.ts";
import type { Facts } from "../../steering/facts.ts";
import { rrTypeName } from "../../wire/codes.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { itemOf, itemUrl, next, type PageQuery, pageOf, pageQuery } from "./page.ts";
import { errorBody, family, familyName, idParameter, nullable, object, oneOf, url } from "./schemas.ts";

const memberSchema = object({
  member: Type.String(),
  region: Type.String(),
  weight: Type.Number({ description: "as it is declared; an override may say otherwise" }),
  capacity: nullable(Type.Number({ description: "what it can serve, in a unit of the operator's own" })),
  shedAbove: nullable(Type.Number({ description: "the load above which it gives answers away" })),
  ipv4: nullable(Type.String()),
  ipv6: nullable(Type.String()),
});

const poolSchema = object(
  {
    pool: Type.String(),
    url,
    check: nullable(Type.String({ description: "null: it is not probed, and always up" })),
    minUp: Type.Number({ description: "the least share of its weight that must be up" }),
    perVantage: Type.Boolean({ description: "what a vantage sees counts for clients near it" }),
    signals: nullable(object({ everyMs: Type.Number(), errorsAbove: Type.Number(), samples: Type.Number() })),
    members: Type.Array(memberSchema),
  },
  { description: "A pool." },
);

const vipSchema = object(
  {
    vip: Type.String(),
    url,
    pool: Type.String(),
    member: Type.String(),
    region: Type.String(),
    family,
    address: Type.String(),
    judgedBy: Type.String({ description: "the VIP whose probes decide for it" }),
    port: nullable(Type.Integer({ description: "the port that is probed instead of the check's" })),
    up: Type.Boolean({ description: "its verdict; /v1/verdicts has the reason" }),
  },
  { description: "A VIP." },
);

const probeSchema = object(
  {
    kind: oneOf(["http", "tcp", "dns", "grpc", "icmp", "calculated"], "a kind of probe"),
    port: nullable(Type.Integer({ description: "null: it has none" })),
    tls: Type.Boolean(),
    asks: nullable(Type.String({ description: "what it asks for, such as GET /health" })),
    headers: Type.Array(Type.String(), { description: "the names of the headers that it sends" }),
    latencyMs: nullable(Type.Number({ description: "a success that takes longer is a failure" })),
    inverted: Type.Boolean({ description: "a failure is what is wanted" }),
    need: nullable(Type.Integer({ description: "how many of the others must succeed, of a calculated one" })),
    of: Type.Array(Type.String(), { description: "the checks that a calculated one is made of" }),
  },
  { description: "what one probe does" },
);

const checkSchema = object(
  {
    check: Type.String(),
    url,
    probe: probeSchema,
    intervalMs: Type.Number(),
    timeoutMs: Type.Number(),
    recheckMs: Type.Number(),
    jitterMs: Type.Number(),
    rise: Type.Integer(),
    fall: Type.Integer(),
    quorum: Type.String({ description: "majority, any, all, or a percentage" }),
    minVantages: Type.Integer(),
    failback: oneOf(["auto", "manual"], "auto or manual"),
    holdDownMs: nullable(Type.Number({ description: "null: until it is released" })),
    slowStartMs: Type.Number(),
    pools: Type.Array(Type.String(), { description: "the pools that are probed so" }),
  },
  { description: "A check." },
);

const pools = object({ pools: Type.Array(poolSchema), next }, { description: "Pools, as declared." });
const vips = object({ vips: Type.Array(vipSchema), next }, { description: "VIPs, as declared." });
const checks = object({ checks: Type.Array(checkSchema), next }, { description: "Checks, as declared." });
/** The query of a list of VIPs. */
export interface VipQuery extends PageQuery {
  readonly pool?: string;
  readonly region?: string;
}

/** What lists of VIPs can be asked for. */
export const vipFilters: Type.TProperties = {
  pool: Type.Optional(Type.String({ description: "a pool; only its VIPs are given" })),
  region: Type.Optional(Type.String({ description: "a region; only VIPs there are given" })),
};

export function declaredRoutes(app: Api, desk: Desk): void {
  const config = (): Config => desk.snapshot().config;
  const vipViews = (): readonly VipView[] => {
    const { verdicts } = desk.facts();
    return [...config().members.values()].flatMap((member) => vipsIn(member, verdicts));
  };

  app.get(
    "/v1/pools",
    {
      config: { access: "reader" },
      schema: {
        summary: "VIPs that serve the same thing",
        tags: ["config"],
        querystring: pageQuery(),
        response: { 200: pools, default: errorBody },
      },
    },
    ({ query }) => {
      const { entries, next } = pageOf([...config().pools.values()], ({ id }) => id, query);
      return { pools: entries.map(poolOf), next };
    },
  );

  app.get(
    "/v1/pools/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "A pool with its members",
        tags: ["config"],
        params: idParameter("a pool"),
        response: { 200: poolSchema, default: errorBody },
      },
    },
    ({ params: { id } }) => poolOf(itemOf("pool", [...config().pools.values()], (pool) => pool.id, id)),
  );

  app.get(
    "/v1/vips",
    {
      config: { access: "reader" },
      schema: {
        summary: "Addresses that may be answered",
        tags: ["config"],
        querystring: pageQuery<VipQuery>(vipFilters),
        response: { 200: vips, default: errorBody },
      },
    },
    ({ query }) => {
      const { pool, region } = query;
      const wanted = vipViews().filter(
        (view) =>
          (pool === undefined || view.pool === pool) && (region === undefined || view.region === region),
      );
      const { entries, next } = pageOf(wanted, ({ vip }) => vip, query);
      return { vips: [...entries], next };
    },
  );

  app.get(
    "/v1/vips/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "A VIP",
        tags: ["config"],
        params: idParameter("a VIP"),
        response: { 200: vipSchema, default: errorBody },
      },
    },
    ({ params: { id } }) => itemOf("VIP", vipViews(), ({ vip }) => vip, id),
  );

  app.get(
    "/v1/checks",
    {
      config: { access: "reader" },
      schema: {
        summary: "How VIPs are probed and judged",
        tags: ["config"],
        querystring: pageQuery(),
        response: { 200: checks, default: errorBody },
      },
    },
    ({ query }) => {
      const { entries, next } = pageOf([...config().checks.values()], ({ id }) => id, query);
      return { checks: entries.map((check) => checkOf(check, config())), next };
    },
  );

  app.get(
    "/v1/checks/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "A check",
        tags: ["config"],
        params: idParameter("a check"),
        response: { 200: checkSchema, default: errorBody },
      },
    },
    ({ params: { id } }) =>
      checkOf(
        itemOf("check", [...config().checks.values()], (check) => check.id, id),
        config(),
      ),
  );
}

function poolOf({ id, check, minUp, perVantage, signals, members }: Pool): Static<typeof poolSchema> {
  return {
    pool: id,
    url: itemUrl("pools", id),
    check,
    minUp,
    perVantage,
    signals: signals && { ...signals },
    members: members.map(({ id: member, region, weight, capacity, shedAbove, ipv4, ipv6 }) => ({
      member,
      region,
      weight,
      capacity,
      shedAbove,
      ipv4: ipv4?.address.text ?? null,
      ipv6: ipv6?.address.text ?? null,
    })),
  };
}

type VipView = Static<typeof vipSchema>;

function vipsIn(member: Member, verdicts: Facts["verdicts"]): readonly VipView[] {
  return vipsOf(member).map(({ id, address, judgedBy, port }) => ({
    vip: id,
    url: itemUrl("vips", id),
    pool: member.pool,
    member: member.id,
    region: member.region,
    family: familyName(address.family),
    address: address.text,
    judgedBy,
    port,
    up: verdicts.get(id)?.up === true,
  }));
}

function checkOf(check: Check, config: Config): Static<typeof checkSchema> {
  const { id, probe, quorum, failback } = check;
  const { intervalMs, timeoutMs, recheckMs, jitterMs, rise, fall, minVantages, slowStartMs } = check;
  return {
    check: id,
    url: itemUrl("checks", id),
    probe: probeOf(probe),
    intervalMs,
    timeoutMs,
    recheckMs,
    jitterMs,
    rise,
    fall,
    quorum: quorum.kind === "percent" ? `${quorum.percent} %` : quorum.kind,
    minVantages,
    failback: failback.kind,
    holdDownMs: failback.kind === "auto" ? failback.holdDownMs : null,
    slowStartMs,
    pools: [...config.pools.values()].filter((pool) => pool.check === id).map((pool) => pool.id),
  };
}

/** Without the values of headers, which may be secrets. */
function probeOf(probe: ProbeSpec): Static<typeof probeSchema> {
  return {
    kind: probe.kind,
    port: "port" in probe ? probe.port : null,
    tls: "tls" in probe && probe.tls !== null,
    asks: asksFor(probe),
    headers: probe.kind === "http" ? Object.keys(probe.headers) : [],
    latencyMs: probe.latencyMs,
    inverted: probe.inverted,
    need: probe.kind === "calculated" ? probe.need : null,
    of: probe.kind === "calculated" ? probe.of.map(({ check }) => check) : [],
  };
}

function asksFor(probe: ProbeSpec): string | null {
  switch (probe.kind) {
    case "http":
      return `${probe.method} ${probe.path}`;
    case "dns":
      return `${probe.qname} ${rrTypeName(probe.qtype)}`;
    case "grpc":
      return probe.service;
    case "tcp":
    case "icmp":
    case "calculated":
      return null;
  }
}
