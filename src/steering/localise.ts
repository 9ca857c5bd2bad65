/** Resolves a client's location out of a policy. */

import type { Config, Pool, Region, RegionId, Vantage, VantageId } from "../config/config.ts";
import type { Geo, GeoMatch, Nearest, Policy, Weighted } from "../config/policy.ts";
import { distanceKm } from "../geo/distance.ts";
import type { Location } from "../geo/location.ts";
import { heardOf } from "../health/nearby.ts";
import { cellOf } from "./cell.ts";
import { type LocalChoice, type LocalPolicy, reachedVia, regionsOf } from "./local.ts";
import {
  keptTo,
  localFastest,
  localFirst,
  localMember,
  localPool,
  localSpread,
  localSticky,
  localWeighted,
  withoutIdleVantages,
} from "./make-local.ts";
import { memberOf, poolOf, regionOf } from "./references.ts";
import { formatPercent } from "./words.ts";

/**
 * What a policy comes to for clients at a location:
 *
 *   geo      -> the cases that match, most specific first, then the default: the first that is up, or with a fence
 *               the first alone
 *   nearest  -> its members region by region, the nearest region first, with those that are about as near
 *   latency  -> its members region by region, in an order that is left to the facts
 *   the rest -> itself
 *
 * Members of a pool with `perVantage` get the vantages that speak for the clients, where these can make a difference.
 */
export function localise(policy: Policy, location: Location, config: Config): LocalPolicy {
  return withoutIdleVantages(localiseNode(policy, location, config));
}

function localiseNode(policy: Policy, location: Location, config: Config): LocalPolicy {
  const here = (child: Policy): LocalPolicy => localiseNode(child, location, config);
  switch (policy.kind) {
    case "pool": {
      const pool = poolOf(policy.pool, config);
      return localPool(pool, [`pool ${pool.id}`], nearbyAt(pool, location, config));
    }
    case "member": {
      const member = memberOf(policy.member, config);
      const nearby = nearbyAt(poolOf(member.pool, config), location, config);
      return localMember(member, [], nearby(member.region));
    }
    case "geo":
      return localFirst(matchesOf(policy, location, here), policy.minUp, [titleOf(policy)]);
    case "nearest":
      return localFirst(nearestFirst(policy, location, config), policy.minUp, [titleOf(policy)]);
    case "latency": {
      const of = here(policy.of);
      const parts = regionsOf(of, config.regions.keys()).map((region) => ({
        region,
        use: reachedVia([region], keptTo([region], of)),
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
    case "spread":
      return localSpread(here(policy.of), policy.count, policy.minUp, [titleOf(policy)]);
  }
}

/**
 * The vantages that speak for clients at a location about the members of a pool in a region; none, unless it is steered per
 * vantage. They are sorted, so that clients between two of them are of one class, whichever is the nearer.
 */
function nearbyAt(
  { perVantage }: Pool,
  { coordinates }: Location,
  config: Config,
): (region: RegionId) => readonly VantageId[] {
  if (!perVantage || coordinates === null) return () => [];
  const kmTo = (place: Region | Vantage): number => distanceKm(coordinates, place.coordinates);
  const nearestFirst = Array.from(config.vantages.values(), (vantage) => ({
    id: vantage.id,
    km: kmTo(vantage),
  })).sort((a, b) => a.km - b.km);
  return (region) =>
    heardOf(kmTo(regionOf(region, config)), nearestFirst)
      .map(({ id }) => id)
      .sort();
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

/** For people: `country GB`. */
export function matchText(match: GeoMatch): string {
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

/**
 * One alternative for the nearest region with those that are about as near, and one for each of the others; where
 * nobody knows where the client is, one for each in the order of the config.
 */
function nearestFirst(nearest: Nearest, location: Location, config: Config): readonly LocalPolicy[] {
  const of = localiseNode(nearest.of, location, config);
  const regions = regionsOf(of, config.regions.keys());
  const { coordinates } = location;
  if (coordinates === null) return regions.map((region) => reachedVia([region], keptTo([region], of)));
  const sites = regions
    .map((region) => {
      const km = distanceKm(coordinates, regionOf(region, config).coordinates);
      const biasKm = nearest.biasKm.get(region) ?? 0;
      return { region, km: km - biasKm, text: distanceText(region, km, biasKm) };
    })
    .sort((a, b) => a.km - b.km);
  const count = countTogether(
    sites.map(({ km }) => km),
    nearest.within,
  );
  const reach = count === 1 ? "" : `, within ${formatPercent(nearest.within ?? 0)}`;
  const together = sites.slice(0, count);
  const near = reachedVia(
    [together.map(({ text }) => text).join(" and ") + reach],
    keptTo(
      together.map(({ region }) => region),
      of,
    ),
  );
  return [near, ...sites.slice(count).map(({ region, text }) => reachedVia([text], keptTo([region], of)))];
}

/** How many of these distances, the least first, count as one; those of 0 or less, by a bias, only where they are equal. */
function countTogether(distancesKm: readonly number[], within: number | null): number {
  const [leastKm] = distancesKm;
  if (leastKm === undefined || within === null) return 1;
  const mostKm = leastKm + within * Math.max(0, leastKm);
  return distancesKm.filter((km) => km <= mostKm).length;
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
