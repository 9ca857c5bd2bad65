/** Which services that need a second person an attempt is about. */

import type { Service } from "../config/config.ts";
import { declaredMembers } from "../steering/reach.ts";
import type { Ruled } from "./rules.ts";
import type { Shift } from "./shift.ts";
import type { Snapshot } from "./snapshot.ts";

/** Of these services, those whose plans depend on something that would shift. */
export function listedIn(
  listed: ReadonlySet<string>,
  { planner }: Ruled,
  shift: Pick<Shift, "vips" | "choices">,
): readonly string[] {
  const touched = planner.servicesTouchedBy(shift).map(({ label }) => label);
  return touched.filter((label) => listed.has(label));
}

/** Of these services, those that other files declare otherwise: themselves, or a member that they can answer with. */
export function listedAmong(listed: ReadonlySet<string>, from: Snapshot, to: Snapshot): readonly string[] {
  const [before, after] = [definitionsIn(from, listed), definitionsIn(to, listed)];
  return [...listed].filter((label) => before.get(label) !== after.get(label));
}

function definitionsIn({ config }: Snapshot, listed: ReadonlySet<string>): ReadonlyMap<string, string> {
  const definitionOf = ({ place: _, name: _name, ...service }: Service): string => {
    const { policy, whenDown } = service;
    const fallback = whenDown.kind === "fallback" ? (config.pools.get(whenDown.pool)?.members ?? []) : [];
    const members = [...declaredMembers(policy, config), ...fallback];
    return JSON.stringify([service, members], (_key, value) => (value instanceof Map ? [...value] : value));
  };
  const services = config.services.filter(({ label }) => listed.has(label));
  return new Map(services.map((service) => [service.label, definitionOf(service)]));
}
