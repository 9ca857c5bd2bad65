/** How answers are shared out: by the plans in force, and as they were. */

import { describe, expect, test } from "vitest";
import { CONFIG, Folder, GB, JP, Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const sampling = (profile: string): Node =>
  new Node(
    new Folder({ "meridian.yaml": CONFIG.replace("state: state", `state: state, profile: ${profile}`) }),
  );

describe("GET /v1/splits", () => {
  test("has what is planned for the clients that asked beside what they got", async () => {
    const api = await TestApi.open(sampling("{ sample: 1 }"));
    for (let i = 0; i < 30; i += 1) api.node.dns.ask("www.test.example", GB, "A", i);
    for (let i = 0; i < 10; i += 1) api.node.dns.ask("www.test.example", JP, "AAAA", i);
    const before = await api.get("/v1/splits?since=10m");
    expect(before.body).toEqual({
      splits: [
        {
          service: "www.test.example",
          queries: 40,
          regions: [
            { region: "eu-west", planned: 0.75, actual: 0.75 },
            { region: "us-east", planned: 0.25, actual: 0.25 },
          ],
        },
      ],
      next: null,
    });
    await api.post("/v1/overrides", { kind: "drain", target: { region: "eu-west" }, reason: "maintenance" });
    const after = await api.get("/v1/splits?since=10m");
    expect(after.body.splits[0].regions).toEqual([
      { region: "us-east", planned: 1, actual: 0.25 },
      { region: "eu-west", planned: 0, actual: 0.75 },
    ]);
  });

  test("says so where no traffic is kept", async () => {
    const api = await TestApi.open(sampling("{ sample: 0 }"));
    expect((await api.get("/v1/splits")).status).toBe(404);
  });
});
