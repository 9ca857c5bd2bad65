/** Who asks: the clients that the profile of traffic has seen, or, where it has seen too few, as many of each country. */

import type { Config } from "../config/config.ts";
import type { Atlas } from "../geo/atlas.ts";
import { type ClassTrie, leafClass, lookupClass } from "../geo/trie.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { prefixesByCountry } from "./even-profile.ts";
import type { ServiceSplit } from "./planner.ts";
import type { ProfileWindow, SampledQuery } from "./profile.ts";
import { familiesOf } from "./traffic.ts";

/** Fewer samples tell a share to within no more than 3 %. */
const SAMPLES_MIN = 1_000;

/** Clients of one class, and of which class they are under another policy. */
export interface Flow {
  readonly classBefore: number;
  readonly classAfter: number;
  readonly family: "ipv4" | "ipv6";
  /** In the unit of `Crowd.total`. */
  clients: number;
}

type Asker = Pick<SampledQuery, "high" | "low" | "isIpv6">;

/** The clients of all services. */
export interface Crowd {
  readonly basis: "profile" | "countries";
  /** All of them, of all services. */
  readonly total: number;
  /** The clients of these services, by the classes that they are in by two ways to split the world. */
  flows(services: readonly string[], before: ServiceSplit, after: ServiceSplit): readonly Flow[];
}

/** The crowd of the profile if that has seen enough, else the even one. */
export function* crowdOf(windows: Iterable<ProfileWindow>, config: Config, atlas: Atlas): Steps<Crowd> {
  const known = new Set(config.services.map(({ label }) => label));
  const byService = new Map<string, Weighed[]>();
  let [total, samples] = [0, 0];
  for (const window of windows) {
    const weight = window.queries / window.samples.length;
    yield* forEachInSteps(window.samples, (sample) => {
      if (!known.has(sample.service)) return;
      total += weight;
      samples += 1;
      const seen = byService.get(sample.service);
      if (seen === undefined) byService.set(sample.service, [{ sample, weight }]);
      else seen.push({ sample, weight });
    });
  }
  return samples < SAMPLES_MIN ? new CountriesCrowd(config, atlas) : new SeenCrowd(byService, total);
}

interface Weighed {
  readonly sample: SampledQuery;
  readonly weight: number;
}

class SeenCrowd implements Crowd {
  readonly basis = "profile";
  readonly total: number;
  readonly #byService: ReadonlyMap<string, readonly Weighed[]>;

  constructor(byService: ReadonlyMap<string, readonly Weighed[]>, total: number) {
    this.#byService = byService;
    this.total = total;
  }

  flows(services: readonly string[], before: ServiceSplit, after: ServiceSplit): readonly Flow[] {
    const flows = new Flows();
    for (const service of services)
      for (const { sample, weight } of this.#byService.get(service) ?? []) {
        const families = familiesOf(sample.qtype);
        for (const family of families) flows.add(sample, before, after, family, weight / families.length);
      }
    return flows.all();
  }
}

/** Somebody of whom the geo data has no country. */
const NOBODY_KNOWS: Asker = { high: 0, low: 0, isIpv6: false };

/** One client of each country for each service: what is the same for all services is worked out once. */
export class CountriesCrowd implements Crowd {
  readonly basis = "countries";
  readonly total: number;
  readonly #countries: readonly Asker[];
  readonly #known = new Map<ClassTrie | null, Map<ClassTrie | null, readonly Flow[]>>();

  constructor({ services }: Config, atlas: Atlas) {
    const found = Array.from(prefixesByCountry(atlas).values(), ({ high }) => ({ ...NOBODY_KNOWS, high }));
    this.#countries = found.length === 0 ? [NOBODY_KNOWS] : found;
    this.total = services.length * this.#countries.length;
  }

  flows(services: readonly string[], before: ServiceSplit, after: ServiceSplit): readonly Flow[] {
    const family = before.hasIpv4 ? "ipv4" : "ipv6";
    return this.#between(before, after).map((flow) => ({
      ...flow,
      family,
      clients: flow.clients * services.length,
    }));
  }

  #between(before: ServiceSplit, after: ServiceSplit): readonly Flow[] {
    const fromHere = this.#known.get(before.trie) ?? new Map<ClassTrie | null, readonly Flow[]>();
    this.#known.set(before.trie, fromHere);
    const known = fromHere.get(after.trie);
    if (known !== undefined) return known;
    const flows = new Flows();
    for (const country of this.#countries) flows.add(country, before, after, "ipv4", 1);
    fromHere.set(after.trie, flows.all());
    return flows.all();
  }
}

/** Adds up clients by their classes. */
class Flows {
  readonly #flows = new Map<string, Flow>();
  readonly #address = new DataView(new ArrayBuffer(16));

  add(
    asker: Asker,
    before: ServiceSplit,
    after: ServiceSplit,
    family: "ipv4" | "ipv6",
    clients: number,
  ): void {
    const classBefore = this.#classOf(asker, before.trie);
    const classAfter = before.trie === after.trie ? classBefore : this.#classOf(asker, after.trie);
    const key = `${classBefore} ${classAfter} ${family}`;
    const flow = this.#flows.get(key);
    if (flow === undefined) this.#flows.set(key, { classBefore, classAfter, family, clients });
    else flow.clients += clients;
  }

  all(): readonly Flow[] {
    return [...this.#flows.values()];
  }

  #classOf({ high, low, isIpv6 }: Asker, trie: ClassTrie | null): number {
    if (trie === null) return 0;
    this.#address.setUint32(0, high);
    this.#address.setUint32(4, low);
    return leafClass(lookupClass(trie.nodes, 0, this.#address, isIpv6));
  }
}
