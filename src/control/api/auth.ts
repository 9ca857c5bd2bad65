/** Lets in who has a token for what they ask. */

import rateLimit from "@fastify/rate-limit";
import type { FastifyRequest } from "fastify";
import type { Desk } from "../desk.ts";
import { describeGrant, type Role, type Scope, type TokenRecord } from "../store.ts";
import type { Access, Api } from "./api.ts";
import { Failure } from "./errors.ts";
import type { Lockout } from "./lockout.ts";
import { formatMoment } from "./schemas.ts";

/** How many requests a token, or an address without one, may make in a minute. */
const REQUESTS_PER_MINUTE = 6_000;

/** Addresses of one IPv6 customer count as one. */
const IPV6_CUSTOMER_BITS = 64;

const MINUTE_MS = 60_000;

/** By then those that are being looked at are done, or nearly so. */
const BUSY_MS = 1_000;

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
 * 2. Who shows tokens that are none is locked out, for longer each time. A token that is right is let in all the same: the
 *    failures may be a neighbour's behind the same address, and nobody guesses 256 random bits.
 * 3. A token for some zones or services alone is let in to change something only where the route says that it holds changes to
 *    that.
 * 4. A request without any token is no guess. One with a token that has expired is none either.
 */
export async function guard(app: Api, desk: Desk, lockout: Lockout): Promise<void> {
  await app.register(rateLimit, {
    max: REQUESTS_PER_MINUTE,
    timeWindow: MINUTE_MS,
    keyGenerator: (request) =>
      request.token === null ? sourceOf(request.ip) : `token ${request.token.name}`,
    errorResponseBuilder: (_request, { after }) =>
      new Failure(429, `too many requests; try again in ${after}`),
  });

  app.decorateRequest("token", null);
  app.addHook("onRoute", ({ url, config }) => {
    if (url.startsWith("/v1") && config?.access === undefined)
      throw new Error(`${url} does not say its access`);
  });
  app.addHook("onRequest", async (request) => {
    const { access = "public", takesScope = access !== "operator" } = request.routeOptions.config;
    if (access === "public") return;
    const token = await ownerOf(request, desk, lockout);
    if (!ALLOWED[access].includes(token.grant.role)) throw forbidden(token, access);
    request.token = token;
    if (!takesScope && scopeOf(request).scope !== undefined)
      throw beyondToken(request, "this needs a token that is for everything");
  });
}

/** The token that a request came with; throws when it is none that lets anybody in. */
async function ownerOf(request: FastifyRequest, desk: Desk, lockout: Lockout): Promise<TokenRecord> {
  const { authorization } = request.headers;
  if (authorization === undefined) throw unauthenticated();
  const source = sourceOf(request.ip);
  const secret = bearerToken(authorization);
  const found = secret === null ? UNKNOWN : await desk.authenticate(secret, source);
  switch (found.kind) {
    case "known":
      return found.token;
    case "expired":
      throw invalid(`this token has expired at ${formatMoment(found.atMs)}`);
    case "busy":
      throw slowDown("too many tokens are being looked at", BUSY_MS);
    case "unknown": {
      const lockedMs = lockout.remainingMs(source, desk.nowMs());
      if (lockedMs > 0) throw slowDown("too many tokens that are not known here", lockedMs);
      const lock = lockout.failed(source, desk.nowMs());
      if (lock !== null) desk.lockedOut(source, lock);
      throw invalid("this token is not known here; `meridian token list` shows which are");
    }
  }
}

const UNKNOWN = { kind: "unknown" } as const;

/** The token that a guarded request came with. */
export function tokenOf({ token }: Pick<FastifyRequest, "token">): TokenRecord {
  if (token === null) throw new Error("this route is public: nobody has shown a token");
  return token;
}

/** Its name: who makes a change. */
export function authorOf(request: Pick<FastifyRequest, "token">): string {
  return tokenOf(request).name;
}

/** What it may change. */
export function scopeOf(request: Pick<FastifyRequest, "token">): { readonly scope?: Scope } {
  const { grant } = tokenOf(request);
  return grant.role === "operator" && grant.scope !== undefined ? { scope: grant.scope } : {};
}

/** For what goes beyond its scope. */
export function beyondToken(request: Pick<FastifyRequest, "token">, why: string): Failure {
  const { name, grant } = tokenOf(request);
  return new Failure(403, `token ${name} is for the role ${describeGrant(grant)}: ${why}`);
}

/** The token of an Authorization header (RFC 6750 §2.1); null: it has none. */
function bearerToken(header: string | undefined): string | null {
  return /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(header ?? "")?.[1] ?? null;
}

/** An address as who it is: for IPv6 the network that one customer has. */
export function sourceOf(address: string): string {
  return rateLimit.normalizeIP(address, IPV6_CUSTOMER_BITS);
}

/** RFC 6750 §3: a request without a token is told of no error. */
function unauthenticated(): Failure {
  return new Failure(401, "expected a header Authorization: Bearer TOKEN", {
    headers: { "www-authenticate": 'Bearer realm="meridian"' },
  });
}

function invalid(message: string): Failure {
  return new Failure(401, message, {
    headers: { "www-authenticate": 'Bearer realm="meridian", error="invalid_token"' },
  });
}

function forbidden({ name, grant }: TokenRecord, access: Exclude<Access, "public">): Failure {
  const allowed = ALLOWED[access].join(" or ");
  return new Failure(403, `token ${name} is for the role ${grant.role}; this needs ${allowed}`, {
    headers: { "www-authenticate": `Bearer realm="meridian", error="insufficient_scope", scope="${access}"` },
  });
}

function slowDown(why: string, waitMs: number): Failure {
  const seconds = Math.ceil(waitMs / 1_000);
  return new Failure(429, `${why}; try again in ${seconds} ${seconds === 1 ? "second" : "seconds"}`, {
    headers: { "retry-after": String(seconds) },
  });
}
