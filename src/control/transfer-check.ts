/** Which zones can be transferred at all: what must hold between `transfer` and the rest of a config. */

import type { Config, TransferZone } from "../config/config.ts";
import type { Problem } from "../problem.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { rrTypeName } from "../wire/codes.ts";
import { formatName, nameKey } from "../wire/name.ts";
import type { Zone } from "../zone/zone.ts";
import { rrOctetsMax } from "./axfr.ts";
import { Owners } from "./cross-check.ts";

/** So many steered names stand in a problem. */
const NAMES_SHOWN = 3;

/** All that is wrong with the section `transfer`. */
export function* transferProblems(config: Config, zones: readonly Zone[]): Steps<readonly Problem[]> {
  const problems: Problem[] = [];
  if (config.transfer.size === 0) return problems;
  const byApex = new Map(zones.map((zone) => [nameKey(zone.apex), zone]));
  const owners = new Owners(zones);
  for (const [key, declared] of config.transfer) {
    const zone = byApex.get(key);
    if (zone === undefined) {
      problems.push(problemOf(declared, "there is no zone of this name, expected an apex"));
      continue;
    }
    if (config.dnssec.has(key)) {
      const message = "it is signed answer by answer, for which a secondary has no key";
      problems.push(problemOf(declared, `${message}; remove it from transfer or from dnssec`));
    }
    const steered = declared.omitsSteered ? [] : yield* steeredNames(zone, config, owners);
    if (steered.length > 0) {
      const more = steered.length > NAMES_SHOWN ? ` and ${steered.length - NAMES_SHOWN} more` : "";
      const names = `${steered.slice(0, NAMES_SHOWN).join(", ")}${more}`;
      const message = `a secondary cannot steer ${names}; "steered: omit" transfers the zone without them`;
      problems.push(problemOf(declared, message));
    }
    const lengths = declared.peers.flatMap(({ key: peer }) => {
      const known = config.keys.get(peer);
      return known === undefined ? [] : rrOctetsMax(known);
    });
    problems.push(...(yield* tooLong(zone, Math.min(...lengths))));
  }
  return problems;
}

/** RRs for which no message has room (RFC 5936 §2.2): none can be divided. */
function* tooLong(zone: Zone, octetsMax: number): Steps<readonly Problem[]> {
  const problems: Problem[] = [];
  yield* forEachInSteps(zone.nodes.values(), ({ name, rrsets }) => {
    for (const { type, rdatas, place } of rrsets.values()) {
      const longest = rdatas.reduce((most, { length }) => Math.max(most, length), 0);
      if (name.length + longest <= octetsMax) continue;
      const what = `${formatName(name)} ${rrTypeName(type)}`;
      const message = `${what} has an RR of ${longest} octets, and cannot be transferred: expected ${octetsMax - name.length} at most, for a message has to hold it with its TSIG`;
      problems.push({ ...place, message });
    }
  });
  return problems;
}

/** What the zone itself steers, and the services in it. */
function* steeredNames(zone: Zone, { services }: Config, owners: Owners): Steps<readonly string[]> {
  const names: string[] = [];
  yield* forEachInSteps(zone.nodes.values(), ({ name, steered }) => {
    if (steered !== null) names.push(formatName(name));
  });
  yield* forEachInSteps(services, ({ name }) => {
    if (owners.standing(name, nameKey(name)).zone === zone) names.push(formatName(name));
  });
  return names;
}

function problemOf({ label, place }: TransferZone, message: string): Problem {
  return { ...place, message: `transfer.${label}: ${message}` };
}
