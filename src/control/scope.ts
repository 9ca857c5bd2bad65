/** What a token may change when it is for some zones or services alone. */

import type { Config, Service, VipId } from "../config/config.ts";
import { vipsOf } from "../health/tracked.ts";
import { didYouMean } from "../suggest.ts";
import { formatName, isWithin, type Name, parseName, rootName, sameName } from "../wire/name.ts";
import { subjectOf } from "./challenge.ts";
import type { OwnEdit } from "./change.ts";
import { membersOf, type Override, type Target, targetProblem, vipsUnder } from "./override.ts";
import type { Ruled } from "./rules.ts";
import type { Scope, TokenGrant } from "./store.ts";

/** What is wrong with a grant under a config, for which it would let nobody do anything: each message begins with its key. */
export function grantProblems(grant: TokenGrant, config: Config): readonly string[] {
  switch (grant.role) {
    case "agent":
      return unknown("vantage", "vantage", [grant.vantage], [...config.vantages.keys()], config);
    case "signals":
      return unknown("pools", "pool", grant.pools, [...config.pools.keys()], config);
    case "operator": {
      const { zones, services } = grant.scope ?? { zones: [], services: [] };
      const labels = config.services.map(({ label }) => label);
      return [
        ...zones.flatMap((text) =>
          nameIn(text) === null ? [`zones: expected domain names, got "${text}"`] : [],
        ),
        ...unknown("services", "service", services, labels, config),
      ];
    }
    case "reader":
    case "admin":
    case "observer":
      return [];
  }
}

function unknown(
  key: string,
  noun: string,
  words: readonly string[],
  known: readonly string[],
  { file }: Config,
): readonly string[] {
  const all = new Set(known);
  return words.flatMap((word) =>
    all.has(word) ? [] : [`${key}: no ${noun} "${word}" in ${file}${didYouMean(word, known)}`],
  );
}

/**
 * Why an edit goes beyond a scope; null: it does not.
 *
 * 1. What an override or a release may move, under whatever facts, are the services in whose policies its target can
 *    come up for some client. There must be one, and each must be in the scope, by its own label or with all names
 *    that are answered as it.
 * 2. A challenge must be for a name in one of the zones, or for a service or a name that is steered as it.
 * 3. Files are nobody's in part.
 */
export function beyondScope(
  scope: Scope,
  edit: OwnEdit,
  ruled: Ruled,
  overrides: readonly Override[],
): string | null {
  switch (edit.kind) {
    case "set-override":
      return ordersBeyond(scope, edit.action.target, ruled);
    case "release":
      return ordersBeyond(scope, edit.target, ruled);
    case "end-override": {
      const override = overrides.find(({ id }) => id === edit.id);
      return override === undefined ? null : movesBeyond(scope, override.action.target, ruled);
    }
    case "set-challenge":
    case "end-challenge":
      return certifiesBeyond(scope, edit.owner, ruled);
    case "reload":
    case "apply":
    case "rollback":
    case "end-rollback":
      return "files are loaded as a whole";
  }
}

/** What is not in the config is refused for that. */
function ordersBeyond(scope: Scope, target: Target, ruled: Ruled): string | null {
  return targetProblem(ruled.snapshot.config, target) === null ? movesBeyond(scope, target, ruled) : null;
}

function movesBeyond(scope: Scope, target: Target, ruled: Ruled): string | null {
  const { config } = ruled.snapshot;
  const moved = ruled.planner.servicesTouchedBy({
    vips: new Set(vipsIn(config, target)),
    choices: new Set(target.by === "choice" ? [target.id] : []),
  });
  if (moved.length === 0) return `${target.by} ${target.id} moves no service`;
  const others = moved.filter((service) => !covers(scope, service, ruled));
  if (others.length === 0) return null;
  const named = others.slice(0, NAMED_MAX).map(({ label }) => label);
  const more = others.length > NAMED_MAX ? ` and ${others.length - NAMED_MAX} more` : "";
  return `${target.by} ${target.id} moves ${named.join(", ")}${more}`;
}

/** So many services are named to who went beyond a scope. */
const NAMED_MAX = 5;

function vipsIn(config: Config, target: Target): readonly VipId[] {
  if (target.by === "vip") return vipsUnder(config, { by: "vip", id: target.id });
  return membersOf(config, target).flatMap((member) => vipsOf(member).map(({ id }) => id));
}

function covers(scope: Scope, service: Service, ruled: Ruled): boolean {
  if (scope.services.includes(service.label)) return true;
  return isInZones(scope, service.name) && steeredAs(service, ruled).every((name) => isInZones(scope, name));
}

function certifiesBeyond(scope: Scope, owner: Name, ruled: Ruled): string | null {
  const { services } = ruled.snapshot.config;
  const name = subjectOf(owner);
  const isCovered =
    isInZones(scope, name) ||
    services.some(
      (service) =>
        scope.services.includes(service.label) &&
        [service.name, ...steeredAs(service, ruled)].some((other) => sameName(other, name)),
    );
  return isCovered ? null : `a challenge for ${formatName(name)} is none of it`;
}

/** The names that a `STEER` has answered as a service. */
function steeredAs(service: Service, { snapshot }: Ruled): readonly Name[] {
  return snapshot.zones.flatMap(({ nodes }) =>
    [...nodes.values()].flatMap(({ name, steered }) =>
      steered !== null && sameName(steered.as, service.name) ? [name] : [],
    ),
  );
}

function isInZones({ zones }: Scope, name: Name): boolean {
  return zones.some((text) => {
    const zone = nameIn(text);
    return zone !== null && isWithin(name, zone);
  });
}

function nameIn(text: string): Name | null {
  const parsed = parseName(text, rootName);
  return parsed.kind === "name" ? parsed.name : null;
}
