import { describe, expect, test } from "vitest";
import { parseDrill } from "../../src/config/parse-drill.ts";
import { formatProblem } from "../../src/problem.ts";
import { configOf, maximal, problemsOf, small } from "./fixture.ts";

const world = `${small}vantages: { virginia: { at: [38.9, -77.4] } }
services: { www.example: { ttl: 5s, policy: web } }
`;

describe("the section drills", () => {
  test("says what is done to what, for how long, watched how and guarded by what", () => {
    const drill = configOf(maximal).drills.get("eu-west-dies");
    expect(drill).toMatchObject({
      name: "eu-west-dies",
      action: { kind: "dead", target: { by: "region", id: "eu-west" }, by: ["dublin", "virginia"] },
      durationMs: 120_000,
      services: ["www.gslb.example", "Shop.GSLB.example", "api.gslb.example", "cdn.gslb.example"],
      expect: { words: ["us-east"], withinMs: 15_000 },
      guards: { regionsUp: 2, errorsAtMost: 0.05, loadAtMost: 0.9, quietElsewhere: false },
      schedule: { zone: "Europe/Dublin", blocked: ["2026-12-24"] },
    });
    expect(drill?.expect.to).toContain("web/us-east/ipv4");
  });

  test("has all guards on where nothing is said, and lets every vantage report a death", () => {
    const { drills } = configOf(
      `${world}drills: { d: { mode: dead, target: { region: us }, duration: 10s } }`,
    );
    expect(drills.get("d")).toMatchObject({
      action: { kind: "dead", target: { by: "region", id: "us" }, by: ["virginia"] },
      services: [],
      expect: { to: [], words: [], withinMs: null },
      guards: { regionsUp: 1, errorsAtMost: 0.1, loadAtMost: 1, quietElsewhere: true },
      schedule: null,
    });
  });

  test.each([
    ["{}", ['d: expected the key "mode"', 'd: expected the key "target"', 'd: expected the key "duration"']],
    ["{ mode: dead, target: {}, duration: 10s }", ["target: expected one of the keys region, member, vip"]],
    [
      "{ mode: dead, target: { region: us, vip: web/us/ipv4 }, duration: 10s }",
      ["target: expected one of the keys region, member, vip"],
    ],
    [
      "{ mode: drain, target: { vip: web/us/ipv4 }, duration: 10s }",
      ['target: unknown key "vip"', "target: expected one of the keys region, member"],
    ],
    [
      "{ mode: dead, target: { region: uss }, duration: 10s }",
      ['target.region: there is no region "uss", did you mean "us"'],
    ],
    [
      "{ mode: dead, target: { vip: web/us/ipv6 }, duration: 10s }",
      ['target.vip: there is no VIP "web/us/ipv6", did you mean "web/us/ipv4"'],
    ],
    [
      "{ mode: cut, target: { region: us }, duration: 10s }",
      ['target: unknown key "region"', 'target: expected the key "vantages"'],
    ],
    [
      "{ mode: cut, target: { vantages: [] }, duration: 10s }",
      ["target.vantages: expected at least one vantage"],
    ],
    ["{ mode: weight, target: { region: us }, duration: 10s }", ['d: expected the key "weight"']],
    [
      "{ mode: drain, target: { region: us }, weight: 1, by: virginia, duration: 10s }",
      ["weight: expected only with mode weight", "by: expected only with mode dead"],
    ],
    ["{ mode: drain, target: { region: us }, duration: 10ms }", ["duration: expected a duration"]],
    [
      "{ mode: drain, target: { region: us }, duration: 1m, schedule: { cron: daily, zone: Dublin, blocked: [Xmas] } }",
      [
        "schedule.cron: expected five fields of a crontab",
        "schedule.zone: expected a time zone",
        "schedule.blocked[0]: expected a day",
      ],
    ],
  ])("%s: each problem is found", (drill, expected) => {
    const found = problemsOf(`${world}drills: { d: ${drill} }`);
    for (const message of expected) expect(found).toContainEqual(expect.stringContaining(message));
    expect(found).toHaveLength(expected.length);
  });
});

describe("a drill that somebody asks for", () => {
  const config = configOf(world);

  test("has the keys of a declared one", () => {
    const asked = { mode: "drain", target: { member: "web/us" }, duration: "1m", guards: { regionsUp: 1 } };
    expect(parseDrill("now", JSON.stringify(asked), config).value).toMatchObject({
      name: "now",
      action: { kind: "drain", target: { by: "member", id: "web/us" } },
      durationMs: 60_000,
    });
  });

  test("gives all its problems, with their paths", () => {
    const asked = { mode: "drain", target: { member: "web/eu" }, duration: 60 };
    const { value, problems } = parseDrill("now", JSON.stringify(asked), config);
    expect(value).toBeNull();
    expect(problems.map(formatProblem)).toEqual([
      expect.stringContaining('target.member: there is no member "web/eu"'),
      expect.stringContaining(
        'duration: expected a duration such as 500ms, 5s, 1m or 1h, from 1s to 24h, found "60"',
      ),
    ]);
  });
});
