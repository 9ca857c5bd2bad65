/** What must hold between zones and services, which neither parser can see alone. */

import type { Config } from "../config/config.ts";
import type { Problem } from "../problem.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { didYouMean } from "../suggest.ts";
import { RRType, rrTypeName } from "../wire/codes.ts";
import { formatName, type Name, nameKey, parentOf } from "../wire/name.ts";
import type { Place, Zone } from "../zone/zone.ts";

/** RRs that would answer in a service's place, or send its clients elsewhere. */
const RIVALS: readonly number[] = [RRType.A, RRType.AAAA, RRType.HTTPS, RRType.CNAME, RRType.DNAME];

/** "Did you mean" compares with every service, so only so many problems of one check get it. */
const SUGGESTIONS_MAX = 20;

/** All problems between the services of a config and its zones. */
export function* crossCheck(config: Config, zones: readonly Zone[]): Steps<readonly Problem[]> {
  const problems = zonesTwice(zones);
  const owners = new Owners(zones);
  const services = new Map(config.services.map((service) => [nameKey(service.name), service]));
  let suggestions = 0;
  yield* forEachInSteps(config.services, (service) => {
    const message = owners.problemOf(service.name, nameKey(service.name));
    if (message !== null)
      problems.push({ ...service.place, message: `service ${service.label}: ${message}` });
  });
  const nodes = zones.values().flatMap(({ nodes }) => nodes.values());
  yield* forEachInSteps(nodes, ({ name, steered }) => {
    if (steered === null) return;
    const key = nameKey(name);
    if (services.has(key)) {
      const message = `${formatName(name)} is a service itself, so it cannot be steered as another`;
      problems.push({ ...steered.place, message });
    } else if (services.has(nameKey(steered.as))) {
      const message = owners.problemOf(name, key);
      if (message !== null) problems.push({ ...steered.place, message: `${formatName(name)}: ${message}` });
    } else {
      suggestions += 1;
      const known = suggestions > SUGGESTIONS_MAX ? [] : config.services.map((service) => service.label);
      problems.push({ ...steered.place, message: unknownService(steered.as, known) });
    }
  });
  return problems;
}

function zonesTwice(zones: readonly Zone[]): Problem[] {
  const problems: Problem[] = [];
  const first = new Map<string, Zone>();
  for (const zone of zones) {
    const other = first.get(nameKey(zone.apex));
    if (other === undefined) first.set(nameKey(zone.apex), zone);
    else {
      const message = `zone ${formatName(zone.apex)} is already declared in ${other.file}`;
      problems.push({ file: zone.file, line: 0, column: 0, message });
    }
  }
  return problems;
}

/** What is so for a name by itself or by what stands above it. */
export interface Standing {
  /** The zone with the longest apex at or above the name. */
  readonly zone: Zone | null;
  /** Why neither the name nor anything below it can be answered here; null: it can. */
  readonly barrier: string | null;
}

/** Above the root there is nothing. */
const NOWHERE: Standing = { zone: null, barrier: null };

/** Knows which zone a name is in, and which names can be answered. Names share parents, so what holds for these is worked out once. */
export class Owners {
  readonly #byApex: ReadonlyMap<string, Zone>;
  readonly #parents = new Map<string, Standing>();

  constructor(zones: readonly Zone[]) {
    this.#byApex = new Map(zones.map((zone) => [nameKey(zone.apex), zone]));
  }

  /** Why a name cannot be answered by a service; null: it can. `key` is the name's own. */
  problemOf(name: Name, key: string): string | null {
    const { zone, barrier } = this.standing(name, key);
    if (zone === null) {
      const some = [...this.#byApex.values()].slice(0, 5).map(({ apex }) => formatName(apex));
      return `it lies in no zone; the zones are ${some.join(", ")}${this.#byApex.size > 5 ? ", ..." : ""}`;
    }
    const node = zone.nodes.get(key);
    for (const type of RIVALS) {
      const rrset = node?.rrsets.get(type);
      if (rrset !== undefined) return `the zone has ${rrTypeName(type)} for this name, ${where(rrset.place)}`;
    }
    return barrier;
  }

  /** What is so for a name. `key` is the name's own. */
  standing(name: Name, key: string): Standing {
    const own = this.#byApex.get(key);
    const above = own === undefined ? this.#above(name, key) : { zone: own, barrier: null };
    const rrsets = above.zone?.nodes.get(key)?.rrsets;
    const delegation = own === undefined ? rrsets?.get(RRType.NS) : undefined;
    const dname = rrsets?.get(RRType.DNAME);
    if (delegation !== undefined)
      return { ...above, barrier: `${formatName(name)} is delegated, ${where(delegation.place)}` };
    if (dname !== undefined)
      return { ...above, barrier: `${formatName(name)} has a DNAME, ${where(dname.place)}` };
    return above;
  }

  #above(name: Name, key: string): Standing {
    // A key has one character for each octet, so the parent's is what follows the first label: most parents are known.
    const parentKey = key.slice(1 + key.charCodeAt(0));
    const known = this.#parents.get(parentKey);
    if (known !== undefined) return known;
    const parent = parentOf(name);
    const standing = parent === null ? NOWHERE : this.standing(parent, parentKey);
    this.#parents.set(parentKey, standing);
    return standing;
  }
}

function unknownService(name: Name, known: readonly string[]): string {
  const hint = didYouMean(formatName(name).slice(0, -1), known);
  return `no service ${formatName(name)} in the config${hint}`;
}

function where({ file, line }: Place): string {
  return `in ${file}:${line}`;
}
