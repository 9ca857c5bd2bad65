/** What the routes of the admin API have in common: the server they are added to, and who may use them. */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import type { TokenRecord } from "../store.ts";

/** The server, with types that follow from the schemas of each route. */
export type Api = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/**
 * Who may use a route. public: everybody, without a token. reader: readers and admins. admin: admins. observer: observers
 * and admins. agent: agents, and nobody else, because a report stream belongs to a vantage. signals: those who send
 * signals, and nobody else, because a vote belongs to a source.
 */
export type Access = "public" | "reader" | "admin" | "observer" | "agent" | "signals";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Every route under `/v1` says it; see `auth.ts`. */
    access?: Access;
  }
  interface FastifyRequest {
    /** Whose token came with the request; null on public routes. */
    token: TokenRecord | null;
  }
}
