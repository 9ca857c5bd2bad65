/** Who may do what. */

import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Access, Api } from "../../../src/control/api/api.ts";
import { Lockout } from "../../../src/control/api/lockout.ts";
import { buildApi } from "../../../src/control/api/server.ts";
import { openSqliteStore, STORE_FILE } from "../../../src/control/sqlite-store.ts";
import { ROLES, type Role } from "../../../src/control/store.ts";
import { makeSecret } from "../../../src/control/token.ts";
import { TokenKeeper } from "../../../src/control/token-keeper.ts";
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
  "GET /v1/splits": "reader",
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
  "GET /v1/overrides/{id}": "reader",
  "GET /v1/regions/{id}": "reader",
  "GET /v1/verdicts/{id}": "reader",
  "GET /v1/vantages/{id}": "reader",
  "GET /v1/loads": "reader",
  "GET /v1/pools": "reader",
  "GET /v1/pools/{id}": "reader",
  "GET /v1/vips": "reader",
  "GET /v1/vips/{id}": "reader",
  "GET /v1/checks": "reader",
  "GET /v1/checks/{id}": "reader",
  "GET /v1/policies": "reader",
  "GET /v1/policies/{id}": "reader",
  "GET /v1/zones": "reader",
  "GET /v1/zones/{id}": "reader",
  "GET /v1/zones/{id}/rrsets": "reader",
  "GET /v1/nodes": "reader",
  "GET /v1/nodes/{id}": "reader",
  "GET /v1/services/{name}/plans": "reader",
  "GET /v1/changes": "reader",
  "GET /v1/changes/{version}": "reader",
  "GET /v1/profile": "reader",
  "POST /v1/simulate": "operator",
  "POST /v1/overrides": "operator",
  "DELETE /v1/overrides/{id}": "operator",
  "GET /v1/drills": "reader",
  "GET /v1/drills/declared": "reader",
  "GET /v1/drills/{id}": "reader",
  "GET /v1/drills/{id}/compare/{other}": "reader",
  "GET /v1/drills/{id}/report": "reader",
  "POST /v1/drills": "operator",
  "POST /v1/drills/{id}/abort": "operator",
  "POST /v1/overrides/{id}/stage": "operator",
  "GET /v1/proposals": "reader",
  "POST /v1/proposals/{id}/approval": "operator",
  "DELETE /v1/proposals/{id}": "operator",
  "GET /v1/challenges": "reader",
  "GET /v1/keys": "reader",
  "PUT /v1/challenges/{name}/{value}": "operator",
  "DELETE /v1/challenges/{name}/{value}": "operator",
  "GET /v1/audit": "reader",
  "GET /v1/audit/verify": "reader",
  "GET /v1/history": "reader",
  "GET /v1/events": "reader",
  "GET /v1/snapshots": "reader",
  "GET /v1/snapshots/{version}": "admin",
  "GET /v1/snapshots/{from}/diff/{to}": "admin",
  "POST /v1/snapshots/{version}/rollback": "admin",
  "DELETE /v1/rollback": "admin",
  "POST /v1/preview": "admin",
  "PUT /v1/config": "admin",
  "GET /v1/tokens": "reader",
  "POST /v1/tokens": "admin",
  "DELETE /v1/tokens/{name}": "admin",
  "GET /v1/agents/stream": "agent",
  "POST /v1/signals": "signals",
  "GET /v1/capacity": "reader",
  "GET /v1/alarms": "reader",
  "POST /v1/alarms/tests": "operator",
};

/** Besides those with a token of a role: with none, one that nobody made, one that has expired, one that was removed. */
type Who = Role | "nobody" | "stranger" | "late" | "former";

const UNKNOWN: readonly Who[] = ["nobody", "stranger", "late", "former"];
const EVERYBODY: readonly Who[] = [...UNKNOWN, ...ROLES];

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

test("each route is for whom the table says, and for nobody else", async () => {
  const { ask } = await openApp();
  for (const [route, access] of Object.entries(ACCESS)) {
    const [method = "", template = ""] = route.split(" ");
    // A stream that is open has no end.
    const query = template === "/v1/events" ? "?lastEventId=none" : "";
    const url = template.replaceAll(/\{[^}]+\}/g, "nothing") + query;
    for (const who of EVERYBODY) {
      const { status, body, challenge } = await ask(who, method, url);
      const what = `${who}: ${route}`;
      if (LETS_IN[access].includes(who)) {
        expect([401, 403, 429, 500], what).not.toContain(status);
        continue;
      }
      expect([status, body.code], what).toEqual(
        UNKNOWN.includes(who) ? [401, "unauthenticated"] : [403, "forbidden"],
      );
      expect(challenge, what).toBe(
        {
          nobody: 'Bearer realm="meridian"',
          stranger: 'Bearer realm="meridian", error="invalid_token"',
          late: 'Bearer realm="meridian", error="invalid_token"',
          former: 'Bearer realm="meridian", error="invalid_token"',
        }[String(who)] ?? `Bearer realm="meridian", error="insufficient_scope", scope="${access}"`,
      );
    }
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

describe("a guesser", () => {
  const guess = ({ ask }: App, from: string) => ask("stranger", "GET", "/v1/status", from);

  test("is locked out after ten tokens, for twice as long each time, and forgiven after an hour", async () => {
    const app = await openApp();
    for (let i = 0; i < 10; i += 1) expect((await guess(app, "192.0.2.7")).status).toBe(401);
    const locks: number[] = [];
    for (let i = 0; i < 12; i += 1) {
      const { status, retryAfter } = await guess(app, "192.0.2.7");
      expect(status).toBe(429);
      locks.push(Number(retryAfter));
      app.node.pass(Number(retryAfter) * 1_000);
      expect((await guess(app, "192.0.2.7")).status).toBe(401);
    }
    expect(locks).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    app.node.pass(900_000);
    app.node.pass(3_600_001);
    for (let i = 0; i < 9; i += 1) await guess(app, "192.0.2.7");
    expect((await guess(app, "192.0.2.7")).status).toBe(401);
    expect((await guess(app, "192.0.2.7")).status).toBe(429);
  });

  test("locks out neither his neighbours nor who has a token", async () => {
    const app = await openApp();
    await lockOut(app, "192.0.2.7");
    expect((await guess(app, "192.0.2.7")).status).toBe(429);
    expect((await guess(app, "192.0.2.8")).status).toBe(401);
    expect((await app.ask("reader", "GET", "/v1/status", "192.0.2.7")).status).toBe(200);
    expect((await app.ask("nobody", "GET", "/v1/status", "192.0.2.7")).status).toBe(401);
    expect((await app.ask("nobody", "GET", "/healthz", "192.0.2.7")).status).toBe(200);
  });

  test("is one with all addresses of his IPv6 network", async () => {
    const app = await openApp();
    for (let i = 0; i < 10; i += 1) await guess(app, `2001:db8::${i.toString(16)}`);
    expect((await guess(app, "2001:db8::ffff")).status).toBe(429);
    expect((await guess(app, "2001:db8:0:1::1")).status).toBe(401);
  });

  test("who knows the beginning of a token fares no better", async () => {
    const app = await openApp();
    const guesses = Array.from(
      { length: 10 },
      () => `${app.tokens.admin.slice(0, 26)}${makeSecret().secret.slice(26)}`,
    );
    for (const secret of guesses)
      expect((await app.askWith(secret, "GET", "/v1/status", "192.0.2.7")).status).toBe(401);
    expect((await app.askWith(guesses[0] ?? "", "GET", "/v1/status", "192.0.2.7")).status).toBe(429);
  });

  test("is on record once for each lock, and measured", async () => {
    const app = await openApp();
    await lockOut(app, "192.0.2.7");
    for (let i = 0; i < 5; i += 1) await guess(app, "192.0.2.7");
    const locks = app.node.desk.audit(10, null).filter(({ event }) => event === "address-locked");
    expect(locks.map(({ author, detail }) => [author, detail])).toEqual([
      ["meridian", "192.0.2.7 until 2026-01-01T00:00:01.000Z, after 10 tokens that are not known"],
    ]);
    expect(app.node.lines(/locked out/)).toHaveLength(1);
    const { payload } = await app.app.inject("/metrics");
    expect(payload).toContain("\nmeridian_api_token_failures_total 10\n");
    expect(payload).toContain("\nmeridian_api_locked_addresses 1\n");
  });

  test("with very many addresses fills neither the audit list nor the memory", async () => {
    const app = await openApp();
    for (let i = 0; i < 70; i += 1) await lockOut(app, `192.0.2.${i}`);
    const locks = () => app.node.desk.audit(200, null).filter(({ event }) => event === "address-locked");
    expect(locks()).toHaveLength(1);
    app.node.pass(3_600_000);
    expect(locks()).toHaveLength(2);
    expect(locks()[0]?.detail).toMatch(/^69 times since .*: 192\.0\.2\.1, .*, others$/);
    const lockout = new Lockout();
    for (let i = 0; i < 10_000; i += 1) for (let tries = 0; tries < 10; tries += 1) lockout.failed(`${i}`, 0);
    expect(lockout.locked(0)).toBe(10_000);
    lockout.failed("one more", 0);
    expect([lockout.locked(0), lockout.remainingMs("0", 0), lockout.remainingMs("1", 0)]).toEqual([
      9_999, 0, 1_000,
    ]);
  });

  async function lockOut(app: App, from: string): Promise<void> {
    for (let i = 0; i < 10; i += 1) await guess(app, from);
  }
});

describe("a token", () => {
  test("lets in until it expires, and says so from then on, however often it is tried", async () => {
    const { ask, node } = await openApp(3_600_000);
    node.pass(3_599_999);
    expect((await ask("reader", "GET", "/v1/status")).status).toBe(200);
    node.pass(1);
    for (let i = 0; i < 20; i += 1) {
      const { status, challenge, body } = await ask("reader", "GET", "/v1/status", "192.0.2.7");
      expect([status, challenge]).toEqual([401, 'Bearer realm="meridian", error="invalid_token"']);
      expect(body.detail).toBe("this token has expired at 2026-01-01T01:00:00.000Z");
    }
  });

  test("of the same name as one that was removed is another", async () => {
    const { ask, node, tokens } = await openApp();
    node.desk.removeToken("reader", "a test");
    await node.addToken("reader", { role: "admin" });
    expect((await ask("reader", "GET", "/v1/status")).status).toBe(401);
    expect(node.token("reader").id).not.toBe(tokens.reader.slice(9, 25));
  });

  test("says when it was used last, after a restart too", async () => {
    const { ask, node } = await openApp();
    const usedAt = () => node.desk.tokens().map(({ name, usedMs }) => [name, usedMs && usedMs - node.nowMs]);
    node.pass(60_000);
    await ask("reader", "GET", "/v1/status");
    expect(usedAt()).toContainEqual(["reader", 0]);
    expect(usedAt()).toContainEqual(["observer", null]);
    const { folder, dns, nowMs } = node;
    await node.close();
    const next = new Node(folder, dns);
    next.nowMs = nowMs;
    await next.open();
    expect(next.token("reader").usedMs).toBe(nowMs);
  });

  test("is looked at once, however many requests come with it first, and a source has few under way", async () => {
    const { node } = await openApp();
    const slow = new TokenKeeper(
      openSqliteStore(join(node.folder.file("state"), STORE_FILE)),
      () => node.nowMs,
      14,
    );
    const order = { name: "slow", grant: { role: "reader" }, expiresMs: null } as const;
    const secret = (await slow.add(order, "a test")) ?? "";
    const same = await Promise.all(Array.from({ length: 50 }, () => slow.authenticate(secret, "192.0.2.7")));
    expect(new Set(same.map(({ kind }) => kind))).toEqual(new Set(["known"]));
    const guesses = Array.from(
      { length: 17 },
      () => `${secret.slice(0, 26)}${makeSecret().secret.slice(26)}`,
    );
    const tried = guesses.map((guess) => slow.authenticate(guess, "192.0.2.7"));
    expect(await tried[16]).toEqual({ kind: "busy" });
    // Who is known is let in meanwhile, and a neighbour comes to his turn.
    expect((await slow.authenticate(secret, "192.0.2.7")).kind).toBe("known");
    expect(
      (await slow.authenticate(`${secret.slice(0, 68)}${secret.endsWith("A") ? "B" : "A"}`, "192.0.2.8"))
        .kind,
    ).toBe("unknown");
    expect(new Set((await Promise.all(tried.slice(0, 16))).map(({ kind }) => kind))).toEqual(
      new Set(["unknown"]),
    );
  });
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
  readonly node: Node;
  readonly tokens: Readonly<Record<Exclude<Who, "nobody">, string>>;
  ask(who: Who, method: string, url: string, from?: string): Promise<Asked>;
  askWith(secret: string | null, method: string, url: string, from: string): Promise<Asked>;
}

interface Asked {
  readonly status: number;
  readonly challenge: string | undefined;
  readonly retryAfter: string | undefined;
  readonly body: { readonly code: string; readonly detail: string };
}

/**
 * The API without a socket, so that a request can come from any address; each comes from another unless one is said. The
 * reader's token lasts as long as is said.
 */
async function openApp(readerLastsMs: number | null = null): Promise<App> {
  const node = await new Node().open();
  const app = await buildApi(node.desk, { apiTls: null }, pino({ level: "silent" }));
  onTestFinished(() => app.close());
  const tokens = {
    admin: await node.addToken("admin", { role: "admin" }),
    reader: await node.addToken("reader", { role: "reader" }, readerLastsMs && node.nowMs + readerLastsMs),
    operator: await node.addToken("operator", { role: "operator" }),
    observer: await node.addToken("observer", { role: "observer" }),
    agent: await node.addToken("agent", { role: "agent", vantage: "dublin" }),
    signals: await node.addToken("signals", { role: "signals", pools: ["web"] }),
    stranger: makeSecret().secret,
    // Of the role that may do most.
    late: await node.addToken("late", { role: "admin" }, node.nowMs),
    former: await node.addToken("former", { role: "admin" }),
  };
  node.desk.removeToken("former", "a test");
  const askWith = async (
    secret: string | null,
    method: string,
    url: string,
    remoteAddress: string,
  ): Promise<Asked> => {
    const { statusCode, headers, body } = await app.inject({
      method: method as "GET",
      url,
      headers: secret === null ? {} : { authorization: `Bearer ${secret}` },
      remoteAddress,
    });
    return {
      status: statusCode,
      challenge: headers["www-authenticate"] as string | undefined,
      retryAfter: headers["retry-after"] as string | undefined,
      body: body.startsWith("{") ? JSON.parse(body) : null,
    };
  };
  let asked = 0;
  const ask = (who: Who, method: string, url: string, from?: string): Promise<Asked> => {
    asked += 1;
    const address = from ?? `10.${asked >> 16}.${(asked >> 8) & 255}.${asked & 255}`;
    return askWith(who === "nobody" ? null : tokens[who], method, url, address);
  };
  return { app, node, tokens, ask, askWith };
}
