import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { draw, type Scene } from "../../src/command/top.ts";

const CALM: Scene = {
  api: "http://127.0.0.1:8053",
  at: new Date("2026-01-02T03:04:05Z"),
  status: { version: 12, adoptedVersion: 12, reportsTaken: 7 },
  services: [{ name: "www.gslb.example", boundMs: 12_500, failoverWithinMs: 15_000 }],
  verdicts: [
    { vip: "web/eu-west/ipv4", up: true, basis: "judged", reason: "3 of 3", since: "2026-01-01T00:00:00Z" },
  ],
  vantages: [{ vantage: "dublin", streams: 1, fresh: true, isolated: false }],
  overrides: [],
  drills: [],
  alarms: [],
  splits: [
    {
      service: "www.gslb.example",
      queries: 10,
      regions: [{ region: "eu-west", planned: 0.804, actual: 0.79 }],
    },
  ],
};

function screen(scene: Partial<Scene>, columns = 120, rows = 50): readonly string[] {
  return draw({ ...CALM, ...scene }, columns, rows).map((line) => stripVTControlCharacters(line));
}

test("a calm node has its services alone, with what is planned beside what was so", () => {
  expect(screen({})).toEqual([
    "http://127.0.0.1:8053  2026-01-02T03:04:05Z  version 12",
    "1 of 1 VIPs up   1 of 1 vantages see   0 overrides   0 drills",
    "",
    "SERVICES                        bound / objective   answers of ten minutes: planned, and as they were",
    "www.gslb.example                12.5s / 15s         eu-west 80.4 % 79 %",
  ]);
});

test("what an agent has said neither moves the cursor nor makes a line of its own", () => {
  const reason = "refused: \u001b[2J\u001b]0;mine\u0007\r\n0 of 1 VIPs up";
  const verdict = {
    vip: "web/eu-west/ipv4",
    up: false,
    basis: "judged",
    reason,
    since: "2026-01-02T03:00:00Z",
  };
  const lines = draw({ ...CALM, verdicts: [verdict] }, 200, 50);
  expect(lines.find((line) => line.includes("refused"))).toContain(
    "refused: \ufffd[2J\ufffd]0;mine\ufffd\ufffd 0 of 1",
  );
});

test("what is wrong comes before them", () => {
  const lines = screen({
    status: { version: 13, adoptedVersion: 12, reportsTaken: 7 },
    alarms: [{ severity: "critical", summary: "VIP web/eu-west/ipv4 is down" }],
    verdicts: [
      {
        vip: "web/eu-west/ipv4",
        up: false,
        basis: "judged",
        reason: "timeout",
        since: "2026-01-02T03:00:00Z",
      },
    ],
    vantages: [
      { vantage: "dublin", streams: 0, fresh: false, isolated: false },
      { vantage: "tokyo", streams: 1, fresh: true, isolated: true },
    ],
    overrides: [{ id: "drain:region:eu-west", author: "ann", until: null, active: true }],
    drills: [
      { id: "d-2", summary: "dead region eu-west", phase: "running", until: "2026-01-02T03:05:00Z" },
      { id: "d-1", summary: "drain", phase: "over", until: "2026-01-01T03:05:00Z" },
    ],
  });
  expect(lines[0]).toBe("http://127.0.0.1:8053  2026-01-02T03:04:05Z  version 13, dns serves 12");
  expect(lines[1]).toBe("0 of 1 VIPs up   0 of 2 vantages see   1 overrides   1 drills");
  expect(lines.slice(2, -3)).toEqual([
    "",
    "ALARMS",
    "critical   VIP web/eu-west/ipv4 is down",
    "",
    "DOWN",
    "web/eu-west/ipv4  judged since 2026-01-02T03:00:00Z  timeout",
    "",
    "DRILLS",
    "d-2  running  dead region eu-west  until 2026-01-02T03:05:00Z",
    "",
    "VANTAGES",
    "dublin  not connected",
    "tokyo  isolated",
    "",
    "OVERRIDES",
    "drain:region:eu-west  by ann  until it is ended",
  ]);
});

test("a small screen is told what it does not show, and no line is longer than it is wide", () => {
  const services = Array.from({ length: 40 }, (_, i) => ({
    name: `s${i}.example`,
    boundMs: null,
    failoverWithinMs: null,
  }));
  const lines = screen({ services }, 40, 10);
  expect(lines).toHaveLength(10);
  expect(lines.at(-1)).toBe("… 35 lines more");
  expect(Math.max(...lines.map((line) => line.length))).toBe(40);
});
