/** Requests that are sent again: nothing is done twice, and the answer is the one that there was. */

import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { REPLIES_MAX } from "../../../src/control/repeats.ts";
import { STORE_FILE } from "../../../src/control/sqlite-store.ts";
import { Node } from "../test-node.ts";
import { documentOf, type Result, TestApi } from "./test-api.ts";

const DRAIN = { kind: "drain", target: { region: "eu-west" }, reason: "maintenance" };
const DAY_MS = 86_400_000;

test("the same request with the same key gets the same answer, and changes nothing more", async () => {
  const api = await TestApi.open();
  const first = await drain(api, "one");
  expect(first).toMatchObject({ status: 201, body: { version: 2 } });
  api.node.pass(1_000);
  const quoted = await drain(api, '"one"');
  expect(seen(quoted)).toEqual(seen(first));
  expect(api.node.desk.status().version).toBe(2);
  expect((await drain(api, "two")).body.version).toBe(3);
});

test("a refusal is kept as well, and so is an answer without a body", async () => {
  const api = await TestApi.open();
  const unknown = { ...DRAIN, target: { region: "eu-wst" } };
  const refused = await drain(api, "one", unknown);
  expect(refused.status).toBe(422);
  expect(seen(await drain(api, "one", unknown))).toEqual(seen(refused));
  const remove = () => api.delete("/v1/tokens/rita", { "idempotency-key": "two" });
  const removed = await remove();
  expect([removed.status, seen(await remove())]).toEqual([204, seen(removed)]);
  expect((await api.delete("/v1/tokens/rita")).status).toBe(404);
});

test("a key that stood for another request is refused, whatever is different", async () => {
  const api = await TestApi.open();
  await drain(api, "one");
  const others = [
    await drain(api, "one", { ...DRAIN, reason: "something else" }),
    await api.post("/v1/overrides", DRAIN, { "idempotency-key": "one", "if-match": '"2"' }),
    await api.post("/v1/releases", { target: DRAIN.target, reason: "x" }, { "idempotency-key": "one" }),
  ];
  for (const { status, body } of others) expect([status, body.code]).toEqual([422, "key-reused"]);
});

test("the same key of another token is another key, also of one that was made anew", async () => {
  const api = await TestApi.open();
  const first = await drain(api, "one");
  const secret = await api.node.addToken("bob", { role: "operator" });
  const bobs = await drain(api, "one", DRAIN, { authorization: `Bearer ${secret}` });
  expect(bobs.body.version).toBe(first.body.version + 1);
  api.node.desk.removeToken("bob", "a test");
  api.node.pass(1);
  const again = await api.node.addToken("bob", { role: "operator" });
  const anew = await drain(api, "one", DRAIN, { authorization: `Bearer ${again}` });
  expect(anew.body.version).toBe(first.body.version + 2);
});

test("one that is not done yet is told to wait", async () => {
  const api = await TestApi.open();
  const { desk } = api.node;
  const door = desk.change.bind(desk);
  const { promise, resolve } = Promise.withResolvers<void>();
  let isAsked = false;
  Object.defineProperty(desk, "change", {
    value: async (request: Parameters<typeof door>[0]) => {
      isAsked = true;
      await promise;
      return await door(request);
    },
  });
  const first = drain(api, "one");
  await expect.poll(() => isAsked).toBe(true);
  const second = await drain(api, "one");
  expect([second.status, second.body.code, second.headers.get("retry-after")]).toEqual([
    409,
    "under-way",
    "1",
  ]);
  resolve();
  expect(seen(await drain(api, "one"))).toEqual(seen(await first));
});

test("what went wrong on our side can be sent again", async () => {
  const api = await TestApi.open();
  const { desk } = api.node;
  const door = desk.change.bind(desk);
  let isBroken = true;
  Object.defineProperty(desk, "change", {
    value: (request: Parameters<typeof door>[0]) => {
      if (isBroken) throw new Error("a mistake");
      return door(request);
    },
  });
  expect((await drain(api, "one")).status).toBe(500);
  isBroken = false;
  expect((await drain(api, "one")).status).toBe(201);
});

test("keys outlive a restart; of a request that it cut off nobody says that it was made", async () => {
  const node = new Node();
  const api = await TestApi.open(node);
  const first = await drain(api, "one");
  const { id } = node.token("anna");
  await api.close();
  await node.close();
  const later = await TestApi.open(new Node(node.folder, node.dns));
  const again = () => drain(later, "one", DRAIN, { authorization: `Bearer ${api.tokens.admin}` });
  expect(seen(await again())).toEqual(seen(first));

  const database = new DatabaseSync(node.folder.file(`state/${STORE_FILE}`));
  database.prepare("UPDATE requests SET reply = NULL WHERE sender = ?").run(id);
  database.close();
  const cut = await again();
  expect([cut.status, cut.body.code]).toEqual([409, "outcome-unknown"]);
});

test("a key is forgotten after a day", async () => {
  const api = await TestApi.open();
  await drain(api, "one");
  api.node.pass(DAY_MS - 1);
  expect((await drain(api, "one")).body.version).toBe(2);
  api.node.pass(1);
  expect((await drain(api, "one")).body.version).toBe(3);
});

test("of too many keys the oldest are forgotten, and none of another token", async () => {
  const { desk, folder, nowMs } = await new Node().open();
  const database = new DatabaseSync(folder.file(`state/${STORE_FILE}`));
  const { changes } = database
    .prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       INSERT INTO requests (sender, key, fingerprint, at_ms, reply)
         SELECT sender, i, '', ?, '{"status":204,"headers":{},"body":null}'
           FROM n, (SELECT 'lb-1' AS sender UNION SELECT 'lb-2')`,
    )
    .run(REPLIES_MAX, nowMs);
  database.close();
  expect(changes).toBe(2 * REPLIES_MAX);
  const kindOf = (sender: string, key: string) =>
    desk.repeats.begin({ sender, key, fingerprint: "" }, nowMs).kind;
  expect(kindOf("lb-1", "new")).toBe("first");
  expect([kindOf("lb-1", "2"), kindOf("lb-2", "1"), kindOf("lb-1", "1")]).toEqual([
    "repeat",
    "repeat",
    "first",
  ]);
});

test("a key that is none is refused", async () => {
  const api = await TestApi.open();
  for (const key of ["", "two words", '"', "x".repeat(256)]) {
    const { status, body } = await drain(api, key);
    expect([status, body.detail]).toEqual([400, expect.stringContaining("idempotency-key: expected a key")]);
  }
});

test("every request that changes something takes a key, but the one whose answer is a secret", async () => {
  const { paths } = await documentOf((await new Node().open()).desk);
  const without = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { parameters = [] }]) =>
      method === "get" || parameters.some(({ name }) => name === "idempotency-key")
        ? []
        : [`${method.toUpperCase()} ${path}`],
    ),
  );
  expect(without.toSorted()).toEqual([
    "POST /v1/explain",
    "POST /v1/preview",
    "POST /v1/simulate",
    "POST /v1/tokens",
  ]);
});

function drain(
  api: TestApi,
  key: string,
  body: object = DRAIN,
  headers: Readonly<Record<string, string>> = {},
): Promise<Result> {
  return api.post("/v1/overrides", body, { "idempotency-key": key, ...headers });
}

/** What a client can tell two answers apart by. */
function seen({ status, headers, body }: Result): object {
  const kept = ["content-type", "etag", "location"].map((name) => headers.get(name));
  return { status, kept, body };
}
