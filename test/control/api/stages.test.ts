import { expect, test } from "vitest";
import { CONFIG, Folder, GB, Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const SAFETY = "safety: { maxMoved: 20%, stageEvery: 1m }";

test("an override that takes effect step by step is shown, paused, resumed and taken back by HTTP", async () => {
  const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": `${CONFIG}\n${SAFETY}\n` })));
  const drain = { kind: "drain", target: { region: "eu-west" }, reason: "maintenance" };
  const { status, body } = await api.post("/v1/overrides", drain);
  expect([status, body.override.stage]).toEqual([
    201,
    {
      part: expect.any(Number),
      goal: "in force",
      nextAt: "2026-01-01T00:01:00.000Z",
      watched: ["web/us-east/ipv4"],
      text: expect.stringMatching(/^57\.8 % of the way, next step at 2026-01-01T00:01:00\.000Z$/),
    },
  ]);
  const url = `${body.override.url}/stage`;
  const order = (word: string) => api.post(url, { order: word, reason: "a look" });
  const stage = async () => (await api.get("/v1/overrides")).body.overrides[0]?.stage;
  expect((await order("pause")).status).toBe(200);
  expect(await stage()).toMatchObject({ nextAt: null, text: "57.8 % of the way, paused" });
  expect((await order("resume")).status).toBe(200);
  expect(await stage()).toMatchObject({ nextAt: "2026-01-01T00:00:00.000Z" });
  expect((await order("abort")).status).toBe(200);
  expect(await stage()).toBeUndefined();
  expect(api.node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.2"]);
  expect((await order("pause")).status).toBe(404);
});
