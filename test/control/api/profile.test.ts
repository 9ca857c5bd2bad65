/** The profile of traffic by API. */

import { describe, expect, test } from "vitest";
import { CONFIG, Folder, GB, JP, Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const sampling = (profile: string): Node =>
  new Node(
    new Folder({ "meridian.yaml": CONFIG.replace("state: state", `state: state, profile: ${profile}`) }),
  );

describe("GET /v1/profile", () => {
  test("has services, prefixes and regions by queries, those asked most first", async () => {
    const api = await TestApi.open(sampling("{ sample: 1 }"));
    for (let i = 0; i < 30; i += 1) api.node.dns.ask("www.test.example", GB, "A", i);
    for (let i = 0; i < 10; i += 1) api.node.dns.ask("shop.test.example", JP, "AAAA", i);
    api.node.dns.ask("ns1.test.example", JP, "A", 0);
    const { status, body } = await api.get("/v1/profile?since=10m");
    expect(status).toBe(200);
    expect(body).toEqual({
      queries: 40,
      samples: 40,
      prefixes: 2,
      windows: [
        { from: "2026-01-01T00:00:00.000Z", until: "2026-01-01T00:05:00.000Z", queries: 40, samples: 40 },
      ],
      regions: [
        { region: "eu-west", queries: 30 },
        { region: "us-east", queries: 10 },
      ],
      services: [{ service: "www.test.example", queries: 40 }],
      clients: [
        { prefix: "192.0.2.0/24", queries: 30 },
        { prefix: "198.51.100.0/24", queries: 10 },
      ],
    });
  });

  test("goes on after a restart of control, and with other files", async () => {
    const node = await sampling("{ sample: 1 }").open();
    const count = async (): Promise<number> =>
      [...((await node.desk.profile(0)) ?? [])].reduce((sum, { samples }) => sum + samples.length, 0);
    node.dns.ask("www.test.example", GB, "A", 1);
    await count();
    await node.change({ kind: "reload" });
    node.dns.ask("www.test.example", GB, "A", 2);
    expect(await count()).toBe(2);
    await node.close();
    await node.open();
    node.dns.ask("www.test.example", GB, "A", 3);
    expect(await count()).toBe(3);
  });

  test("says so where nothing is kept, and what was kept is forgotten", async () => {
    const first = await sampling("{ sample: 1 }").open();
    first.dns.ask("www.test.example", GB, "A", 1);
    await first.desk.profile(0);
    await first.close();
    first.folder.write(
      "meridian.yaml",
      CONFIG.replace("state: state", "state: state, profile: { sample: 0 }"),
    );
    const api = await TestApi.open(first);
    const { status, body } = await api.get("/v1/profile");
    expect(status).toBe(404);
    expect(body.detail).toBe("this node keeps no profile of its traffic: node.profile.sample is 0");
    await first.close();
    first.folder.write("meridian.yaml", CONFIG);
    await first.open();
    expect([...((await first.desk.profile(0)) ?? [])]).toEqual([]);
  });

  test("wants a duration, and a token", async () => {
    const api = await TestApi.open();
    const { status, body } = await api.get("/v1/profile?since=yesterday");
    expect(status).toBe(400);
    expect(body.problems[0].message).toBe('since: expected a duration such as 1h, got "yesterday"');
    expect((await api.get("/v1/profile", null)).status).toBe(401);
  });
});
