import { describe, expect, test } from "vitest";
import type { Policy } from "../../src/config/policy.ts";
import type { Location } from "../../src/geo/location.ts";
import { localKey } from "../../src/steering/local-key.ts";
import { localise } from "../../src/steering/localise.ts";
import { CLASSES_MAX, onGrid, Partitions, partition, TooManyClasses } from "../../src/steering/partition.ts";
import { BLIND, shapeOf } from "../../src/steering/shape.ts";
import {
  BOSTON,
  configOf,
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

const PLACES = [LONDON, TOKYO, BOSTON, location({}), location({ country: "GB", continent: "EU" })];

describe("partition", () => {
  test.each<{ readonly name: string; readonly policy: Policy; readonly classOf: readonly number[] }>([
    {
      name: "a policy that does not look at locations has one class",
      policy: failover([pool("one"), weighted({ a: [1, pool("two")] })]),
      classOf: [0, 0, 0, 0, 0],
    },
    {
      name: "a geo policy has a class for each way it can go",
      policy: geo({ "country GB": pool("one"), "continent NA": pool("two"), default: pool("web") }),
      classOf: [0, 1, 2, 1, 0],
    },
    {
      name: "cases with one outcome are one class",
      policy: geo({ "country GB": pool("one"), "country JP": pool("one"), default: pool("web") }),
      classOf: [0, 0, 1, 1, 0],
    },
    { name: "nearest has a class for each order", policy: nearest(pool("web")), classOf: [0, 1, 2, 2, 2] },
    { name: "latency has a class for each cell", policy: latency(pool("web")), classOf: [0, 1, 2, 3, 3] },
    { name: "latency of one region has one class", policy: latency(pool("one")), classOf: [0, 0, 0, 0, 0] },
    {
      name: "a pool per vantage has a class for each set of vantages near the clients",
      policy: pool("watched"),
      classOf: [0, 1, 2, 3, 3],
    },
  ])("$name", ({ policy, classOf }) => {
    const found = partition(policy, PLACES, WORLD);
    expect([...found.classOf]).toEqual(classOf);
    expect(found.representatives).toEqual([...new Set(classOf)].map((one) => PLACES[classOf.indexOf(one)]));
    expect(found.gridDegrees).toBe(0);
  });
});

describe("too many classes", () => {
  const countries = Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (letter) => `X${letter}`);

  test("round coordinates, and the rounded location explains its class", () => {
    const policy = latency(pool("web"));
    const places: Location[] = [];
    for (let latitude = -87.5; latitude < 90; latitude += 5) {
      for (let longitude = -177.5; longitude < 180; longitude += 5) {
        for (const country of countries)
          places.push(location({ country, coordinates: { latitude, longitude } }));
      }
    }
    expect(places.length).toBeGreaterThan(CLASSES_MAX);
    const { classOf, representatives, gridDegrees } = partition(policy, places, WORLD);
    expect(gridDegrees).toBe(15);
    expect(representatives.length).toBeLessThan(CLASSES_MAX);
    for (let i = 0; i < places.length; i += 997) {
      const seen = localise(policy, onGrid(places[i]!, gridDegrees), WORLD);
      const own = localise(policy, representatives[classOf[i]!]!, WORLD);
      expect(localKey(seen)).toBe(localKey(own));
    }
  });

  test("that do not come from coordinates are refused", () => {
    // 17 labels, each with a case and a member of its own: each set of labels is a class.
    const labels = Array.from({ length: 17 }, (_, i) => `label${i}`);
    const config = configOf(
      { us: [39, -77] },
      { web: Object.fromEntries(labels.map((label) => [label, { region: "us" }])) },
    );
    const policy = geo(Object.fromEntries(labels.map((label) => [`label ${label}`, member(`web/${label}`)])));
    const places = Array.from({ length: CLASSES_MAX + 1 }, (_, set) =>
      location({ labels: labels.filter((_label, i) => (set >> i) % 2 === 1) }),
    );
    expect(() => partition(policy, places, config)).toThrow(TooManyClasses);
  });
});

describe("shapes", () => {
  const split = (a: number, b: number): Policy =>
    geo({ "country GB": weighted({ a: [a, pool("one")], b: [b, pool("two")] }), default: pool("web") });

  test.each<{ readonly name: string; readonly a: Policy; readonly b: Policy; readonly equal: boolean }>([
    { name: "other weights", a: split(80, 20), b: split(70, 30), equal: true },
    {
      name: "weights that are equal and weights that are not",
      a: split(80, 20),
      b: split(50, 50),
      equal: false,
    },
    {
      name: "another pool of the same build",
      a: geo({ "country GB": pool("one"), default: pool("web") }),
      b: geo({ "country GB": member("heavy/eu"), default: pool("standby") }),
      equal: true,
    },
    {
      name: "a pool of other regions",
      a: nearest(member("web/us")),
      b: nearest(member("web/eu")),
      equal: false,
    },
    {
      name: "one pool twice and two pools",
      a: geo({ "country GB": member("web/us"), default: member("web/us") }),
      b: geo({ "country GB": member("web/us"), default: member("two/us") }),
      equal: false,
    },
    {
      name: "other cases",
      a: geo({ "country GB": pool("one"), default: pool("web") }),
      b: geo({ "country IE": pool("one"), default: pool("web") }),
      equal: false,
    },
    { name: "another bias", a: nearest(pool("web")), b: nearest(pool("web"), { us: 500 }), equal: false },
    { name: "nothing that looks at locations", a: pool("web"), b: failover([pool("one")]), equal: true },
    { name: "vantages near the clients", a: nearest(pool("web")), b: nearest(pool("watched")), equal: false },
  ])("of policies with $name are equal: $equal", ({ a, b, equal }) => {
    expect(shapeOf(a, WORLD) === shapeOf(b, WORLD)).toBe(equal);
  });

  test("of policies that do not look at locations are blind", () => {
    expect(shapeOf(weighted({ a: [1, failover([pool("one"), member("web/us")])] }), WORLD)).toBe(BLIND);
  });

  test("let policies share one partition, each with its own local policies", () => {
    const partitions = new Partitions(PLACES, WORLD);
    expect(partitions.of(split(80, 20))).toBe(partitions.of(split(70, 30)));
    const [british] = partitions.classes(split(70, 30));
    expect(british && localKey(british)).toBe(
      'first(weighted("a"*70:one/eu "b"*30:two/us) pool(web/us web/eu web/ap))',
    );
  });

  test("of one policy object are worked out once", () => {
    const partitions = new Partitions(PLACES, WORLD);
    const policy = split(80, 20);
    expect(partitions.classes(policy)).toBe(partitions.classes(policy));
  });
});
