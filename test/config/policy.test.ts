import { describe, expect, test } from "vitest";
import { configOf, problemsOf, small } from "./fixture.ts";

const nested = "policies may stand at most 64 deep in each other, in place or by name";

describe("a policy", () => {
  test.each([
    [
      "[web]",
      ["1:16: policies.p: expected a policy, or the name of a pool, pool/member or policy, found a list"],
    ],
    [
      "{}",
      [
        "1:16: policies.p: expected exactly one of the keys geo, nearest, latency, weighted, failover, sticky, spread",
      ],
    ],
    [
      "{ latency: web, nearest: web }",
      [
        "1:16: policies.p: expected exactly one of the keys geo, nearest, latency, weighted, failover, sticky, spread",
      ],
    ],
    ["{ latncy: web }", ['1:18: policies.p: unknown key "latncy", did you mean "latency"']],
    ["web/su", ['1:16: policies.p: there is no pool, member or policy "web/su", did you mean "web/us"']],
    ["{ geo: {} }", ['1:18: policies.p.geo: expected at least one case or the key "default"']],
    ["{ geo: { minUp: 0.5 } }", ['1:18: policies.p.geo: expected at least one case or the key "default"']],
    [
      "{ geo: { default: web, minUp: 101% } }",
      ['1:46: policies.p.geo.minUp: expected a share from 0 to 1, or from 0% to 100%, found "101%"'],
    ],
    [
      "{ geo: { countrys: {} , default: web } }",
      ['1:25: policies.p.geo: unknown key "countrys", did you mean "countries"'],
    ],
    [
      "{ geo: { countries: { UK: web } } }",
      ['1:38: policies.p.geo.countries: there is no ISO 3166-1 country "UK", did you mean "GB"'],
    ],
    [
      "{ geo: { countries: { no: web } } }",
      ['1:38: policies.p.geo.countries: there is no ISO 3166-1 country "no", did you mean "NO"'],
    ],
    [
      "{ geo: { subdivisions: { XX-CA: web } } }",
      [
        '1:41: policies.p.geo.subdivisions: there is no ISO 3166-1 country "XX", expected "GB", "GR", "NO", "RU" or "US"',
      ],
    ],
    [
      "{ geo: { subdivisions: { CA: web } } }",
      ['1:41: policies.p.geo.subdivisions: expected a subdivision of ISO 3166-2 such as US-CA, found "CA"'],
    ],
    [
      "{ geo: { continents: { eu: web } } }",
      ['1:39: policies.p.geo.continents: expected AF, AN, AS, EU, NA, OC or SA, found "eu"'],
    ],
    [
      "{ geo: { asns: { AS1: web } } }",
      ['1:33: policies.p.geo.asns: expected a whole number from 1 to 4,294,967,295, found "AS1"'],
    ],
    [
      "{ geo: { prefixes: { 10.0.0.1/8: web } } }",
      [
        '1:37: policies.p.geo.prefixes: expected a prefix without host bits such as 192.0.2.0/24 or 2001:db8::/32, found "10.0.0.1/8"',
      ],
    ],
    [
      "{ geo: { prefixes: { 10.0.0.1: web, 10.0.0.1/32: web } } }",
      ['1:52: policies.p.geo.prefixes: "10.0.0.1/32" is there already, written differently'],
    ],
    [
      "{ nearest: { biasKm: { su: 1 } } }",
      [
        '1:18: policies.p.nearest: expected the key "of"',
        '1:39: policies.p.nearest.biasKm: there is no region "su", expected "us"',
      ],
    ],
    [
      "{ nearest: { of: web, biasKm: { us: 30000 } } }",
      ['1:52: policies.p.nearest.biasKm.us: expected a number from -20,000 to 20,000, found "30000"'],
    ],
    [
      "{ nearest: { of: web, within: 5 } }",
      ['1:46: policies.p.nearest.within: expected a share from 0 to 1, or from 0% to 100%, found "5"'],
    ],
    [
      "{ latency: [web] }",
      [
        "1:27: policies.p.latency: expected a policy, or the name of a pool, pool/member or policy, found a list",
      ],
    ],
    [
      "{ latency: { of: web/us, prefixes: [10.0.0.1/8, 2001:DB8::/32, 2001:db8::/32], asns: [0, 1, 1] } }",
      [
        '1:52: policies.p.latency.prefixes[0]: expected a prefix without host bits such as 192.0.2.0/24 or 2001:db8::/32, found "10.0.0.1/8"',
        "1:79: policies.p.latency.prefixes[2]: 2001:db8::/32 is there already",
        '1:102: policies.p.latency.asns[0]: expected a whole number from 1 to 4,294,967,295, found "0"',
        "1:108: policies.p.latency.asns[2]: 1 is there already",
      ],
    ],
    [
      "{ sticky: { minUp: 2, off: web } }",
      [
        '1:18: policies.p.sticky: expected the key "of"',
        '1:35: policies.p.sticky.minUp: expected a share from 0 to 1, or from 0% to 100%, found "2"',
        '1:38: policies.p.sticky: unknown key "off", did you mean "of"',
      ],
    ],
    [
      "{ spread: { count: 9, of: web, minUp: x } }",
      [
        '1:35: policies.p.spread.count: expected a whole number from 1 to 8, found "9"',
        '1:54: policies.p.spread.minUp: expected a share from 0 to 1, or from 0% to 100%, found "x"',
      ],
    ],
    ["{ spread: web }", ['1:26: policies.p.spread: expected a map, found "web"']],
    [
      "{ spread: {} }",
      ['1:18: policies.p.spread: expected the key "of"', '1:18: policies.p.spread: expected the key "count"'],
    ],
    [
      "{ spread: { count: 2, of: { failover: [{ sticky: web }, web] } } }",
      [
        "1:18: policies.p.spread: what is sticky has one member for each client, expected nothing sticky in a spread",
      ],
    ],
    [
      "{ spread: { count: 2, of: { weighted: { a: { weight: 1, use: { spread: { of: web, count: 2 } } } } } } }",
      ["1:18: policies.p.spread: expected no other spread in a spread"],
    ],
    [
      "{ sticky: { of: { geo: { default: { spread: { of: web, count: 2 } } } } } }",
      ["1:18: policies.p.sticky: what is sticky has one member for each client, expected no spread in it"],
    ],
    ["{ weighted: {} }", ["1:18: policies.p.weighted: expected at least one choice with a weight above 0"]],
    [
      "{ weighted: { web: 0, a: { weight: 0, use: web } } }",
      ["1:18: policies.p.weighted: expected at least one choice with a weight above 0"],
    ],
    [
      "{ weighted: { wbe: 20 } }",
      ['1:30: policies.p.weighted: there is no pool, member or policy "wbe", did you mean "web"'],
    ],
    [
      "{ weighted: { web: 1000001 } }",
      ['1:35: policies.p.weighted.web: expected a number from 0 to 1,000,000, found "1000001"'],
    ],
    [
      "{ weighted: { of: 20, web: 80 } }",
      [
        '1:34: policies.p.weighted.of: expected a map, found "20"',
        '1:38: policies.p.weighted: unknown key "web", expected "of" or "minUp"',
      ],
    ],
    ["{ weighted: { minUp: 50% } }", ['1:18: policies.p.weighted: expected the key "of"']],
    [
      "{ weighted: { of: { web: 0 }, minUp: 2 } }",
      [
        "1:30: policies.p.weighted.of: expected at least one choice with a weight above 0",
        '1:53: policies.p.weighted.minUp: expected a share from 0 to 1, or from 0% to 100%, found "2"',
      ],
    ],
    ["{ weighted: { a: { weight: 1 } } }", ['1:30: policies.p.weighted.a: expected the key "use"']],
    ["{ failover: [] }", ["1:28: policies.p.failover: expected at least one policy, found an empty list"]],
    ["{ failover: web }", ['1:28: policies.p.failover: expected a list of policies, found "web"']],
    ["{ failover: { minUp: 1 } }", ['1:18: policies.p.failover: expected the key "order"']],
  ])("%s is refused", (policy, problems) => {
    expect(problemsOf(`policies: { p: ${policy} }\n${small.trim()}`)).toEqual(problems);
  });

  test("a choice may have the name of a key, under the key for choices", () => {
    expect(
      problemsOf(`policies: { p: { weighted: { of: { of: { weight: 1, use: web } } } } }\n${small.trim()}`),
    ).toEqual([]);
  });

  test("a name that is both a pool and a policy is refused", () => {
    expect(problemsOf(`policies: { web: { latency: web } }\n${small.trim()}`)).toEqual([
      '1:13: policies: there is a pool "web" too, expected a name of its own',
    ]);
  });

  test("a problem of a named policy is reported once, however often it is used", () => {
    const text = "policies: { a: wbe, b: { failover: [a, a] }, c: { latency: a } }";
    expect(problemsOf(`${text}\n${small.trim()}`)).toEqual([
      '1:16: policies.a: there is no pool, member or policy "wbe", did you mean "web"',
    ]);
  });
});

describe("policies that use each other", () => {
  test.each([
    ["{ a: a }", ["1:16: policies.a: policies may not use themselves, found a -> a"]],
    ["{ a: b, b: c, c: b }", ["1:28: policies.c: policies may not use themselves, found b -> c -> b"]],
    [
      "{ a: { failover: [web, { latency: b }] }, b: { weighted: { a: 1 } } }",
      ["1:70: policies.b.weighted: policies may not use themselves, found a -> b -> a"],
    ],
    [
      "{ a: { failover: [a, { nearest: a }] } }",
      [
        "1:29: policies.a.failover[0]: policies may not use themselves, found a -> a",
        "1:43: policies.a.failover[1].nearest: policies may not use themselves, found a -> a",
      ],
    ],
  ])("%s is a loop", (policies, problems) => {
    expect(problemsOf(`policies: ${policies}\n${small.trim()}`)).toEqual(problems);
  });

  test("may do so in any order, and are one object wherever they are used", () => {
    const { policies } = configOf(`${small}
policies:
  top: { failover: [low, { nearest: low }] }
  low: { latency: web }
`);
    const low = policies.get("low");
    expect(policies.get("top")).toMatchObject({ order: [low, { of: low }] });
    expect([...policies.keys()]).toEqual(["top", "low"]);
  });

  /** `p1` to `p<count>`, each of which uses the next one. */
  function chain(count: number): readonly string[] {
    return Array.from(
      { length: count },
      (_, i) => `  p${i}: { latency: ${i + 1 < count ? `p${i + 1}` : "web"} }`,
    );
  }

  test("may be 64 deep, in place and by name", () => {
    configOf(`${small}policies:\n${chain(64).join("\n")}`);
    configOf(`${small}policies: { p: ${"{ failover: [".repeat(64)}web${"] }".repeat(64)} }`);
  });

  test.each([
    ["by name", `policies:\n${chain(65).join("\n")}`],
    ["by name, the last one first", `policies:\n${chain(65).toReversed().join("\n")}`],
    ["in place", `policies: { p: ${"{ failover: [".repeat(65)}web${"] }".repeat(65)} }`],
  ])("are refused when they are deeper: %s", (_, text) => {
    const problems = problemsOf(`${small}${text}`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(nested);
  });

  test("a chain of 20,000 names is refused without a stack overflow", () => {
    const names = Array.from({ length: 20_000 }, (_, i) => `  p${i}: p${i + 1}`);
    expect(problemsOf(`${small}policies:\n${names.join("\n")}`)[0]).toContain(nested);
  });

  test("are refused when they would expand to billions", () => {
    const doubling = Array.from({ length: 30 }, (_, i) => `  p${i + 1}: { failover: [p${i}, p${i}] }`);
    expect(problemsOf(`${small}policies:\n  p0: web\n${doubling.join("\n")}`)[0]).toBe(
      "21:8: policies.p16: a policy may expand to at most 100,000 others, and a named one counts each time it is used",
    );
  });
});
