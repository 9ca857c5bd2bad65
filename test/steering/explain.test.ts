/** What `explain` says, as a transcript: `test/scenarios/steering-explain.txt`; `UPDATE=1` rewrites it, to be read in the diff. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { PoolId, Service, VipId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import type { Location } from "../../src/geo/location.ts";
import { explain, formatExplanation, formatLocation } from "../../src/steering/explain.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { formatAge, formatPercent } from "../../src/steering/words.ts";
import {
  BOSTON,
  type FactSpec,
  factsOf,
  failover,
  geo,
  LONDON,
  latency,
  location,
  member,
  nearest,
  pool,
  serviceOf,
  TOKYO,
  verdict,
  WORLD,
  weighted,
} from "./world.ts";

const policies: Readonly<Record<string, Policy>> = {
  near: nearest(pool("web"), { us: 500 }),
  about: nearest(pool("web"), {}, 0.2),
  fast: latency(pool("web")),
  continents: geo({
    "country GB": pool("one"),
    "continent NA": pool("heavy"),
    "continent EU": failover([pool("heavy"), member("web/ap")]),
  }),
  canary: weighted({ stable: [95, pool("web")], next: [5, pool("one")] }, { name: "canary" }),
  most: failover([weighted({ a: [60, pool("one")], b: [40, pool("two")] }, { minUp: 0.5 }), pool("standby")]),
  old: pool("old"),
  watched: failover([member("watched/eu"), member("watched/us"), member("standby/ap")]),
};

const places: Readonly<Record<string, Location>> = {
  london: LONDON,
  tokyo: TOKYO,
  boston: { ...BOSTON, asn: 64496, labels: ["office"] },
  atlantic: location({ coordinates: { latitude: 45, longitude: -40 } }),
  nowhere: location({}),
};

const file = join(import.meta.dirname, "..", "scenarios", "steering-explain.txt");

test("explanations read as they were read last", () => {
  const text = readFileSync(file, "utf8");
  const blocks = text
    .trimEnd()
    .split(/\n\n/)
    .map((block) => {
      const [command, output] = block.split("\n----");
      return command === undefined || output === undefined ? block : `${command}\n----\n${run(command)}`;
    });
  const replayed = `${blocks.join("\n\n")}\n`;
  if (process.env["UPDATE"] === "1") writeFileSync(file, replayed);
  else expect(replayed).toBe(text);
});

/** `explain SERVICE A|AAAA from PLACE [when down is WORD]`, then a fact on each line. */
function run(command: string): string {
  const [question = "", ...lines] = command.split("\n");
  const [, policy = "", type, , place = "", , , , whenDown = "all"] = question.split(" ");
  const service = { ...serviceOf(whenDownOf(whenDown)), label: policy, policy: policies[policy]! };
  const explanation = explain(service, places[place]!, type === "A" ? 4 : 6, factsFrom(lines), WORLD);
  return formatExplanation(explanation).join("\n");
}

function whenDownOf(word: string): Service["whenDown"] {
  if (word === "all" || word === "lastGood" || word === "nodata" || word === "servfail")
    return { kind: word };
  return { kind: "fallback", pool: word as PoolId };
}

/** `down MEMBER`, `seen MEMBER up|down VANTAGES`, `held-down MEMBER`, `remembers`, `up MEMBER`, `drained MEMBER`, `take MEMBER N`, `load MEMBER N`, `weight MEMBER N`, `choice POLICY/KEY N`, `rtt REGION MS`. */
function factsFrom(lines: readonly string[]): Facts {
  const words = lines.map((line) => line.split(" "));
  const subjects = (kind: string): readonly string[] =>
    words.filter(([first]) => first === kind).map(([, subject = ""]) => subject);
  const numbers = (kind: string): Readonly<Record<string, number>> =>
    Object.fromEntries(
      words.filter(([first]) => first === kind).map(([, subject = "", value]) => [subject, Number(value)]),
    );
  const votes: Record<string, Record<string, "up" | "down">> = {};
  for (const [kind, subject = "", side, vantages = ""] of words) {
    if (kind !== "seen" || (side !== "up" && side !== "down")) continue;
    votes[subject] = {
      ...votes[subject],
      ...Object.fromEntries(vantages.split(",").map((one) => [one, side])),
    };
  }
  const spec: FactSpec = {
    votes,
    down: subjects("down"),
    heldDown: subjects("held-down"),
    remembers: words.some(([first]) => first === "remembers"),
    drained: subjects("drained"),
    takes: numbers("take"),
    loads: numbers("load"),
    memberWeights: numbers("weight"),
    choiceWeights: numbers("choice"),
    rttMs: numbers("rtt"),
  };
  const facts = factsOf(spec);
  const up = subjects("up").map((id) => `${id}/ipv4` as VipId);
  const verdicts = new Map([
    ...facts.verdicts,
    ...up.map((vip) => [vip, verdict(vip, { reason: "3 of 3 vantages" })] as const),
  ]);
  return { ...facts, verdicts };
}

describe("words", () => {
  test.each([
    [0, "0s"],
    [-5, "0s"],
    [12_400, "12s"],
    [119_000, "119s"],
    [121_000, "2m"],
    [7_199_000, "120m"],
    [7_200_000, "2h"],
    [90_000_000, "25h"],
  ])("%d ms ago is %s", (ms, text) => {
    expect(formatAge(ms)).toBe(text);
  });

  test.each([
    [0, "0 %"],
    [1, "100 %"],
    [2 / 3, "66.7 %"],
    [0.0001, "less than 0.1 %"],
  ])("%d is %s", (fraction, text) => {
    expect(formatPercent(fraction)).toBe(text);
  });

  test("of a location put the most specific last", () => {
    const all = { ...BOSTON, asn: 64496, labels: ["office"], prefixes: ["192.0.2.0/24"] };
    expect(formatLocation(all)).toBe("NA US US-MA 42.4,-71.1 AS64496 label office prefix 192.0.2.0/24");
    expect(formatLocation(location({}))).toBe("unknown");
  });
});
