/** What a check expects of a response, over HTTP/1.1 and HTTP/2 alike, and the load that it reads from it. */

import { createServer, type ServerResponse } from "node:http";
import { createSecureServer } from "node:http2";
import { describe, expect, onTestFinished, test } from "vitest";
import type { HttpExpectation, HttpProbeSpec, LoadSource } from "../../src/config/check.ts";
import { LOAD_MAX } from "../../src/health/report.ts";
import { probeHttp } from "../../src/probe/http.ts";
import { listening, listenTls, pem } from "./servers.ts";
import { expecting, httpSpec, tls } from "./specs.ts";

const never = new AbortController().signal;
const health = JSON.stringify({
  db: "ok",
  ready: true,
  shards: 3,
  note: null,
  queue: { depth: 42 },
  disks: [{ free: 0.5 }, { free: 0.25 }],
});

/** How a version of HTTP is served and asked for. */
interface Version {
  readonly changes: Partial<HttpProbeSpec>;
  readonly serve: (answer: (response: ServerResponse) => void) => Promise<number>;
}

const insecure = { ...tls, insecure: true };
const versions: Readonly<Record<string, Version>> = {
  "HTTP/1.1": {
    changes: {},
    serve: (answer) => listening(createServer((_, response) => answer(response))),
  },
  "HTTP/2": {
    changes: { version: 2, tls: insecure },
    serve: (answer) => {
      const server = createSecureServer({ cert: pem("good.pem"), key: pem("good.key") });
      server.on("request", (_, response) => answer(response as unknown as ServerResponse));
      server.on("session", (session) => onTestFinished(() => session.destroy()));
      return listening(server);
    },
  },
};

describe.each(Object.entries(versions))("over %s", (_, { changes, serve }) => {
  const asked = async (body: string, expected: Partial<HttpExpectation>, load: LoadSource | null = null) => {
    const port = await serve((response) => {
      response.setHeader("X-Release", "7");
      response.setHeader("X-Load", "0.75");
      response.setHeader("X-Both", ["a", "b"]);
      response.end(body);
    });
    return probeHttp(
      "127.0.0.1",
      httpSpec(port, { ...changes, load, expect: expecting(expected) }),
      2_000,
      never,
    );
  };

  test.each<[string, Partial<HttpExpectation>]>([
    ["a header, whatever the case of its name", { headers: { "x-release": "7", "X-BOTH": "a, b" } }],
    ["a text", { body: '"db":"ok"' }],
    ["a pattern", { pattern: '"shards":[1-9]\\d*[,}]' }],
    ["a text field", { json: { db: { kind: "is", text: "ok" } } }],
    ["a boolean field", { json: { ready: { kind: "is", text: "true" } } }],
    ["a field that is null", { json: { note: { kind: "is", text: "null" } } }],
    ["a number as it is written", { json: { shards: { kind: "is", text: "3" } } }],
    ["a number in a map", { json: { "queue.depth": { kind: "between", above: 41, below: 43 } } }],
    ["a number in a list", { json: { "disks.1.free": { kind: "between", above: 0.2, below: null } } }],
    [
      "all of these",
      { headers: { "X-Release": "7" }, body: "ok", pattern: "ok", json: { db: { kind: "is", text: "ok" } } },
    ],
  ])("%s is a success", async (_, expected) => {
    expect(await asked(health, expected)).toMatchObject({ kind: "success" });
  });

  test.each<[string, Partial<HttpExpectation>, string, string]>([
    ["another header", { headers: { "X-Release": "8" } }, "header", 'expected X-Release "8", got "7"'],
    ["no header", { headers: { "X-Zone": "a" } }, "header", 'expected X-Zone "a", got nothing'],
    ["no text", { body: "sorry", pattern: "ok" }, "body", 'expected "sorry" in the body, got "'],
    ["no match", { pattern: "^ok" }, "body", 'expected /^ok/ to match in the body, got "'],
    ["another field", { json: { db: { kind: "is", text: "up" } } }, "body", 'expected db "up", got "ok"'],
    [
      "no field",
      { json: { "queue.length": { kind: "is", text: "0" } } },
      "body",
      'expected queue.length "0", got nothing',
    ],
    [
      "a map instead of a field",
      { json: { queue: { kind: "is", text: "[object Object]" } } },
      "body",
      'expected queue "[object Object]", got "{\\"depth\\":42}"',
    ],
    [
      "a number that reaches its bound",
      { json: { "queue.depth": { kind: "between", above: null, below: 42 } } },
      "body",
      'expected queue.depth below 42, got "42"',
    ],
    [
      "a number out of its bounds",
      { json: { shards: { kind: "between", above: 3, below: 9 } } },
      "body",
      'expected shards above 3 and below 9, got "3"',
    ],
    [
      "a text instead of a number",
      { json: { db: { kind: "between", above: 0, below: null } } },
      "body",
      'expected db above 0, got "ok"',
    ],
    [
      "nothing that all objects have",
      { json: Object.fromEntries([["constructor", { kind: "is", text: "" } as const]]) },
      "body",
      'expected constructor "", got nothing',
    ],
  ])("%s is a failure of its class", async (_, expected, error, detail) => {
    expect(await asked(health, expected)).toMatchObject({ error, detail: expect.stringContaining(detail) });
  });

  test("a body that is no JSON, or not all of it within 64 KiB, is a failure", async () => {
    const json = { json: { a: { kind: "is", text: "b" } } } as const;
    expect(await asked("ok", json)).toMatchObject({
      error: "body",
      detail: 'expected JSON in the body, got "ok"',
    });
    expect(await asked(`{"a":"b","c":"${"x".repeat(65_536)}"}`, json)).toMatchObject({
      detail: expect.stringMatching(/^expected JSON in the first 64 KiB, got /),
    });
  });

  test("a pattern costs no more than a moment, whatever the VIP says to it", async () => {
    const startedAtMs = performance.now();
    const outcome = await asked(`${"a".repeat(65_000)}b`, { pattern: "^(a|a)+$" });
    expect(outcome).toMatchObject({ error: "body" });
    expect(performance.now() - startedAtMs).toBeLessThan(1_500);
  });

  test.each<[string, LoadSource, number | undefined]>([
    ["a header", { from: "header", name: "x-load", full: 1 }, 0.75],
    ["a field", { from: "json", name: "queue.depth", full: 84 }, 0.5],
    ["a share of a list", { from: "json", name: "disks.0.free", full: 1 }, 0.5],
    ["a number beyond all measure", { from: "json", name: "queue.depth", full: 0.001 }, LOAD_MAX],
    ["a text that is no number", { from: "json", name: "db", full: 1 }, undefined],
    ["a boolean", { from: "json", name: "ready", full: 1 }, undefined],
    ["nothing", { from: "header", name: "x-none", full: 1 }, undefined],
  ])("the load is read from %s, and its absence is no failure", async (_, source, load) => {
    const outcome = await asked(health, {}, source);
    expect(outcome?.kind === "success" && outcome.load).toBe(load);
  });
});

describe("HTTP/2", () => {
  test("is refused as protocol by a VIP that does not agree to it", async () => {
    const port = await listenTls("good", (socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
    const asked = httpSpec(port, { version: 2, tls: insecure });
    expect(await probeHttp("127.0.0.1", asked, 2_000, never)).toMatchObject({
      error: "protocol",
      detail: "expected h2 by ALPN, got nothing",
    });
  });

  test.each([
    [
      "a stream that is reset",
      (stream: { close: (code: number) => void }) => stream.close(2),
      "protocol",
      /closed with error code/,
    ],
    [
      "a connection that is cut",
      ({ session }: { session: { destroy: () => void } }) => session.destroy(),
      "reset",
      /^connection (closed|reset) before the first byte/,
    ],
    ["a stream without a response", () => {}, "timeout", /^waited 300 ms for the first byte of the response/],
  ] as const)("%s is a failure of its class", async (_, act, error, detail) => {
    const server = createSecureServer({ cert: pem("good.pem"), key: pem("good.key") });
    server.on("session", (session) => {
      session.on("error", () => {});
      onTestFinished(() => session.destroy());
    });
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      act(stream as never);
    });
    const asked = httpSpec(await listening(server), { version: 2, tls: insecure });
    expect(await probeHttp("127.0.0.1", asked, error === "timeout" ? 300 : 2_000, never)).toMatchObject({
      error,
      detail: expect.stringMatching(detail),
    });
  });
});
