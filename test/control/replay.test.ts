/** Explanations of random configs, facts and clients: the trace alone gives the plan, and the plan what dns answers. */

import { expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import type { Config, Service } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { explainName } from "../../src/control/explain.ts";
import { Planner } from "../../src/control/planner.ts";
import type { Snapshot } from "../../src/control/snapshot.ts";
import { buildAtlas } from "../../src/geo/atlas.ts";
import { readMmdb } from "../../src/geo/mmdb.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { LastGood } from "../../src/steering/last-good.ts";
import { localise } from "../../src/steering/localise.ts";
import { planFor } from "../../src/steering/plan.ts";
import type { Trace } from "../../src/steering/trace.ts";
import { addressOf, parsePrefix } from "../../src/wire/address.ts";
import { parseName, rootName } from "../../src/wire/name.ts";
import { queryOf, readReply, Server, scopeOf, zoneOf } from "../answer/harness.ts";
import { fc } from "../fast-check.ts";
import { writeMmdb } from "../geo/mmdb-file.ts";
import { fullFacts, policies, whenDowns } from "../steering/arbitraries.ts";
import { replay } from "../steering/replay.ts";
import { WORLD } from "../steering/world.ts";

/** The test world, where members have a capacity. */
const FLEET: Config = withCapacities(WORLD);

/** How many queries are explained; ten for each config with its facts. */
const QUERIES = Number(process.env["MERIDIAN_REPLAYS"] ?? 3_000);
const QUERIES_EACH = 10;

const zone = zoneOf(
  "$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\nalias STEER www\n",
);

/** The places and labels that the random policies speak of, in IPv4 and IPv6. */
const atlas = atlasOf();

/** Within what the atlas tells apart, and anywhere. */
const addresses: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom([192, 0, 2], [192, 0, 3], [198, 51, 100], [203, 0, 113], [203, 0, 114], [10, 1, 2]),
      fc.nat(255),
    )
    .map(([net, host]) => Uint8Array.from([...net, host])),
  fc
    .tuple(fc.constantFrom(0, 1, 2, 3), fc.uint8Array({ minLength: 11, maxLength: 11 }))
    .map(([net, rest]) => Uint8Array.from([0x20, 1, 0xd, 0xb8, net, ...rest])),
);

const queries = fc.record({
  qname: fc.constantFrom("www.example", "WWW.Example", "alias.example"),
  type: fc.constantFrom("A" as const, "AAAA" as const),
  client: addresses,
  /** Null: the resolver sends nothing, and is the client itself. */
  sourcePrefixLength: fc.constantFrom(null, 1, 0.75, 0.5),
  moment: fc.nat(2 ** 31),
});

test("a trace replays to its plan, and the plan gives what dns answers", () => {
  fc.assert(
    fc.property(
      policies,
      fc.oneof(whenDowns, fc.constant({ kind: "lastGood" } as const)),
      fullFacts,
      fullFacts,
      fc.array(queries, { minLength: QUERIES_EACH, maxLength: QUERIES_EACH }),
      (policy, whenDown, before, now, asked) => {
        const snapshot = snapshotOf(policy, whenDown);
        const world = { ...now, lastGood: lastGoodOf(snapshot, before) };
        const { value: planner } = Planner.of(snapshot);
        if (planner === null) throw new Error("the world can be split");
        planner.planAll(world);
        const { services, vips } = planner.content(1);
        const server = new Server([zone], services, vips);
        for (const query of asked)
          expect(explained(snapshot, planner, world, query)).toEqual(answered(server, query));
      },
    ),
    { numRuns: Math.ceil(QUERIES / QUERIES_EACH) },
  );
});

type Query = typeof queries extends fc.Arbitrary<infer Each> ? Each : never;

/** What the explanation says of a query: the address, NODATA or SERVFAIL, and the ECS scope. */
function explained(snapshot: Snapshot, planner: Planner, world: Facts, query: Query): Outcome {
  const { qname, type, moment } = query;
  const parsed = parseName(qname, rootName);
  const { bytes, length } = subnetOf(query);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  const outcome = explainName(
    { snapshot, planner },
    { ...world, nowMs: moment * 1_000 },
    {
      qname: parsed.name,
      client: addressOf(bytes),
      family: type === "A" ? 4 : 6,
      supposed: [],
    },
  );
  if (outcome.kind !== "explained") throw new Error(outcome.message);
  const { explanation, picked, scopePrefixLength } = outcome;
  // As it comes from the API.
  const trace: Trace = JSON.parse(JSON.stringify(explanation.trace));
  expect(replay({ ...trace, plan: { kind: "servfail" } })).toEqual(explanation.plan);
  const vip = [...WORLD.members.values()]
    .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
    .find((one) => one !== null && one.id === picked);
  const answer = explanation.plan.kind === "answer" ? (vip?.address.text ?? "none") : explanation.plan.kind;
  return { answer, scope: length === null ? null : scopePrefixLength };
}

interface Outcome {
  readonly answer: string;
  readonly scope: number | null;
}

function answered(server: Server, query: Query): Outcome {
  const { qname, type, moment, client } = query;
  const { bytes, length } = subnetOf(query);
  const subnet = length === null ? {} : { subnet: `${addressOf(bytes).text}/${length}` };
  const resolver = length === null ? client : Uint8Array.of(10, 9, 9, 9);
  server.client.family = resolver.length === 4 ? 4 : 6;
  server.client.address.set(resolver);
  const reply = readReply(server.raw(queryOf(qname, type, subnet), Transport.Udp, moment));
  const [rr] = reply.answers ?? [];
  const data = rr !== undefined && "data" in rr ? String(rr.data) : "nodata";
  return { answer: reply.rcode === "SERVFAIL" ? "servfail" : data, scope: scopeOf(reply) };
}

/** The octets that the query is steered by; `length` null: it has no ECS. */
function subnetOf({ client, sourcePrefixLength }: Query): { bytes: Uint8Array; length: number | null } {
  if (sourcePrefixLength === null) return { bytes: client, length: null };
  const whole = client.length * sourcePrefixLength;
  return { bytes: client.map((octet, i) => (i < whole ? octet : 0)), length: whole * 8 };
}

/** What is remembered of other facts. */
function lastGoodOf({ config }: Snapshot, before: Facts): LastGood {
  const lastGood = new LastGood();
  for (const service of config.services) {
    for (const location of atlas.locations) {
      const local = localise(service.policy, location, config);
      for (const family of [4, 6] as const)
        lastGood.remember(local, service, family, planFor(local, service, family, before, config).plan);
    }
  }
  return lastGood;
}

function withCapacities(config: Config): Config {
  const members = new Map([...config.members].map(([id, one]) => [id, { ...one, capacity: 100 }]));
  const pools = [...config.pools.values()].map((pool) => ({
    ...pool,
    members: pool.members.map((one) => members.get(one.id) ?? one),
  }));
  return { ...config, members, pools: new Map(pools.map((pool) => [pool.id, pool])) };
}

function snapshotOf(policy: Policy, whenDown: Service["whenDown"]): Snapshot {
  const name = parseName("www.example", rootName);
  if (name.kind === "problem") throw new Error(name.message);
  const service: Service = {
    name: name.name,
    label: "www.example",
    ttlSeconds: 5,
    ttlSecondsMin: 5,
    failoverWithinMs: null,
    policy,
    whenDown,
    https: null,
    place: { file: "meridian.yaml", line: 1, column: 1 },
  };
  const config: Config = { ...FLEET, services: [service] };
  return {
    config,
    zones: [zone],
    signing: new Map(),
    zoneKeys: new Map(),
    keys: new Map(),
    addresses: new Map(),
    atlas,
    geo: { file: "geo.mmdb", type: "Test", builtAtSeconds: 0 },
  };
}

function atlasOf(): Snapshot["atlas"] {
  const california = { country: { iso_code: "US" }, subdivisions: [{ iso_code: "CA" }] };
  const records = {
    "192.0.2.0/24": { country: { iso_code: "GB" } },
    "192.0.3.0/24": { country: { iso_code: "GB" }, location: { latitude: 51.5, longitude: -0.1 } },
    "198.51.100.0/24": { country: { iso_code: "JP" } },
    "203.0.113.0/25": california,
    "203.0.113.128/25": { country: { iso_code: "US" } },
    "203.0.114.0/24": { continent: { code: "EU" } },
    "2001:db8::/40": { country: { iso_code: "IE" } },
    "2001:db8:100::/40": california,
  };
  const mmdb = readMmdb(writeMmdb({ recordSize: 24, ipVersion: 6, records }));
  if (mmdb.kind === "problem") throw new Error(mmdb.message);
  const prefix = (text: string) => {
    const parsed = parsePrefix(text);
    if (parsed === null) throw new Error(text);
    return parsed;
  };
  return buildAtlas({
    databases: [mmdb],
    labels: [
      { prefix: prefix("198.51.100.0/26"), label: "office" },
      { prefix: prefix("2001:db8:200::/40"), label: "partner" },
    ],
    prefixes: [prefix("192.0.2.0/24"), prefix("192.0.0.0/16")],
  });
}
