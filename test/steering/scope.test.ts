/** ECS scopes are exact (RFC 7871): one answer set all over a scope, and another one in the prefix one bit shorter. */

import { expect, test } from "vitest";
import { PREFIX_BITS } from "../../src/book/pick.ts";
import type { RegionId } from "../../src/config/config.ts";
import type { Policy } from "../../src/config/policy.ts";
import { compileClasses, leafClass, leafScope, lookupClass, NO_BITS } from "../../src/geo/trie.ts";
import type { RankedRegion } from "../../src/health/rtt.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { hasSticky, type LocalPolicy } from "../../src/steering/local.ts";
import { localKey } from "../../src/steering/local-key.ts";
import { localise } from "../../src/steering/localise.ts";
import { Partitions } from "../../src/steering/partition.ts";
import { planFor } from "../../src/steering/plan.ts";
import { viewOf } from "../../src/wire/packet.ts";
import { report } from "../e2e/harness.ts";
import { below, pick, type Random, randomFrom } from "../e2e/random.ts";
import { fc } from "../fast-check.ts";
import { facts, policies } from "./arbitraries.ts";
import { atlasOf, octetsOf, randomNetworks, Truth, WIDTH } from "./networks.ts";
import { factsOf, serviceOf, WORLD } from "./world.ts";

/** How many pairs of a policy and a client; `docs/proofs.md` says what 1,000,000 came to. */
const PAIRS = Number(process.env["MERIDIAN_SCOPES"] ?? 10_000);
const SEED = Number(process.env["MERIDIAN_SCOPES_SEED"] ?? 7871);

const CLIENTS_PER_POLICY = 100;
const POLICIES_PER_NETWORK = 20;

/**
 * Facts that show whether two local policies can answer differently: one member up, all but one, and whatever else;
 * each with other round-trip times from every place, and half of them with other weights.
 */
const WITNESSES: readonly Facts[] = [
  ...[...WORLD.members.keys()].flatMap((one) => {
    const others = [...WORLD.members.keys()].filter((id) => id !== one);
    return [factsOf({ down: others }), factsOf({ down: [one] })];
  }),
  ...fc.sample(facts, { seed: SEED, numRuns: 3_000 }),
].map((world, nth) => ({
  ...world,
  choiceWeights: nth % 2 === 0 ? world.choiceWeights : weightsOf(randomFrom(nth)),
  latency: { ranking: (cell, regions) => rankingAt(cell, nth, regions) },
}));

/** An override of every choice that a policy may have. */
function weightsOf(random: Random): ReadonlyMap<string, number> {
  const choices = ["split", "canary", "www.example"].flatMap((name) =>
    ["a", "b", "c"].map((key) => `${name}/${key}`),
  );
  return new Map(choices.map((choice) => [choice, pick([0, 1, 5], random)]));
}

/** Any order of regions, and another one in each cell. */
function rankingAt(cell: string, nth: number, regions: readonly RegionId[]): readonly RankedRegion[] {
  const seed = [...cell].reduce((sum, character) => Math.imul(31, sum) + character.charCodeAt(0), nth) >>> 0;
  const random = randomFrom(seed);
  const rttMs = new Map([...WORLD.regions.keys()].map((region) => [region, 100 * random()]));
  return regions
    .map((region) => ({ region, rttMs: rttMs.get(region)!, source: "vantages" as const }))
    .sort((a, b) => a.rttMs - b.rttMs);
}

test(`of ${PAIRS} pairs of a policy and a client each has the widest scope that is true`, {
  timeout: 3_600_000,
}, () => {
  const random = randomFrom(SEED);
  const lengths = new Set<number>();
  let pairs = 0;
  /** Those whose scope is above 0, and those of which nothing showed why. */
  let narrow = 0;
  let unshown = 0;
  while (pairs < PAIRS) {
    const networks = randomNetworks(random);
    const atlas = atlasOf(networks);
    const some = fc.sample(policies, { seed: below(2 ** 31, random), numRuns: POLICIES_PER_NETWORK });
    const partitions = new Partitions(atlas.locations, WORLD);
    const truths = { 4: new Truth(networks, 4), 6: new Truth(networks, 6) };
    for (const policy of some) {
      const { classOf, isSticky } = partitions.of(policy);
      const { nodes } = compileClasses(atlas, classOf, (number) =>
        isSticky[number] ? PREFIX_BITS : NO_BITS,
      );
      const classes = partitions.classes(policy).map(localKey);
      const answers = { 4: new Answers(truths[4], policy), 6: new Answers(truths[6], policy) };
      for (let i = 0; i < CLIENTS_PER_POLICY; i += 1) {
        const family = i % 2 === 0 ? 4 : 6;
        const client = truths[family].client(random);
        const leaf = lookupClass(nodes, 0, viewOf(octetsOf(family, client)), family === 6);
        const scope = leafScope(leaf);
        const fault = answers[family].faultOf(client, scope, classes[leafClass(leaf)]!);
        if (fault !== null)
          expect.fail(`${JSON.stringify(policy)}, client ${octetsOf(family, client)}/${scope}: ${fault}`);
        pairs += 1;
        lengths.add(family * 1_000 + scope);
        if (scope === 0) continue;
        narrow += 1;
        if (answers[family].isByPrefix(client, scope)) continue;
        if (!answers[family].isShown(client, scope)) unshown += 1;
      }
    }
  }
  report(
    `${pairs} pairs: 0 wrong; ${lengths.size} lengths of scopes; of ${narrow} above 0 all but ${unshown} were shown ` +
      "by facts for which one bit shorter is false",
  );
  expect(lengths.size).toBeGreaterThan(40);
  // Facts are tried at random, so those that would show it may be missed.
  expect(unshown / narrow).toBeLessThan(0.01);
});

/** What one policy answers where. */
class Answers {
  readonly #truth: Truth;
  /** By piece. */
  readonly #locals: readonly LocalPolicy[];
  readonly #keys: readonly string[];
  /** By both keys, whether some facts have them answer differently. */
  readonly #differs = new Map<string, boolean>();

  constructor(truth: Truth, policy: Policy) {
    const locals = new Map(truth.locations.map((location) => [location, localise(policy, location, WORLD)]));
    this.#truth = truth;
    this.#locals = truth.locations.map((location) => locals.get(location)!);
    this.#keys = this.#locals.map(localKey);
  }

  /** What is wrong with a client's class and scope; null: nothing. */
  faultOf(client: number, scope: number, key: string): string | null {
    if (this.#keys[this.#truth.pieceAt(client)] !== key) return "another class";
    if (this.#others(client, scope).length > 0) return "more than one class within";
    if (hasSticky(this.#localAt(client)) && scope < this.#prefixBits) return "more than one bucket within";
    if (this.isByPrefix(client, scope)) return null;
    const isTooLong = scope > 0 && this.#others(client, scope - 1).length === 0;
    return isTooLong ? "one bit shorter would be true as well" : null;
  }

  /** Whether a scope ends where buckets do: one bit shorter would hold two of them, for any table in which they differ. */
  isByPrefix(client: number, scope: number): boolean {
    return scope === this.#prefixBits && hasSticky(this.#localAt(client));
  }

  get #prefixBits(): number {
    return this.#truth.family === 4 ? PREFIX_BITS.ipv4 : PREFIX_BITS.ipv6;
  }

  #localAt(client: number): LocalPolicy {
    return this.#locals[this.#truth.pieceAt(client)]!;
  }

  /** Whether there are facts for which a scope one bit shorter is false in what it answers. */
  isShown(client: number, scope: number): boolean {
    const piece = this.#truth.pieceAt(client);
    return this.#others(client, scope - 1).some((other) => this.#canDiffer(piece, other));
  }

  /** The pieces of a client's prefix that have another local policy. */
  #others(client: number, length: number): readonly number[] {
    const { starts, family } = this.#truth;
    const size = Math.max(1, 2 ** (WIDTH[family] - length));
    const first = Math.floor(client / size) * size;
    const key = this.#keys[this.#truth.pieceAt(client)];
    const others: number[] = [];
    for (let i = this.#truth.pieceAt(first); i < starts.length && starts[i]! < first + size; i += 1) {
      if (this.#keys[i] !== key) others.push(i);
    }
    return others;
  }

  #canDiffer(a: number, b: number): boolean {
    const pair = `${this.#keys[a]} ${this.#keys[b]}`;
    const known = this.#differs.get(pair);
    if (known !== undefined) return known;
    const service = serviceOf({ kind: "nodata" });
    const differs = WITNESSES.some((world) =>
      ([4, 6] as const).some((family) => {
        const [one, other] = [a, b].map((i) => planFor(this.#locals[i]!, service, family, world, WORLD).plan);
        return JSON.stringify(one) !== JSON.stringify(other);
      }),
    );
    this.#differs.set(pair, differs);
    return differs;
  }
}
