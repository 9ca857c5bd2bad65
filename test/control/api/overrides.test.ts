/** Overrides by API: what is set is answered, what is wrong is said. */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { CONFIG, Folder, GB, Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const CLI = fileURLToPath(new URL("../../../src/cli.ts", import.meta.url));
const run = promisify(execFile);

const WWW = "www.test.example";
const MIX = "mix.test.example";
const DRAIN = { kind: "drain", target: { region: "eu-west" }, reason: "maintenance" };

describe("POST /v1/overrides", () => {
  test("drains a region for ten minutes, by the token's name, and the answers follow and come back", async () => {
    const api = await TestApi.open();
    const { status, headers, body } = await api.post("/v1/overrides", { ...DRAIN, until: "+10m" });
    expect(status).toBe(201);
    expect(body).toEqual({
      version: 2,
      override: {
        id: "drain:region:eu-west",
        url: "/v1/overrides/drain%3Aregion%3Aeu-west",
        kind: "drain",
        target: { by: "region", name: "eu-west" },
        author: "anna",
        reason: "maintenance",
        createdAt: "2026-01-01T00:00:00.000Z",
        until: "2026-01-01T00:10:00.000Z",
        active: true,
        stale: false,
      },
    });
    expect(headers.get("etag")).toBe('"2"');
    expect(headers.get("location")).toBe(body.override.url);
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.1"]);
    api.node.pass(600_000);
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
  });

  test.each([
    [{ kind: "weight", target: { choice: "mix/new" }, weight: 0 }, MIX, ["10.0.0.2"]],
    [{ kind: "weight", target: { member: "web/eu-west" }, weight: 0 }, WWW, ["10.0.0.1"]],
    [{ kind: "weight", target: { region: "eu-west" }, weight: 0 }, WWW, ["10.0.0.1"]],
    [{ kind: "drain", target: { member: "web/eu-west" } }, WWW, ["10.0.0.1"]],
    [{ kind: "force", target: { member: "web/eu-west" }, verdict: "down" }, WWW, ["10.0.0.1"]],
    [{ kind: "force", target: { region: "eu-west" }, verdict: "down" }, WWW, ["10.0.0.1"]],
    [{ kind: "force", target: { vip: "web/eu-west/ipv4" }, verdict: "down" }, WWW, ["10.0.0.1"]],
  ])("%j moves the answers of %s", async (action, qname, addresses) => {
    const api = await TestApi.open();
    const { status } = await api.post("/v1/overrides", { ...action, reason: "a test" });
    expect(status).toBe(201);
    expect(api.node.dns.addresses(qname, GB)).toEqual(addresses);
  });

  test("replaces the override of the same kind and target", async () => {
    const api = await TestApi.open();
    const weigh = (weight: number) =>
      api.post("/v1/overrides", { kind: "weight", target: { choice: "mix/new" }, weight, reason: "shift" });
    await weigh(80);
    const { body } = await weigh(90);
    expect(body.override.weight).toBe(90);
    expect((await api.get("/v1/overrides")).body.overrides).toHaveLength(1);
  });

  test.each([
    ["no body", undefined, [400], "expected"],
    ["an empty body", {}, [400], "kind: expected one of weight, drain, force, freeze, got nothing"],
    ["JSON that is cut off", '{"kind":', [400], "JSON"],
    ["a list", [DRAIN], [400], "expected"],
    ["a misspelt kind", { ...DRAIN, kind: "drian" }, [400], 'did you mean "drain"?'],
    ["a misspelt key", { ...DRAIN, untill: "+1m" }, [400], 'untill: unknown key; did you mean "until"?'],
    ["no reason", { kind: "drain", target: { region: "eu-west" } }, [400], "reason: expected a reason"],
    ["an empty reason", { ...DRAIN, reason: "" }, [400], "reason: expected a reason"],
    ["a blank reason", { ...DRAIN, reason: "  " }, [422], "reason: expected why"],
    ["a reason without end", { ...DRAIN, reason: "x".repeat(501) }, [400], "reason: expected a reason"],
    [
      "no target",
      { kind: "drain", reason: "x" },
      [400],
      "target: expected an object with one of member, region",
    ],
    [
      "a target of another kind",
      { ...DRAIN, target: { choice: "mix/new" } },
      [400],
      "target: expected an object",
    ],
    ["two targets", { ...DRAIN, target: { region: "a", member: "b" } }, [400], "target: expected an object"],
    ["an unknown region", { ...DRAIN, target: { region: "eu-wst" } }, [422], 'did you mean "eu-west"?'],
    [
      "an unknown member",
      { ...DRAIN, target: { member: "web/eu-wst" } },
      [422],
      'did you mean "web/eu-west"?',
    ],
    [
      "a weight that is text",
      { kind: "weight", target: { choice: "mix/new" }, weight: "80", reason: "x" },
      [400],
      "weight: expected a weight",
    ],
    [
      "a negative weight",
      { kind: "weight", target: { choice: "mix/new" }, weight: -1, reason: "x" },
      [422],
      "weight: expected 0",
    ],
    [
      "no weight",
      { kind: "weight", target: { choice: "mix/new" }, reason: "x" },
      [400],
      "weight: expected a weight, 0 or more, got nothing",
    ],
    [
      "an unknown verdict",
      { kind: "force", target: { region: "eu-west" }, verdict: "dead", reason: "x" },
      [400],
      'verdict: expected up or down, got "dead"',
    ],
    ["an end that is no time", { ...DRAIN, until: "tomorrow" }, [400], "until: expected a time such as"],
    [
      "an end without a zone",
      { ...DRAIN, until: "2027-01-01T00:00:00" },
      [400],
      "until: expected a time such as",
    ],
    [
      "an end on no day",
      { ...DRAIN, until: "2027-02-31T25:00:00Z" },
      [400],
      "until: expected a time such as",
    ],
    ["an end in no unit", { ...DRAIN, until: "+10" }, [400], "until: expected a time such as"],
    [
      "an end in the past",
      { ...DRAIN, until: "2025-01-01T00:00:00Z" },
      [422],
      "until: expected a time after 2026",
    ],
    [
      "an end after all time",
      { ...DRAIN, until: "+999999999999h" },
      [422],
      "until: expected a time after 2026",
    ],
    ["a body that is too long", { ...DRAIN, reason: "x".repeat(70_000) }, [413], "too large"],
  ])("with %s says what would be right, and changes nothing", async (_what, body, statuses, message) => {
    const api = await TestApi.open();
    const result = await api.post("/v1/overrides", body);
    expect(statuses).toContain(result.status);
    expect(JSON.stringify(result.body).replaceAll("\\", "")).toContain(message);
    expect((await api.get("/v1/status")).body.version).toBe(1);
  });

  test("names everything that is wrong at once", async () => {
    const api = await TestApi.open();
    const { body } = await api.post("/v1/overrides", {
      kind: "weight",
      target: {},
      weight: null,
      reaso: "x",
    });
    expect(body).toEqual({
      type: "/problems/bad-request",
      title: "The request cannot be understood",
      status: 400,
      detail: "4 problems",
      code: "bad-request",
      problems: [
        { file: "request", line: 0, column: 0, message: 'reaso: unknown key; did you mean "reason"?' },
        {
          file: "request",
          line: 0,
          column: 0,
          message: "target: expected an object with one of member, region, choice, got {}",
        },
        { file: "request", line: 0, column: 0, message: "weight: expected a weight, 0 or more, got null" },
        {
          file: "request",
          line: 0,
          column: 0,
          message: "reason: expected a reason of 1 to 500 characters, got nothing",
        },
      ],
    });
  });

  test("takes a time with its zone as the end", async () => {
    const api = await TestApi.open();
    const { body } = await api.post("/v1/overrides", { ...DRAIN, until: "2026-01-01T02:00:00+01:00" });
    expect(body.override.until).toBe("2026-01-01T01:00:00.000Z");
  });

  test("wants JSON", async () => {
    const api = await TestApi.open();
    const { status, body } = await api.post("/v1/overrides", "kind=drain", { "content-type": "text/html" });
    expect([status, body.code]).toEqual([415, "unsupported-media-type"]);
  });
});

describe("If-Match", () => {
  test.each(['"1"', "1", "*"])("%s lets a change follow version 1", async (header) => {
    const api = await TestApi.open();
    expect((await api.post("/v1/overrides", DRAIN, { "if-match": header })).status).toBe(201);
  });

  test("of an older version is a conflict that tells the current one, and changes nothing", async () => {
    const api = await TestApi.open();
    const etag = (await api.get("/v1/overrides")).headers.get("etag") ?? "";
    await api.post("/v1/overrides", DRAIN);
    const { status, headers, body } = await api.delete("/v1/overrides/drain%3Aregion%3Aeu-west", {
      "if-match": etag,
    });
    expect([status, headers.get("etag"), body.code]).toEqual([412, '"2"', "version-conflict"]);
    expect((await api.get("/v1/overrides")).body.overrides).toHaveLength(1);
  });

  test.each(['"one"', 'W/"1"', '"1", "2"', "-1"])("%s is not understood", async (header) => {
    const api = await TestApi.open();
    expect((await api.post("/v1/overrides", DRAIN, { "if-match": header })).status).toBe(400);
  });
});

describe("GET and DELETE /v1/overrides", () => {
  test("list and end what was set, with a reason for the audit", async () => {
    const api = await TestApi.open();
    const { body } = await api.post("/v1/overrides", {
      kind: "weight",
      target: { choice: "mix/new" },
      weight: 80,
      reason: "new",
    });
    expect((await api.get("/v1/overrides")).body).toEqual({
      version: 2,
      overrides: [body.override],
      next: null,
    });
    expect((await api.delete(`${body.override.url}?reason=it%20was%20bad`)).body).toEqual({ version: 3 });
    expect((await api.get("/v1/overrides")).body).toEqual({ version: 3, overrides: [], next: null });
    expect((await api.get("/v1/audit?limit=1")).body.entries[0]).toMatchObject({
      author: "anna",
      reason: "it was bad",
      event: "override-ended",
      version: 3,
    });
  });

  test("of an id that is not there is 404, with the nearest one", async () => {
    const api = await TestApi.open();
    await api.post("/v1/overrides", DRAIN);
    const { status, body } = await api.delete("/v1/overrides/drain%3Aregion%3Aeu-wst");
    expect([status, body.detail]).toEqual([
      404,
      'no override "drain:region:eu-wst"; did you mean "drain:region:eu-west"?',
    ]);
  });

  test("show which targets have gone from the config", async () => {
    const api = await TestApi.open();
    await api.post("/v1/overrides", {
      kind: "weight",
      target: { choice: "mix/new" },
      weight: 1,
      reason: "x",
    });
    expect((await api.get("/v1/overrides")).body.overrides[0]).toMatchObject({ active: true, stale: false });
    api.node.folder.write("meridian.yaml", CONFIG.replace("      new:", "      newer:"));
    expect((await api.post("/v1/reload")).status).toBe(200);
    expect((await api.get("/v1/overrides")).body.overrides[0]).toMatchObject({ active: true, stale: true });
  });
});

describe("what is held down", () => {
  /** A node with manual failback, of which `web/eu-west` has died and is healthy again. */
  async function heldDown(): Promise<TestApi> {
    const manual = CONFIG.replace("rise: 2, fall: 2,", "rise: 1, fall: 1, failback: manual,");
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": manual })));
    const { dublin } = await api.node.agents("dublin");
    for (const outcome of ["ok", "timeout", "ok"] as const) {
      await dublin.report({ "web/eu-west/ipv4": outcome });
      api.node.pass(1_000);
    }
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.1"]);
    return api;
  }

  test("is seen with its verdict, and released by POST /v1/releases", async () => {
    const api = await heldDown();
    const { body } = await api.get("/v1/verdicts?after=web%2Fus-east%2Fipv6");
    const hold = { healthySince: "2026-01-01T00:00:02.000Z", until: null };
    expect(body.verdicts).toMatchObject([
      { vip: "web/eu-west/ipv4", hold },
      { vip: "web/eu-west/ipv6", hold },
    ]);
    const asked = { target: { member: "web/eu-west" }, reason: "it has caught up" };
    const released = await api.post("/v1/releases", asked);
    expect(released).toMatchObject({ status: 200, body: { version: 2 } });
    expect(released.headers.get("etag")).toBe('"2"');
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
    expect((await api.get("/v1/audit?limit=1")).body.entries).toMatchObject([
      { event: "hold-released", author: "anna", reason: "it has caught up" },
    ]);
    expect((await api.post("/v1/releases", asked)).status).toBe(422);
    const unknown = { target: { region: "eu-wst" }, reason: "x" };
    expect(JSON.stringify((await api.post("/v1/releases", unknown)).body)).toMatch(/did you mean .*eu-west/);
  });

  test.each(["eu-west", "web/eu-west", "web/eu-west/ipv6"])(
    "is released by `meridian release %s`",
    async (name) => {
      const api = await heldDown();
      const env = { ...process.env, MERIDIAN_TOKEN: api.tokens.admin };
      const { stdout } = await run(
        process.execPath,
        [CLI, "release", name, "--reason", "x", "--api", api.url],
        { env },
      );
      expect(stdout).toBe(`${name} is released\n`);
      expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
      await expect(
        run(process.execPath, [CLI, "release", name, "--reason", "x", "--api", api.url], { env }),
      ).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/ says 422: request: .*: nothing of it is held down\n$/),
      });
    },
  );
});

test("each change is one line of the log, without the token", async () => {
  const api = await TestApi.open();
  await api.post("/v1/overrides", DRAIN);
  await api.post("/v1/overrides", {});
  await api.get("/v1/overrides");
  await expect
    .poll(() => api.logged.filter(({ msg }) => msg.startsWith("API: ")))
    .toMatchObject([
      { msg: "API: POST /v1/overrides 201", token: "anna", address: "127.0.0.1" },
      { msg: "API: POST /v1/overrides 400", token: "anna" },
    ]);
  for (const token of Object.values(api.tokens)) expect(JSON.stringify(api.logged)).not.toContain(token);
});

describe("an override that breaks an invariant", () => {
  const open = (rule: string): Promise<TestApi> =>
    TestApi.open(new Node(new Folder({ "meridian.yaml": `${CONFIG}\ninvariants: { one: ${rule} }\n` })));

  test("is refused with the case, and made by force", async () => {
    const api = await open("{ answerable: 2 }");
    const { status, body } = await api.post("/v1/overrides", DRAIN);
    expect(status).toBe(422);
    expect(body.code).toBe("refused");
    expect(body.problems[0]).toMatchObject({
      file: api.node.folder.file("meridian.yaml"),
      message: expect.stringContaining('invariant "one": www.test.example: expected at least 2 regions'),
      details: expect.arrayContaining(["regions down: nothing"]),
    });
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.2"]);
    expect((await api.post("/v1/overrides", { ...DRAIN, force: true })).status).toBe(201);
    expect(api.node.dns.addresses(WWW, GB)).toEqual(["10.0.0.1"]);
    const { body: list } = await api.get("/v1/audit");
    expect(list.entries[0].detail).toContain('drain region eu-west, against invariant "one"');
  });

  test("when it ends is refused with 422 and not with 404, and ended by force", async () => {
    const api = await open("{ services: [mix.*], failures: 0, atMost: { eu-west: 60% } }");
    const weigh = (name: string, weight: number) =>
      api.post("/v1/overrides", {
        kind: "weight",
        target: { choice: `mix/${name}` },
        weight,
        reason: "shift",
      });
    expect([(await weigh("new", 90)).status, (await weigh("old", 100)).status]).toEqual([201, 201]);
    const url = `/v1/overrides/${encodeURIComponent("weight:choice:mix/new")}`;
    expect((await api.delete(url)).status).toBe(422);
    expect((await api.delete(`${url}?force=true`)).status).toBe(400);
    expect((await api.delete(`${url}?force=true&reason=all%20the%20same`)).status).toBe(200);
  });
});
