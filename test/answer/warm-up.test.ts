/** What a thread has answered before it serves. */

import { expect, test } from "vitest";
import { installSecrets, newSecretMemory } from "../../src/answer/cookie.ts";
import { newLimitTable } from "../../src/answer/rate-limit.ts";
import { createResponder } from "../../src/answer/responder.ts";
import { warmUp } from "../../src/answer/warm-up.ts";
import { Counter, type CounterName } from "../../src/telemetry/counters.ts";
import { tortureServer } from "../conformance/torture-server.ts";

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

test("a responder without a book has nothing to ask for", () => {
  const server = tortureServer();
  const responder = createResponder(null, server.counters);
  responder.warmUp(1_000);
  responder.adopt(server.served);
  responder.warmUp(1_000);
  expect(server.counters.every((cell) => cell === 0)).toBe(true);
});
