/** Services: what is steered, by which policy, and how fast it moves away from what is dead. */

import Type, { type Static } from "typebox";
import type { Service } from "../../config/config.ts";
import type { Policy } from "../../config/policy.ts";
import { NOWHERE } from "../../geo/location.ts";
import { failoverBound } from "../../health/bound.ts";
import { explain, formatLocation } from "../../steering/explain.ts";
import type { Desk } from "../desk.ts";
import type { Snapshot } from "../snapshot.ts";
import type { Api } from "./api.ts";
import { itemOf, itemUrl, next, type PageQuery, pageOf, pageQuery } from "./page.ts";
import { planSchema, planView, ttlWhySchema, ttlWhyView } from "./plan-view.ts";
import { errorBody, nullable, object, oneOf, url } from "./schemas.ts";

const boundSchema = object({
  totalMs: Type.Number({
    description: "the longest time from a VIP's death to the last client's new answer",
  }),
  terms: Type.Array(
    object({
      name: Type.String(),
      ms: Type.Number(),
      from: Type.String({ description: "where the config says so" }),
    }),
  ),
});

const fields = {
  name: Type.String({ description: "the qname, without its final dot" }),
  url,
  policy: object({
    kind: oneOf(
      ["pool", "member", "geo", "nearest", "latency", "weighted", "failover", "sticky", "spread"],
      "the kind of the topmost policy",
    ),
    name: nullable(Type.String({ description: "its name under `policies`; null: written in place" })),
  }),
  ttlSeconds: Type.Number({ description: "TTL of its answers, of an adaptive one the longest" }),
  ttlSecondsMin: Type.Number({ description: "the shortest; below the other the TTL is adaptive" }),
  failoverWithinMs: nullable(Type.Number({ description: "the promise; null: there is none" })),
  boundMs: nullable(Type.Number({ description: "the failover bound; null: nothing is checked" })),
};

const ttlSchema = object({ seconds: Type.Number(), why: ttlWhySchema });

const serviceQuery = pageQuery<PageQuery & { readonly policy?: string }>({
  policy: Type.Optional(
    Type.String({ description: "the name of a policy; only services whose topmost policy it is are given" }),
  ),
});

const plansSchema = object(
  {
    plans: Type.Array(
      object({
        class: Type.Integer({
          minimum: 0,
          description: "its number; it is another one after the next change",
        }),
        clients: Type.String({ description: "a location that stands for all of them" }),
        ipv4: planSchema,
        ipv6: planSchema,
        ttlSeconds: object({ ipv4: Type.Number(), ipv6: Type.Number() }),
      }),
    ),
    next,
  },
  { description: "What each class of clients is answered." },
);

const listSchema = object(
  { services: Type.Array(object(fields)), next },
  { description: "Steered names, in the order of the config." },
);

const serviceSchema = object(
  {
    ...fields,
    whenDown: oneOf(
      ["all", "lastGood", "nodata", "servfail", "fallback"],
      "what is answered when nothing is up",
    ),
    https: Type.Boolean({ description: "it has an HTTPS RR" }),
    bound: nullable(boundSchema),
    plans: object(
      { ipv4: planSchema, ipv6: planSchema },
      { description: "what clients of unknown location are answered; for others ask /v1/explain" },
    ),
    ttls: object({ ipv4: ttlSchema, ipv6: ttlSchema }, { description: "of these answers, in this second" }),
  },
  { description: "A steered name." },
);

export function serviceRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/services",
    {
      config: { access: "reader" },
      schema: {
        summary: "What is steered",
        tags: ["services"],
        querystring: serviceQuery,
        response: { 200: listSchema, default: errorBody },
      },
    },
    ({ query }) => {
      const snapshot = desk.snapshot();
      const { services } = snapshot.config;
      const wanted =
        query.policy === undefined
          ? services
          : services.filter(({ policy }) => nameOf(policy) === query.policy);
      const { entries, next } = pageOf(wanted, ({ label }) => label, query);
      return { services: entries.map((service) => summaryOf(service, snapshot)), next };
    },
  );

  app.get(
    "/v1/services/:name",
    {
      config: { access: "reader" },
      schema: {
        summary: "A service: its policy, its failover bound term by term, its plans",
        tags: ["services"],
        params: object({ name: Type.String({ description: "the name of a service" }) }),
        response: { 200: serviceSchema, default: errorBody },
      },
    },
    ({ params: { name } }) => viewOf(find(name, desk.snapshot()), desk),
  );

  app.get(
    "/v1/services/:name/plans",
    {
      config: { access: "reader" },
      schema: {
        summary: "What each class of clients of a service is answered",
        tags: ["services"],
        params: object({ name: Type.String({ description: "the name of a service" }) }),
        querystring: pageQuery(),
        response: { 200: plansSchema, default: errorBody },
      },
    },
    ({ params: { name }, query }) => {
      const { config } = desk.snapshot();
      const classes = desk.classes(find(name, desk.snapshot())).entries().toArray();
      const { entries, next } = pageOf(classes, ([number]) => String(number), query);
      return {
        plans: entries.map(([number, { clients, plans }]) => ({
          class: number,
          clients: formatLocation(clients),
          ipv4: planView(plans.ipv4, config),
          ipv6: planView(plans.ipv6, config),
          ttlSeconds: { ipv4: plans.ttlSeconds4, ipv6: plans.ttlSeconds6 },
        })),
        next,
      };
    },
  );
}

/** Names are compared as DNS does: without regard to case, with or without the final dot. */
function find(name: string, { config }: Snapshot): Service {
  const wanted = name.toLowerCase().replace(/\.$/, "");
  return itemOf("service", config.services, ({ label }) => label.toLowerCase(), wanted);
}

/** null: it is written in place, or no policy that can have a name. */
function nameOf(policy: Policy): string | null {
  return "name" in policy ? policy.name : null;
}

function summaryOf(service: Service, { config }: Snapshot): Static<typeof listSchema>["services"][number] {
  const { label, policy, ttlSeconds, ttlSecondsMin, failoverWithinMs } = service;
  return {
    name: label,
    url: itemUrl("services", label),
    policy: { kind: policy.kind, name: nameOf(policy) },
    ttlSeconds,
    ttlSecondsMin,
    failoverWithinMs,
    boundMs: failoverBound(service, config)?.totalMs ?? null,
  };
}

function viewOf(service: Service, desk: Desk): Static<typeof serviceSchema> {
  const snapshot = desk.snapshot();
  const { config } = snapshot;
  const facts = desk.facts();
  const bound = failoverBound(service, config);
  const inFamily = (family: 4 | 6) => {
    const { plan, ttl } = explain(service, NOWHERE, family, facts, config);
    return { plan: planView(plan, config), ttl: { seconds: ttl.seconds, why: ttlWhyView(ttl) } };
  };
  const [ipv4, ipv6] = [inFamily(4), inFamily(6)];
  return {
    ...summaryOf(service, snapshot),
    whenDown: service.whenDown.kind,
    https: service.https !== null,
    bound: bound === null ? null : { totalMs: bound.totalMs, terms: [...bound.terms] },
    plans: { ipv4: ipv4.plan, ipv6: ipv6.plan },
    ttls: { ipv4: ipv4.ttl, ipv6: ipv6.ttl },
  };
}
