/** Resolves a client's location out of a policy. */

import type { Config, RegionId } from "../config/config.ts";
import type { Geo, GeoMatch, Nearest, Policy, Weighted } from "../config/policy.ts";
import { distanceKm } from "../geo/distance.ts";
import type { Location } from "../geo/location.ts";
import { cellOf } from "./cell.ts";
import {
  byRegion,
  type LocalChoice,
  type LocalPolicy,
  localFastest,
  localFirst,
  localMember,
  localPool,
  localSticky,
  localWeighted,
  reachedVia,
} from "./local.ts";
import { memberOf, poolOf, regionOf } from "./references.ts";

/**
 * What a policy comes to for clients at a location:
 *
 *   geo      -> the cases that match, most specific first, then the default: the first that is up, or with a fence
 *               the first alone
 *   nearest  -> its members region by region, the nearest region first
 *   latency  -> its members region by region, in an order that is left to the facts
 *   the rest -> itself
 */
export function localise(policy: Policy, location: Location, config: Config): LocalPolicy {
  const here = (child: Policy): LocalPolicy => localise(child, location, config);
  switch (policy.kind) {
    case "pool":
      return localPool(poolOf(policy.pool, config), [`pool ${policy.pool}`]);
    case "member":
      return localMember(memberOf(policy.member, config), []);
    case "geo":
      return localFirst(matchesOf(policy, location, here), policy.minUp, [titleOf(policy)]);
    case "nearest":
      return localFirst(nearestFirst(policy, location, config), policy.minUp, [titleOf(policy)]);
    case "latency": {
      const parts = byRegion(here(policy.of), config.regions.keys()).map(({ region, use }) => ({
        region,
        use: reachedVia([region], use),
      }));
      return localFastest(parts, cellOf(location, policy), policy.minUp, [titleOf(policy)]);
    }
    case "weighted":
      return localWeighted(choicesOf(policy, here), policy.name, policy.minUp, [titleOf(policy)]);
    case "failover": {
      const order = policy.order.map((child, i) => reachedVia([`choice ${i + 1}`], here(child)));
      return localFirst(order, policy.minUp, [titleOf(policy)]);
    }
    case "sticky":
      return localSticky(here(policy.of), policy.minUp, [titleOf(policy)]);
  }
}

/** The cases that match, most specific first, then the default; of a fence only the first of these. */
function matchesOf(
  geo: Geo,
  location: Location,
  here: (child: Policy) => LocalPolicy,
): readonly LocalPolicy[] {
  const matches = geo.cases
    .filter(({ match }) => matchPlace(match, location) >= 0)
    .sort(
      (a, b) =>
        bySpecificity(a.match, b.match) || matchPlace(a.match, location) - matchPlace(b.match, location),
    )
    .map(({ match, use }) => reachedVia([matchText(match)], here(use)));
  const all = geo.default === null ? matches : [...matches, reachedVia(["default"], here(geo.default))];
  return geo.fence ? all.slice(0, 1) : all;
}

const MATCHES_BY_SPECIFICITY: readonly GeoMatch["by"][] = [
  "prefix",
  "label",
  "asn",
  "subdivision",
  "country",
  "continent",
];

function bySpecificity(a: GeoMatch, b: GeoMatch): number {
  return MATCHES_BY_SPECIFICITY.indexOf(a.by) - MATCHES_BY_SPECIFICITY.indexOf(b.by);
}

/** 0 or more: it matches, and the less the better among matches of its kind. -1: it does not match. */
export function matchPlace(match: GeoMatch, location: Location): number {
  switch (match.by) {
    case "prefix":
      return location.prefixes.indexOf(match.prefix);
    case "label":
      return location.labels.indexOf(match.label);
    case "asn":
      return match.asn === location.asn ? 0 : -1;
    case "subdivision":
      return match.subdivision === location.subdivision ? 0 : -1;
    case "country":
      return match.country === location.country ? 0 : -1;
    case "continent":
      return match.continent === location.continent ? 0 : -1;
  }
}

function matchText(match: GeoMatch): string {
  switch (match.by) {
    case "prefix":
      return `prefix ${match.prefix}`;
    case "label":
      return `label ${match.label}`;
    case "asn":
      return `AS${match.asn}`;
    case "subdivision":
      return `subdivision ${match.subdivision}`;
    case "country":
      return `country ${match.country}`;
    case "continent":
      return `continent ${match.continent}`;
  }
}

/** One alternative for each region; where nobody knows where the client is, in the order of the config. */
function nearestFirst(nearest: Nearest, location: Location, config: Config): readonly LocalPolicy[] {
  const parts = byRegion(localise(nearest.of, location, config), config.regions.keys());
  const { coordinates } = location;
  if (coordinates === null) return parts.map(({ region, use }) => reachedVia([region], use));
  return parts
    .map(({ region, use }) => {
      const km = distanceKm(coordinates, regionOf(region, config).coordinates);
      const biasKm = nearest.biasKm.get(region) ?? 0;
      return { use: reachedVia([distanceText(region, km, biasKm)], use), km: km - biasKm };
    })
    .sort((a, b) => a.km - b.km)
    .map(({ use }) => use);
}

function distanceText(region: RegionId, km: number, biasKm: number): string {
  const bias = biasKm === 0 ? "" : ` ${biasKm > 0 ? "-" : "+"} ${Math.abs(biasKm)} km bias`;
  return `${region} at ${Math.round(km)} km${bias}`;
}

function choicesOf(weighted: Weighted, here: (child: Policy) => LocalPolicy): readonly LocalChoice[] {
  return weighted.choices.map(({ key, weight, use }) => ({ key, weight, use: reachedVia([key], here(use)) }));
}

function titleOf(policy: { readonly kind: string; readonly name: string | null }): string {
  return policy.name === null ? policy.kind : `${policy.kind} ${policy.name}`;
}
