/** Files by the API: previewed, applied, rolled back to, and never half in force. */

import { chmodSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { describe, expect, test } from "vitest";
import { CONFIG, Folder, GB, JP, Node, until, ZONE } from "../test-node.ts";
import { type Result, TestApi } from "./test-api.ts";

/** How many names are applied at once. */
const NAMES = Number(process.env["MERIDIAN_DECLARED"] ?? 3_000);

/** A node that takes its files by the API, once it has begun with those of its folder. */
const BEGIN = CONFIG.replace("state: state", "state: state, source: api").replace(
  "EU: eu-first",
  "EU: us-first",
);
const FILES = { "meridian.yaml": CONFIG, "test.example.zone": ZONE, "labels.csv": "" };
const OTHER = { ...FILES, "meridian.yaml": CONFIG.replace("EU: eu-first", "EU: us-first") };

const taking = (): Node => new Node(new Folder({ "meridian.yaml": BEGIN }));

const put = (api: TestApi, files: object, headers: Readonly<Record<string, string>> = {}): Promise<Result> =>
  api.call("PUT", "/v1/config", { body: { files, reason: "a test" }, headers });

const applied = async (): Promise<TestApi> => {
  const api = await TestApi.open(taking());
  expect((await put(api, FILES)).status).toBe(200);
  return api;
};

const answer = (api: TestApi): readonly string[] => api.node.dns.addresses("www.test.example", GB);
const EU = ["10.0.0.2"];
const US = ["10.0.0.1"];

describe("a node with source: api", () => {
  test("begins with the files of its folder, and takes config, zones and labels as a whole", async () => {
    const api = await TestApi.open(taking());
    expect((await api.get("/v1/status")).body.declared).toEqual({ source: "api", by: null, drift: null });
    expect(answer(api)).toEqual(US);
    const { status, headers, body } = await put(api, FILES);
    expect([status, headers.get("etag"), body]).toEqual([200, '"2"', { version: 2 }]);
    expect(answer(api)).toEqual(EU);
    expect((await api.get("/v1/status")).body.declared).toMatchObject({
      by: { kind: "applied", snapshot: null, author: "anna", reason: "a test" },
    });
    expect((await api.get("/v1/audit")).body.entries[0]).toMatchObject({
      event: "files-applied",
      author: "anna",
      detail: "1 zone, 3 services, 2 members",
    });
    expect((await api.get("/v1/snapshots")).body.snapshots[0]).toMatchObject({
      version: 2,
      reason: "a test",
      inForce: true,
    });
  });

  test("has them after a restart, whatever lies beside its config", async () => {
    const api = await applied();
    api.node.folder.write("test.example.zone", "nonsense\n");
    await api.close();
    await api.node.close();
    const next = await new Node(api.node.folder, api.node.dns).open();
    expect(next.desk.snapshot().config.services).toHaveLength(3);
    expect(next.dns.addresses("www.test.example", GB)).toEqual(EU);
  });

  test("takes no files without a zone", async () => {
    const api = await applied();
    const { status, body } = await put(api, {
      ...FILES,
      "meridian.yaml": CONFIG.replace("[test.example.zone]", "[]"),
    });
    expect([status, JSON.stringify(body.problems)]).toEqual([
      422,
      expect.stringMatching(/no zones, expected at least one/),
    ]);
    expect(answer(api)).toEqual(EU);
  });

  test("refuses files with problems, all with their places, and changes nothing", async () => {
    const api = await applied();
    const before = readFileSync(api.node.folder.file("state/applied.json"));
    const bad = {
      ...FILES,
      "meridian.yaml": CONFIG.replace("ttl: 5s", "tll: 5s"),
    };
    const { status, body } = await put(api, bad);
    expect([status, body.problems.length > 0]).toEqual([422, true]);
    expect(body.problems[0].file).toBe(api.node.folder.file("meridian.yaml"));
    expect((await put(api, { ...FILES, "test.example.zone": `${ZONE}bad RR\n` })).status).toBe(422);
    expect((await put(api, { "meridian.yaml": CONFIG, "labels.csv": "" })).body.problems[0].message).toMatch(
      /cannot read this zone file/,
    );
    expect(readFileSync(api.node.folder.file("state/applied.json"))).toEqual(before);
    expect((await api.get("/v1/status")).body).toMatchObject({
      version: 2,
      lastReload: { outcome: "loaded" },
    });
    api.node.dns.refusal = "a test";
    expect((await put(api, OTHER)).body.detail).toBe("dns refused the book: a test");
    expect(readFileSync(api.node.folder.file("state/applied.json"))).toEqual(before);
  });

  test("tries what it would take, and takes nothing", async () => {
    const api = await applied();
    const before = readFileSync(api.node.folder.file("state/applied.json"));
    const dryRun = await api.call("PUT", "/v1/config?dryRun=true", {
      body: { files: OTHER, reason: "a test" },
    });
    expect([dryRun.status, dryRun.body.changes]).toEqual([
      200,
      [{ event: "files-applied", detail: "1 zone, 3 services, 2 members" }],
    ]);
    const back = await api.post("/v1/snapshots/1/rollback?dryRun=true", { reason: "a test" });
    expect(back.body).toMatchObject({ dryRun: true, changes: [{ event: "files-rolled-back" }] });
    expect(readFileSync(api.node.folder.file("state/applied.json"))).toEqual(before);
    expect((await api.get("/v1/status")).body.version).toBe(2);
    expect(answer(api)).toEqual(EU);
  });

  test("has files wait for a second person where their services need one", async () => {
    const api = await applied();
    const guarded = `safety: { approval: { services: [www.test.example] } }\n`;
    await put(api, { ...FILES, "meridian.yaml": CONFIG + guarded });
    const moved = { ...OTHER, "meridian.yaml": OTHER["meridian.yaml"] + guarded };
    const preview = (await api.post("/v1/preview", { files: moved })).body;
    expect(preview.approval).toMatch(/www.test.example/);
    const { status, body } = await put(api, moved);
    expect([status, body.proposal.change]).toEqual([202, "apply 3 files"]);
    expect(answer(api)).toEqual(EU);
    const { url } = body.proposal;
    const secret = await api.node.addToken("berta", { role: "admin" });
    const headers = { authorization: `Bearer ${secret}` };
    expect((await api.post(`${url}/approval`, { reason: "looks right" }, headers)).status).toBe(200);
    expect(answer(api)).toEqual(US);
    await api.node.close();
    const next = await new Node(api.node.folder, api.node.dns).open();
    expect(next.dns.addresses("www.test.example", GB)).toEqual(US);
  });

  test("lets nothing come between a preview and what it was made for", async () => {
    const api = await applied();
    const { headers } = await api.post("/v1/preview", { files: OTHER });
    const drain = { kind: "drain", target: { region: "us-east" }, reason: "in between" };
    await api.post("/v1/overrides", drain);
    const late = await put(api, OTHER, { "if-match": headers.get("etag") ?? "" });
    expect([late.status, late.headers.get("etag")]).toEqual([412, '"3"']);
    const again = (await api.post("/v1/preview", { files: OTHER })).headers.get("etag") ?? "";
    expect((await put(api, OTHER, { "if-match": again })).status).toBe(200);
  });

  test("reads no file for who applies but those of its folder and those that its own config names", async () => {
    const api = await applied();
    api.node.folder.write("xfr.secret", Buffer.alloc(32, 7).toString("base64"));
    chmodSync(api.node.folder.file("xfr.secret"), 0o600);
    const naming = (secret: string): object => ({
      ...FILES,
      "meridian.yaml": `${CONFIG}keys: { xfr: { secret: ${secret} } }\n`,
    });
    expect((await put(api, naming("xfr.secret"))).status).toBe(200);
    const { status, body } = await put(api, naming("/etc/shadow"));
    expect([status, body.detail]).toEqual([422, expect.stringMatching(/^\/etc\/shadow is not in /)]);
    const zone = { ...FILES, "meridian.yaml": CONFIG.replace("test.example.zone", "/etc/passwd") };
    expect((await put(api, zone)).body.problems[0].message).toMatch(/cannot read this zone file/);
    const including = { ...FILES, "test.example.zone": `${ZONE}$INCLUDE /etc/passwd\n` };
    const included = await put(api, including);
    expect([included.status, JSON.stringify(included.body)]).toEqual([
      422,
      expect.not.stringContaining("root:"),
    ]);
  });

  test.each([
    "/etc/x.zone",
    "../x.zone",
    "a/../x.zone",
    "./x.zone",
    "a//x.zone",
    "zones/",
    "",
    ".",
    "a\u0000b",
  ])("takes no path such as %j", async (path) => {
    const api = await TestApi.open(taking());
    const { status, body } = await put(api, { ...FILES, [path]: "" });
    expect([status, body.detail]).toEqual([400, expect.stringMatching(/expected paths inside the folder/)]);
  });

  test("takes a body up to its limit, and wants a config in it", async () => {
    const api = await TestApi.open(taking());
    expect((await put(api, { "test.example.zone": ZONE })).body.detail).toMatch(
      /expected meridian.yaml to be among them/,
    );
    const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`${i}.csv`, ""]));
    expect((await put(api, { ...FILES, ...many })).body.detail).toMatch(/expected at most 10000, got 10004/);
    expect((await api.call("PUT", "/v1/config", { body: { files: FILES } })).body.detail).toMatch(/reason/);
    const status = await new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${api.tokens.admin}`,
        "content-type": "application/json",
        "content-length": String(64 * 1024 * 1024 + 1),
      };
      const sent = request(`${api.url}/v1/config`, { method: "PUT", headers });
      sent.on("response", ({ statusCode }) => resolve(statusCode)).on("error", reject);
      sent.flushHeaders();
    });
    expect(status).toBe(413);
  });

  test(`takes ${NAMES} names in one request, and ${NAMES} in the next`, async () => {
    const api = await TestApi.open(taking());
    const names = Array.from({ length: NAMES }, (_, i) => `n${i} STEER www\n`).join("");
    expect((await put(api, { ...FILES, "test.example.zone": ZONE + names })).status).toBe(200);
    expect(api.node.dns.addresses(`n${NAMES - 1}.test.example`, JP)).toEqual(US);
    const second = { ...FILES, "test.example.zone": ZONE + names.replaceAll("STEER www", "STEER mix") };
    const { body } = await api.post("/v1/preview", { files: second });
    expect(body.diff.counts).toEqual({ added: 0, removed: 0, changed: NAMES });
    expect((await put(api, second)).status).toBe(200);
  });

  test.each([
    ["is empty", () => ""],
    ["was cut off", (text: string) => text.slice(0, text.length / 2)],
    ["says something else", (text: string) => text.replace("STEER www", "STEER mix")],
  ])("begins with what was in force where its file %s, and keeps that beside it", async (_, spoil) => {
    const api = await applied();
    await api.close();
    await api.node.close();
    const { folder, dns } = api.node;
    const file = folder.file("state/applied.json");
    const spoiled = spoil(readFileSync(file, "utf8"));
    writeFileSync(file, spoiled);
    const next = await new Node(folder, dns).open();
    expect(dns.addresses("www.test.example", GB)).toEqual(EU);
    const aside = "applied.json.corrupt-2026-01-01T00-00-00Z";
    expect(readFileSync(folder.file(`state/${aside}`), "utf8")).toBe(spoiled);
    const what =
      /kept as \S+applied.json.corrupt-2026-01-01T00-00-00Z: version 2, which was in force, is in its place/;
    expect(next.desk.status()).toMatchObject({
      declared: { source: "api", by: { version: 2, author: "meridian" }, drift: null },
      lastReload: { kind: "loaded", warnings: [{ file, message: expect.stringMatching(what) }] },
    });
    expect(next.lines(what)).toHaveLength(1);
    expect(
      next.lines(/the files cannot be used; those of version 2, which were in force before, still are/),
    ).toHaveLength(1);
    const texts = Object.fromEntries(Object.entries(OTHER).map(([name, text]) => [folder.file(name), text]));
    expect(await next.change({ kind: "apply", texts })).toMatchObject({ kind: "published" });
    expect(dns.addresses("www.test.example", GB)).toEqual(US);
    await next.close();
    const last = await new Node(folder, dns).open();
    expect(dns.addresses("www.test.example", GB)).toEqual(US);
    expect(last.desk.status().lastReload).toMatchObject({ kind: "loaded", warnings: [] });
  });

  test("takes the next files where what was spoiled cannot be replaced", async () => {
    const api = await applied();
    await api.close();
    await api.node.close();
    const { folder, dns } = api.node;
    writeFileSync(folder.file("state/applied.json"), "half of it");
    mkdirSync(folder.file("state/applied.json.tmp"));
    const next = await new Node(folder, dns).open();
    expect(dns.addresses("www.test.example", GB)).toEqual(EU);
    expect(next.desk.status().lastReload).toMatchObject({ kind: "refused" });
    expect(readFileSync(folder.file("state/applied.json"), "utf8")).toBe("half of it");
    rmdirSync(folder.file("state/applied.json.tmp"));
    const texts = Object.fromEntries(Object.entries(OTHER).map(([name, text]) => [folder.file(name), text]));
    expect(await next.change({ kind: "apply", texts })).toMatchObject({ kind: "published" });
    await next.change({ kind: "reload" });
    expect(next.desk.status().lastReload).toMatchObject({ kind: "loaded" });
    expect(dns.addresses("www.test.example", GB)).toEqual(US);
  });

  test("refuses to begin from what is not as it was written, where nothing else says what was in force", async () => {
    const api = await applied();
    await api.close();
    await api.node.close();
    rmSync(api.node.folder.file("state/meridian.db"));
    const file = api.node.folder.file("state/applied.json");
    writeFileSync(file, readFileSync(file, "utf8").replace("STEER www", "STEER mix"));
    const next = new Node(api.node.folder, api.node.dns);
    const opening = next.open();
    await until(() => next.lines(/the files cannot be used/).length > 0);
    expect(JSON.stringify(next.logged)).toMatch(/applied.json: is not as it was written/);
    writeFileSync(file, readFileSync(file, "utf8").replace("STEER mix", "STEER www"));
    api.node.folder.write("meridian.yaml", `${BEGIN}\n`);
    await opening;
    expect(next.dns.addresses("www.test.example", GB)).toEqual(EU);
  });

  test("rolls back to what was applied before", async () => {
    const api = await applied();
    await put(api, OTHER);
    expect(answer(api)).toEqual(US);
    const { status, body } = await api.post("/v1/snapshots/2/rollback", { reason: "it was better" });
    expect([status, body]).toEqual([200, { version: 4 }]);
    expect(answer(api)).toEqual(EU);
    expect((await api.get("/v1/status")).body.declared).toMatchObject({
      by: { kind: "applied", snapshot: 2, author: "anna", reason: "it was better" },
      drift: null,
    });
    expect((await api.get("/v1/audit")).body.entries[0]).toMatchObject({
      event: "files-rolled-back",
      detail: "to version 2: 1 zone, 3 services, 2 members",
    });
  });
});

describe("a node with its files on disk", () => {
  const broken = CONFIG.replace("EU: eu-first", "EU: us-first");

  /** Version 1 took Britain to eu-west, version 2 does not. */
  async function withMistake(): Promise<TestApi> {
    const api = await TestApi.open();
    api.node.folder.write("meridian.yaml", broken);
    await api.post("/v1/reload");
    expect(answer(api)).toEqual(US);
    return api;
  }

  const rollback = (api: TestApi, headers = {}): Promise<Result> =>
    api.post("/v1/snapshots/1/rollback", { reason: "a mistake" }, headers);

  test("takes no other files, but says what they would change", async () => {
    const api = await TestApi.open();
    const { status, body } = await put(api, OTHER);
    expect([status, body.detail]).toEqual([
      422,
      expect.stringMatching(/^this node has its config and zones from the files/),
    ]);
    const preview = (await api.post("/v1/preview", { files: OTHER })).body;
    expect(preview.version).toBe(1);
    expect(preview.lines).toEqual(
      expect.arrayContaining([
        "~ service www.test.example",
        "    policy.geo.continents.EU: eu-first -> us-first",
        "0 added, 1 changed, 0 removed",
        expect.stringMatching(/^moved: \d.* of queries/),
      ]),
    );
    expect((await api.post("/v1/preview", { files: FILES })).body).toMatchObject({
      lines: ["nothing is different"],
      simulation: null,
    });
  });

  test("says which bounds would become others, and what would be refused", async () => {
    const api = await TestApi.open();
    const slower = { ...FILES, "meridian.yaml": CONFIG.replaceAll("ttl: 5s", "ttl: 9s") };
    expect((await api.post("/v1/preview", { files: slower })).body.bounds).toContainEqual({
      service: "www.test.example",
      beforeMs: 10_900,
      afterMs: 14_900,
    });
    const ruled = `${CONFIG}invariants: { home: { clients: { continents: [EU] }, only: eu-west } }\n`;
    const refused = await api.post("/v1/preview", { files: { ...FILES, "meridian.yaml": ruled } });
    expect([refused.status, JSON.stringify(refused.body.problems)]).toEqual([
      422,
      expect.stringMatching(/home/),
    ]);
    expect((await api.post("/v1/preview", {})).status).toBe(400);
    expect((await api.post("/v1/preview", { snapshot: 99 })).status).toBe(404);
  });

  test("is rolled back under their noses, also after a restart, and says so", async () => {
    const api = await withMistake();
    expect((await api.post("/v1/preview", { snapshot: 1 })).body.lines).toContain(
      "    policy.geo.continents.EU: us-first -> eu-first",
    );
    expect((await rollback(api, { "if-match": '"1"' })).status).toBe(412);
    expect((await rollback(api, { "if-match": '"2"' })).body).toEqual({ version: 3 });
    expect(answer(api)).toEqual(EU);
    expect((await api.get("/v1/status")).body.declared).toEqual({
      source: "files",
      by: {
        kind: "rollback",
        snapshot: 1,
        author: "anna",
        reason: "a mistake",
        at: "2026-01-01T00:00:00.000Z",
      },
      drift: "version 1 is in force by a rollback, and the files on disk are others",
    });
    expect((await api.get("/metrics", null)).body).toMatch(/^meridian_config_drift 1$/m);
    // Another commit that still has the mistake.
    api.node.folder.write("meridian.yaml", `# more\n${broken}`);
    await api.post("/v1/reload");
    expect(answer(api)).toEqual(EU);
    expect((await api.get("/v1/audit")).body.entries[0].detail).toMatch(/^as rolled back to version 1: /);
    await api.close();
    await api.node.close();
    const next = await new Node(api.node.folder, api.node.dns).open();
    expect(next.dns.addresses("www.test.example", GB)).toEqual(EU);
  });

  test("has its files back, and says why, where a rollback is not as it was written", async () => {
    const api = await withMistake();
    await rollback(api);
    await api.close();
    await api.node.close();
    api.node.folder.write("state/applied.json", "half of it");
    const next = await new Node(api.node.folder, api.node.dns).open();
    expect(next.dns.addresses("www.test.example", GB)).toEqual(US);
    expect(next.lines(/applied.json: is not as it was written/)).toHaveLength(1);
    expect(next.desk.status().declared).toEqual({ source: "files", by: null, drift: null });
  });

  test("has its files back once they say the same", async () => {
    const api = await withMistake();
    await rollback(api);
    api.node.folder.write("meridian.yaml", CONFIG);
    await until(() => api.node.desk.status().declared.by === null);
    expect((await api.get("/v1/status")).body).toMatchObject({ version: 4, declared: { drift: null } });
    expect((await api.get("/metrics", null)).body).toMatch(/^meridian_config_drift 0$/m);
    api.node.folder.write("meridian.yaml", broken);
    await until(() => answer(api)[0] === US[0]);
  });

  test("has its files back when somebody says so, if they can be used", async () => {
    const api = await withMistake();
    await rollback(api);
    api.node.folder.write("meridian.yaml", "nonsense");
    expect((await api.delete("/v1/rollback")).status).toBe(422);
    expect(answer(api)).toEqual(EU);
    api.node.folder.write("meridian.yaml", broken);
    expect((await api.delete("/v1/rollback?reason=try%20again")).status).toBe(200);
    expect(answer(api)).toEqual(US);
    expect((await api.get("/v1/audit")).body.entries[0]).toMatchObject({
      event: "rollback-ended",
      reason: "try again",
    });
    expect((await api.delete("/v1/rollback")).status).toBe(404);
  });

  test("tells that those on disk are not in force because they were refused", async () => {
    const api = await TestApi.open();
    api.node.folder.write("meridian.yaml", "nonsense");
    await api.post("/v1/reload");
    expect((await api.get("/v1/status")).body.declared.drift).toMatch(/are refused/);
    expect((await api.get("/metrics", null)).body).toMatch(/^meridian_config_drift 1$/m);
  });

  test("holds a rollback to the rules that all changes are held to", async () => {
    const api = await withMistake();
    api.node.dns.refusal = "a test";
    expect((await rollback(api)).status).toBe(422);
    expect((await api.post("/v1/snapshots/9/rollback", { reason: "none" })).status).toBe(404);
    expect((await api.post("/v1/snapshots/1/rollback", {})).status).toBe(400);
    expect((await api.get("/v1/status")).body.declared.by).toBeNull();
  });
});
