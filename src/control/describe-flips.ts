/** Says in a clause which verdicts flipped, or which votes turned: who was judged, by whom, and why. */

import type { Config, VipId } from "../config/config.ts";
import { formatQuantity } from "../config/units.ts";
import type { TurnedVote } from "../health/matrix.ts";
import { sideOf, type Verdict } from "../health/verdict.ts";
import { memberOfVip } from "./lookup.ts";

/**
 * `eu-west down: web/eu-west/ipv4 judged down by 2 of 3 vantages (dublin timeout, virginia refused)`; several VIPs of a
 * region are counted, several regions follow each other.
 */
export function describeFlips(flipped: readonly Verdict[], config: Config): string {
  const groups = Map.groupBy(flipped, ({ vip, up }) => {
    return `${memberOfVip(config, vip)?.region ?? "?"} ${up ? "up" : "down"}`;
  });
  return Array.from(groups, ([title, verdicts]) => {
    const [first] = verdicts;
    const others = verdicts.length - 1;
    const more = others === 0 ? "" : ` (+${formatQuantity(others, "VIP")})`;
    return first === undefined ? title : `${title}: ${describeVerdict(first)}${more}`;
  }).join("; ");
}

/** `frankfurt sees web/eu-west/ipv4 down: timeout`; the first of several, with their count. */
export function describeTurned(turned: readonly TurnedVote[], verdicts: ReadonlyMap<VipId, Verdict>): string {
  const [first] = turned;
  if (first === undefined) return "";
  const vote = verdicts.get(first.vip)?.votes.find(({ vantage }) => vantage === first.vantage);
  const side = vote === undefined ? null : sideOf(vote);
  const why = side === "down" && vote?.error ? `: ${vote.error.class}` : "";
  const seen = side === null ? "has no vote on" : "sees";
  const others = turned.length - 1;
  const more = others === 0 ? "" : ` (+${formatQuantity(others, "vote")})`;
  return `${first.vantage} ${seen} ${first.vip}${side === null ? "" : ` ${side}`}${why}${more}`;
}

function describeVerdict({ vip, up, basis, reason, votes }: Verdict): string {
  const direction = up ? "up" : "down";
  if (basis !== "judged") return `${vip} ${direction}, ${reason}`;
  const counting = votes.filter((vote) => vote.counts);
  const agreeing = counting.filter((vote) => (vote.opinion === "unhealthy") !== up);
  const why = agreeing.map(({ vantage, error }) =>
    error === null || up ? vantage : `${vantage} ${error.class}`,
  );
  const all = formatQuantity(counting.length, "vantage");
  return `${vip} judged ${direction} by ${agreeing.length} of ${all} (${why.join(", ")})`;
}
