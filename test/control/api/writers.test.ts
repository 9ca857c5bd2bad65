/** Many who write at the same time: each reads a weight, and sets one more, under the version that it has read. */

import { Agent, request } from "node:http";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { TestApi } from "./test-api.ts";

const WRITERS = Number(process.env["MERIDIAN_WRITERS"] ?? 60);
/** A token may make 6,000 requests in a minute. */
const WRITERS_PER_TOKEN = 50;
const ID = "weight:choice:mix/new";

/** Who was refused waits up to so long, doubled with each time in a row, so that they do not all come again at once. */
const BACK_OFF_MS = 20;

test(`${WRITERS} writers with If-Match: no update is lost, and who was too late is told so`, async () => {
  const api = await TestApi.open();
  const agent = new Agent({ keepAlive: true, maxSockets: WRITERS });
  onTestFinished(() => agent.destroy());
  const tokens: string[] = [];
  for (let i = 0; i < WRITERS; i += WRITERS_PER_TOKEN)
    tokens.push(await api.node.addToken(`writer-${i}`, { role: "operator" }));
  const startedMs = performance.now();
  const conflicts = await Promise.all(
    Array.from({ length: WRITERS }, (_, i) => {
      return raise(new Client(api.url, agent, tokens[Math.floor(i / WRITERS_PER_TOKEN)] ?? ""));
    }),
  );
  const tookMs = performance.now() - startedMs;
  const late = conflicts.reduce((sum, count) => sum + count, 0);
  process.stdout.write(
    `    ${WRITERS} writers in ${Math.round(tookMs)} ms: ${late} of ${late + WRITERS} writes came too late and were repeated\n`,
  );
  expect(api.node.desk.overrides()).toMatchObject([{ id: ID, action: { weight: WRITERS } }]);
  expect(late).toBeGreaterThan(0);
  const weights: number[] = [];
  for (let before: number | null = null; ; ) {
    const page = api.node.desk.audit(1_000, before);
    for (const { event, detail } of page) {
      if (event === "override-set" || event === "override-replaced")
        weights.unshift(Number(/weight of choice mix\/new (\d+)/.exec(detail)?.[1]));
    }
    before = page.at(-1)?.sequence ?? null;
    if (before === null) break;
  }
  expect(weights).toEqual(Array.from({ length: WRITERS }, (_, i) => i + 1));
}, 120_000);

/** Adds one to the weight, and returns how often somebody else was faster. */
async function raise(client: Client): Promise<number> {
  for (let conflicts = 0; ; conflicts += 1) {
    const read = await client.send("GET", `/v1/overrides?target=mix/new`);
    const [override] = read.body["overrides"] as readonly { readonly weight: number }[];
    const body = {
      kind: "weight",
      target: { choice: "mix/new" },
      weight: (override?.weight ?? 0) + 1,
      reason: "one more",
    };
    const { status } = await client.send("POST", "/v1/overrides", body, read.etag);
    if (status === 201) return conflicts;
    expect(status).toBe(412);
    await sleep(Math.random() * BACK_OFF_MS * 2 ** Math.min(conflicts, 8));
  }
}

interface Answered {
  readonly status: number;
  readonly etag: string;
  readonly body: Readonly<Record<string, unknown>>;
}

class Client {
  readonly #url: string;
  readonly #agent: Agent;
  readonly #token: string;

  constructor(url: string, agent: Agent, token: string) {
    this.#url = url;
    this.#agent = agent;
    this.#token = token;
  }

  send(method: string, path: string, body?: object, etag?: string): Promise<Answered> {
    const headers = {
      authorization: `Bearer ${this.#token}`,
      ...(etag === undefined ? {} : { "if-match": etag }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, this.#url), { method, headers, agent: this.#agent }, (response) => {
        const answered = async (): Promise<Answered> => ({
          status: response.statusCode ?? 0,
          etag: response.headers.etag ?? "",
          body: (await json(response)) as Answered["body"],
        });
        answered().then(resolve, reject);
      });
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
