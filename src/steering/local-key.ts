/** The canonical form of a local policy, by which locations make a class. */

import { type LocalChoice, type LocalPolicy, NOBODY } from "./local.ts";

/**
 * The canonical form: two locations with equal keys get equal plans, whatever the facts. Only the keys of choices are
 * quoted; all other names are of letters, digits, ".", "-" and "_".
 */
export function localKey(local: LocalPolicy): string {
  switch (local.kind) {
    case "member":
      return local.nearby.length === 0 ? local.member.id : `${local.member.id}@${local.nearby.join(",")}`;
    case "pool":
      return `pool${minUpKey(local)}(${local.members.map(localKey).join(" ")})`;
    case "weighted": {
      const choices = local.choices.map(choiceKey);
      return `weighted${minUpKey(local)}(${[...(local.scope === null ? [] : [local.scope]), ...choices].join(" ")})`;
    }
    case "first":
      return `first${minUpKey(local)}(${local.alternatives.map(localKey).join(" ")})`;
    case "fastest": {
      const regions = local.regions.map(({ region, use }) => `${region}:${localKey(use)}`);
      return `fastest${minUpKey(local)}(${local.cell} ${regions.join(" ")})`;
    }
    case "sticky":
      return `sticky${minUpKey(local)}(${localKey(local.of)})`;
    case "spread":
      return `spread${minUpKey(local)}(${local.count} ${localKey(local.of)})`;
  }
}

/** The key without the cells that round-trip times are looked up for, and the vantages that are near. */
export function keyAnywhere(local: LocalPolicy): string {
  return localKey(withoutPlaces(local, { keepCells: false }));
}

/** The same policy without its vantages, and without its cells unless they are kept. */
export function withoutPlaces(local: LocalPolicy, which: { readonly keepCells: boolean }): LocalPolicy {
  const without = (child: LocalPolicy): LocalPolicy => withoutPlaces(child, which);
  switch (local.kind) {
    case "member":
      return { ...local, nearby: NOBODY };
    case "pool":
      return { ...local, members: local.members.map((member) => ({ ...member, nearby: NOBODY })) };
    case "weighted":
      return { ...local, choices: local.choices.map((choice) => ({ ...choice, use: without(choice.use) })) };
    case "first":
      return { ...local, alternatives: local.alternatives.map(without) };
    case "fastest":
      return {
        ...local,
        cell: which.keepCells ? local.cell : "anywhere",
        regions: local.regions.map(({ region, use }) => ({ region, use: without(use) })),
      };
    case "sticky":
    case "spread":
      return { ...local, of: without(local.of) };
  }
}

function choiceKey({ key, weight, use }: LocalChoice): string {
  return `${JSON.stringify(key)}*${weight}:${localKey(use)}`;
}

function minUpKey({ minUp }: { readonly minUp: number }): string {
  return minUp === 0 ? "" : `[${minUp}]`;
}
