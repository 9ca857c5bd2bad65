/** What strangers send to the API on purpose: everything here is what no client of good will does. */

import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { ApiLimits } from "../../../src/control/api/server.ts";
import { makeSecret } from "../../../src/control/token.ts";
import { Node } from "../test-node.ts";
import { documentOf, TestApi } from "./test-api.ts";

const KIB_64 = 64 * 1024;

/** The longest bodies that there may be, where that is not 64 KiB. */
const BODY_LIMITS: Readonly<Record<string, number>> = {
  "POST /v1/simulate": 16 * 1024 * 1024,
  "POST /v1/preview": 64 * 1024 * 1024,
  "PUT /v1/config": 64 * 1024 * 1024,
};

describe("a body", () => {
  test("at the limit is read, and one octet beyond it is not, on each route that takes one", async () => {
    const api = await TestApi.open();
    let routes = 0;
    for (const [path, operations] of Object.entries((await documentOf(api.node.desk)).paths)) {
      for (const [method, { requestBody, description = "" }] of Object.entries(operations)) {
        if (requestBody === undefined) continue;
        routes += 1;
        const route = `${method.toUpperCase()} ${path}`;
        const limit = BODY_LIMITS[route] ?? KIB_64;
        const role = /roles? (signals|observer)\b/.exec(description)?.[1] === "signals" ? "signals" : "admin";
        const ask = (octets: number) => sendBody(api, api.tokens[role], route, octets);
        expect([route, await ask(limit)]).toEqual([route, 400]);
        expect([route, await ask(limit + 1)]).toEqual([route, 413]);
      }
    }
    expect(routes).toBeGreaterThanOrEqual(8);
  });

  test("in chunks, whose length nobody says beforehand, is held to it all the same", async () => {
    const api = await TestApi.open();
    const ask = (octets: number) => sendBody(api, api.tokens.admin, "POST /v1/overrides", octets, true);
    expect(await ask(KIB_64)).toBe(400);
    expect(await ask(KIB_64 + 1)).toBe(413);
  });

  test("that is packed, or no JSON, or JSON that means something else in JavaScript, is not taken", async () => {
    const api = await TestApi.open();
    const json = { "content-type": "application/json" };
    const reason = "a test";
    const drain = { kind: "drain", target: { region: "eu-west" }, reason };
    for (const [headers, body, status] of [
      [{ ...json, "content-encoding": "gzip" }, "\u001f\u008b\b", 400],
      [{ "content-type": "text/plain" }, JSON.stringify(drain), 415],
      [{ "content-type": "application/xml" }, "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>", 415],
      [json, `{"__proto__":{"role":"admin"},"kind":"drain"}`, 400],
      [json, `{"constructor":{"prototype":{"role":"admin"}}}`, 400],
      [json, `{"kind":"drain","kind":`, 400],
      [json, `${"[".repeat(30_000)}`, 400],
      [json, `${"[".repeat(30_000)}${"]".repeat(30_000)}`, 400],
      [json, JSON.stringify({ ...drain, target: { region: "__proto__" } }), 422],
      [json, JSON.stringify({ ...drain, target: { region: "constructor" } }), 422],
    ] as const) {
      const result = await api.call("POST", "/v1/overrides", { body, headers });
      expect([body.slice(0, 60), result.status]).toEqual([body.slice(0, 60), status]);
    }
    expect(api.node.desk.overrides()).toEqual([]);
    expect("role" in {}).toBe(false);
  });
});

test.each([
  "/docs/../../../../../../etc/passwd",
  "/docs/static/../../../../package.json",
  "/docs/static/..%2f..%2f..%2f..%2fpackage.json",
  "/docs/static/%2e%2e/%2e%2e/%2e%2e/package.json",
  "/docs/static/..%5c..%5c..%5cpackage.json",
  "/docs/static/..\\..\\package.json",
  "/docs/static/....//....//package.json",
  "/docs/static/%00/index.css",
  "/docs/static//etc/passwd",
  "/docs/static/%c0%ae%c0%ae/package.json",
  "//etc/passwd",
  "/v1/services/..%2f..%2fmeridian.yaml",
  "/v1/history/../../meridian.yaml",
  "/v1/problems/..%2f..%2fstate%2fmeridian.db",
])("the path %s leads to no file", async (path) => {
  const api = await TestApi.open();
  const reply = await talk(api, `GET ${path} HTTP/1.1\r\nHost: x\r\n${bearer(api)}Connection: close\r\n\r\n`);
  expect(statusesIn(reply)).toEqual([expect.stringMatching(/^[34]/)]);
  expect(reply).not.toMatch(/root:|"dependencies"|SQLite|regions:/);
});

test("what comes in with a request gets into no header of the reply", async () => {
  const api = await TestApi.open();
  const evil = "x%0d%0aset-cookie:%20a=b%0d%0a%0d%0a<script>";
  const plain = decodeURIComponent(evil);
  const results = [
    await api.get(`/v1/services/${evil}`),
    await api.get(`/${evil}`),
    await api.get(`/v1/audit?limit=${evil}`),
    await api.delete(`/v1/overrides/${evil}`),
    await api.delete(`/v1/tokens/${evil}`),
    await api.call("PUT", `/v1/challenges/${evil}/${evil}`, { body: {} }),
    await api.post("/v1/tokens", { name: plain, role: "reader" }),
    await api.post("/v1/overrides", { kind: "drain", target: { region: plain }, reason: plain }),
    await api.post("/v1/releases", { target: { region: "eu-west" }, reason: plain }),
  ];
  for (const { status, headers } of results) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect([headers.get("set-cookie"), headers.get("x-content-type-options")]).toEqual([null, "nosniff"]);
    expect(headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect(JSON.stringify([...headers])).not.toContain("script");
  }
  // What a reason holds stands in one line of the log.
  const made = await api.post("/v1/overrides", {
    kind: "drain",
    target: { region: "eu-west" },
    reason: plain,
  });
  expect([made.status, made.headers.get("set-cookie")]).toEqual([201, null]);
});

const ANSWERED_TWICE = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

test.each([
  ["two lengths", `Content-Length: 0\r\nContent-Length: ${ANSWERED_TWICE.length}\r\n\r\n`],
  ["two lengths in one", `Content-Length: 0, ${ANSWERED_TWICE.length}\r\n\r\n`],
  ["a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"],
  ["chunks that are not the last coding", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"],
  ["chunks by another name", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"],
  ["chunks behind a tab", "Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"],
  ["a space before the colon", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"],
  [
    "a header that goes on in the next line",
    "X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n",
  ],
  ["a length that is no number", "Content-Length: +5\r\n\r\nhello"],
  ["a negative length", "Content-Length: -1\r\n\r\n"],
  ["a chunk that is no number", "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"],
  ["a chunk of 2^64 octets", "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nhello\r\n0\r\n\r\n"],
  ["a carriage return alone", "X: a\rTransfer-Encoding: chunked\r\n\r\n"],
  ["NUL in a header", "X: a\0b\r\n\r\n"],
])("%s: what follows is read as no second request", async (_what, rest) => {
  const api = await TestApi.open();
  const head = `POST /v1/overrides HTTP/1.1\r\nHost: x\r\n${bearer(api)}Content-Type: application/json\r\n`;
  const reply = await talk(api, `${head}${rest}${ANSWERED_TWICE}`);
  expect(statusesIn(reply)).toEqual(["400"]);
});

test.each([
  ["no Host", "GET /healthz HTTP/1.1\r\n\r\n"],
  ["two methods", "GET GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"],
  ["another protocol", "GET /healthz SIP/2.0\r\nHost: x\r\n\r\n"],
  ["a header of 20 kB", `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`],
  ["5,000 headers", `GET /healthz HTTP/1.1\r\nHost: x\r\n${"X: y\r\n".repeat(5_000)}\r\n`],
])("a request with %s is none", async (_what, octets) => {
  const api = await TestApi.open();
  expect(statusesIn(await talk(api, octets))).toEqual(["400"]);
});

describe("with connections that come to nothing", () => {
  const LIMITS: ApiLimits = { requestMs: 300, sweepMs: 50, connections: 12, connectionsPerSource: 8 };

  test.each([
    ["says nothing", "", ""],
    ["sends its header an octet at a time", "GET /healthz HTTP/1.1\r\nHost: x\r\n", "X"],
    [
      "sends its body an octet at a time",
      "POST /v1/overrides HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\nAUTH\r\n\r\n",
      " ",
    ],
  ])("who %s is told so, and gone in time", async (_what, first, more) => {
    const api = await TestApi.open(new Node(), {}, LIMITS);
    const socket = open(api);
    const all = text(socket);
    const startedMs = performance.now();
    socket.write(first.replace("AUTH\r\n", `${bearer(api)}Content-Type: application/json\r\n`));
    const timer = setInterval(() => socket.write(more), 20);
    onTestFinished(() => clearInterval(timer));
    const reply = await all;
    clearInterval(timer);
    expect(statusesIn(reply)).toEqual(["408"]);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });

  test("one source gets no more than its part, another is served meanwhile, and all is well again", async () => {
    const api = await TestApi.open(new Node(), {}, LIMITS);
    const sockets = Array.from({ length: 8 }, () => open(api));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    await expect(talk(api, `${ANSWERED_TWICE}`)).resolves.toBe("");
    expect(statusesIn(await talk(api, closing("/healthz"), "127.0.0.2"))).toEqual(["200"]);
    await Promise.all(sockets.map((socket) => text(socket)));
    await vi.waitFor(async () => expect(statusesIn(await talk(api, closing("/healthz")))).toEqual(["200"]));
  });

  test("there are no more than the limit in all", async () => {
    const api = await TestApi.open(new Node(), {}, LIMITS);
    const from = (source: string) => Array.from({ length: 6 }, () => open(api, source));
    const sockets = [...from("127.0.0.2"), ...from("127.0.0.3")];
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    expect(await talk(api, closing("/healthz"), "127.0.0.4")).toBe("");
    await Promise.all(sockets.map((socket) => text(socket)));
    await vi.waitFor(async () =>
      expect(statusesIn(await talk(api, closing("/healthz"), "127.0.0.4"))).toEqual(["200"]),
    );
  });
});

test("a token that somebody puts where none belongs is in no log and no error", async () => {
  const api = await TestApi.open();
  const { secret } = makeSecret();
  const owned = api.tokens.reader;
  for (const lost of [secret, owned]) {
    const results = [
      await api.get(`/v1/services/${lost}`),
      await api.get(`/v1/status?token=${lost}`),
      await api.get(`/${lost}`),
      await api.delete(`/v1/tokens/${lost}`),
      await api.delete(`/v1/overrides/${lost}`),
      await api.post("/v1/tokens", { name: lost, role: "reader" }),
      await api.post("/v1/overrides", { kind: "drain", target: { region: lost }, reason: "a test" }),
      await api.post("/v1/explain", { name: lost, type: "A", client: lost }),
      await api.call("GET", "/v1/status", { role: null, headers: { authorization: `Basic ${lost}` } }),
      await api.call("GET", "/v1/status", { role: null, headers: { authorization: `Bearer ${lost}x` } }),
    ];
    for (const { status, body, headers } of results) {
      expect(status).not.toBe(500);
      expect(JSON.stringify([body, [...headers]])).not.toContain(lost.slice(26));
    }
    expect(JSON.stringify([api.logged, api.node.logged])).not.toContain(lost.slice(26));
  }
});

/** A header for the admin. */
function bearer(api: TestApi): string {
  return `Authorization: Bearer ${api.tokens.admin}\r\n`;
}

function closing(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
}

function open(api: TestApi, localAddress = "127.0.0.1"): Socket {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(api.url).port), localAddress });
  onTestFinished(() => void socket.destroy());
  // The other side may have closed before all is written: what it said counts.
  return socket.on("error", () => undefined);
}

/** All that the server says to these octets until it closes. */
async function talk(api: TestApi, octets: string, localAddress?: string): Promise<string> {
  const socket = open(api, localAddress);
  socket.write(octets, "latin1");
  return await Promise.race([text(socket), sleep(3_000, "it did not close")]).catch(() => "");
}

/** The statuses of all responses in a text. */
function statusesIn(reply: string): readonly string[] {
  return Array.from(reply.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => status ?? "");
}

/** Sends a body of so many octets, which is JSON, but nothing that a route wants, and returns the status. */
async function sendBody(
  api: TestApi,
  token: string,
  route: string,
  octets: number,
  inChunks = false,
): Promise<number> {
  const [method = "", path = ""] = route.split(" ");
  const body = `{"padding":"${"x".repeat(octets - 14)}"}`;
  const length = inChunks ? { "transfer-encoding": "chunked" } : { "content-length": octets };
  const asked = request(api.url + path.replaceAll(/\{[^}]+\}/g, "x"), {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...length },
  });
  asked.on("error", () => undefined);
  asked.end(body);
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}
