/** What a region's death would do, asked over real HTTP, and shown by the command. */

import { describe, expect, test, vi } from "vitest";
import { capacity } from "../../../src/command/capacity.ts";
import type { ShareView } from "../../../src/control/api/plan-view.ts";
import { CONFIG, Folder, GB, JP, Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

/** Three regions for Europe, in this order: eu-west, us-east, ap-south. */
const SIZED = CONFIG.replace("check: web\n", "check: web\n    signals: {}\n")
  .replace("regions:\n", "regions:\n  ap-south: { at: [19.1, 72.9] }\n")
  .replace(
    /members:[\s\S]*?policies:/,
    `members:
      us-east: { ipv4: 10.0.0.1, capacity: 400 }
      eu-west: { ipv4: 10.0.0.2, capacity: 200 }
      ap-south: { ipv4: 10.0.0.3, capacity: 100 }
policies:`,
  )
  .replaceAll("failover: [web/us-east, web/eu-west]", "failover: [web/us-east, web/eu-west, web/ap-south]")
  .replaceAll("failover: [web/eu-west, web/us-east]", "failover: [web/eu-west, web/us-east, web/ap-south]")
  .replace(/services:[\s\S]*$/, "services:\n  www.test.example: { ttl: 5s, policy: eu-first }\n");

async function open(): Promise<TestApi> {
  return TestApi.open(new Node(new Folder({ "meridian.yaml": SIZED })));
}

async function tell(api: TestApi, loads: Readonly<Record<string, number>>): Promise<void> {
  const signals = Object.entries(loads).map(([region, load]) => ({ target: `web/${region}`, load }));
  expect((await api.call("POST", "/v1/signals", { role: "signals", body: { signals } })).status).toBe(204);
  api.node.pass(1_000);
}

describe("GET /v1/capacity", () => {
  test("says what the others would carry, by the plans there would be", async () => {
    const api = await open();
    await tell(api, { "us-east": 0.25, "eu-west": 0.5, "ap-south": 0 });
    const { pools } = (await api.get("/v1/capacity")).body;
    expect(pools).toHaveLength(1);
    const [usEast, euWest] = pools[0].regions;
    // All clients of the service have eu-west first: without it their 100 go by headrooms of 300 and 100.
    expect(euWest).toEqual({
      region: "eu-west",
      capacity: 200,
      load: 0.5,
      weighedBy: "classes",
      others: [
        { region: "us-east", capacity: 400, load: (100 + 75) / 400 },
        { region: "ap-south", capacity: 100, load: 25 / 100 },
      ],
      othersLoad: 200 / 500,
    });
    // Nobody of this service is answered with us-east, so its load is somebody else's.
    expect(usEast.others).toEqual([
      { region: "eu-west", capacity: 200, load: 0.5 },
      { region: "ap-south", capacity: 100, load: 0 },
    ]);
  });

  test("is what the answers do when the region dies", async () => {
    const api = await open();
    await tell(api, { "us-east": 0.25, "eu-west": 0.5, "ap-south": 0 });
    const target = { region: "eu-west" };
    await api.post("/v1/overrides", { kind: "force", target, verdict: "down", reason: "a test" });
    const { body } = await api.post("/v1/explain", { name: "www.test.example", type: "A", client: GB });
    const shares = body.plan.shares as readonly ShareView[];
    expect(shares.map(({ member, probability }) => [member, probability])).toEqual([
      ["web/us-east", 0.75],
      ["web/ap-south", 0.25],
    ]);
    expect(body.lines.join("\n")).toContain("headroom 75 % of 400");
  });

  test("counts clients as the profile has them, and classes where it has none", async () => {
    const byCountry =
      "{ geo: { countries: { GB: { failover: [web/eu-west, web/us-east] }, JP: { failover: [web/eu-west, web/ap-south] } } } }";
    const config = SIZED.replace("state: state", "state: state, profile: { sample: 1 }").replace(
      "policy: eu-first }",
      `policy: ${byCountry} }`,
    );
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": config })));
    await tell(api, { "us-east": 0, "eu-west": 0.5, "ap-south": 0 });
    const rounded = ({ load, capacity }: { readonly load: number; readonly capacity: number }): number =>
      Math.round(load * capacity * 1e6) / 1e6;
    const workOf = async (): Promise<readonly [by: string, usEast: number, apSouth: number]> => {
      const [, { weighedBy, others }] = (await api.get("/v1/capacity")).body.pools[0].regions;
      return [weighedBy, rounded(others[0]), rounded(others[1])];
    };
    // Half of eu-west's 200 is in use, and it serves two classes of clients.
    expect(await workOf()).toEqual(["classes", 50, 50]);
    for (let i = 0; i < 300; i += 1) api.node.dns.ask("www.test.example", i % 4 === 0 ? JP : GB, "A", i);
    const [weighedBy, usEast, apSouth] = await workOf();
    expect(weighedBy).toBe("profile");
    expect(Math.abs(usEast - 75)).toBeLessThan(0.2);
    expect(usEast + apSouth).toBeCloseTo(100, 9);
    // What nobody has asked for is another region's traffic, and of that nothing is known.
    expect((await api.get("/v1/capacity")).body.pools[0].regions[0].weighedBy).toBe("classes");
  });

  test("has no figure where a load is not known, and no pool without capacities", async () => {
    const api = await open();
    await tell(api, { "us-east": 0.25, "eu-west": 0.5 });
    const [usEast, euWest, apSouth] = (await api.get("/v1/capacity")).body.pools[0].regions;
    expect([usEast.load, euWest.load, apSouth.load]).toEqual([0.25, 0.5, null]);
    expect([euWest.othersLoad, euWest.others[0].load]).toEqual([null, (100 + 75) / 400]);
    const { body: metrics } = await api.get("/metrics", null);
    expect(metrics.match(/^meridian_member_load_ratio.*$/gm)).toEqual([
      'meridian_member_load_ratio{pool="web",member="web/us-east",region="us-east"} 0.25',
      'meridian_member_load_ratio{pool="web",member="web/eu-west",region="eu-west"} 0.5',
    ]);
    expect((await (await TestApi.open()).get("/v1/capacity")).body).toEqual({ pools: [], next: null });
  });
});

test("`meridian capacity` prints a line for each region", async () => {
  const api = await open();
  await tell(api, { "us-east": 0.25, "eu-west": 0.5, "ap-south": 0 });
  const printed: string[] = [];
  const write = process.stdout.write;
  vi.stubEnv("MERIDIAN_TOKEN", api.tokens.reader);
  process.stdout.write = (text: string | Uint8Array): boolean => printed.push(String(text)) > 0;
  try {
    await capacity({ api: api.url });
  } finally {
    process.stdout.write = write;
  }
  expect(printed.join("")).toBe(
    [
      "pool  region    capacity  now   if it died, the others  each of them                   weighed by",
      "web   us-east   400       25 %  33.3 %                  eu-west 50 %, ap-south 0 %     classes",
      "web   eu-west   200       50 %  40 %                    us-east 43.8 %, ap-south 25 %  classes",
      "web   ap-south  100       0 %   33.3 %                  us-east 25 %, eu-west 50 %     classes",
      "",
    ].join("\n"),
  );
});
