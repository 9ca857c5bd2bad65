/**
 * The examples in the OpenAPI document are what a node has answered: with UPDATE=1 they are recorded anew, and read in the diff.
 */

import { chmodSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Compile } from "typebox/schema";
import { describe, expect, test } from "vitest";
import type { Role } from "../../../src/control/store.ts";
import { Receiver } from "../../alarm/receivers.ts";
import { CONFIG, Folder, GB, Node } from "../test-node.ts";
import { type Document, documentOf, type Operation, type Result, TestApi } from "./test-api.ts";

const FILE = fileURLToPath(new URL("../../../src/control/api/examples.json", import.meta.url));

const NAMED = CONFIG.replace("node: {", "node: { name: dns1,").replace(
  "policies:\n",
  "    signals: { every: 10s }\n    perVantage: false\npolicies:\n",
);

/** What needs nothing but a node, one after the other. */
const CALLS: readonly (readonly [route: string, path: string, role?: Role, body?: object])[] = [
  ["GET /healthz", "/healthz"],
  ["GET /readyz", "/readyz"],
  ["GET /problems", "/problems"],
  ["GET /problems/{code}", "/problems/refused"],
  [
    "POST /v1/overrides",
    "/v1/overrides",
    "admin",
    { kind: "drain", target: { region: "eu-west" }, ramp: "5m", until: "+2h", reason: "maintenance" },
  ],
  ["GET /v1/overrides", "/v1/overrides"],
  ["GET /v1/overrides/{id}", "/v1/overrides/drain%3Aregion%3Aeu-west"],
  ["DELETE /v1/overrides/{id}", "/v1/overrides/drain%3Aregion%3Aeu-west?reason=done", "admin"],
  ["PUT /v1/challenges/{name}/{value}", "/v1/challenges/www.test.example/gfj9Xq", "admin", { until: "+10m" }],
  ["GET /v1/challenges", "/v1/challenges"],
  ["DELETE /v1/challenges/{name}/{value}", "/v1/challenges/www.test.example/gfj9Xq", "admin"],
  ["POST /v1/reload", "/v1/reload", "admin"],
  ["GET /v1/status", "/v1/status"],
  ["GET /v1/services", "/v1/services"],
  ["GET /v1/services/{name}", "/v1/services/www.test.example"],
  ["GET /v1/services/{name}/plans", "/v1/services/www.test.example/plans?limit=2"],
  ["POST /v1/explain", "/v1/explain", "reader", { name: "www.test.example", type: "A", client: GB }],
  ["GET /v1/regions", "/v1/regions"],
  ["GET /v1/regions/{id}", "/v1/regions/eu-west"],
  ["GET /v1/verdicts", "/v1/verdicts?limit=1"],
  ["GET /v1/verdicts/{id}", "/v1/verdicts/web%2Feu-west%2Fipv4"],
  ["GET /v1/vantages", "/v1/vantages"],
  ["GET /v1/vantages/{id}", "/v1/vantages/dublin"],
  ["GET /v1/loads", "/v1/loads"],
  ["GET /v1/capacity", "/v1/capacity"],
  ["GET /v1/pools", "/v1/pools"],
  ["GET /v1/pools/{id}", "/v1/pools/web"],
  ["GET /v1/vips", "/v1/vips?region=eu-west"],
  ["GET /v1/vips/{id}", "/v1/vips/web%2Feu-west%2Fipv4"],
  ["GET /v1/checks", "/v1/checks"],
  ["GET /v1/checks/{id}", "/v1/checks/web"],
  ["GET /v1/policies", "/v1/policies"],
  ["GET /v1/policies/{id}", "/v1/policies/mix"],
  ["GET /v1/zones", "/v1/zones"],
  ["GET /v1/zones/{id}", "/v1/zones/test.example"],
  ["GET /v1/zones/{id}/rrsets", "/v1/zones/test.example/rrsets"],
  ["GET /v1/nodes", "/v1/nodes"],
  ["GET /v1/nodes/{id}", "/v1/nodes/dns1"],
  ["GET /v1/rtt", "/v1/rtt"],
  ["GET /v1/rtt/vantages", "/v1/rtt/vantages"],
  [
    "POST /v1/observations",
    "/v1/observations",
    "observer",
    { observations: [{ prefix: "203.0.113.0/24", region: "eu-west", rttMs: 23.5, samples: 40 }] },
  ],
  [
    "POST /v1/signals",
    "/v1/signals",
    "signals",
    { signals: [{ target: "web/eu-west", errors: { failed: 12, total: 480 }, load: 0.71 }] },
  ],
  ["GET /v1/profile", "/v1/profile"],
  ["GET /v1/keys", "/v1/keys"],
  ["GET /v1/splits", "/v1/splits"],
  ["GET /v1/changes", "/v1/changes"],
  ["GET /v1/changes/{version}", "/v1/changes/2"],
  ["GET /v1/audit", "/v1/audit?limit=3"],
  ["GET /v1/audit/verify", "/v1/audit/verify"],
  ["GET /v1/history", "/v1/history"],
  ["GET /v1/snapshots", "/v1/snapshots"],
  ["GET /v1/snapshots/{version}", "/v1/snapshots/1", "admin"],
  ["GET /v1/snapshots/{from}/diff/{to}", "/v1/snapshots/1/diff/6", "admin"],
  ["POST /v1/tokens", "/v1/tokens", "admin", { name: "ops", role: "operator" }],
  ["GET /v1/tokens", "/v1/tokens"],
  ["DELETE /v1/tokens/{name}", "/v1/tokens/ops?dryRun=true", "admin"],
];

describe("examples", () => {
  test("are what a node answers", async () => {
    const { paths } = await documentOf((await new Node().open()).desk);
    const recorder = new Recorder(paths);
    for (const scene of [plainly, drilling, approving, inSteps, heldDown, rolledBack, alarmed])
      await scene(recorder);
    const { recorded } = recorder;
    if (process.env["UPDATE"] === "1") writeFileSync(FILE, `${JSON.stringify(recorded, null, 2)}\n`);
    const shown = Object.fromEntries(
      operationsOf(paths).flatMap(([, { operationId = "", requestBody, responses }]) => {
        const [status, response] = Object.entries(responses).find(
          ([code, { content }]) => code !== "default" && content?.["application/json"]?.example !== undefined,
        ) ?? [null, null];
        if (status === null && requestBody?.content["application/json"]?.example === undefined) return [];
        const request = requestBody?.content["application/json"]?.example;
        return [[operationId, { request, response: response?.content?.["application/json"]?.example }]];
      }),
    );
    const wanted = Object.entries(recorded).filter(([, one]) => "request" in one || "response" in one);
    for (const [id, one] of wanted)
      expect([id, shown[id]]).toEqual([id, expect.objectContaining(partsOf(one))]);
  }, 60_000);

  test("fit their schemas, and are there for all operations", async () => {
    const { paths } = await documentOf((await new Node().open()).desk);
    const without: string[] = [];
    for (const [route, { requestBody, responses }] of operationsOf(paths)) {
      const contents = [requestBody?.content, ...Object.values(responses).map(({ content }) => content)];
      const media = contents.flatMap((content) => content?.["application/json"] ?? []);
      const examples = media.filter(({ example }) => example !== undefined);
      for (const { schema, example } of examples)
        expect(Compile(schema).Errors(example), route).toEqual([true, []]);
      if (examples.length === 0 && media.length > 0) without.push(route);
    }
    expect(without).toEqual([]);
  });
});

/** Asks a node, and keeps what it has answered as the example of the route. */
class Recorder {
  readonly recorded: Record<string, object> = {};
  readonly #paths: Document["paths"];

  constructor(paths: Document["paths"]) {
    this.#paths = paths;
  }

  async ask(
    api: TestApi,
    route: string,
    path: string,
    role: Role = "reader",
    body?: object,
  ): Promise<Result> {
    const [method = "", template = ""] = route.split(" ");
    const result = await api.call(method, path, { role, body });
    expect([route, result.status < 300, result.body]).toEqual([route, true, result.body]);
    const id = this.#paths[template]?.[method.toLowerCase()]?.operationId ?? route;
    this.recorded[id] = {
      ...(body === undefined ? {} : { request: body }),
      status: result.status,
      ...(result.status === 204 ? {} : { response: withoutChance(result, api) }),
    };
    return result;
  }
}

function open(config: string): Promise<TestApi> {
  return TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
}

async function plainly(recorder: Recorder): Promise<void> {
  const api = await open(NAMED);
  for (const [route, path, role, body] of CALLS) await recorder.ask(api, route, path, role, body);
}

/** A drill that an agent watches. */
async function drilling(recorder: Recorder): Promise<void> {
  const declared =
    "drills: { west-drained: { mode: drain, target: { region: eu-west }, duration: 2m, schedule: { cron: 0 4 * * 2 } } }";
  const api = await open(`${CONFIG}\n${declared}\n`);
  const { dublin } = await api.node.agents("dublin");
  await recorder.ask(api, "GET /v1/drills/declared", "/v1/drills/declared");
  const asked = { name: "west-drained", reason: "before the migration" };
  const { url, id } = (await recorder.ask(api, "POST /v1/drills", "/v1/drills", "operator", asked)).body;
  const taken = dublin.next("observed");
  const looked = { drill: id, label: "www.test.example", family: 4, askedAtMs: api.node.nowMs } as const;
  const reply = { atMs: api.node.nowMs, rcode: 0, addresses: ["10.0.0.2"], ttlSeconds: 5 };
  const seen = { ...looked, reply, connection: { endedAtMs: api.node.nowMs, problem: null }, node: null };
  dublin.send({ kind: "observations", sequence: 1, uncertaintyMs: 1.5, observations: [seen] });
  await taken;
  await recorder.ask(api, "GET /v1/drills", "/v1/drills");
  await recorder.ask(api, "GET /v1/drills/{id}", url);
  await recorder.ask(api, "GET /v1/drills/{id}/report", `${url}/report`);
  await recorder.ask(api, "GET /v1/drills/{id}/compare/{other}", `${url}/compare/${id}`);
  await recorder.ask(api, "POST /v1/drills/{id}/abort", `${url}/abort`, "operator", {
    reason: "seen enough",
  });
}

/** Changes that take a second person. */
async function approving(recorder: Recorder): Promise<void> {
  const api = await open(`${CONFIG}\nsafety: { approval: { services: [mix.*] } }\n`);
  const weigh = { kind: "weight", target: { choice: "mix/old" }, weight: 0, reason: "all to the new" };
  const { url } = (await api.post("/v1/overrides", weigh)).body.proposal;
  await recorder.ask(api, "GET /v1/proposals", "/v1/proposals");
  const approval = "POST /v1/proposals/{id}/approval";
  await recorder.ask(api, approval, `${url}/approval`, "operator", { reason: "looked at it" });
  const { body } = await api.delete("/v1/overrides/weight%3Achoice%3Amix%2Fold");
  const withdrawn = `${body.proposal.url}?reason=it+stays`;
  await recorder.ask(api, "DELETE /v1/proposals/{id}", withdrawn, "operator");
}

/** An override that takes effect step by step. */
async function inSteps(recorder: Recorder): Promise<void> {
  const api = await open(`${CONFIG}\nsafety: { maxMoved: 20%, stageEvery: 1m }\n`);
  const drain = { kind: "drain", target: { region: "eu-west" }, reason: "maintenance" };
  const { url } = (await api.post("/v1/overrides", drain)).body.override;
  const order = { order: "pause", reason: "errors at us-east" };
  await recorder.ask(api, "POST /v1/overrides/{id}/stage", `${url}/stage`, "operator", order);
}

/** A member that has died, is healthy again, and waits to be released. */
async function heldDown(recorder: Recorder): Promise<void> {
  const api = await open(CONFIG.replace("rise: 2, fall: 2,", "rise: 1, fall: 1, failback: manual,"));
  const { dublin } = await api.node.agents("dublin");
  for (const outcome of ["ok", "timeout", "ok"] as const) {
    await dublin.report({ "web/eu-west/ipv4": outcome });
    api.node.pass(1_000);
  }
  const release = { target: { member: "web/eu-west" }, reason: "replication has caught up" };
  await recorder.ask(api, "POST /v1/releases", "/v1/releases", "operator", release);
}

/** Files that were better before. */
async function rolledBack(recorder: Recorder): Promise<void> {
  const api = await open(CONFIG);
  api.node.folder.write("meridian.yaml", CONFIG.replace("new: { weight: 50", "new: { weight: 90"));
  await api.post("/v1/reload");
  const rollback = "POST /v1/snapshots/{version}/rollback";
  const reason = { reason: "errors since version 2" };
  await recorder.ask(api, rollback, "/v1/snapshots/1/rollback", "admin", reason);
  await recorder.ask(api, "DELETE /v1/rollback", "/v1/rollback?reason=mended", "admin");
}

/** Somebody who is told of alarms. */
async function alarmed(recorder: Recorder): Promise<void> {
  const { url } = await Receiver.open();
  const alarms = `
alarms:
  destinations: { hook: { type: webhook, url: "${url}", secret: hook.secret } }
  routes: { all: { to: [hook] } }
`;
  const folder = new Folder({ "meridian.yaml": `${CONFIG}${alarms}` });
  folder.write("hook.secret", Buffer.alloc(32, 7).toString("base64"));
  chmodSync(folder.file("hook.secret"), 0o600);
  const api = await TestApi.open(new Node(folder));
  const asked = { destination: "hook" };
  await recorder.ask(api, "POST /v1/alarms/tests", "/v1/alarms/tests", "operator", asked);
  await recorder.ask(api, "GET /v1/alarms", "/v1/alarms");
}

function operationsOf(
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>,
): readonly [string, Operation][] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
}

function partsOf(one: object): object {
  return {
    ...("request" in one ? { request: one.request } : {}),
    ...("response" in one ? { response: one.response } : {}),
  };
}

/** Secrets, ports, hashes and folders are others each time. */
function withoutChance({ body }: Result, { node }: TestApi): unknown {
  const text = JSON.stringify(body)
    .replaceAll(node.folder.path, "/etc/meridian")
    .replaceAll(/"token":"[^"]+"/g, '"token":"mrd_example"')
    .replaceAll(/"hash":"[0-9a-f]{64}"/g, `"hash":"${"0".repeat(64)}"`)
    .replaceAll(/\b[0-9a-f]{64}\b/g, "0".repeat(64));
  return JSON.parse(text);
}
