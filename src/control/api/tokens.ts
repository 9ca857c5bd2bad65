/** Bearer tokens: made, listed without their secrets, and removed. */

import Type, { type Static } from "typebox";
import { didYouMean } from "../../suggest.ts";
import type { Desk } from "../desk.ts";
import { lookup } from "../lookup.ts";
import { ROLES, type TokenRecord } from "../store.ts";
import type { Api } from "./api.ts";
import { authorOf } from "./auth.ts";
import { Failure, failureFor, inRequest } from "./errors.ts";
import { keyHeader } from "./idempotency.ts";
import { errorBody, formatMoment, moment, object, oneOf } from "./schemas.ts";

const name = Type.String({
  pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
  description: "a name of at most 63 letters, digits, dots, hyphens and underscores",
});
const vantage = Type.String({ description: "a vantage of the config" });
const pools = Type.Array(Type.String({ description: "a pool of the config" }), {
  minItems: 1,
  maxItems: 1_000,
  uniqueItems: true,
  description: "pools of the config",
});
const ROLE = "reader, operator, admin, observer, agent or signals";
const role = oneOf(ROLES, ROLE);

const body = Type.Union(
  [
    object({ name, role: oneOf(["reader", "operator", "admin", "observer"], ROLE) }),
    object({ name, role: Type.Literal("agent"), vantage }),
    object({ name, role: Type.Literal("signals"), pools }),
  ],
  {
    description: `name, role (${ROLE}), for an agent, and no other, its vantage, and for signals alone the pools`,
  },
);

const listed = object({
  name: Type.String(),
  role,
  vantage: Type.Optional(vantage),
  pools: Type.Optional(pools),
  createdAt: moment,
});

const list = object({ tokens: Type.Array(listed) }, { description: "All tokens, without their secrets." });
const made = object(
  {
    name: Type.String(),
    role,
    vantage: Type.Optional(vantage),
    pools: Type.Optional(pools),
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
      schema: { summary: "Who has tokens", tags: ["tokens"], response: { 200: list, default: errorBody } },
    },
    () => ({ tokens: desk.tokens().map(viewOf) }),
  );

  app.post(
    "/v1/tokens",
    {
      config: { access: "admin" },
      schema: {
        summary: "Make a token",
        tags: ["tokens"],
        body,
        response: { 201: made, default: errorBody },
      },
    },
    (request, reply) => {
      const { name, ...grant } = request.body;
      const { config } = desk.snapshot();
      if (grant.role === "agent") requireKnown("vantage", [grant.vantage], config.vantages, config.file);
      if (grant.role === "signals") requireKnown("pool", grant.pools, config.pools, config.file);
      const token = desk.addToken(name, grant, authorOf(request));
      if (token === null) throw new Failure(409, `there is a token ${name} already; choose another name`);
      reply.code(201).headers({ "cache-control": "no-store", location: `/v1/tokens/${name}` });
      return { name, ...grant, token };
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
        response: { 204: removed, default: errorBody },
      },
    },
    (request, reply) => {
      const { name } = request.params;
      if (!desk.removeToken(name, authorOf(request))) {
        const names = desk.tokens().map((token) => token.name);
        throw new Failure(404, `there is no token "${name}"${didYouMean(name, names)}`);
      }
      reply.code(204);
      return null;
    },
  );
}

/** A token for what is not in the config would let nobody in. */
function requireKnown(
  what: "vantage" | "pool",
  names: readonly string[],
  known: ReadonlyMap<string, unknown>,
  file: string,
): void {
  const problems = names
    .filter((name) => lookup(known, name) === null)
    .map((name) => inRequest(`${what}: no ${what} "${name}" in ${file}${didYouMean(name, known.keys())}`));
  if (problems.length > 0) throw failureFor(422, problems);
}

function viewOf({ name, grant, createdMs }: TokenRecord): Static<typeof listed> {
  const createdAt = formatMoment(createdMs);
  if (grant.role !== "signals") return { name, ...grant, createdAt };
  return { name, role: grant.role, pools: [...grant.pools], createdAt };
}
