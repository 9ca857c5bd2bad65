/** Bearer tokens: made, listed without their secrets, and removed. */

import Type, { type Static } from "typebox";
import { suggest } from "../../suggest.ts";
import type { Desk } from "../desk.ts";
import { lookup } from "../lookup.ts";
import type { TokenGrant, TokenRecord } from "../store.ts";
import type { Api } from "./api.ts";
import { authorOf } from "./auth.ts";
import { didYouMean, Failure, failureFor, inRequest } from "./errors.ts";
import { errorBody, formatMoment, moment, object, oneOf } from "./schemas.ts";

const name = Type.String({
  pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
  description: "a name of at most 63 letters, digits, dots, hyphens and underscores",
});
const vantage = Type.String({ description: "a vantage of the config" });

const ROLE = "admin, reader, observer or agent";

const body = Type.Union(
  [
    object({ name, role: oneOf(["admin", "reader", "observer"], ROLE) }),
    object({ name, role: Type.Literal("agent"), vantage }),
  ],
  { description: `name, role (${ROLE}), and for an agent, and no other, its vantage` },
);

const listed = object({
  name: Type.String(),
  role: oneOf(["admin", "reader", "observer", "agent"], ROLE),
  vantage: Type.Optional(vantage),
  createdAt: moment,
});

const list = object({ tokens: Type.Array(listed) }, { description: "All tokens, without their secrets." });
const made = object(
  {
    name: Type.String(),
    role: oneOf(["admin", "reader", "observer", "agent"], ROLE),
    vantage: Type.Optional(vantage),
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
      const { body } = request;
      const grant: TokenGrant =
        body.role === "agent" ? { role: body.role, vantage: body.vantage } : { role: body.role };
      if (grant.role === "agent") requireVantage(desk, grant.vantage);
      const token = desk.addToken(body.name, grant, authorOf(request));
      if (token === null)
        throw new Failure(409, `there is a token ${body.name} already; choose another name`);
      reply.code(201).headers({ "cache-control": "no-store", location: `/v1/tokens/${body.name}` });
      return { name: body.name, ...grant, token };
    },
  );

  app.delete(
    "/v1/tokens/:name",
    {
      config: { access: "admin" },
      schema: {
        summary: "Remove a token; streams that were opened with it end",
        tags: ["tokens"],
        params: object({ name: Type.String({ description: "the name of a token" }) }),
        response: { 204: removed, default: errorBody },
      },
    },
    (request, reply) => {
      const { name } = request.params;
      if (!desk.removeToken(name, authorOf(request))) {
        const names = desk.tokens().map((token) => token.name);
        throw new Failure(404, `there is no token "${name}"${didYouMean(suggest(name, names))}`);
      }
      reply.code(204);
      return null;
    },
  );
}

/** A token for a vantage that is not in the config would let nobody in. */
function requireVantage(desk: Desk, vantage: string): void {
  const { config } = desk.snapshot();
  if (lookup(config.vantages, vantage) !== null) return;
  const hint = didYouMean(suggest(vantage, config.vantages.keys()));
  throw failureFor(422, [inRequest(`vantage: no vantage "${vantage}" in ${config.file}${hint}`)]);
}

function viewOf({ name, grant, createdMs }: TokenRecord): Static<typeof listed> {
  return { name, ...grant, createdAt: formatMoment(createdMs) };
}
