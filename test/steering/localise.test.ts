import { describe, expect, test } from "vitest";
import type { Policy } from "../../src/config/policy.ts";
import type { Location } from "../../src/geo/location.ts";
import { localKey } from "../../src/steering/local-key.ts";
import { localise } from "../../src/steering/localise.ts";
import {
  BOSTON,
  failover,
  geo,
  LONDON,
  latency,
  location,
  member,
  nearest,
  pool,
  TOKYO,
  WORLD,
  weighted,
} from "./world.ts";

interface Case {
  readonly name: string;
  readonly policy: Policy;
  readonly at?: Location;
  readonly key: string;
}

function check({ policy, at = LONDON, key }: Case): void {
  expect(localKey(localise(policy, at, WORLD))).toBe(key);
}

const EVERY_CASE = geo({
  "continent NA": member("web/us"),
  "country US": member("web/eu"),
  "subdivision US-MA": member("web/ap"),
  "asn 64496": pool("one"),
  "label office": pool("two"),
  "label annex": member("sorry/us"),
  "prefix 192.0.0.0/16": member("old/us"),
  "prefix 192.0.2.0/24": member("old/eu"),
  default: member("sorry/ap"),
});

describe("geo", () => {
  test.each<Case>([
    {
      name: "orders its cases by how specific they are",
      policy: EVERY_CASE,
      at: {
        ...BOSTON,
        asn: 64496,
        labels: ["annex", "office"],
        prefixes: ["192.0.2.0/24", "192.0.0.0/16"],
      },
      key: "first(old/eu old/us sorry/us two/us one/eu web/ap web/eu web/us sorry/ap)",
    },
    {
      name: "leaves out cases that do not match",
      policy: EVERY_CASE,
      at: BOSTON,
      key: "first(web/ap web/eu web/us sorry/ap)",
    },
    { name: "falls to the default alone", policy: EVERY_CASE, at: TOKYO, key: "sorry/ap" },
    {
      name: "is nothing where no case matches",
      policy: geo({ "country GB": pool("one") }),
      at: TOKYO,
      key: "first()",
    },
    {
      name: "with a fence keeps to the most specific case",
      policy: { ...EVERY_CASE, fence: true },
      at: BOSTON,
      key: "web/ap",
    },
    {
      name: "with a fence falls to the default where no case matches",
      policy: { ...EVERY_CASE, fence: true },
      at: TOKYO,
      key: "sorry/ap",
    },
    { name: "does not match unknown with unknown", policy: EVERY_CASE, at: location({}), key: "sorry/ap" },
  ])("$name", check);
});

describe("nearest", () => {
  const web = nearest(pool("web"));
  test.each<Case>([
    { name: "starts with the nearest region", policy: web, key: "first(web/eu web/us web/ap)" },
    { name: "starts with another one elsewhere", policy: web, at: TOKYO, key: "first(web/ap web/eu web/us)" },
    {
      name: "goes by the config where coordinates are unknown",
      policy: nearest(pool("web"), { ap: 9000 }),
      at: location({ country: "GB" }),
      key: "first(web/us web/eu web/ap)",
    },
    {
      name: "takes a bias off the distance",
      policy: nearest(pool("web"), { us: 6000 }),
      key: "first(web/us web/eu web/ap)",
    },
    {
      name: "adds a bias below zero to the distance",
      policy: nearest(pool("web"), { eu: -20_000 }),
      key: "first(web/us web/ap web/eu)",
    },
    {
      name: "puts together those that are within a share of the nearest one's distance",
      policy: nearest(pool("web"), {}, 0.2),
      at: location({ coordinates: { latitude: 45, longitude: -40 } }),
      key: "first(pool(web/us web/eu) web/ap)",
    },
    {
      name: "leaves out of that the first beyond it",
      policy: nearest(pool("web"), {}, 0.1),
      at: location({ coordinates: { latitude: 45, longitude: -40 } }),
      key: "first(web/eu web/us web/ap)",
    },
    {
      name: "puts regions together as far as their biases say",
      policy: nearest(pool("web"), { us: 9_000, eu: 100 }, 1),
      key: "first(web/us web/eu web/ap)",
    },
    {
      name: "puts together what is equally near, and nothing where coordinates are unknown",
      policy: nearest(pool("web"), {}, 0),
      at: location({}),
      key: "first(web/us web/eu web/ap)",
    },
    {
      name: "puts together what a policy has in all of the regions, with its weights",
      policy: nearest(weighted({ a: [9, pool("web")], b: [1, pool("heavy")] }), {}, 0.2),
      at: location({ coordinates: { latitude: 45, longitude: -40 } }),
      key: 'first(weighted("a"*9:pool(web/us web/eu) "b"*1:pool(heavy/us heavy/eu)) weighted("a"*9:web/ap))',
    },
    {
      name: "cuts a weighted policy up by region, with its weights",
      policy: nearest(weighted({ a: [9, pool("web")], b: [1, pool("heavy")] })),
      at: BOSTON,
      key: 'first(weighted("a"*9:web/us "b"*1:heavy/us) weighted("a"*9:web/eu "b"*1:heavy/eu) weighted("a"*9:web/ap))',
    },
    {
      name: "cuts orders up by region",
      policy: nearest(failover([pool("heavy"), latency(pool("web"))])),
      key: "first(heavy/eu web/eu heavy/us web/us web/ap)",
    },
    {
      name: "knows only regions that it has members in",
      policy: nearest(geo({ "country GB": pool("sorry"), default: pool("sorry") })),
      key: "first(sorry/us sorry/ap)",
    },
  ])("$name", check);
});

describe("latency", () => {
  test.each<Case>([
    {
      name: "leaves the order to the facts, for the cell of the client",
      policy: latency(pool("web")),
      key: "fastest(GB 52.5,-2.5 us:web/us eu:web/eu ap:web/ap)",
    },
    { name: "of one region is that one", policy: latency(failover([pool("one")])), key: "one/eu" },
    {
      name: "of what is nearest is by latency: the inner order is left in each region alone",
      policy: latency(nearest(pool("sorry"))),
      key: "fastest(GB 52.5,-2.5 us:sorry/us ap:sorry/ap)",
    },
    {
      name: "keeps a minUp that asks for more than one region",
      policy: latency(pool("web"), 0.5),
      key: "fastest[0.5](GB 52.5,-2.5 us:web/us eu:web/eu ap:web/ap)",
    },
  ])("$name", check);
});

describe("the normal form", () => {
  test.each<Case>([
    {
      name: "an order of one is that one",
      policy: failover([pool("web")]),
      key: "pool(web/us web/eu web/ap)",
    },
    { name: "a pool of one is its member", policy: failover([pool("one")], 1), key: "one/eu" },
    {
      name: "an order inside an order is written out",
      policy: failover([failover([pool("one"), pool("two")]), member("web/ap")]),
      key: "first(one/eu two/us web/ap)",
    },
    {
      name: "an order that needs more than one up stays",
      policy: failover([failover([pool("one"), pool("two")], 0.6), member("web/ap")]),
      key: "first(first[0.6](one/eu two/us) web/ap)",
    },
    {
      name: "an order inside one that needs more than one up stays",
      policy: failover([failover([pool("one"), pool("two")]), member("web/ap"), member("web/us")], 0.6),
      key: "first[0.6](first(one/eu two/us) web/ap web/us)",
    },
    {
      name: "a minUp that one alternative meets drops out",
      policy: failover([pool("one"), pool("two")], 0.5),
      key: "first(one/eu two/us)",
    },
    {
      name: "an alternative counts once, where it comes first",
      policy: failover([pool("one"), failover([pool("two"), pool("one")]), pool("two")]),
      key: "first(one/eu two/us)",
    },
    {
      name: "a choice with nothing in it drops out",
      policy: weighted(
        { a: [1, geo({ "country JP": pool("one") })], b: [1, pool("two")] },
        { name: "split" },
      ),
      key: 'weighted(split "b"*1:two/us)',
    },
    {
      name: "a weighted policy with nothing in it is nothing",
      policy: weighted({ a: [1, geo({ "country JP": pool("one") })] }),
      key: "first()",
    },
    {
      name: "a choice alone keeps its weight, which an override may set to zero",
      policy: weighted({ a: [5, pool("one")] }, { minUp: 0.5 }),
      key: 'weighted[0.5]("a"*5:one/eu)',
    },
  ])("$name", check);

  test("is the same for locations that the policy cannot tell apart", () => {
    const policy = geo({ "country GB": pool("one"), "continent EU": pool("one"), default: pool("two") });
    const dublin = location({ continent: "EU", country: "IE" });
    expect(localKey(localise(policy, dublin, WORLD))).toBe(localKey(localise(policy, LONDON, WORLD)));
  });

  test("keeps the operator's rules on the way", () => {
    const policy = geo({ "country GB": failover([pool("one")]), default: pool("two") });
    const local = localise(policy, LONDON, WORLD);
    expect(local).toMatchObject({
      kind: "first",
      via: ["geo"],
      alternatives: [
        { via: ["country GB", "failover", "choice 1", "pool one"] },
        { via: ["default", "pool two"] },
      ],
    });
  });

  test("keeps the way to the first of two equal alternatives", () => {
    const policy = geo({ "country GB": pool("one"), "continent EU": pool("two"), default: pool("one") });
    expect(localise(policy, LONDON, WORLD)).toMatchObject({
      alternatives: [{ via: ["country GB", "pool one"] }, { via: ["continent EU", "pool two"] }],
    });
  });
});

test("an id that the config does not have is our own mistake", () => {
  expect(() => localise(pool("nowhere"), LONDON, WORLD)).toThrow("the config has no pool nowhere");
});

describe("a pool that is steered per vantage", () => {
  const watched = failover([member("watched/eu"), member("watched/us"), pool("one")]);
  test.each<Case>([
    {
      name: "has the vantages about as near as the nearest",
      policy: watched,
      key: "first(watched/eu@dublin,paris watched/us@dublin,paris one/eu)",
    },
    {
      name: "has the nearest alone where the next is far",
      policy: watched,
      at: BOSTON,
      key: "first(watched/eu@virginia watched/us@virginia one/eu)",
    },
    {
      name: "has none for a region that is nearer than any",
      policy: pool("watched"),
      at: location({ coordinates: { latitude: 35, longitude: 139 } }),
      key: "pool(watched/us@tokyo watched/eu@tokyo watched/ap)",
    },
    {
      name: "has none where there is but one member",
      policy: failover([weighted({ a: [1, member("watched/eu")] }), member("watched/eu")]),
      key: 'first(weighted("a"*1:watched/eu) watched/eu)',
    },
    {
      name: "has none where all must be up",
      policy: failover([member("watched/eu"), member("watched/us"), member("one/eu")], 0.75),
      key: "first[0.75](watched/eu watched/us one/eu)",
    },
    {
      name: "has its vantages where one may be down",
      policy: failover([member("watched/eu"), member("watched/us"), member("one/eu")], 0.6),
      key: "first[0.6](watched/eu@dublin,paris watched/us@dublin,paris one/eu)",
    },
    {
      name: "has none where nobody knows where the clients are",
      policy: watched,
      at: location({ country: "GB" }),
      key: "first(watched/eu watched/us one/eu)",
    },
  ])("$name", check);
});
