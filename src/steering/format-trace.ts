/** A trace as lines of text, for `meridian explain` and for the audit. */

import type { VipId } from "../config/config.ts";
import { formatCount, formatDuration } from "../config/units.ts";
import type { Counterfactual } from "./counterfactual.ts";
import { SUPPOSED, type Supposition } from "./suppose.ts";
import type { Margin, Trace, TraceFact, TraceNode, TraceStage } from "./trace.ts";
import type { Ttl } from "./ttl.ts";
import { formatNearby, formatPercent, formatVerdict } from "./words.ts";

/** The stages that were tried, each as an indented tree, then the plan. */
export function formatTrace(trace: Trace): readonly string[] {
  return [...trace.stages.flatMap(formatStage), formatPlan(trace)];
}

function formatStage(stage: TraceStage): readonly string[] {
  return [`${stageTitle(stage)}:`, ...formatNode(stage.root, 1)];
}

function stageTitle({ subject, reserves, asIfUp, byQuorum }: TraceStage): string {
  const conditions = [
    ...(byQuorum ? ["by the quorum alone"] : []),
    ...(reserves ? ["with what is drained, held down or weighs 0"] : []),
    ...(asIfUp ? ["as if all were up"] : []),
  ];
  return [subject === "policy" ? "policy" : "fallback pool", ...conditions].join(", ");
}

function formatNode(node: TraceNode, depth: number): readonly string[] {
  const news = node.facts.filter((fact) => !isSaidBy(node.why, fact));
  const clauses = [standingOf(node), ...weightOf(node), ...countOf(node), ...news.map(formatFact)];
  const address = node.kept.length === 1 && node.kind === "member" ? ` ${node.kept[0]?.address}` : "";
  const line = `${"  ".repeat(depth)}${node.title}${address}: ${clauses.join("; ")}`;
  return [line, ...node.children.flatMap((child) => formatNode(child, depth + 1))];
}

function standingOf({ outcome, share, why, take, kind }: TraceNode): string {
  if (outcome === "no address") return why ?? outcome;
  if (share > 0) return `${formatPercent(share)} of answers`;
  if (outcome === "up") return `up, not used: ${why}`;
  // A member's reason says down itself, or says that it is up and held back.
  return kind === "member" || take > 0 ? `${why}` : `down: ${why}`;
}

function weightOf({ weight }: TraceNode): readonly string[] {
  return weight === null || weight === 0 ? [] : [`weight ${weight}`];
}

function countOf({ count }: TraceNode): readonly string[] {
  return count === null ? [] : [`${count} in each answer`];
}

/** Whether a fact is the very reason that is given already. */
function isSaidBy(why: string | null, fact: TraceFact): boolean {
  return ["verdict", "nearby", "drained"].includes(fact.kind) && formatFact(fact) === why;
}

function formatFact(fact: TraceFact): string {
  switch (fact.kind) {
    case "verdict":
      return formatVerdict(fact);
    case "nearby":
      return formatNearby(fact);
    case "take":
      return `takes ${formatPercent(fact.take)} of what it is offered`;
    case "load":
      return `load ${formatPercent(fact.load)}, sheds above ${formatPercent(fact.shedAbove)}`;
    case "headroom":
      return `headroom ${formatPercent(fact.headroom / fact.capacity)} of ${formatCount(fact.capacity)}`;
    case "drained":
      return "drained";
    case "weight":
      return `weight of ${fact.of} overridden from ${fact.declared} to ${fact.overridden}`;
    case "rtt":
      return `${fact.region} ${Math.round(fact.rttMs)} ms${fact.source === SUPPOSED ? ", as supposed" : ` by ${fact.source}`}`;
  }
}

/** The plan in one line: `A: web/us-east/ipv4 100 %`. */
export function formatPlan({ plan, family, lastGood }: Pick<Trace, "plan" | "family" | "lastGood">): string {
  const type = family === 4 ? "A" : "AAAA";
  switch (plan.kind) {
    case "answer": {
      const shares = plan.shares.map(({ vip, share }) => `${vip} ${formatPercent(share)}`).join(", ");
      const counts = [...new Set(plan.spreads?.map(({ count }) => count))].sort((a, b) => a - b);
      const several = counts.length === 0 ? "" : `, ${counts.join(" or ")} in each answer`;
      if (lastGood !== null) return `${type}: ${shares}${several}, as when something was last up`;
      return `${type}: ${shares}${several}${plan.lastResort ? ", as the last resort" : ""}`;
    }
    case "nodata":
      return `${type}: NODATA${plan.lastResort ? ", as the last resort" : ""}`;
    case "servfail":
      return `${type}: SERVFAIL, as the last resort`;
  }
}

/** `TTL 5 s`, and why, where that is not always so. */
export function formatTtl({ seconds, why }: Ttl): string {
  const ttl = `TTL ${seconds} s`;
  switch (why.kind) {
    case "fixed":
      return ttl;
    case "settled":
      return `${ttl}: nothing that it depends on changes by itself`;
    case "emergency":
      return `${ttl}: nothing that is in use is up`;
    case "ramp":
      return `${ttl}: ${memberIn(why.vip)} takes another part from second to second`;
    case "verdict":
      return `${ttl}: ${memberIn(why.vip)} may change ${afterAt(why.steadyMs)}`;
  }
}

function afterAt(ms: number): string {
  return ms < 1_000 ? "at any moment" : `after ${formatDuration(1_000 * Math.floor(ms / 1_000))}`;
}

/** A margin as one line: `eu-west at 21 ms is 71 ms ahead of us-east at 92 ms`. */
export function formatMargin({ first, second, marginMs }: Margin): string {
  const [a, b, margin] = [first.rttMs, second.rttMs, Math.abs(marginMs)].map((ms) => `${Math.round(ms)} ms`);
  return marginMs < 0
    ? `${first.region} at ${a} was first and stays: ${second.region} at ${b} is not better by enough`
    : `${first.region} at ${a} is ${margin} ahead of ${second.region} at ${b}`;
}

/** The smallest change as one line: `it would be web/us-east if web/eu-west were down`. */
export function formatCounterfactual(found: Counterfactual): string {
  if (found.kind === "found") {
    const changes = found.changes.map(formatSupposition).join(" and ");
    return `it would be ${formatMembers(found)} if ${changes}`;
  }
  return found.complete
    ? "no one or two of the facts would change it"
    : "it was not found among as many changes as are tried";
}

function formatMembers({ plan, vips }: Extract<Counterfactual, { kind: "found" }>): string {
  if (plan.kind !== "answer") return plan.kind.toUpperCase();
  if (vips.size === 1 || vips.size < plan.shares.length) return [...vips].map(memberIn).join(" or ");
  return plan.shares.map(({ vip, share }) => `${memberIn(vip)} ${formatPercent(share)}`).join(", ");
}

/** A supposition as a clause: `web/eu-west were down`. */
export function formatSupposition(supposed: Supposition): string {
  switch (supposed.kind) {
    case "verdict":
      return `${memberIn(supposed.vip)} were ${supposed.up ? "up" : "down"}`;
    case "vote":
      return `${memberIn(supposed.vip)} were ${supposed.up ? "up" : "down"} from ${supposed.vantage}`;
    case "drained":
      return `${supposed.member} were ${supposed.drained ? "drained" : "not drained"}`;
    case "member weight":
      return `${supposed.member} weighed ${supposed.weight}`;
    case "choice weight":
      return `${supposed.choice} weighed ${supposed.weight}`;
    case "take":
      return `${memberIn(supposed.vip)} took ${formatPercent(supposed.take)} of what it is offered`;
    case "rtt":
      return `${supposed.region} were at ${Math.round(supposed.rttMs)} ms`;
  }
}

/** The member of a VIP, `pool/member/ipv4`: of one family alone the member says it all. */
function memberIn(vip: VipId): string {
  return vip.slice(0, vip.lastIndexOf("/"));
}
