/** How queries fall into the classes of clients that policies tell apart, as far as the profile shows. */

import type { Config, Service } from "../config/config.ts";
import { leafClass, lookupClass } from "../geo/trie.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { RRType } from "../wire/codes.ts";
import type { Planner, ServiceSplit } from "./planner.ts";
import type { ProfileWindow, SampledQuery } from "./profile.ts";

/** The queries of one service and of all that always have the same plans, by class number. */
interface ClassQueries {
  readonly ipv4: Float64Array;
  readonly ipv6: Float64Array;
}

/** What a profile says of who asks. */
export class Traffic {
  readonly #byService = new Map<Service, ClassQueries>();

  static *of(windows: Iterable<ProfileWindow>, planner: Planner, config: Config): Steps<Traffic> {
    const traffic = new Traffic();
    const splits = new Map(config.services.map((service) => [service.label, planner.splitFor(service)]));
    for (const { queries, samples } of windows) {
      yield* forEachInSteps(samples, (sample) => {
        const split = splits.get(sample.service) ?? null;
        if (split !== null) traffic.#add(sample, queries / samples.length, split);
      });
    }
    return traffic;
  }

  /** Queries for the addresses of a family by clients of a class; `standsFor` is the split's. 0: none are known of. */
  queries(standsFor: Service, classNumber: number, family: "ipv4" | "ipv6"): number {
    return this.#byService.get(standsFor)?.[family][classNumber] ?? 0;
  }

  #add(sample: SampledQuery, queries: number, { standsFor, locals, trie }: ServiceSplit): void {
    const known = this.#byService.get(standsFor) ?? {
      ipv4: new Float64Array(locals.length),
      ipv6: new Float64Array(locals.length),
    };
    this.#byService.set(standsFor, known);
    const number = classOf(sample, { trie });
    const families = familiesOf(sample.qtype);
    for (const family of families)
      known[family][number] = (known[family][number] ?? 0) + queries / families.length;
  }
}

/** The class of the client of a query. */
export function classOf({ high, low, isIpv6 }: SampledQuery, { trie }: Pick<ServiceSplit, "trie">): number {
  if (trie === null) return 0;
  const address = new DataView(new ArrayBuffer(16));
  address.setUint32(0, high);
  address.setUint32(4, low);
  return leafClass(lookupClass(trie.nodes, 0, address, isIpv6));
}

/** The families that a query asks for: hints of HTTPS are of both. */
export function familiesOf(qtype: number): readonly ("ipv4" | "ipv6")[] {
  if (qtype === RRType.A) return ["ipv4"];
  return qtype === RRType.AAAA ? ["ipv6"] : ["ipv4", "ipv6"];
}
