/** What a thread has answered before it serves. */

import { expect, test } from "vitest";
import { installSecrets, newSecretMemory } from "../../src/answer/cookie.ts";
import { newLimitTable } from "../../src/answer/rate-limit.ts";
import { createResponder } from "../../src/answer/responder.ts";
import { warmUp } from "../../src/answer/warm-up.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import { Counter, type CounterName } from "../../src/telemetry/counters.ts";
import { nameKey } from "../../src/wire/name.ts";
import { tortureServer } from "../conformance/torture-server.ts";
import { Server, zoneOf } from "./harness.ts";
import { keyOf, withKeys } from "./validator.ts";

test("queries of every kind are asked, and nobody learns of it", () => {
  const secrets = newSecretMemory();
  installSecrets(secrets, new Uint8Array(16).fill(1), null);
  const rateLimit = {
    table: newLimitTable(),
    seed: 1,
    answers: 1_000,
    denials: 1_000,
    referrals: 1_000,
    errors: 1_000,
    windowSeconds: 1,
    slip: 2,
    ipv4PrefixLength: 24,
    ipv6PrefixLength: 56,
    exempt: [],
    dryRun: false,
  };
  const server = tortureServer({ cookies: { secrets, required: false }, rateLimit });
  const counted = warmUp(createResponder, server.served, server.options, 1_000);
  const kinds: readonly CounterName[] = [
    "answered",
    "noData",
    "nxDomain",
    "referrals",
    "steered",
    "withSubnet",
    "truncated",
    "dropped",
    "formErr",
    "badVers",
    "notImp",
    "refused",
    "cookieClientOnly",
    "cookieInvalid",
    "cookieValid",
    "limitDropped",
    "limitTruncated",
  ];
  expect(kinds.filter((kind) => counted[Counter[kind]] === 0)).toEqual([]);
  expect(server.counters.every((cell) => cell === 0)).toBe(true);
  expect(new Uint32Array(rateLimit.table).every((word) => word === 0)).toBe(true);
});

test("a responder counts nothing of its warm-up, before and after it has the book", () => {
  const server = tortureServer();
  const responder = createResponder(null, server.counters);
  responder.warmUp(server.served, 1_000);
  responder.adopt(server.served);
  responder.warmUp(server.served, 1_000);
  expect(server.counters.every((cell) => cell === 0)).toBe(true);
});

test("names of a signed zone are asked for, though a zone that is not signed has the same before them", () => {
  const zone = (apex: string) =>
    zoneOf(`$ORIGIN ${apex}
$TTL 60
@ SOA ns h 1 3600 900 604800 60
@ NS ns
ns A 192.0.2.53
alias CNAME ns
old DNAME elsewhere.test.
open NS ns.elsewhere.test.
`);
  const signing = { validitySeconds: 86_400, keys: [keyOf(Algorithm.Ed25519)] };
  const signed = zone("signed.");
  const made = (...before: readonly ReturnType<typeof zone>[]): number | undefined => {
    const zones = [...before, withKeys(signed, signing)];
    const { served, options } = new Server(zones, [], [], {}, new Map([[nameKey(signed.apex), signing]]));
    return warmUp(createResponder, served, options, 1_800_000_000)[Counter.signedOnDemand];
  };
  expect(made()).toBeGreaterThan(10);
  expect(made(zone("a.open."))).toBe(made());
});
