/** `meridian check`: everything that is wrong with a folder at once, or what its services promise. */

import { checkFolder } from "../control/check-folder.ts";
import { formatVerification, type Verification } from "../control/rules.ts";
import type { Snapshot } from "../control/snapshot.ts";
import { failoverBound, formatBound } from "../health/bound.ts";
import { flipBound, formatFlipBound } from "../health/flip-bound.ts";
import { complainOf, plural, print } from "./console.ts";

/** Checks a folder as a node would that starts with it. */
export function check(folder: string): void {
  const { value, problems, verification, pins } = checkFolder(folder);
  if (value === null || verification === null) complainOf(problems);
  else printPromises(value, verification, pins);
}

/** What was read, by which pins certificates are known, how often verdicts can change, and each service's failover bound term by term. */
function printPromises(
  { config, zones }: Snapshot,
  verification: Verification,
  pins: ReadonlyMap<string, string>,
): void {
  const names = zones.reduce((sum, zone) => sum + zone.nodes.size, 0);
  const counts = [
    plural(zones.length, "zone"),
    plural(names, "owner name"),
    plural(config.services.length, "service"),
    plural(config.regions.size, "region"),
    plural(config.vantages.size, "vantage"),
  ];
  print(`${config.file}: ${counts.join(", ")}`);
  for (const [file, pin] of pins) print(`${file}: pin ${pin}`);
  for (const line of formatVerification(verification, config)) print(line);
  for (const one of config.checks.values())
    print(formatFlipBound(one, flipBound(one, config.vantages.size, config.node.reportMs)));
  for (const service of config.services) {
    const bound = failoverBound(service, config);
    const promised = service.failoverWithinMs;
    const promise = promised === null ? "" : ` (promised: ${promised / 1000} s)`;
    print("");
    print(`${service.label}${promise}`);
    print(bound === null ? "no failover: none of its pools has a check" : formatBound(bound));
  }
}
