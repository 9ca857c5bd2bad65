/** What another server's configuration says, as a tree whose parts know where they stand. */

import { readYaml, type Tree } from "../config/yaml.ts";
import type { Checked } from "../problem.ts";

/** Where something was said. Lines and columns are 1-based. */
export interface Origin {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A value. All scalars are texts: what a text means depends on who reads it. */
export type Item = Origin &
  (
    | { readonly kind: "map"; readonly entries: readonly ItemEntry[] }
    | { readonly kind: "list"; readonly items: readonly Item[] }
    | { readonly kind: "text"; readonly text: string }
    | { readonly kind: "nothing" }
  );

/** A key of a map with its value; the place is the key's. */
export interface ItemEntry extends Origin {
  readonly key: string;
  readonly value: Item;
}

/** Reads YAML, or JSON, which is YAML. */
export function readItem(file: string, text: string): Checked<Item> {
  const { value, problems } = readYaml(file, text);
  return { value: value === null ? null : placed(file, value), problems };
}

function placed(file: string, tree: Tree): Item {
  const { line, column } = tree;
  switch (tree.kind) {
    case "map": {
      const entries = tree.entries.map(({ value, ...entry }) => ({
        ...entry,
        file,
        value: placed(file, value),
      }));
      return { kind: "map", file, line, column, entries };
    }
    case "list":
      return { kind: "list", file, line, column, items: tree.items.map((item) => placed(file, item)) };
    default:
      return { ...tree, file };
  }
}

/** The entries of a map; of anything else none. */
export function entriesOf(item: Item | null): readonly ItemEntry[] {
  return item?.kind === "map" ? item.entries : [];
}

/** The value of a key of a map; null: there is none. */
export function valueAt(item: Item | null, key: string): Item | null {
  const value = entriesOf(item).find((entry) => entry.key === key)?.value ?? null;
  return value?.kind === "nothing" ? null : value;
}

/** The items of a list; a value that is no list stands for a list of itself. */
export function itemsOf(item: Item | null): readonly Item[] {
  if (item === null || item.kind === "nothing") return [];
  return item.kind === "list" ? item.items : [item];
}

/** A scalar's text; null: it is no scalar. */
export function textOf(item: Item | null): string | null {
  return item?.kind === "text" ? item.text : null;
}

/** The texts among the items of a list. */
export function textsOf(item: Item | null): readonly string[] {
  return itemsOf(item).flatMap((one) => textOf(one) ?? []);
}

/** A number that a text writes; null: it writes none. */
export function numberOf(item: Item | null): number | null {
  const text = textOf(item)?.trim() ?? "";
  return text === "" || Number.isNaN(Number(text)) ? null : Number(text);
}

/** Whether a text says true, in whatever case. */
export function isTrue(item: Item | null): boolean {
  return textOf(item)?.toLowerCase() === "true";
}
