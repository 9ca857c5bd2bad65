/** Policy tests: one client, what is down, and what must be answered. */

import type { Config, Service, VipId } from "../config/config.ts";
import type { GeoMatch } from "../config/policy.ts";
import type { ExampleClient, Expectation, PolicyTest } from "../config/rules.ts";
import { COUNTRIES } from "../geo/countries.ts";
import { type Location, NOWHERE } from "../geo/location.ts";
import { type Explanation, explain } from "./explain.ts";
import { formatPlan } from "./format-trace.ts";
import type { Plan } from "./plan.ts";
import { declaredMembers } from "./reach.ts";
import { factsUnder } from "./standing.ts";
import { formatPercent } from "./words.ts";

/** What came instead of what a test expects. */
export interface TestFailure {
  /** What was expected and what came, in a clause. */
  readonly message: string;
  /** Of the first family that fails. */
  readonly explanation: Explanation;
}

/** The location of a client of whom just this is known; a country has its continent and its middle. */
export function exampleLocation(client: Extract<ExampleClient, { kind: "known" }>): Location {
  const known = { ...NOWHERE, ...Object.assign({}, ...client.traits.map(traitOf)) };
  const country = known.country ?? known.subdivision?.slice(0, 2) ?? null;
  const place = country === null ? undefined : COUNTRIES.get(country);
  const centre = place && { latitude: place.latitude, longitude: place.longitude };
  return {
    ...known,
    country,
    continent: known.continent ?? place?.continent ?? null,
    coordinates: client.coordinates ?? centre ?? null,
  };
}

function traitOf(match: GeoMatch): Partial<Location> {
  switch (match.by) {
    case "prefix":
      return { prefixes: [match.prefix] };
    case "label":
      return { labels: [match.label] };
    case "asn":
      return { asn: match.asn };
    case "subdivision":
      return { subdivision: match.subdivision };
    case "country":
      return { country: match.country };
    case "continent":
      return { continent: match.continent };
  }
}

/** Tries a test in each of its families; null: it passes. `location` is its client's, as the partition of the policy sees it. */
export function tryTest(test: PolicyTest, location: Location, config: Config): TestFailure | null {
  const { service, memberWeights, choiceWeights, drained, down, rttMs, expect } = test;
  const standing = { memberWeights, choiceWeights, drained, forced: new Map() };
  const facts = factsUnder(standing, down, rttMs, config);
  const families = test.family === null ? familiesOf(service, config) : [test.family];
  const failed = families.flatMap((family) => {
    const explanation = explain(service, location, family, facts, config);
    const wanted = unmet(expect, explanation.plan);
    return wanted === null ? [] : [{ wanted, got: formatPlan(explanation.trace), explanation }];
  });
  const [first] = failed;
  if (first === undefined) return null;
  const got = failed.map((one) => one.got).join("; ");
  return { message: `expected ${first.wanted}, got ${got}`, explanation: first.explanation };
}

/** The families that the policy of a service has addresses of. */
export function familiesOf({ policy }: Pick<Service, "policy">, config: Config): readonly (4 | 6)[] {
  const members = [...declaredMembers(policy, config)];
  const families = [4, 6] as const;
  return families.filter((family) => members.some(({ ipv4, ipv6 }) => (family === 4 ? ipv4 : ipv6) !== null));
}

/** What an answer lacks of what is expected; null: nothing. */
function unmet(expect: Expectation, plan: Plan): string | null {
  switch (expect.kind) {
    case "nodata":
    case "servfail":
      return plan.kind === expect.kind ? null : expect.kind.toUpperCase();
    case "only": {
      const allowed = (vip: VipId): boolean => expect.selections.some(({ vips }) => vips.has(vip));
      const isMet = plan.kind === "answer" && plan.shares.every(({ vip }) => allowed(vip));
      return isMet ? null : expect.selections.map(({ text }) => text).join(" or ");
    }
    case "shares": {
      const isMet = expect.shares.every(
        ({ selection, share }) => Math.abs(shareOf(selection.vips, plan) - share) <= expect.tolerance + 1e-9,
      );
      if (isMet) return null;
      const parts = expect.shares.map(({ selection, share }) => `${selection.text} ${formatPercent(share)}`);
      return parts.join(", ");
    }
  }
}

/** What part of the answers is from these VIPs. */
export function shareOf(vips: ReadonlySet<VipId>, plan: Plan): number {
  if (plan.kind !== "answer") return 0;
  return plan.shares.reduce((sum, { vip, share }) => (vips.has(vip) ? sum + share : sum), 0);
}
