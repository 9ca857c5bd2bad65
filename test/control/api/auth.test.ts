/** Who may do what. */

import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import type { Access, Api } from "../../../src/control/api/api.ts";
import { buildApi } from "../../../src/control/api/server.ts";
import { ROLES, type Role } from "../../../src/control/store.ts";
import { Node } from "../test-node.ts";
import { documentOf, routesOf } from "./test-api.ts";

/** Every route, with who may use it. A route that is added must be added here. */
const ACCESS: Readonly<Record<string, Access>> = {
  "GET /healthz": "public",
  "GET /readyz": "public",
  "GET /metrics": "public",
  "GET /problems": "public",
  "GET /problems/{code}": "public",
  "GET /v1/status": "reader",
  "POST /v1/releases": "operator",
  "POST /v1/reload": "admin",
  "GET /v1/services": "reader",
  "GET /v1/services/{name}": "reader",
  "POST /v1/explain": "reader",
  "GET /v1/regions": "reader",
  "GET /v1/verdicts": "reader",
  "GET /v1/vantages": "reader",
  "POST /v1/observations": "observer",
  "GET /v1/rtt": "reader",
  "GET /v1/rtt/vantages": "reader",
  "GET /v1/overrides": "reader",
  "GET /v1/profile": "reader",
  "POST /v1/simulate": "operator",
  "POST /v1/overrides": "operator",
  "DELETE /v1/overrides/{id}": "operator",
  "GET /v1/challenges": "reader",
  "GET /v1/keys": "reader",
  "PUT /v1/challenges/{name}/{value}": "operator",
  "DELETE /v1/challenges/{name}/{value}": "operator",
  "GET /v1/audit": "reader",
  "GET /v1/audit/verify": "reader",
  "GET /v1/history": "reader",
  "GET /v1/snapshots": "reader",
  "GET /v1/snapshots/{version}": "admin",
  "GET /v1/snapshots/{from}/diff/{to}": "admin",
  "GET /v1/tokens": "reader",
  "POST /v1/tokens": "admin",
  "DELETE /v1/tokens/{name}": "admin",
  "GET /v1/agents/stream": "agent",
  "POST /v1/signals": "signals",
  "GET /v1/capacity": "reader",
};

type Who = Role | "nobody" | "stranger";

const EVERYBODY: readonly Who[] = ["nobody", "stranger", ...ROLES];

/** Who gets through, by access. */
const LETS_IN: Readonly<Record<Access, readonly Who[]>> = {
  public: EVERYBODY,
  reader: ["reader", "operator", "admin"],
  operator: ["operator", "admin"],
  admin: ["admin"],
  observer: ["admin", "observer"],
  agent: ["agent"],
  signals: ["signals"],
};

test("every route is in the table", async () => {
  const node = await new Node().open();
  expect(routesOf(await documentOf(node.desk)).toSorted()).toEqual(Object.keys(ACCESS).toSorted());
});

test.each(Object.entries(ACCESS))("%s is for %s", async (route, access) => {
  const [method = "", template = ""] = route.split(" ");
  const url = template.replaceAll(/\{[^}]+\}/g, "nothing");
  const { ask } = await openApp();
  for (const who of EVERYBODY) {
    const { status, body, challenge } = await ask(who, method, url);
    if (LETS_IN[access].includes(who)) {
      expect([401, 403, 429, 500], who).not.toContain(status);
      continue;
    }
    const isKnown = who !== "nobody" && who !== "stranger";
    expect([status, body.code], who).toEqual(isKnown ? [403, "forbidden"] : [401, "unauthenticated"]);
    expect(challenge).toBe(
      {
        nobody: 'Bearer realm="meridian"',
        stranger: 'Bearer realm="meridian", error="invalid_token"',
      }[String(who)] ?? `Bearer realm="meridian", error="insufficient_scope", scope="${access}"`,
    );
  }
});

test("a HEAD request is guarded as the GET is", async () => {
  const { ask } = await openApp();
  expect((await ask("nobody", "HEAD", "/v1/status")).status).toBe(401);
  expect((await ask("reader", "HEAD", "/v1/status")).status).toBe(200);
});

test.each([
  ["Basic YW5uYTpzZWNyZXQ=", 401],
  ["Bearer", 401],
  ["Bearer  ", 401],
  ["Bearer a b", 401],
  ["Bearer ü", 401],
  [`Bearer ${"x".repeat(5_000)}`, 401],
  ["TOKEN", 401],
  ["bearer TOKEN", 200],
  ["Bearer TOKEN ", 200],
])("an Authorization header of %s gets %i", async (header, status) => {
  const { app, tokens } = await openApp();
  const authorization = header.replace("TOKEN", tokens.reader);
  expect((await app.inject({ url: "/v1/status", headers: { authorization } })).statusCode).toBe(status);
});

test("a token that was removed lets nobody in any more", async () => {
  const { ask } = await openApp();
  expect((await ask("admin", "DELETE", "/v1/tokens/reader")).status).toBe(204);
  expect((await ask("reader", "GET", "/v1/status")).status).toBe(401);
});

test("an address that tries one token after the other is told to slow down, but not its neighbours", async () => {
  const { ask } = await openApp();
  const statuses: number[] = [];
  for (let i = 0; i < 31; i += 1)
    statuses.push((await ask("stranger", "GET", "/v1/status", "192.0.2.7")).status);
  expect(new Set(statuses.slice(0, 30))).toEqual(new Set([401]));
  expect(statuses[30]).toBe(429);
  expect((await ask("reader", "GET", "/v1/status", "192.0.2.7")).status).toBe(200);
  expect((await ask("stranger", "GET", "/v1/status", "192.0.2.8")).status).toBe(401);
});

test("an IPv6 customer is one address, however many he has", async () => {
  const { ask } = await openApp();
  for (let i = 0; i < 30; i += 1) await ask("stranger", "GET", "/v1/status", `2001:db8::${i.toString(16)}`);
  const { status, retryAfter } = await ask("stranger", "GET", "/v1/status", "2001:db8::ffff");
  expect([status, Number(retryAfter)]).toEqual([429, expect.closeTo(59, -1)]);
});

test("a token may ask very often, but not without end", async () => {
  const { ask } = await openApp();
  let status = 200;
  let requests = 0;
  while (status === 200 && requests < 6_100) {
    requests += 1;
    status = (await ask("reader", "GET", "/v1/tokens")).status;
  }
  expect([status, requests]).toEqual([429, 6_001]);
  expect((await ask("admin", "GET", "/v1/tokens")).status).toBe(200);
});

interface App {
  readonly app: Api;
  readonly tokens: Readonly<Record<Exclude<Who, "nobody">, string>>;
  ask(who: Who, method: string, url: string, from?: string): Promise<Asked>;
}

interface Asked {
  readonly status: number;
  readonly challenge: string | undefined;
  readonly retryAfter: string | undefined;
  readonly body: { readonly code: string };
}

/** The API without a socket, so that a request can come from any address; each comes from another unless one is said. */
async function openApp(): Promise<App> {
  const { desk } = await new Node().open();
  const app = await buildApi(desk, { apiTls: null }, pino({ level: "silent" }));
  onTestFinished(() => app.close());
  const tokens = {
    admin: desk.addToken("admin", { role: "admin" }, "a test") ?? "",
    reader: desk.addToken("reader", { role: "reader" }, "a test") ?? "",
    operator: desk.addToken("operator", { role: "operator" }, "a test") ?? "",
    observer: desk.addToken("observer", { role: "observer" }, "a test") ?? "",
    agent: desk.addToken("agent", { role: "agent", vantage: "dublin" }, "a test") ?? "",
    signals: desk.addToken("signals", { role: "signals", pools: ["web"] }, "a test") ?? "",
    stranger: "9QfYy0mCq0P7nUCv0mJt4aYk1cG2t3u4v5w6x7y8z9A",
  };
  let asked = 0;
  const ask = async (who: Who, method: string, url: string, from?: string): Promise<Asked> => {
    asked += 1;
    const { statusCode, headers, body } = await app.inject({
      method: method as "GET",
      url,
      headers: who === "nobody" ? {} : { authorization: `Bearer ${tokens[who]}` },
      remoteAddress: from ?? `10.${asked >> 16}.${(asked >> 8) & 255}.${asked & 255}`,
    });
    return {
      status: statusCode,
      challenge: headers["www-authenticate"] as string | undefined,
      retryAfter: headers["retry-after"] as string | undefined,
      body: body.startsWith("{") ? JSON.parse(body) : null,
    };
  };
  return { app, tokens, ask };
}
