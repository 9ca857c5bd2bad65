/** Server-sent events: what happens is told as it happens, and whoever was cut off goes on where that was. */

import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { STORE_FILE } from "../../../src/control/sqlite-store.ts";
import { Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const DRAIN = { kind: "drain", target: { region: "eu-west" }, reason: "maintenance" };

interface Event {
  readonly id: string;
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own data
  readonly data: any;
}

/** A client that reads along. */
class Reader {
  readonly events: Event[] = [];
  readonly comments: string[] = [];
  readonly response: IncomingMessage;
  hasEnded = false;
  #rest = "";

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding("utf8");
    response.on("data", (text: string) => this.#take(text));
    response.on("close", () => {
      this.hasEnded = true;
    });
    onTestFinished(() => void response.destroy());
  }

  get names(): readonly string[] {
    return this.events.map(({ name }) => name);
  }

  /** Where the stream begins. */
  get begin(): string {
    return /id (\S+)/.exec(this.comments[0] ?? "")?.[1] ?? "";
  }

  #take(text: string): void {
    const frames = (this.#rest + text).split("\n\n");
    this.#rest = frames.pop() ?? "";
    for (const frame of frames) {
      if (frame.startsWith(":")) this.comments.push(frame);
      else {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(frame)?.[1] ?? "";
        this.events.push({ id: field("id"), name: field("event"), data: JSON.parse(field("data")) });
      }
    }
  }
}

async function read(api: TestApi, query = "", last?: string, token = api.tokens.reader): Promise<Reader> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(last === undefined ? {} : { "last-event-id": last }),
  };
  const asked = request(`${api.url}/v1/events${query}`, { headers, agent: false }).end();
  asked.on("error", () => undefined);
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  expect([response.statusCode, response.headers["content-type"]]).toEqual([200, "text/event-stream"]);
  const reader = new Reader(response);
  await expect.poll(() => reader.begin).toMatch(/^\d+-\d+$/);
  return reader;
}

function isLetIn(api: TestApi): Promise<boolean> {
  return read(api).then(
    () => true,
    () => false,
  );
}

test("what changes by itself and what somebody does is told, in its order, with who did it", async () => {
  const api = await TestApi.open();
  const reader = await read(api);
  await api.post("/v1/overrides", DRAIN);
  const agents = Object.values(await api.node.agents("dublin", "tokyo", "virginia"));
  api.node.pass(1_000);
  for (let i = 0; i < 2; i += 1) {
    for (const agent of agents) await agent.report({ "web/us-east/ipv4": "timeout" });
    api.node.pass(1_000);
  }
  await expect
    .poll(() => reader.events.some(({ data }) => data.subject === "web/us-east/ipv4"), { timeout: 5_000 })
    .toBe(true);
  expect(reader.events).toContainEqual({
    id: expect.any(String),
    name: "audit",
    data: {
      at: "2026-01-01T00:00:00.000Z",
      subject: "override-set",
      detail: "drain region eu-west",
      author: "anna",
    },
  });
  expect(reader.events.find(({ name }) => name === "override")?.data).toMatchObject({
    subject: "drain:region:eu-west",
  });
  const verdict = reader.events.find(({ name, data }) => name === "verdict" && /^down/.test(data.detail));
  expect(verdict?.data).not.toHaveProperty("author");
  expect(new Set(reader.events.map(({ id }) => id)).size).toBe(reader.events.length);
  const times = reader.events.map(({ data }) => data.at);
  expect(times).toEqual(times.toSorted());
});

test("a client that was cut off is told what it has missed, after a restart too, each once", async () => {
  const node = new Node();
  const api = await TestApi.open(node);
  const reader = await read(api, "?kind=audit");
  await api.post("/v1/overrides", DRAIN);
  await expect.poll(() => reader.names).toEqual(["audit"]);
  reader.response.destroy();
  await api.post("/v1/overrides", { ...DRAIN, until: "+10m" });
  await api.close();
  await node.close();
  const later = await TestApi.open(new Node(node.folder, node.dns));
  const again = await read(later, "?kind=audit", reader.events.at(-1)?.id, api.tokens.reader);
  const seen = () => again.events.map(({ data }) => data.subject);
  await expect.poll(seen).toEqual(expect.arrayContaining(["override-replaced"]));
  expect(seen()).not.toContain("override-set");
  expect(seen().filter((subject) => subject === "override-replaced")).toHaveLength(1);
});

test("of more than fits at once all comes, and of what is kept no more there is a word", async () => {
  const node = new Node();
  const api = await TestApi.open(node);
  const { begin } = await read(api);
  for (let i = 0; i < 105; i += 1)
    node.desk.removeToken((await node.addToken(`t${i}`, { role: "reader" })) && `t${i}`, "a test");
  const reader = await read(api, "?kind=audit", begin);
  await expect.poll(() => reader.events.length, { timeout: 5_000 }).toBe(210);
  expect(reader.events.map(({ data }) => data.subject).slice(0, 4)).toEqual([
    "token-added",
    "token-removed",
    "token-added",
    "token-removed",
  ]);

  await api.post("/v1/overrides", DRAIN);
  await expect.poll(() => reader.events.length).toBe(211);
  const database = new DatabaseSync(node.folder.file(`state/${STORE_FILE}`));
  database.exec("DELETE FROM history WHERE sequence < (SELECT max(sequence) FROM history)");
  database.close();
  const late = await read(api, "", "0-0");
  await expect.poll(() => late.names).toEqual(["reset"]);
  const ahead = await read(api, "", "9999-9999");
  await expect.poll(() => ahead.names).toEqual(["reset"]);
}, 20_000);

test("a stream ends with its token, and with the node", async () => {
  const api = await TestApi.open();
  const [ritas, annas] = [await read(api), await read(api, "", undefined, api.tokens.admin)];
  await api.delete("/v1/tokens/rita");
  await expect.poll(() => ritas.hasEnded, { timeout: 5_000 }).toBe(true);
  expect(annas.hasEnded).toBe(false);
  await api.close();
  await expect.poll(() => annas.hasEnded).toBe(true);
});

test("a stream ends when its token expires", async () => {
  const api = await TestApi.open();
  const token = await api.node.addToken("short", { role: "reader" }, api.node.nowMs + 60_000);
  const reader = await read(api, "", undefined, token);
  api.node.pass(59_999);
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(reader.hasEnded).toBe(false);
  api.node.pass(1);
  await expect.poll(() => reader.hasEnded, { timeout: 5_000 }).toBe(true);
});

test("so many clients and no more read along, and a place is free again when one leaves", async () => {
  const api = await TestApi.open();
  const tokens = await Promise.all(
    Array.from({ length: 10 }, (_, i) => api.node.addToken(`reader-${i}`, { role: "reader" })),
  );
  const readers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => read(api, "", undefined, tokens[i % tokens.length])),
  );
  const refused = await api.get("/v1/events");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "60"]);
  readers[0]?.response.destroy();
  await expect.poll(() => isLetIn(api), { timeout: 5_000 }).toBe(true);
});

test("one token leaves places for others, and has its own again when one of its clients leaves", async () => {
  const api = await TestApi.open();
  const readers = await Promise.all(Array.from({ length: 10 }, () => read(api)));
  const refused = await api.get("/v1/events");
  expect([refused.status, refused.headers.get("retry-after"), refused.body.detail]).toEqual([
    429,
    "60",
    "10 clients read events with the token rita already",
  ]);
  await read(api, "", undefined, api.tokens.admin);
  readers[0]?.response.destroy();
  await expect.poll(() => isLetIn(api), { timeout: 5_000 }).toBe(true);
});

test.each(["x", "1", "1-2-3", "-1-2"])("the id %j is none", async (id) => {
  const api = await TestApi.open();
  expect((await api.get(`/v1/events?lastEventId=${id}`)).status).toBe(400);
});
