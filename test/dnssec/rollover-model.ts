/**
 * A world for rollovers on a virtual clock: nodes that follow one another late, a parent that reads CDS when it likes, and the
 * caches of all validators there can be.
 *
 * A validator may hold any DNSKEY RRset, any DS RRset and any answer that some server gave within its TTL, in any mix. Such
 * mixes only become more when a server begins to answer otherwise, so looking at those moments is looking at all.
 */

import { formatKeyState, parseKeyState } from "../../src/control/key-state.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import { dnskeyRdata, dsRdata, keyTag } from "../../src/dnssec/dnskey.ts";
import { Duty, signsType } from "../../src/dnssec/key-duty.ts";
import type { KeyRef } from "../../src/dnssec/key-name.ts";
import { judgeParent, type KnownKey, type ParentView, type ServerView } from "../../src/dnssec/parent-ds.ts";
import {
  advance,
  begin,
  isSame,
  type KeyPlan,
  type KeyState,
  planOf,
  type RolloverFacts,
  type Step,
  settled,
  turn,
} from "../../src/dnssec/rollover.ts";
import { RULES, type Rules } from "../../src/dnssec/rollover-waits.ts";
import { RRType } from "../../src/wire/codes.ts";
import { nameOf } from "./zone-text.ts";

const apex = nameOf("example.");
const SECOND = 1000;

/** What a run is made of besides its seed. */
export interface Scenario {
  readonly seed: number;
  readonly kind: "key" | "algorithm";
  /** Turns some rollovers round. */
  readonly turns?: boolean;
  /** Lowers the TTLs of the zone shortly before the rollover. */
  readonly lowersTtls?: boolean;
  /** Rules in the place of the real ones. */
  readonly rules?: Rules;
  /** Facts that the state machine is given in the place of the true ones. */
  readonly lie?: (facts: RolloverFacts, nowMs: number) => RolloverFacts;
  /** How many servers of the parent are looked at; all where it is not given. */
  readonly looksAt?: number;
  /** What is forgotten of a state before each look at it. */
  readonly forget?: (state: KeyState) => KeyState;
}

/** What came of a run. */
export interface Outcome {
  /** The first moment at which a validator could find no chain; null: there was none. */
  readonly violation: string | null;
  /** Steps that were served, in order. */
  readonly steps: readonly Step[];
  /** Rollovers that came to their end. */
  readonly rollovers: number;
}

interface Served {
  /** Counts the states that have been on disk. */
  readonly copy: number;
  readonly plan: KeyPlan;
  readonly dnskeyTtl: number;
  readonly zoneTtl: number;
}
interface DsRRset {
  readonly keys: readonly KeyRef[];
  readonly ttl: number;
}

/** What one server answered when. */
class Timeline<T> {
  readonly #spans: { readonly atMs: number; readonly value: T }[] = [];

  constructor(first: T) {
    this.#spans.push({ atMs: Number.NEGATIVE_INFINITY, value: first });
  }

  set(atMs: number, value: T): void {
    this.#spans.push({ atMs, value });
  }

  get now(): T {
    return this.#spans.at(-1)!.value;
  }

  /** What may be in a cache at `nowMs`. */
  cached(nowMs: number, ttlOf: (value: T) => number): readonly T[] {
    return this.#spans.flatMap(({ value }, i) => {
      const endMs = this.#spans[i + 1]?.atMs ?? Number.POSITIVE_INFINITY;
      return nowMs < endMs + SECOND * ttlOf(value) ? [value] : [];
    });
  }
}

/** Numbers that depend on a seed alone (mulberry32). */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** From 0 to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  is(probability: number): boolean {
    return this.next() < probability;
  }

  /** A delay of at most `most`: none, all of it, or something between. */
  delay(most: number): number {
    return this.is(0.3) ? 0 : this.is(0.5) ? most : this.next() * most;
  }
}

/** Plays one scenario. */
export function play(scenario: Scenario): Outcome {
  return new World(scenario).run();
}

class World {
  readonly #scenario: Scenario;
  readonly #dice: Dice;
  readonly #keys = new Map<string, KnownKey>();
  readonly #propagationMs: number;
  readonly #dsTtl: number;
  /** How long the parent takes from reading CDS to its DS. */
  readonly #parentMs: number;
  #dnskeyTtl: number;
  #zoneTtl: number;
  #nowMs = 1_800_000_000_000;
  #state: KeyState;
  readonly #nodes: Timeline<Served>[];
  /** Each server of the parent twice: as looks find it, and as others may do for a while. */
  readonly #parents: { readonly seen: Timeline<DsRRset>; readonly hidden: Timeline<DsRRset> }[];
  readonly #later: { readonly atMs: number; readonly act: () => void }[] = [];
  readonly #steps: Step[] = [];
  #isServed = true;
  #view: ParentView | null = null;
  #violation: string | null = null;
  #rollovers = 0;
  /** Of the state that each node has: copying never brings an older one. */
  readonly #copied: number[] = [];
  #copies = 0;
  /** Of the CDS that the parent went by last. */
  #cdsCopy = 0;
  #isParentBusy = false;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    const dice = new Dice(scenario.seed);
    this.#dice = dice;
    this.#propagationMs = SECOND * dice.whole(0, 40);
    this.#dnskeyTtl = dice.whole(1, 60);
    this.#zoneTtl = Math.max(dice.whole(1, 90), this.#dnskeyTtl);
    this.#dsTtl = dice.whole(1, 90);
    // A DS that is on its way when a rollover is turned round has to come before the wait for it ends.
    this.#parentMs = SECOND * (scenario.turns === true ? this.#dsTtl / 2 : dice.whole(0, 200));
    this.#state = settled("dns1", [this.#newKey(Algorithm.EcdsaP256Sha256)], this.#nowMs);
    const served = this.#served();
    this.#nodes = Array.from({ length: dice.whole(1, 3) }, () => new Timeline(served));
    const ds = { keys: this.#state.to, ttl: this.#dsTtl };
    this.#parents = Array.from({ length: dice.whole(1, 2) }, () => ({
      seen: new Timeline(ds),
      hidden: new Timeline(ds),
    }));
  }

  run(): Outcome {
    const dice = this.#dice;
    // Everybody has known the zone for long.
    this.#look(0);
    this.#evaluate();
    this.#nowMs += 1000 * SECOND;
    if (this.#scenario.lowersTtls === true) this.#lowerTtls();
    const from = this.#nowMs;
    let turns = this.#scenario.turns === true ? 1 : 0;
    this.#begin();
    while (this.#violation === null && this.#nowMs < from + 6000 * SECOND && this.#rollovers === 0) {
      this.#nowMs += Math.ceil(dice.next() * 4 * SECOND);
      if (dice.is(0.01)) this.#nowMs += SECOND * dice.whole(10, 150); // Control was away.
      this.#catchUp();
      if (dice.is(0.3)) this.#look(0.1);
      if (dice.is(0.3)) this.#pollCds();
      if (turns > 0 && dice.is(0.02)) {
        const turned = turn(this.#state);
        if (turned !== null) {
          turns -= 1;
          this.#enter(turned);
        }
      }
      this.#evaluate();
    }
    return { violation: this.#violation, steps: this.#steps, rollovers: this.#rollovers };
  }

  #begin(): void {
    const { EcdsaP256Sha256, Ed25519 } = Algorithm;
    const key = this.#newKey(this.#scenario.kind === "key" ? EcdsaP256Sha256 : Ed25519);
    this.#enter(begin(this.#state, key));
  }

  /** All that control does when it looks at a zone. */
  #evaluate(): void {
    this.#state = this.#scenario.forget?.(this.#state) ?? this.#state;
    if (this.#dice.is(0.1)) this.#restart();
    for (;;) {
      const { from, to } = this.#state;
      const facts: RolloverFacts = {
        isServed: this.#isServed,
        keys: [...this.#keys.values()],
        propagationMs: this.#propagationMs,
        dnskeyTtlSeconds: this.#dnskeyTtl,
        zoneTtlSeconds: this.#zoneTtl,
        look: this.#view && judgeParent(this.#view, apex, this.#known(from), this.#known(to)),
      };
      const told = this.#scenario.lie?.(facts, this.#nowMs) ?? facts;
      const after = advance(this.#state, told, this.#nowMs, this.#scenario.rules ?? RULES);
      if (after === this.#state) return;
      if (after.step === this.#state.step && isSameKeys(after, this.#state)) this.#state = after;
      else this.#enter(after);
    }
  }

  /** Another process goes on with what is on disk. */
  #restart(): void {
    const state = parseKeyState(formatKeyState(this.#state));
    if (state === null) throw new Error(`lost the state ${formatKeyState(this.#state)}`);
    this.#state = state;
  }

  /** A new step is on disk; the nodes serve it one after the other, this one when its files are in order. */
  #enter(state: KeyState): void {
    if (state.step === "idle") this.#removeFiles(this.#state.from);
    this.#state = state;
    this.#isServed = false;
    const ownDelayMs = this.#dice.is(0.2) ? SECOND * this.#dice.whole(1, 300) : 0;
    this.#copies += 1;
    const served = this.#served();
    const { copy } = served;
    this.#nodes.forEach((node, i) => {
      const delayMs = i === 0 ? ownDelayMs : ownDelayMs + this.#dice.delay(this.#propagationMs);
      this.#at(delayMs, () => {
        if (copy < (this.#copied[i] ?? 0)) return;
        this.#copied[i] = copy;
        if (i === 0 && this.#state.step === state.step && isSameKeys(this.#state, state)) {
          this.#isServed = true;
          this.#steps.push(state.step);
          if (state.step === "idle") this.#rollovers += 1;
        }
        node.set(this.#nowMs, { ...served, dnskeyTtl: this.#dnskeyTtl, zoneTtl: this.#zoneTtl });
        this.#judge();
      });
    });
  }

  #lowerTtls(): void {
    this.#dnskeyTtl = 1;
    this.#zoneTtl = 1;
    const lower = (node: Timeline<Served>): void =>
      node.set(this.#nowMs, { ...node.now, dnskeyTtl: 1, zoneTtl: 1 });
    for (const node of this.#nodes) this.#at(this.#dice.delay(this.#propagationMs), () => lower(node));
    this.#evaluate();
  }

  #removeFiles(keys: readonly KeyRef[]): void {
    for (const key of keys) {
      this.#keys.delete(keyId(key));
      const needs = this.#nodes.some(({ now }) => now.plan.duties.some((other) => isSame(other, key)));
      if (needs) this.#violation ??= `a node signs with ${key.tag}, and its files are gone`;
    }
  }

  #look(silence: number): void {
    const looked = this.#parents.slice(0, this.#scenario.looksAt);
    const servers = looked.map(({ seen }, i): ServerView => {
      const server = `p${i + 1}`;
      if (this.#dice.is(silence)) return { kind: "silent", server, problem: "no answer" };
      const ds = this.#known(seen.now.keys).flatMap(({ dnskey }) =>
        dnskey === null ? [] : [dsRdata(apex, dnskey)],
      );
      return { kind: "answered", server, ds, ttlSeconds: ds.length === 0 ? null : seen.now.ttl };
    });
    this.#view = { atMs: this.#nowMs, servers, problem: null };
  }

  /** The parent reads the CDS of a node, and some time later each of its servers has the DS. */
  #pollCds(): void {
    const node = this.#nodes[this.#dice.whole(0, this.#nodes.length - 1)]!.now;
    const current = this.#parents[0]!.seen.now.keys;
    const { cds, dnskeys, duties } = node.plan;
    if (
      this.#isParentBusy ||
      (cds.length === current.length && cds.every((key, i) => isSame(key, current[i]!)))
    )
      return;
    // RFC 7344 §4.1: a parent takes it only from a key that is in the DNSKEY RRset and has a DS.
    const signed = duties.filter((key) => signsType(key.duties, RRType.CDS));
    const isTaken = signed.some((key) =>
      [dnskeys, current].every((list) => list.some((other) => isSame(other, key))),
    );
    if (!isTaken) this.#violation ??= `${this.#when()}: nobody whom the parent trusts has signed the CDS`;
    this.#isParentBusy = true;
    // A CDS from before the one that it acted on, of a node that is behind, is old news: a parent that takes it all the
    // same (RFC 9975 §3.1 has it ask all nodes) does so soon.
    const isOld = node.copy < this.#cdsCopy;
    this.#cdsCopy = Math.max(this.#cdsCopy, node.copy);
    const mostMs = isOld
      ? Math.min(this.#parentMs, (SECOND * this.#parents[0]!.seen.now.ttl) / 2)
      : this.#parentMs;
    let lastMs = 0;
    const ttl = this.#dice.whole(1, this.#dsTtl);
    for (const { seen, hidden } of this.#parents) {
      const delayMs = this.#dice.delay(mostMs);
      const hiddenMs = delayMs + this.#dice.delay(this.#propagationMs);
      lastMs = Math.max(lastMs, hiddenMs);
      this.#at(delayMs, () => this.#setDs(seen, cds, ttl));
      this.#at(hiddenMs, () => this.#setDs(hidden, cds, ttl));
    }
    this.#at(lastMs, () => {
      this.#isParentBusy = false;
    });
  }

  #setDs(server: Timeline<DsRRset>, keys: readonly KeyRef[], ttl: number): void {
    server.set(this.#nowMs, { keys, ttl });
    this.#judge();
  }

  /** Every mix that a cache may hold now has a chain of trust. */
  #judge(): void {
    if (this.#violation !== null) return;
    const now = this.#nowMs;
    const dnskeys = distinct(this.#nodes.flatMap((node) => node.cached(now, ({ dnskeyTtl }) => dnskeyTtl)));
    const answers = distinct(this.#nodes.flatMap((node) => node.cached(now, ({ zoneTtl }) => zoneTtl)));
    const ds = this.#parents.flatMap(({ seen, hidden }) =>
      [seen, hidden].flatMap((server) => server.cached(now, ({ ttl }) => ttl)),
    );
    for (const { keys } of ds) {
      for (const { plan } of dnskeys) {
        const what =
          chainProblem(keys, plan) ?? answers.map((answer) => answerProblem(plan, answer.plan)).find(Boolean);
        if (what != null) this.#violation ??= `${this.#when()}: ${what}`;
      }
    }
  }

  #when(): string {
    return `seed ${this.#scenario.seed}, step ${this.#state.step}`;
  }

  #served(): Served {
    return {
      copy: this.#copies,
      plan: planOf(this.#state),
      dnskeyTtl: this.#dnskeyTtl,
      zoneTtl: this.#zoneTtl,
    };
  }

  #at(delayMs: number, act: () => void): void {
    if (delayMs === 0) act();
    else this.#later.push({ atMs: this.#nowMs + delayMs, act });
  }

  /** Lets happen what has fallen due, in its order and at its own time. */
  #catchUp(): void {
    const nowMs = this.#nowMs;
    for (;;) {
      this.#later.sort((a, b) => a.atMs - b.atMs);
      const [next] = this.#later;
      if (next === undefined || next.atMs > nowMs) break;
      this.#later.shift();
      this.#nowMs = next.atMs;
      next.act();
    }
    this.#nowMs = nowMs;
  }

  #newKey(algorithm: Algorithm): KeyRef {
    const octets = Uint8Array.from({ length: algorithm === Algorithm.Ed25519 ? 32 : 64 }, () =>
      this.#dice.whole(0, 255),
    );
    const dnskey = dnskeyRdata(algorithm, octets);
    const key = { algorithm, tag: keyTag(dnskey), dnskey };
    this.#keys.set(keyId(key), key);
    return key;
  }

  #known(keys: readonly KeyRef[]): readonly KnownKey[] {
    return keys.map((key) => this.#keys.get(keyId(key)) ?? { ...key, dnskey: null });
  }
}

/** Why a validator with this DS RRset cannot trust this DNSKEY RRset. Without a DS it asks for no trust. */
function chainProblem(ds: readonly KeyRef[], { dnskeys, duties }: KeyPlan): string | null {
  const trusted = ds.filter(
    (key) =>
      dnskeys.some((other) => isSame(other, key)) &&
      duties.some((other) => isSame(other, key) && (other.duties & Duty.Keys) !== 0),
  );
  if (ds.length > 0 && trusted.length === 0) return `no key of DS ${show(ds)} in DNSKEY ${show(dnskeys)}`;
  // RFC 4035 §2.2, as a strict validator takes it: each algorithm of the DS RRset has to lead to a key.
  const missing = ds.find(({ algorithm }) => !trusted.some((key) => key.algorithm === algorithm));
  return missing === undefined ? null : `algorithm ${missing.algorithm} of DS ${show(ds)} leads to no DNSKEY`;
}

/** Why a validator with this DNSKEY RRset cannot trust an answer that was signed by that plan. */
function answerProblem({ dnskeys }: KeyPlan, { duties }: KeyPlan): string | null {
  for (const type of [RRType.A, RRType.CDS]) {
    const signers = duties.filter((key) => signsType(key.duties, type));
    const known = signers.filter((key) => dnskeys.some((other) => isSame(other, key)));
    if (known.length === 0) return `signed by ${show(signers)}, DNSKEY ${show(dnskeys)}`;
    // RFC 4035 §2.2: a signature for each algorithm of the DNSKEY RRset.
    const missing = dnskeys.find(({ algorithm }) => !known.some((key) => key.algorithm === algorithm));
    if (missing !== undefined)
      return `no signature by algorithm ${missing.algorithm}, DNSKEY ${show(dnskeys)}`;
  }
  return null;
}

function distinct(list: readonly Served[]): readonly Served[] {
  return [...new Set(list)];
}

function isSameKeys(a: KeyState, b: KeyState): boolean {
  const list = (keys: readonly KeyRef[]): string => keys.map(keyId).join();
  return list(a.from) === list(b.from) && list(a.to) === list(b.to);
}

function keyId({ algorithm, tag }: KeyRef): string {
  return `${algorithm}+${tag}`;
}

function show(keys: readonly KeyRef[]): string {
  return `{${keys.map(keyId).join(", ")}}`;
}
