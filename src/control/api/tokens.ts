/** Bearer tokens: made, listed without their secrets, and removed. */

import Type, { type Static } from "typebox";
import { inRequest } from "../../problem.ts";
import { TOKEN_NAME, tokenNameProblems } from "../author.ts";
import type { Desk } from "../desk.ts";
import { grantProblems } from "../scope.ts";
import { describeGrant, ROLES, type Scope, type TokenGrant, type TokenRecord } from "../store.ts";
import type { Api } from "./api.ts";
import { authorOf } from "./auth.ts";
import { answerTried, dryRunQuery, isDryRun, tried } from "./dry-run.ts";
import { Failure, failureFor } from "./errors.ts";
import { keyHeader } from "./idempotency.ts";
import { itemOf, itemUrl, next, pageOf, pageQuery } from "./page.ts";
import {
  aMoment,
  errorBody,
  formatMoment,
  formatOptionalMoment,
  moment,
  momentOf,
  nullable,
  object,
  oneOf,
} from "./schemas.ts";

const name = Type.String({
  pattern: TOKEN_NAME,
  description: "a name of at most 63 letters, digits, dots, hyphens and underscores",
});
const vantage = Type.String({ description: "a vantage of the config" });
const names = (one: string, several: string) =>
  Type.Array(Type.String({ maxLength: 255, description: one }), {
    minItems: 1,
    maxItems: 1_000,
    uniqueItems: true,
    description: several,
  });
const pools = names("a pool of the config", "pools of the config");
const expiresAt = nullable(moment);
const usedAt = nullable(moment);
const scope = {
  zones: Type.Optional(names("a domain name", "names, each with all that lies below it")),
  services: Type.Optional(names("a service of the config", "services of the config")),
};
const ROLE = "reader, operator, admin, observer, agent or signals";
const role = oneOf(ROLES, ROLE);

const ending = {
  expires: Type.Optional(
    Type.String({ maxLength: 40, description: `${aMoment}; else it lasts until it is removed` }),
  ),
};

const body = Type.Union(
  [
    object({ name, role: oneOf(["reader", "admin", "observer"], ROLE), ...ending }),
    object({ name, role: Type.Literal("operator"), ...scope, ...ending }),
    object({ name, role: Type.Literal("agent"), vantage, ...ending }),
    object({ name, role: Type.Literal("signals"), pools, ...ending }),
  ],
  {
    description: `name, role (${ROLE}), for an agent, and no other, its vantage, for signals alone the pools, for an operator the zones and services`,
  },
);

const listed = object({
  name: Type.String(),
  role,
  vantage: Type.Optional(vantage),
  pools: Type.Optional(pools),
  ...scope,
  createdAt: moment,
  expiresAt,
  usedAt,
});

const list = object({ tokens: Type.Array(listed), next }, { description: "Tokens, without their secrets." });
const made = object(
  {
    name: Type.String(),
    role,
    vantage: Type.Optional(vantage),
    pools: Type.Optional(pools),
    ...scope,
    expiresAt,
    token: Type.String({ description: "the secret; it is shown this once, only its hash is kept" }),
  },
  { description: "The new token." },
);
const removed = Type.Null({ description: "The token lets nobody in any more." });

export function tokenRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/tokens",
    {
      config: { access: "reader" },
      schema: {
        summary: "Who has tokens",
        tags: ["tokens"],
        querystring: pageQuery(),
        response: { 200: list, default: errorBody },
      },
    },
    ({ query }) => {
      const { entries, next } = pageOf(desk.tokens(), ({ name }) => name, query);
      return { tokens: entries.map(viewOf), next };
    },
  );

  app.post(
    "/v1/tokens",
    {
      config: { access: "admin" },
      schema: {
        summary: "Make a token",
        tags: ["tokens"],
        querystring: dryRunQuery,
        body,
        response: { 200: tried, 201: made, default: errorBody },
      },
    },
    async (request, reply) => {
      const { name, expires, ...asked } = request.body;
      const grant = grantOf(request.body);
      const expiresMs = expires === undefined ? null : momentOf("expires", expires, desk.nowMs());
      if (expiresMs !== null && expiresMs <= desk.nowMs())
        throw failureFor(422, [inRequest(`expires: expected a time after ${formatMoment(desk.nowMs())}`)]);
      const problems = [...tokenNameProblems(name), ...grantProblems(grant, desk.snapshot().config)];
      if (problems.length > 0) throw failureFor(422, problems.map(inRequest));
      if (isDryRun(request)) {
        if (desk.tokens().some((token) => token.name === name)) throw taken(name);
        const detail = `${name} (${describeGrant(grant)})`;
        return answerTried(reply, [{ event: "token-added", detail }], null);
      }
      const token = await desk.addToken({ name, grant, expiresMs }, authorOf(request));
      if (token === null) throw taken(name);
      reply.code(201).headers({ "cache-control": "no-store", location: itemUrl("tokens", name) });
      return { name, ...asked, expiresAt: formatOptionalMoment(expiresMs), token };
    },
  );

  app.delete(
    "/v1/tokens/:name",
    {
      config: { access: "admin" },
      schema: {
        summary: "Remove a token; streams that were opened with it end",
        tags: ["tokens"],
        headers: keyHeader,
        params: object({ name: Type.String({ description: "the name of a token" }) }),
        querystring: dryRunQuery,
        response: { 200: tried, 204: removed, default: errorBody },
      },
    },
    (request, reply) => {
      const { name } = itemOf("token", desk.tokens(), (token) => token.name, request.params.name);
      if (isDryRun(request)) return answerTried(reply, [{ event: "token-removed", detail: name }], null);
      desk.removeToken(name, authorOf(request));
      reply.code(204);
      return null;
    },
  );
}

function taken(name: string): Failure {
  return new Failure(409, `there is a token ${name} already; choose another name`);
}

function grantOf(asked: Static<typeof body>): TokenGrant {
  const { role } = asked;
  switch (role) {
    case "agent":
      return { role, vantage: asked.vantage };
    case "signals":
      return { role, pools: asked.pools };
    case "operator": {
      const { zones = [], services = [] } = asked;
      return zones.length + services.length === 0 ? { role } : { role, scope: { zones, services } };
    }
    case "reader":
    case "admin":
    case "observer":
      return { role };
  }
}

function viewOf({ name, grant, createdMs, expiresMs, usedMs }: TokenRecord): Static<typeof listed> {
  const { role } = grant;
  return {
    name,
    role,
    ...(role === "agent" ? { vantage: grant.vantage } : {}),
    ...(role === "signals" ? { pools: [...grant.pools] } : {}),
    ...(role === "operator" && grant.scope !== undefined ? scopeView(grant.scope) : {}),
    createdAt: formatMoment(createdMs),
    expiresAt: formatOptionalMoment(expiresMs),
    usedAt: formatOptionalMoment(usedMs),
  };
}

function scopeView({ zones, services }: Scope): { zones?: string[]; services?: string[] } {
  return {
    ...(zones.length > 0 ? { zones: [...zones] } : {}),
    ...(services.length > 0 ? { services: [...services] } : {}),
  };
}
