import { describe, expect, test } from "vitest";
import { type Document, isMap, parseDocument } from "yaml";
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

/** A place of the key in the maximal config; none where it is missing. */
function placeOf(path: string, key: string): Path | undefined {
  const map = mapsAt(path).find((found) => parsed.hasIn([...found, key]));
  return map && [...map, key];
}

const places = table.flatMap(([path, key]) => {
  const place = placeOf(path, key);
  return place === undefined ? [] : [place];
});

test("the maximal config has each key", () => {
  expect(table.filter(([path, key]) => placeOf(path, key) === undefined)).toEqual([]);
});

// A document for each map and not for each key: reading one takes as long as a hundred other tests.
describe.each([...Map.groupBy(places, (place) => place.slice(0, -1).join(".") || "file")])(
  "each key of %s",
  (_map, siblings) => {
    test("is read", () => {
      // A list of an empty list is no value of any key.
      const spoil = (document: Document, place: Path) => document.setIn(place, [[]]);
      const said = (problem: string, place: Path) =>
        [":", ".", "["].some((end) => problem.includes(`: ${place.join(".")}${end}`));
      expect(unnoticed(siblings, spoil, said)).toEqual([]);
    });

    test("is suggested for a typo in it, which is refused", () => {
      const typoOf = (key: string) => (key.length > 2 ? `${key}x` : key.toUpperCase());
      const spoil = (document: Document, place: Path) => {
        const [map, key] = [place.slice(0, -1), place.at(-1)!];
        const value: unknown = document.getIn(place, true);
        document.deleteIn(place);
        document.setIn([...map, typoOf(key)], value);
      };
      const said = (problem: string, place: Path) => {
        const [where, key] = [place.slice(0, -1).join("."), place.at(-1)!];
        const what = `unknown key "${typoOf(key)}", did you mean "${key}"`;
        return problem.includes(`: ${where === "" ? "" : `${where}: `}${what}`);
      };
      expect(unnoticed(siblings, spoil, said)).toEqual([]);
    });
  },
);

/** The places that nothing is said of when they are spoilt, all together or, behind another that is spoilt, each alone. */
function unnoticed(
  all: readonly Path[],
  spoil: (document: Document, place: Path) => void,
  said: (problem: string, place: Path) => boolean,
): readonly Path[] {
  const unsaid = (spoilt: readonly Path[]): readonly Path[] => {
    const document = parsed.clone();
    for (const place of spoilt) spoil(document, place);
    const problems = problemsOf(String(document));
    return spoilt.filter((place) => !problems.some((problem) => said(problem, place)));
  };
  return unsaid(all).flatMap((place) => unsaid([place]));
}
