/** Lets in who has a token for what they ask. */

import rateLimit from "@fastify/rate-limit";
import type { FastifyRequest } from "fastify";
import type { Role, TokenRecord } from "../store.ts";
import type { Access, Api } from "./api.ts";
import { Failure } from "./errors.ts";

/** How many requests a token, or an address without one, may make in a minute. */
const REQUESTS_PER_MINUTE = 6_000;

/** How many requests from one address, in a minute, may come without a token that is known. */
const FAILURES_PER_MINUTE = 30;

/** Addresses of one IPv6 customer count as one. */
const IPV6_CUSTOMER_BITS = 64;

const MINUTE_MS = 60_000;

/**
 * The least role that suffices for a route, and all that do. A report stream belongs to a vantage and a vote to a source, so
 * these are for nobody else.
 */
export const ALLOWED: Readonly<Record<Exclude<Access, "public">, readonly Role[]>> = {
  reader: ["reader", "operator", "admin"],
  operator: ["operator", "admin"],
  admin: ["admin"],
  observer: ["observer", "admin"],
  agent: ["agent"],
  signals: ["signals"],
};

/**
 * Guards every route that is added from now on.
 *
 * 1. A route under `/v1` must say who may use it; one that does not is a mistake of ours, found at the start.
 * 2. The token is looked up by its hash, so how long that takes tells nothing of the secret.
 * 3. Too many failures from an address are told to slow down. A token that is known is served all the same: the
 *    failures may be a neighbour's behind the same address, and nobody guesses 256 random bits.
 */
export async function guard(app: Api, authenticate: (secret: string) => TokenRecord | null): Promise<void> {
  await app.register(rateLimit, {
    max: REQUESTS_PER_MINUTE,
    timeWindow: MINUTE_MS,
    keyGenerator: (request) => (request.token === null ? addressOf(request) : `token ${request.token.name}`),
    errorResponseBuilder: (_request, { after }) =>
      new Failure(429, `too many requests; try again in ${after}`),
  });
  const countFailure = app.createRateLimit({
    max: FAILURES_PER_MINUTE,
    timeWindow: MINUTE_MS,
    keyGenerator: addressOf,
  });

  app.decorateRequest("token", null);
  app.addHook("onRoute", ({ url, config }) => {
    if (url.startsWith("/v1") && config?.access === undefined)
      throw new Error(`${url} does not say its access`);
  });
  app.addHook("onRequest", async (request) => {
    const access = request.routeOptions.config.access ?? "public";
    if (access === "public") return;
    const secret = bearerToken(request.headers.authorization);
    const token = secret === null ? null : authenticate(secret);
    if (token === null) {
      const limit = await countFailure(request);
      if (!limit.isAllowed && limit.isExceeded) throw slowDown(limit.ttlInSeconds);
      throw unauthenticated(secret);
    }
    if (!ALLOWED[access].includes(token.grant.role)) throw forbidden(token, access);
    request.token = token;
  });
}

/** The name of the token that a guarded request came with. */
export function authorOf({ token }: Pick<FastifyRequest, "token">): string {
  if (token === null) throw new Error("this route is public: it has no author");
  return token.name;
}

/** The token of an Authorization header (RFC 6750 §2.1); null: it has none. */
function bearerToken(header: string | undefined): string | null {
  return /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(header ?? "")?.[1] ?? null;
}

function addressOf({ ip }: Pick<FastifyRequest, "ip">): string {
  return rateLimit.normalizeIP(ip, IPV6_CUSTOMER_BITS);
}

/** RFC 6750 §3: a request without a token is told of no error. */
function unauthenticated(secret: string | null): Failure {
  if (secret === null) {
    return new Failure(401, "expected a header Authorization: Bearer TOKEN", {
      headers: { "www-authenticate": 'Bearer realm="meridian"' },
    });
  }
  return new Failure(401, "this token is not known here; `meridian token list` shows which are", {
    headers: { "www-authenticate": 'Bearer realm="meridian", error="invalid_token"' },
  });
}

function forbidden({ name, grant }: TokenRecord, access: Exclude<Access, "public">): Failure {
  const allowed = ALLOWED[access].join(" or ");
  return new Failure(403, `token ${name} is for the role ${grant.role}; this needs ${allowed}`, {
    headers: { "www-authenticate": `Bearer realm="meridian", error="insufficient_scope", scope="${access}"` },
  });
}

function slowDown(seconds: number): Failure {
  return new Failure(429, `too many requests without a valid token; try again in ${seconds} seconds`, {
    headers: { "retry-after": String(seconds) },
  });
}
