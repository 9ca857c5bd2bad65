/** Takes signals from those who may send them. */

import type { Config, Member, MemberId, SignalRules, VantageId, VipId } from "../config/config.ts";
import { LOAD_MAX } from "../health/report.ts";
import { type ErrorCount, sourceVantage } from "../health/signals.ts";
import { didYouMean } from "../suggest.ts";
import { lookup, memberOfVip } from "./lookup.ts";
import type { TokenRecord } from "./store.ts";

/** What somebody says of a member or a VIP. */
export interface Signal {
  /** `pool/member`, or `pool/member/ipv4` where it is true of that address alone. */
  readonly target: string;
  readonly errors?: ErrorCount;
  readonly load?: number;
}

/** A signal whose words have been looked up. */
export interface KnownSignal {
  readonly source: VantageId;
  readonly member: MemberId;
  /** The VIPs that are judged by what it counted. */
  readonly vips: readonly VipId[];
  readonly rules: SignalRules;
  readonly errors: ErrorCount | null;
  readonly load: number | null;
}

export type SignalOutcome =
  | { readonly kind: "taken" }
  /** Nothing was taken; each message begins with the place in the request. */
  | { readonly kind: "refused" | "forbidden"; readonly messages: readonly string[] }
  | { readonly kind: "too many"; readonly retryAfterSeconds: number };

/** How many signals there may be in one request. */
export const SIGNALS_MAX = 500;

/** What one source may send in the long run. */
const SIGNALS_PER_SECOND = 1_000;

/** What it may send at once, after a rest. */
const BURST = 5 * SIGNALS_PER_SECOND;

/** Holds signals against config and token, and their number against a budget for each source. */
export class SignalGate {
  readonly #take: (signals: readonly KnownSignal[]) => void;
  /** By the name of the token. */
  readonly #budgets = new Map<string, { left: number; atMs: number }>();

  constructor(take: (signals: readonly KnownSignal[]) => void) {
    this.#take = take;
  }

  /** Takes all signals, or none. */
  take(token: TokenRecord, signals: readonly Signal[], config: Config, nowMs: number): SignalOutcome {
    const waitMs = this.#spend(token.name, signals.length, nowMs);
    if (waitMs > 0) return { kind: "too many", retryAfterSeconds: Math.ceil(waitMs / 1_000) };
    const pools = token.grant.role === "signals" ? token.grant.pools : [];
    const known: KnownSignal[] = [];
    const strange: string[] = [];
    const forbidden: string[] = [];
    for (const [i, signal] of signals.entries()) {
      const read = readSignal(signal, sourceVantage(token.name), config);
      const pool = signal.target.split("/", 1)[0] ?? "";
      if (!pools.includes(pool))
        forbidden.push(`signals.${i}.target: token ${token.name} speaks for ${pools.join(", ")} alone`);
      else if (typeof read === "string") strange.push(`signals.${i}.${read}`);
      else known.push(read);
    }
    if (forbidden.length > 0) return { kind: "forbidden", messages: forbidden };
    if (strange.length > 0) return { kind: "refused", messages: strange };
    this.#take(known);
    return { kind: "taken" };
  }

  /** Takes signals off a budget; how long it is until there are so many, 0 where there are. */
  #spend(name: string, count: number, nowMs: number): number {
    const budget = this.#budgets.get(name) ?? { left: BURST, atMs: nowMs };
    const refill = (Math.max(0, nowMs - budget.atMs) / 1_000) * SIGNALS_PER_SECOND;
    const left = Math.min(BURST, budget.left + refill);
    const isEnough = left >= count;
    this.#budgets.set(name, { left: isEnough ? left - count : left, atMs: nowMs });
    return isEnough ? 0 : ((count - left) / SIGNALS_PER_SECOND) * 1_000;
  }
}

/** A signal in the terms of the config; a text: why there is none, beginning with the key. */
function readSignal(signal: Signal, source: VantageId, config: Config): KnownSignal | string {
  const { target, errors = null, load = null } = signal;
  const member = lookup(config.members, target) ?? memberOfVip(config, target);
  if (member === null)
    return `target: no member or VIP "${target}" in ${config.file}${didYouMean(target, config.members.keys())}`;
  const rules = config.pools.get(member.pool)?.signals ?? null;
  if (rules === null) return `target: pool ${member.pool} takes no signals; give it the key "signals"`;
  if (errors !== null && errors.failed > errors.total)
    return `errors.failed: expected at most the total of ${errors.total}, got ${errors.failed}`;
  if (load !== null && load > LOAD_MAX) return `load: expected at most ${LOAD_MAX}, got ${load}`;
  return { source, member: member.id, vips: judgesOf(member, target), rules, errors, load };
}

/** The VIPs that are probed in the name of the target, each once. */
function judgesOf({ id, ipv4, ipv6 }: Member, target: string): readonly VipId[] {
  const meant = [ipv4, ipv6].filter((vip) => vip !== null && (target === id || target === vip.id));
  return [...new Set(meant.flatMap((vip) => vip?.judgedBy ?? []))];
}
