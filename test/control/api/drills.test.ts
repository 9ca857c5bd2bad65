/** The routes of drills, over a real socket. */

import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { CONFIG, Folder, Node, until } from "../test-node.ts";
import { type Result, TestApi } from "./test-api.ts";

const drained = { mode: "drain", target: { region: "eu-west" }, duration: "20s" };

let api: TestApi;

beforeEach(async () => {
  const declared = `${CONFIG}
drills:
  eu-west-drained: { mode: drain, target: { region: eu-west }, duration: 20s, schedule: { cron: "0 4 * * *" } }
`;
  api = await TestApi.open(new Node(new Folder({ "meridian.yaml": declared })));
});

describe("POST /v1/drills", () => {
  test("begins a drill of the config, which can be looked at and ended", async () => {
    const begun = await api.post("/v1/drills", { name: "eu-west-drained", reason: "each Tuesday" });
    expect(begun.status).toBe(201);
    expect(begun.body).toMatchObject({
      name: "eu-west-drained",
      summary: "drain region eu-west",
      author: "anna",
      reason: "each Tuesday",
      phase: "watching",
      ending: null,
    });
    expect(begun.headers.get("location")).toBe(begun.body.url);
    expect((await api.get(begun.body.url)).body).toEqual(begun.body);
    expect((await api.get("/v1/drills")).body.drills).toEqual([begun.body]);
    const again = await api.post("/v1/drills", { name: "eu-west-drained", reason: "twice" });
    expect([again.status, again.body.problems[0].message]).toEqual([
      422,
      `drill ${begun.body.id} is under way`,
    ]);
    const aborted = await api.post(`${begun.body.url}/abort`, { reason: "enough" });
    expect(aborted.body).toMatchObject({
      phase: "restoring",
      ending: { kind: "by-hand", text: "by anna: enough" },
    });
    const late = await api.post(`${begun.body.url}/abort`, { reason: "again" });
    expect([late.status, late.body.code]).toEqual([409, "over"]);
  });

  test("begins one that is described, and says all that is wrong with another", async () => {
    const wrong = { ...drained, target: { region: "eu-wst" }, duration: "1ms", guards: { errorsAtMost: 2 } };
    const { status, body } = await api.post("/v1/drills", { drill: wrong, reason: "a test" });
    expect(status).toBe(400);
    const unsound = { ...drained, target: { region: "eu-wst" }, duration: "1ms" };
    const refused = await api.post("/v1/drills", { drill: unsound, reason: "a test" });
    expect([
      refused.status,
      refused.body.problems.map(({ message }: { message: string }) => message),
    ]).toEqual([
      422,
      [
        expect.stringContaining('target.region: there is no region "eu-wst", did you mean "eu-west"'),
        expect.stringContaining("duration: expected a duration"),
      ],
    ]);
    expect(body.code).toBe("bad-request");
    const begun = await api.post("/v1/drills", { drill: drained, reason: "a test" });
    expect([begun.status, begun.body.name, begun.body.mode]).toEqual([201, "adhoc", "drain"]);
    api.node.pass(2_000);
    await until(() => api.node.desk.overrides().length === 1);
  });

  test.each([
    ["POST", "/v1/drills", { name: "nightly", reason: "a test" }],
    ["GET", "/v1/drills/nightly", undefined],
    ["POST", "/v1/drills/nightly/abort", { reason: "a test" }],
    ["POST", "/v1/drills?dryRun=true", { name: "nightly", reason: "a test" }],
  ])("%s %s: what is not there is not found", async (method, path, body) => {
    expect((await api.call(method, path, { body })).status).toBe(404);
  });

  test("is for operators, and the rest of it for readers", async () => {
    const asked = { body: { name: "eu-west-drained", reason: "a test" } };
    expect((await api.call("POST", "/v1/drills", { role: "reader", ...asked })).status).toBe(403);
    expect((await api.call("POST", "/v1/drills", { role: "operator", ...asked })).status).toBe(201);
  });
});

test("GET /v1/drills/{id}/compare/{other} puts two drills side by side", async () => {
  const { body } = await api.post("/v1/drills", { drill: drained, reason: "a test" });
  const compared = await api.get(`${body.url}/compare/${body.id}`);
  expect(compared.body).toMatchObject({
    first: { id: body.id },
    second: { id: body.id },
    alike: true,
    clients: [],
  });
  expect(compared.body.figures).toHaveLength(36);
  expect((await api.get(`${body.url}/compare/none`)).status).toBe(404);
});

test("a token for one service drills no other", async () => {
  const scope = { zones: [], services: ["near.test.example"] };
  const order = { name: "nora", grant: { role: "operator", scope }, expiresMs: null } as const;
  const secret = await api.node.desk.addToken(order, "a test");
  const ask = async (path: string, body: object): Promise<Result> => {
    const headers = { authorization: `Bearer ${secret}` };
    return await api.call("POST", path, { role: null, body, headers });
  };
  const wanted = { drill: drained, reason: "a test" };
  const { status, body } = await ask("/v1/drills", wanted);
  expect([status, body.detail]).toEqual([
    403,
    expect.stringContaining("region eu-west moves www.test.example, mix.test.example"),
  ]);
  const cut = { mode: "cut", target: { vantages: "tokyo" }, duration: "20s" };
  expect((await ask("/v1/drills", { drill: cut, reason: "a test" })).status).toBe(403);
  const begun = await api.post("/v1/drills", wanted);
  expect((await ask(`${begun.body.url}/abort`, { reason: "a test" })).status).toBe(403);
});

test("GET /v1/drills/declared says when each begins by itself", async () => {
  expect((await api.get("/v1/drills/declared")).body.drills).toEqual([
    {
      name: "eu-west-drained",
      summary: "drain region eu-west",
      durationMs: 20_000,
      nextAt: "2026-01-01T04:00:00.000Z",
    },
  ]);
});

test("a dry run of a drill says who would move where, or why it would not begin", async () => {
  const tried = (drill: object): Promise<Result> =>
    api.call("POST", "/v1/drills?dryRun=true", { role: "operator", body: { drill, reason: "a test" } });
  const refused = await tried({ ...drained, guards: { regionsUp: 2 } });
  expect([refused.status, refused.body.problems]).toMatchObject([
    422,
    [{ message: expect.stringContaining("guard regionsUp: www.test.example has 1 region up") }],
  ]);
  const { status, body } = await tried(drained);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    dryRun: true,
    vips: ["web/eu-west/ipv4", "web/eu-west/ipv6"],
    vantages: [],
    loads: [],
  });
  expect(body.services[0]).toEqual({
    service: "www.test.example",
    ttlSeconds: 5,
    boundMs: 10_900,
    objectiveMs: null,
  });
  expect(body.moves).toContainEqual({
    service: "mix.test.example",
    family: "ipv4",
    regions: [
      { region: "us-east", before: 0.5, after: 1 },
      { region: "eu-west", before: 0.5, after: 0 },
    ],
  });
  expect(api.node.desk.overrides()).toEqual([]);
  expect(api.node.desk.drills.list()).toEqual([]);
  const begun = await api.post("/v1/drills", { drill: drained, reason: "a test" });
  expect((await tried(drained)).body.problems).toMatchObject([
    { message: `drill ${begun.body.id} is under way` },
  ]);
});

describe("GET /v1/drills/{id}/report", () => {
  test("gives what the agents saw until now, in each form", async () => {
    const { dublin } = await api.node.agents("dublin");
    const { body } = await api.post("/v1/drills", { name: "eu-west-drained", reason: "each Tuesday" });
    const seen = {
      drill: body.id,
      label: "www.test.example",
      family: 4,
      askedAtMs: api.node.nowMs,
      reply: { atMs: api.node.nowMs, rcode: 0, addresses: ["10.0.0.2"], ttlSeconds: 5 },
      connection: { endedAtMs: api.node.nowMs, problem: null },
    };
    const taken = dublin.next("observed");
    dublin.send({
      kind: "observations",
      sequence: 1,
      uncertaintyMs: 1.5,
      observations: [{ ...seen, node: null }],
    });
    await taken;
    const report = await api.get(`${body.url}/report`);
    expect(report.body).toMatchObject({
      drill: { id: body.id },
      verdict: { kind: "aborted", reasons: ["it has not ended"] },
      begunAt: null,
      watchers: [{ vantage: "dublin", looks: 1, uncertaintyMs: 1.5 }],
      clients: [
        {
          vantage: "dublin",
          service: "www.test.example",
          family: "ipv4",
          failover: { kind: "unknown", reason: "it did not begin" },
          runs: [{ addresses: ["10.0.0.2"], connection: "made" }],
        },
      ],
    });
    const forms = await Promise.all(
      ["markdown", "html", "junit"].map((format) =>
        fetch(`${api.url}${body.url}/report?format=${format}`, {
          headers: { authorization: `Bearer ${api.tokens.reader}` },
        }),
      ),
    );
    expect(forms.map(({ status, headers }) => [status, headers.get("content-type")])).toEqual([
      [200, "text/markdown; charset=utf-8"],
      [200, "text/html; charset=utf-8"],
      [200, "application/xml; charset=utf-8"],
    ]);
    const [markdown, html, junit] = await Promise.all(forms.map((form) => form.text()));
    expect(markdown).toMatch(/^# Drill eu-west-drained: aborted\n/);
    expect(junit).toMatch(/^<\?xml version="1.0" encoding="UTF-8"\?>\n<testsuites>/);
    // The page's own style is the only thing that it may use.
    const style = /<style>(.*)<\/style>/s.exec(html ?? "")?.[1] ?? "";
    const hash = createHash("sha256").update(style).digest("base64");
    expect(forms[1]?.headers.get("content-security-policy")).toBe(
      `default-src 'none'; frame-ancestors 'none'; style-src 'sha256-${hash}'`,
    );
    expect((await api.get(`${body.url}/report?format=pdf`)).status).toBe(400);
    expect((await api.get("/v1/drills/nothing/report")).status).toBe(404);
  });
});
