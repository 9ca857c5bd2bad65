/**
 * A zone's change from one key to another, step by step (RFC 6781 §4.1, RFC 7583 §3), for keys that sign the DNSKEY RRset and
 * the rest alike, with a parent that reads CDS (RFC 7344).
 *
 *   key rollover:               publish -> submit -> retire ------------> remove -> idle
 *   algorithm rollover: sign -> publish -> submit -> retire -> withdraw -> remove -> idle
 *
 *   step      DNSKEY   signs DNSKEY   signs the rest        CDS   is left when
 *   sign      old      old            both                  old   answers that old alone signed are forgotten
 *   publish   both     both           old; algorithm: both  old   DNSKEY RRsets without new are forgotten
 *   submit    both     both           old; algorithm: both  new   every server of the parent has new's DS, none old's
 *   retire    both     both           new; algorithm: both  new   that has stayed so until old's DS, and what old alone
 *                                                                 signed, are forgotten
 *   withdraw  new      new            both                  new   DNSKEY RRsets with old are forgotten
 *   remove    new      new            new                   new   every node knows; then old's files go
 *
 * 1. A key rollover publishes new before it signs with it, so that no answer has two signatures; only the DNSKEY RRset does,
 *    which has to be trusted by either DS. New takes over when its DS has been seen, so that up to then nothing
 *    but the DNSKEY RRset depends on it. Its signatures are made ahead meanwhile.
 * 2. An algorithm rollover is the conservative one (RFC 6781 §4.1.4): signatures come before the DNSKEY and go after it, because
 *    a zone has to be signed by each algorithm of its DNSKEY RRset, which in turn has one for each in its DS RRset
 *    (RFC 6840 §5.11). That holds of what caches remember too, so signing online leaves no step out.
 * 3. A step counts from when dns serves it, not from when it was decided: files with a mistake keep the last book in force.
 * 4. Turning round swaps old and new and goes on from the step that publishes the same, so it takes the same waits.
 */

import type { Algorithm } from "./algorithm.ts";
import { Duty, type KeyDuty } from "./key-duty.ts";
import type { KeyRef } from "./key-name.ts";
import type { Look } from "./parent-ds.ts";
import { notedTtl, RULES, type Rules, type Ttls, untilMs } from "./rollover-waits.ts";

/** The steps in their order. */
export const STEPS = ["idle", "sign", "publish", "submit", "retire", "withdraw", "remove"] as const;
export type Step = (typeof STEPS)[number];

/** Where a zone stands with its keys. */
export interface KeyState {
  /** The name of the node that moves it on. All others do as it says. */
  readonly by: string;
  readonly step: Step;
  /** The keys that go; none while idle. */
  readonly from: readonly KeyRef[];
  /** The keys that come; all there are while idle. */
  readonly to: readonly KeyRef[];
  /** When dns began to serve this step; null: it does not yet. */
  readonly servedMs: number | null;
  /** Since when each look at the parent has found its DS right, in `retire`; null: the last one has not. */
  readonly ds: { readonly rightMs: number; readonly byHand: boolean } | null;
  readonly ttls: Ttls;
}

/** What a step has in the zone. */
export interface KeyPlan {
  readonly dnskeys: readonly KeyRef[];
  /** Of CDS and CDNSKEY. */
  readonly cds: readonly KeyRef[];
  readonly duties: readonly KeyDuty[];
  /** Without one of these the zone would be bogus. */
  readonly essential: readonly KeyRef[];
}

/** What a step is judged by. */
export interface RolloverFacts {
  /** Whether dns serves what this state plans. */
  readonly isServed: boolean;
  /** Keys whose files are there. */
  readonly keys: readonly KeyRef[];
  /** How long it takes until all servers of the zone, and of the parent, answer alike. */
  readonly propagationMs: number;
  /** TTL of the DNSKEY RRset, and the largest in the zone, as they are served. */
  readonly dnskeyTtlSeconds: number;
  readonly zoneTtlSeconds: number;
  /** The last look at the parent, judged by this state's keys; null: nobody has looked. */
  readonly look: Look | null;
}

/** Whether two keys are the same. */
export function isSame(a: KeyRef, b: KeyRef): boolean {
  return a.tag === b.tag && a.algorithm === b.algorithm;
}

/** Whether old and new differ in their algorithms. */
export function changesAlgorithm({ from, to }: Pick<KeyState, "from" | "to">): boolean {
  const [before, after] = [from, to].map((keys) => new Set(keys.map(({ algorithm }) => algorithm)));
  return before !== undefined && after !== undefined && before.symmetricDifference(after).size > 0;
}

/** What the zone has in a step. */
export function planOf(state: KeyState): KeyPlan {
  const { step, from, to } = state;
  const both = [...from, ...to];
  const duties = (old: number, fresh: number): readonly KeyDuty[] => [
    ...from.map(({ algorithm, tag }) => ({ algorithm, tag, duties: old })),
    ...to.map(({ algorithm, tag }) => ({ algorithm, tag, duties: fresh })),
  ];
  const bothSign = changesAlgorithm(state);
  switch (step) {
    case "sign":
      return { dnskeys: from, cds: from, duties: duties(Duty.All, Duty.Data), essential: from };
    case "publish":
    case "submit": {
      const cds = step === "publish" ? from : to;
      const fresh = bothSign ? Duty.All : Duty.Keys | Duty.Ahead;
      return { dnskeys: both, cds, duties: duties(Duty.All, fresh), essential: from };
    }
    case "retire":
      return {
        dnskeys: both,
        cds: to,
        duties: duties(bothSign ? Duty.All : Duty.Keys, Duty.All),
        essential: both,
      };
    case "withdraw":
      return { dnskeys: to, cds: to, duties: duties(Duty.Data, Duty.All), essential: to };
    case "idle":
    case "remove": {
      const signers = to.map(({ algorithm, tag }) => ({ algorithm, tag, duties: Duty.All }));
      return { dnskeys: to, cds: to, duties: signers, essential: to };
    }
  }
}

/** The state of a zone whose keys nobody has changed yet. */
export function settled(by: string, keys: readonly KeyRef[], nowMs: number): KeyState {
  const ttls: Ttls = { dnskey: null, zone: null, ds: null };
  return { by, step: "idle", from: [], to: keys.map(refOf), servedMs: nowMs, ds: null, ttls };
}

/** Starts to put a new key in the place of those that are there. The zone must be idle. */
export function begin(state: KeyState, key: KeyRef): KeyState {
  const next: KeyState = { ...state, from: state.to, to: [refOf(key)], servedMs: null, ds: null };
  return { ...next, step: changesAlgorithm(next) ? "sign" : "publish" };
}

/** Goes back to the old keys, from wherever it is; null: there is nothing to go back from, or it is too late. */
export function turn(state: KeyState): KeyState | null {
  const step = turnedStep(state);
  if (step === null) return null;
  return { ...state, step, from: state.to, to: state.from, servedMs: null, ds: null };
}

/** The step that publishes the same with old and new swapped, or is next to it in the order that caches need. */
function turnedStep(state: KeyState): Step | null {
  switch (state.step) {
    case "sign":
      return "remove";
    case "publish":
      return changesAlgorithm(state) ? "withdraw" : "remove";
    case "submit":
      return "retire";
    case "retire":
      return "submit";
    case "withdraw":
      return "publish";
    case "idle":
    case "remove":
      return null;
  }
}

/** An operator has seen the right DS at the parent; null: no step waits for that. */
export function seenByHand(state: KeyState, nowMs: number): KeyState | null {
  const ds = { rightMs: nowMs, byHand: true };
  if (state.step === "retire" && state.ds === null) return { ...state, ds };
  return state.step === "submit" && state.servedMs !== null
    ? { ...state, step: "retire", servedMs: null, ds }
    : null;
}

/** Whether it is time for other keys. */
export function isDue(state: KeyState, algorithm: Algorithm, everyMs: number | null, nowMs: number): boolean {
  if (state.step !== "idle" || state.servedMs === null) return false;
  const isOther = state.to.some((key) => key.algorithm !== algorithm);
  return isOther || (everyMs !== null && nowMs >= state.servedMs + everyMs);
}

/** Whether an algorithm rollover leads away from the algorithm that is wanted, to the one that was left. */
export function isUnwanted(state: KeyState, algorithm: Algorithm): boolean {
  const has = (key: KeyRef): boolean => key.algorithm === algorithm;
  return changesAlgorithm(state) && state.from.every(has) && !state.to.some(has) && state.from.length > 0;
}

/**
 * The state a moment later: at most one step further, and the same object where nothing has changed. Called again at any
 * time, by any process that has the state before, it comes to the same.
 */
export function advance(
  state: KeyState,
  facts: RolloverFacts,
  nowMs: number,
  rules: Rules = RULES,
): KeyState {
  const noted = withTtls(state, facts, nowMs);
  if (noted.servedMs === null) return facts.isServed ? { ...noted, servedMs: nowMs } : noted;
  const lacks = noted.to.some((key) => !facts.keys.some((there) => isSame(key, there)));
  const look = facts.look !== null && facts.look.atMs >= noted.servedMs ? facts.look : null;
  const dueMs = untilMs(noted, changesAlgorithm(noted), facts.propagationMs, rules);
  const isOver = dueMs !== null && nowMs >= dueMs;
  switch (noted.step) {
    case "idle":
      return noted;
    case "sign":
      return lacks ? (turn(noted) ?? noted) : isOver ? enter(noted, "publish") : noted;
    case "publish":
      return lacks ? (turn(noted) ?? noted) : isOver ? enter(noted, "submit") : noted;
    case "submit": {
      if (lacks) return turn(noted) ?? noted;
      const isRight = look?.kind === "right";
      return isRight ? { ...enter(noted, "retire"), ds: { rightMs: look.atMs, byHand: false } } : noted;
    }
    case "retire":
      return retired(noted, look, isOver ? dueMs : null);
    case "withdraw":
    case "remove": {
      // Old's DS has come back, and old is what validators look for.
      if (look?.kind === "old") return enter(noted, "retire");
      if (!isOver) return noted;
      return noted.step === "withdraw" ? enter(noted, "remove") : { ...enter(noted, "idle"), from: [] };
    }
  }
}

/** `dueMs`: when the wait was over; null: it is not. */
function retired(state: KeyState, look: Look | null, dueMs: number | null): KeyState {
  if (look?.kind === "old" || look?.kind === "other")
    return state.ds === null ? state : { ...state, ds: null };
  if (state.ds === null)
    return look?.kind === "right" ? { ...state, ds: { rightMs: look.atMs, byHand: false } } : state;
  // The last look must be as young as the step that it leads to.
  const isSure = state.ds.byHand || (look?.kind === "right" && dueMs !== null && look.atMs >= dueMs);
  if (dueMs === null || !isSure) return state;
  return enter(state, changesAlgorithm(state) ? "withdraw" : "remove");
}

function enter(state: KeyState, step: Step): KeyState {
  return { ...state, step, servedMs: null, ds: null };
}

/** Takes note of the TTLs that are served now. */
function withTtls(state: KeyState, facts: RolloverFacts, nowMs: number): KeyState {
  const { ttls } = state;
  const { propagationMs, look } = facts;
  const dnskey = notedTtl(ttls.dnskey, facts.dnskeyTtlSeconds, nowMs, propagationMs);
  const zone = notedTtl(ttls.zone, facts.zoneTtlSeconds, nowMs, propagationMs);
  let { ds } = ttls;
  const seconds = look?.ttlSeconds ?? null;
  if (look !== null && seconds !== null) {
    // Of a DS that went before anybody looked only this much is known.
    const isFirst = ds === null && (state.step === "submit" || state.step === "retire");
    ds = notedTtl(ds, seconds, look.atMs, propagationMs);
    if (isFirst) ds = { ...ds, seconds: Math.max(seconds, RULES.unknownDsTtlSeconds) };
  }
  const isSameAsBefore = dnskey === ttls.dnskey && zone === ttls.zone && ds === ttls.ds;
  return isSameAsBefore ? state : { ...state, ttls: { dnskey, zone, ds } };
}

function refOf({ algorithm, tag }: KeyRef): KeyRef {
  return { algorithm, tag };
}
