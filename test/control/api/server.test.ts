/** The server as a whole: its description of itself, its one shape of errors, its bounds, TLS. */

import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Validator } from "@seriousme/openapi-schema-validator";
import { pino } from "pino";
import { Compile } from "typebox/schema";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Endpoint } from "../../../src/config/node.ts";
import { startApi } from "../../../src/control/api/server.ts";
import { parseAddress } from "../../../src/wire/address.ts";
import { certificateOf, HAS_OPENSSL, makeCertificate } from "../../serve/certificates.ts";
import { Node, until } from "../test-node.ts";
import { documentOf, type Line, type Operation, routesOf, TestApi } from "./test-api.ts";

describe("the OpenAPI document", () => {
  test("is one, with every route described, in schemas that can be compiled", async () => {
    const document = await documentOf((await new Node().open()).desk);
    expect(document).toMatchObject({
      openapi: "3.1.0",
      info: { title: "Meridian", version: "1" },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    });
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        expect({ route: `${method} ${path}`, problems: problemsIn(path, method, operation) }).toEqual({
          route: `${method} ${path}`,
          problems: [],
        });
      }
    }
  });

  test("is valid by the schema of OpenAPI 3.1, with an id of its own for each operation", async () => {
    const document = await documentOf((await new Node().open()).desk);
    expect(await new Validator().validate(JSON.parse(JSON.stringify(document)))).toEqual({ valid: true });
    const ids = Object.values(document.paths).flatMap((operations) =>
      Object.values(operations).map(({ operationId }) => operationId),
    );
    expect(ids).not.toContain(undefined);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("marks the routes that need no token", async () => {
    const document = await documentOf((await new Node().open()).desk);
    const open = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.values(operations).flatMap(({ security }) => (security?.length === 0 ? [path] : [])),
    );
    expect(open.toSorted()).toEqual(["/healthz", "/metrics", "/problems", "/problems/{code}", "/readyz"]);
  });

  test("has pages that load nothing from elsewhere", async () => {
    const api = await TestApi.open();
    const page = await api.get("/docs", null);
    expect([page.status, page.headers.get("content-security-policy")]).toEqual([
      200,
      expect.stringContaining("default-src 'self'"),
    ]);
    for (const [, file] of String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect(file).toMatch(/^\/docs\//);
      expect((await api.get(file ?? "", null)).status).toBe(200);
    }
    expect(await (await fetch(`${api.url}/docs/json`)).json()).toMatchObject({ openapi: "3.1.0" });
  });

  test("and docs/api.md name the same routes", async () => {
    const document = await documentOf((await new Node().open()).desk);
    const reference = readFileSync(join(import.meta.dirname, "../../../docs/api.md"), "utf8");
    const written = Array.from(
      reference.matchAll(/^### `((?:GET|POST|PUT|DELETE) \/[^`]*)`$/gm),
      ([, route]) => route,
    );
    expect(written.toSorted()).toEqual(routesOf(document).toSorted());
  });
});

describe("what goes wrong", () => {
  test.each([
    ["an unknown path", "GET", "/v1/override", 404, "not-found"],
    ["a known path with another method", "DELETE", "/v1/status", 404, "not-found"],
    ["an escape that is none", "GET", "/v1/services/%zz", 400, "bad-request"],
    ["a query key that is unknown", "GET", "/v1/audit?limt=3", 400, "bad-request"],
    ["a query key of a route that takes none", "GET", "/v1/status?dryRun=true", 400, "bad-request"],
    ["a query value of another type", "GET", "/v1/audit?limit=many", 400, "bad-request"],
    ["a name that is too long", "GET", `/v1/services/${"x".repeat(3_000)}`, 414, "too-long"],
    ["a stream without a WebSocket", "GET", "/v1/agents/stream", 403, "forbidden"],
  ])("%s has the one shape", async (_what, method, path, status, code) => {
    const api = await TestApi.open();
    const result = await api.call(method, path, {});
    expect([result.status, result.body.code]).toEqual([status, code]);
    expect(result.headers.get("content-type")).toMatch(/^application\/problem\+json\b/);
  });

  test("even bytes that are no HTTP get it", async () => {
    const { url } = await TestApi.open();
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write("\x16\x03\x01 hello\r\n\r\n");
    const [head, body] = (await text(socket)).split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1.1 400 /);
    expect(head).toContain("Content-Type: application/problem+json");
    expect(JSON.parse(body ?? "")).toMatchObject({ status: 400, detail: "expected an HTTP request" });
  });

  test("of our own is told to the log and not to the client", async () => {
    const api = await TestApi.open();
    Object.defineProperty(api.node.desk, "audit", {
      value: () => {
        throw new Error("column secret_sauce is gone");
      },
    });
    const { status, body } = await api.get("/v1/audit");
    expect([status, body]).toEqual([
      500,
      {
        type: "/problems/internal",
        title: "A mistake of ours",
        status: 500,
        detail: "this node has made a mistake; its log says more",
        instance: expect.stringMatching(/^urn:uuid:/),
        code: "internal",
      },
    ]);
    const line = api.logged.find((logged) => "instance" in logged && logged.instance === body.instance);
    expect(JSON.stringify(line)).toContain("secret_sauce");
  });

  test("is explained where its type says, in the words of docs/api.md", async () => {
    const api = await TestApi.open();
    const reference = readFileSync(join(import.meta.dirname, "../../../docs/api.md"), "utf8");
    const written = Array.from(
      reference.matchAll(/^\| (\d{3}) \| `([a-z-]+)` \| (.+) \|$/gm),
      ([, status, code, meaning]) => ({ status: Number(status), code, meaning }),
    );
    const { body } = await api.get("/problems", null);
    expect(body.problems).toMatchObject(written);
    for (const kind of body.problems) expect((await api.get(kind.type, null)).body).toEqual(kind);
    const unknown = await api.get("/problems/refuse", null);
    expect([unknown.status, unknown.body.detail]).toEqual([
      404,
      'there is no problem with the code "refuse"; did you mean "refused"?',
    ]);
  });
});

describe("a listening API", () => {
  test("waits for a port that another has, says so once, and listens as soon as it is free", async () => {
    const other = await takePort();
    const logged: Line[] = [];
    const opening = TestApi.open(new Node(), { api: other.endpoint }, undefined, logged);
    // Time for three attempts.
    await until(() => logged.length > 0);
    await sleep(700);
    other.free();
    const api = await opening;
    expect(logged.map(({ msg }) => msg)).toEqual([
      `cannot listen for the API on 127.0.0.1 port ${other.endpoint.port}: no agent is heard; it is tried again until it can`,
      "API listens",
    ]);
    expect((await api.get("/healthz", null)).status).toBe(200);
  });

  test("closes at once while it waits for its port", async () => {
    const { endpoint } = await takePort();
    const { desk } = await new Node().open();
    const { node } = desk.snapshot().config;
    const running = await startApi(desk, { ...node, api: endpoint }, pino({ level: "silent" }));
    const startedMs = performance.now();
    await running.close();
    expect(await running.listening).toBeNull();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });

  test("closes at once, though clients keep their connections", async () => {
    const api = await TestApi.open();
    await api.get("/healthz", null);
    const startedMs = performance.now();
    await api.close();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    await expect(api.get("/healthz", null)).rejects.toThrow();
  });

  test.skipIf(!HAS_OPENSSL)(
    "speaks TLS where a certificate is given, tells when that ends, and tells browsers to stay with it (needs openssl)",
    async () => {
      const apiTls = makeCertificate();
      const { url } = await TestApi.open(new Node(), { apiTls });
      expect(url).toMatch(/^https:/);
      const asked = request(`${url}/metrics`, { agent: new Agent({ rejectUnauthorized: false }) }).end();
      const [response] = (await once(asked, "response")) as [IncomingMessage];
      const hsts = response.headers["strict-transport-security"];
      expect([response.statusCode, hsts]).toEqual([200, expect.stringContaining("max-age=")]);
      const end = new X509Certificate(certificateOf(apiTls)).validToDate.getTime() / 1_000;
      expect(await text(response)).toContain(`\nmeridian_api_certificate_end_timestamp_seconds ${end}\n`);
    },
  );
});

/** What an operation lacks to be a good one. */
function problemsIn(path: string, method: string, operation: Operation): readonly string[] {
  const problems: string[] = [];
  const { summary = "", tags = [], description = "", parameters = [], requestBody, responses } = operation;
  if (summary === "" || summary.endsWith(".")) problems.push("no summary, or one with a full stop");
  if (tags.length !== 1) problems.push("not one tag");
  if (!/token/.test(description)) problems.push("does not say who may use it");
  const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
  const described = parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name);
  if (inPath.join() !== described.join()) problems.push("parameters of the path are not described");
  if (method === "post" && !/reload/.test(path) && requestBody === undefined) problems.push("no body");
  // 202: it waits for a second person. 200 beside another one: it was a dry run.
  const successes = Object.keys(responses).filter((status) => /^[12]/.test(status) && status !== "202");
  const canBeTried = parameters.some(({ name }) => name === "dryRun") && successes.length > 1;
  const success = successes.filter((status) => !canBeTried || status !== "200");
  if (success.length !== 1) problems.push(`not one success: ${success.join()}`);
  if (!isDeepStrictEqual(responses["default"], { $ref: "#/components/responses/problem" }))
    problems.push("no error");
  for (const [status, { description, content }] of Object.entries(responses)) {
    if (status === "default") continue;
    if (description === "" || description === "Default Response") problems.push(`${status} is not described`);
    if (status === "101" || status === "204") continue;
    const schemas = Object.values(content ?? {}).map(({ schema }) => schema);
    if (schemas.length === 0) problems.push(`${status} has no schema`);
    for (const schema of schemas) Compile(schema);
  }
  for (const { schema } of Object.values(requestBody?.content ?? {})) Compile(schema);
  return problems;
}

/** Listens on a port of the loopback interface until it is freed. */
async function takePort(): Promise<{ readonly endpoint: Endpoint; readonly free: () => void }> {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const bound = server.address();
  const address = parseAddress("127.0.0.1");
  if (address === null || bound === null || typeof bound === "string") throw new Error("no port");
  return { endpoint: { address, port: bound.port }, free: () => server.close() };
}
