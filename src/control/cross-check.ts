/** What must hold between zones and services, which neither parser can see alone. */

import type { Config } from "../config/config.ts";
import type { Problem } from "../problem.ts";
import { suggest } from "../suggest.ts";
import { RRType, rrTypeName } from "../wire/codes.ts";
import { formatName, isWithin, type Name, nameKey, parentOf, sameName } from "../wire/name.ts";
import type { Place, Zone } from "../zone/zone.ts";

/** RRs that would answer in a service's place, or send its clients elsewhere. */
const RIVALS: readonly number[] = [RRType.A, RRType.AAAA, RRType.HTTPS, RRType.CNAME, RRType.DNAME];

/** "Did you mean" compares with every service, so only so many problems of one check get it. */
const SUGGESTIONS_MAX = 20;

/** All problems between the services of a config and its zones. */
export function crossCheck(config: Config, zones: readonly Zone[]): readonly Problem[] {
  const problems = zonesTwice(zones);
  const byApex = new Map(zones.map((zone) => [nameKey(zone.apex), zone]));
  const services = new Map(config.services.map((service) => [nameKey(service.name), service]));
  let suggestions = 0;
  for (const service of config.services) {
    const message = ownerProblem(service.name, byApex);
    if (message !== null)
      problems.push({ ...service.place, message: `service ${service.label}: ${message}` });
  }
  for (const { name, steered } of zones.flatMap((zone) => [...zone.nodes.values()])) {
    if (steered === null) continue;
    if (services.has(nameKey(name))) {
      const message = `${formatName(name)} is a service itself, so it cannot be steered as another`;
      problems.push({ ...steered.place, message });
    } else if (services.has(nameKey(steered.as))) {
      const message = ownerProblem(name, byApex);
      if (message !== null) problems.push({ ...steered.place, message: `${formatName(name)}: ${message}` });
    } else {
      suggestions += 1;
      const known = suggestions > SUGGESTIONS_MAX ? [] : config.services.map((service) => service.label);
      problems.push({ ...steered.place, message: unknownService(steered.as, known) });
    }
  }
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

/** Why a name cannot be answered by a service; null: it can. */
function ownerProblem(name: Name, byApex: ReadonlyMap<string, Zone>): string | null {
  const zone = zoneOf(name, byApex);
  if (zone === null) {
    const some = [...byApex.values()].slice(0, 5).map(({ apex }) => formatName(apex));
    return `it lies in no zone; the zones are ${some.join(", ")}${byApex.size > 5 ? ", ..." : ""}`;
  }
  const node = zone.nodes.get(nameKey(name));
  for (const type of RIVALS) {
    const rrset = node?.rrsets.get(type);
    if (rrset !== undefined) return `the zone has ${rrTypeName(type)} for this name, ${where(rrset.place)}`;
  }
  for (let above: Name | null = name; above !== null && isWithin(above, zone.apex); above = parentOf(above)) {
    const rrsets = zone.nodes.get(nameKey(above))?.rrsets;
    const delegation = sameName(above, zone.apex) ? undefined : rrsets?.get(RRType.NS);
    if (delegation !== undefined) return `${formatName(above)} is delegated, ${where(delegation.place)}`;
    const dname = rrsets?.get(RRType.DNAME);
    if (dname !== undefined) return `${formatName(above)} has a DNAME, ${where(dname.place)}`;
  }
  return null;
}

function unknownService(name: Name, known: readonly string[]): string {
  const near = suggest(formatName(name).slice(0, -1), known);
  return `no service ${formatName(name)} in the config${near === null ? "" : `; did you mean ${near}?`}`;
}

/** The zone with the longest apex at or above the name. */
function zoneOf(name: Name, byApex: ReadonlyMap<string, Zone>): Zone | null {
  for (let apex: Name | null = name; apex !== null; apex = parentOf(apex)) {
    const zone = byApex.get(nameKey(apex));
    if (zone !== undefined) return zone;
  }
  return null;
}

function where({ file, line }: Place): string {
  return `in ${file}:${line}`;
}
