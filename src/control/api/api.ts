/** What the routes of the admin API have in common: the server they are added to, and who may use them. */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import type { Role, TokenRecord } from "../store.ts";

/** The server, with types that follow from the schemas of each route. */
export type Api = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** Who may use a route: everybody, without a token, or the role that suffices; who else has that is in `auth.ts`. */
export type Access = "public" | Role;

declare module "fastify" {
  interface FastifyContextConfig {
    /** Every route under `/v1` says it; see `auth.ts`. */
    access?: Access;
    /** Whether a token for some zones or services alone may use it: it changes nothing, or what it changes is held to the scope. */
    takesScope?: boolean;
  }
  interface FastifyRequest {
    /** Whose token came with the request; null on public routes. */
    token: TokenRecord | null;
  }
}
