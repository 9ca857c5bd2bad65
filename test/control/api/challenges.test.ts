/** ACME challenges by API: what is set is answered, what is wrong is said. */

import { describe, expect, test } from "vitest";
import { GB, Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const PATH = "/v1/challenges/www.test.example";

function answers(node: Node, name = "_acme-challenge.www.test.example"): readonly string[] {
  return node.dns.answers(name, GB, "TXT", 1).map((rr) => String(Reflect.get(rr, "data")));
}

describe("/v1/challenges", () => {
  test("sets values beside one another, which end by themselves", async () => {
    const api = await TestApi.open();
    const { status, body, headers } = await api.call("PUT", `${PATH}/one`, { body: { until: "+10m" } });
    expect([status, headers.get("etag")]).toEqual([200, '"2"']);
    expect(body).toEqual({
      version: 2,
      challenge: {
        owner: "_acme-challenge.www.test.example.",
        value: "one",
        author: "anna",
        createdAt: "2026-01-01T00:00:00.000Z",
        until: "2026-01-01T00:10:00.000Z",
      },
    });
    const named = "/v1/challenges/_acme-challenge.WWW.test.example./t%20wo";
    expect((await api.call("PUT", named, { body: {} })).body.challenge.until).toBe(
      "2026-01-01T01:00:00.000Z",
    );
    expect(answers(api.node)).toEqual(["one", "t wo"]);
    expect((await api.get("/v1/challenges")).body.challenges).toHaveLength(2);
    api.node.pass(600_000);
    await api.get("/v1/status");
    expect(answers(api.node)).toEqual(["t wo"]);
    expect((await api.delete(named)).status).toBe(200);
    expect(answers(api.node)).toEqual([]);
    const events = (await api.get("/v1/audit")).body.entries.map(({ event }: { event: string }) => event);
    expect(events.filter((event: string) => event.startsWith("challenges"))).toEqual([
      "challenges-ended",
      "challenges-expired",
      "challenges-set",
      "challenges-set",
    ]);
  });

  test("gives a value that is there another end", async () => {
    const api = await TestApi.open();
    await api.call("PUT", `${PATH}/one`, { body: { until: "+1m" } });
    await api.call("PUT", `${PATH}/one`, { body: { until: "+2m" } });
    expect((await api.get("/v1/challenges")).body.challenges).toMatchObject([
      { until: "2026-01-01T00:02:00.000Z" },
    ]);
  });

  test("survives a restart of control, and an edit of the zone", async () => {
    const api = await TestApi.open();
    await api.call("PUT", `${PATH}/one`, { body: {} });
    const { dns, folder } = api.node;
    await api.close();
    await api.node.close();
    dns.adoptChallenges(null);
    const again = await new Node(folder, dns).open();
    expect(answers(again)).toEqual(["one"]);
    expect((await again.change({ kind: "reload" })).kind).toBe("published");
    expect(answers(again)).toEqual(["one"]);
  });

  test.each<[string, string, object, number, RegExp]>([
    ["no zone of ours", "/v1/challenges/www.other.example/x", {}, 422, /lies in no zone of ours/],
    [
      "an end in the past",
      `${PATH}/x`,
      { until: "2020-01-01T00:00:00Z" },
      422,
      /until: expected a time after/,
    ],
    ["no time", `${PATH}/x`, { until: "soon" }, 400, /until: expected a time/],
    ["no name", "/v1/challenges/a..b/x", {}, 400, /name: expected a domain name/],
    ["octets that cannot be printed", `${PATH}/%07`, {}, 422, /value: expected 1 to 255 printable/],
    ["an unknown key", `${PATH}/x`, { ttl: 5 }, 400, /ttl/],
  ])("refuses %s", async (_what, path, body, status, message) => {
    const api = await TestApi.open();
    const result = await api.call("PUT", path, { body });
    expect(result.status).toBe(status);
    expect(JSON.stringify(result.body)).toMatch(message);
    expect(api.node.desk.challenges()).toEqual([]);
  });

  test("has at most 32 values at a name, and a 404 for one that is not there", async () => {
    const api = await TestApi.open();
    for (let i = 0; i < 32; i += 1) await api.call("PUT", `${PATH}/v${i}`, { body: {} });
    expect((await api.call("PUT", `${PATH}/more`, { body: {} })).status).toBe(422);
    expect((await api.call("PUT", `${PATH}/v7`, { body: {} })).status).toBe(200);
    expect((await api.delete(`${PATH}/more`)).status).toBe(404);
  });
});
