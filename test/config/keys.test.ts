import { describe, expect, test } from "vitest";
import { isMap, parseDocument } from "yaml";
import { keys } from "../../src/config/keys.ts";
import { maximal, problemsOf } from "./fixture.ts";

type Path = readonly string[];

/** The maximal config; tests change copies of it. */
const parsed = parseDocument(maximal);

const table = Object.entries(keys).flatMap(([path, known]) => known.map((key) => [path, key] as const));

/** The maps of the maximal config that a path of `keys` stands for. */
function mapsAt(path: string): readonly Path[] {
  const pattern = path === "file" ? [] : path.replace("policy", "policies.*").split(".");
  return pattern
    .reduce<readonly Path[]>((paths, step) => paths.flatMap((before) => childrenAt(before, step)), [[]])
    .filter((found) => isMap(parsed.getIn(found)));
}

function childrenAt(path: Path, step: string): readonly Path[] {
  const map = path.length === 0 ? parsed.contents : parsed.getIn(path);
  if (!isMap(map)) return [];
  const names = map.items.map(({ key }) => String(key));
  return names.filter((name) => step === "*" || step === name).map((name) => [...path, name]);
}

/** A place of the key in the maximal config. */
function placeOf(path: string, key: string): Path {
  const map = mapsAt(path).find((found) => parsed.hasIn([...found, key]));
  expect(map, `maximal.yaml has no "${key}" in ${path}`).toBeDefined();
  return [...map!, key];
}

describe("each key", () => {
  test.each(table)("%s: %s is read", (path, key) => {
    const document = parsed.clone();
    const place = placeOf(path, key);
    // A list of an empty list is no value of any key.
    document.setIn(place, [[]]);
    const prefix = `: ${place.join(".")}`;
    expect(problemsOf(String(document)).filter((problem) => problem.includes(prefix))).not.toEqual([]);
  });

  test.each(table)("%s: a typo in %s is refused, and the key suggested", (path, key) => {
    const document = parsed.clone();
    const place = placeOf(path, key);
    const value: unknown = document.getIn(place, true);
    const typo = key.length > 2 ? `${key}x` : key.toUpperCase();
    document.deleteIn(place);
    document.setIn([...place.slice(0, -1), typo], value);
    const where = path === "file" ? "" : `${place.slice(0, -1).join(".")}: `;
    expect(problemsOf(String(document))).toContainEqual(
      expect.stringContaining(`: ${where}unknown key "${typo}", did you mean "${key}"`),
    );
  });
});
