/** Facts as they might be: what explanations look for what would change an answer, and what operators ask "what if" of. */

import type { MemberId, RegionId, VantageId, VipId } from "../config/config.ts";
import { type LatencyView, rankBy } from "../health/rtt.ts";
import type { Verdict, Vote } from "../health/verdict.ts";
import type { Facts } from "./facts.ts";

/** One fact as it might be. */
export type Supposition =
  | { readonly kind: "verdict"; readonly vip: VipId; readonly up: boolean }
  /** How one vantage sees it, with a vote; its verdict stays as it is. */
  | { readonly kind: "vote"; readonly vip: VipId; readonly vantage: VantageId; readonly up: boolean }
  | { readonly kind: "drained"; readonly member: MemberId; readonly drained: boolean }
  | { readonly kind: "member weight"; readonly member: MemberId; readonly weight: number }
  /** By `policy/choice`, or `service/choice` for a policy written in place. */
  | { readonly kind: "choice weight"; readonly choice: string; readonly weight: number }
  /** The fraction that the VIP takes of what it is offered. */
  | { readonly kind: "take"; readonly vip: VipId; readonly take: number }
  /** To clients everywhere. */
  | { readonly kind: "rtt"; readonly region: RegionId; readonly rttMs: number };

/** The reason of a supposed verdict. */
export const SUPPOSED = "supposed";

/** The facts with some changed, the later supposition over the earlier; `facts` stays as it is. */
export function suppose(facts: Facts, suppositions: readonly Supposition[]): Facts {
  if (suppositions.length === 0) return facts;
  const verdicts = new Map(facts.verdicts);
  const takes = new Map(facts.takes);
  const ramps = new Map(facts.ramps);
  const memberWeights = new Map(facts.memberWeights);
  const choiceWeights = new Map(facts.choiceWeights);
  const drained = new Set(facts.drained);
  const rttsMs = new Map<RegionId, number>();
  for (const one of suppositions) {
    switch (one.kind) {
      case "verdict":
        verdicts.set(one.vip, supposedVerdict(one.vip, one.up, facts.nowMs));
        break;
      case "vote": {
        const verdict = verdicts.get(one.vip);
        if (verdict !== undefined) verdicts.set(one.vip, withVote(verdict, one.vantage, one.up));
        break;
      }
      case "drained":
        if (one.drained) drained.add(one.member);
        else drained.delete(one.member);
        break;
      case "member weight":
        memberWeights.set(one.member, one.weight);
        break;
      case "choice weight":
        choiceWeights.set(one.choice, one.weight);
        break;
      case "take":
        takes.set(one.vip, one.take);
        ramps.set(one.vip, one.take);
        break;
      case "rtt":
        rttsMs.set(one.region, one.rttMs);
        break;
    }
  }
  const latency = rttsMs.size === 0 ? facts.latency : supposedLatency(facts.latency, rttsMs);
  return { ...facts, verdicts, takes, ramps, memberWeights, choiceWeights, drained, latency };
}

/** What is said of a VIP that is supposed to be up or down. */
export function supposedVerdict(vip: VipId, up: boolean, sinceMs: number): Verdict {
  const basis = "forced";
  return {
    vip,
    up,
    basis,
    reason: SUPPOSED,
    votes: [],
    sinceMs,
    recovering: false,
    flaps: 0,
    hold: null,
    steadyMs: null,
  };
}

function withVote(verdict: Verdict, vantage: VantageId, up: boolean): Verdict {
  const supposed: Vote = {
    vantage,
    opinion: up ? "healthy" : "unhealthy",
    counts: true,
    error: null,
    timings: null,
    reportedAtMs: null,
  };
  return { ...verdict, votes: [...verdict.votes.filter((vote) => vote.vantage !== vantage), supposed] };
}

/** The region that is first keeps its place as long as hysteresis would leave it there. */
function supposedLatency(latency: LatencyView, rttsMs: ReadonlyMap<RegionId, number>): LatencyView {
  return {
    ranking: (cell, regions) => {
      const ranking = latency.ranking(cell, regions);
      const supposed = ranking.map((ranked) => {
        const rttMs = rttsMs.get(ranked.region);
        return rttMs === undefined ? ranked : ({ ...ranked, rttMs, source: SUPPOSED } as const);
      });
      return rankBy(supposed, ranking[0]?.region ?? null);
    },
  };
}
