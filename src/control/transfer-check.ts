/** Which zones can be transferred at all: what must hold between `transfer` and the rest of a config. */

import type { Config, TransferZone } from "../config/config.ts";
import type { Problem } from "../problem.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { formatName, nameKey } from "../wire/name.ts";
import type { Zone } from "../zone/zone.ts";
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
  }
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
