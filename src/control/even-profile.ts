/** A profile for who has none: as many queries from each country for each service. */

import type { Atlas } from "../geo/atlas.ts";
import { isLeaf, LEAF } from "../geo/tree.ts";
import type { Steps } from "../steps.ts";
import { word } from "../wire/bytes.ts";
import { hashName } from "../wire/name-hash.ts";
import { viewOf } from "../wire/packet.ts";
import type { ProfileWindow, SampledQuery } from "./profile.ts";
import type { Course } from "./simulate.ts";
import type { Snapshot } from "./snapshot.ts";

/** Queries in all, and of one service from one country: each in another second, so that weights show. */
const QUERIES_MAX = 200_000;
const SECONDS_MAX = 64;

/** The first prefix of a country, of /24 at most. */
interface CountryPrefix {
  readonly high: number;
  readonly prefixLength: number;
}

/** One window of even traffic; where there are too many services for it, some of them stand for all. */
export function* evenProfile(
  { config, atlas }: Snapshot,
  course: Pick<Course, "typeFor">,
): Steps<ProfileWindow> {
  const { services } = config;
  const countries = [...prefixesByCountry(atlas).values()];
  const perSecond = Math.max(1, countries.length * services.length);
  const seconds = Math.max(1, Math.min(SECONDS_MAX, Math.floor(QUERIES_MAX / perSecond)));
  const step = Math.max(1, Math.ceil(perSecond / QUERIES_MAX));
  const samples: SampledQuery[] = [];
  for (const [i, service] of services.entries()) {
    if (i % step !== 0) continue;
    const asked = {
      service: service.label,
      region: null,
      qnameHash: hashName(viewOf(service.name), 0, service.name.length),
      qtype: course.typeFor(service),
      isIpv6: false,
      low: 0,
    };
    yield;
    for (const country of countries)
      for (let moment = 0; moment < seconds; moment += 1) samples.push({ ...asked, ...country, moment });
  }
  return { startSeconds: 0, queries: samples.length, samples };
}

/** Where each country first has IPv4 addresses, in the order of these. */
export function prefixesByCountry(atlas: Atlas): ReadonlyMap<string, CountryPrefix> {
  const known = KNOWN.get(atlas);
  if (known !== undefined) return known;
  const found = walkCountries(atlas);
  KNOWN.set(atlas, found);
  return found;
}

/** Each change that is held to rules asks, and to walk the whole world takes a while. */
const KNOWN = new WeakMap<Atlas, ReadonlyMap<string, CountryPrefix>>();

function walkCountries({ tree, locations }: Atlas): ReadonlyMap<string, CountryPrefix> {
  const found = new Map<string, CountryPrefix>();
  const walk = (entry: number, high: number, length: number): void => {
    if (isLeaf(entry)) {
      const country = locations[entry - LEAF]?.country ?? null;
      if (country !== null && length > 0 && !found.has(country))
        found.set(country, { high, prefixLength: length });
    } else if (length < 24) {
      walk(word(tree.pairs, 2 * entry), high, length + 1);
      walk(word(tree.pairs, 2 * entry + 1), (high | (1 << (31 - length))) >>> 0, length + 1);
    }
  };
  walk(tree.ipv4, 0, 0);
  return found;
}
