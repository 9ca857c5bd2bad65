/** The atlas: the location of every address, from databases, operators' labels and the prefixes policies name. */

import type { IpAddress, Prefix } from "../wire/address.ts";
import { COUNTRIES } from "./countries.ts";
import type { LabelledPrefix } from "./labels.ts";
import { type Location, NOWHERE } from "./location.ts";
import type { Mmdb } from "./mmdb.ts";
import { BLANKET, type Mark, type Overlay, overlayTree } from "./overlay.ts";
import { mergePlaces, NO_PLACE, type Place } from "./place.ts";
import { type AddressTree, BLANK_TREE, leafNumber, zipTrees } from "./tree.ts";

/** What an atlas is made from. */
export interface AtlasSources {
  /** Fields that an earlier database lacks come from the later ones. */
  readonly databases: readonly Mmdb[];
  readonly labels: readonly LabelledPrefix[];
  /** Prefixes that policies name. */
  readonly prefixes: readonly Prefix[];
}

/** The whole address space, as locations. */
export interface Atlas {
  /** Each once; an index is a location's number. The first is `NOWHERE`. */
  readonly locations: readonly Location[];
  /** Its leaves are location numbers; no two leaves that could be one prefix have the same. */
  readonly tree: AddressTree;
  locate(address: IpAddress): Location;
}

/** Lays all sources over each other. */
export function buildAtlas(sources: AtlasSources): Atlas {
  const known = layDatabases(sources.databases);
  const { tree: overlay, overlays } = overlayTree(marksOf(sources));
  const locations = new Interned<Location>(NOWHERE);
  const tree = zipTrees(
    known.tree,
    overlay,
    remember((place, marks) =>
      locations.number(complete(known.places[place] ?? NO_PLACE, overlays[marks] ?? BLANKET)),
    ),
  );
  return {
    locations: locations.all,
    tree,
    locate: (address) => locations.all[leafNumber(tree, address.bytes)] ?? NOWHERE,
  };
}

function marksOf({ labels, prefixes }: AtlasSources): readonly Mark[] {
  return [
    ...labels.map(({ prefix, label }) => ({ prefix, label })),
    ...prefixes.map((prefix) => ({ prefix, label: null })),
  ];
}

interface Places {
  readonly tree: AddressTree;
  readonly places: readonly Place[];
}

function layDatabases(databases: readonly Mmdb[]): Places {
  return databases.reduce<Places>(
    (below, database) => {
      const places = new Interned<Place>(NO_PLACE);
      const combine = (a: number, b: number): number =>
        places.number(mergePlaces(below.places[a] ?? NO_PLACE, database.places[b] ?? NO_PLACE));
      return { tree: zipTrees(below.tree, database.tree, remember(combine)), places: places.all };
    },
    { tree: BLANK_TREE, places: [NO_PLACE] },
  );
}

/** Adds what follows from the country, only now: a later database may have known better. */
function complete(place: Place, overlay: Overlay): Location {
  const country = place.country === null ? undefined : COUNTRIES.get(place.country);
  const centroid = country && { latitude: country.latitude, longitude: country.longitude };
  return {
    continent: place.continent ?? country?.continent ?? null,
    country: place.country,
    subdivision: place.subdivision,
    asn: place.asn,
    coordinates: place.coordinates ?? centroid ?? null,
    labels: overlay.labels,
    prefixes: overlay.prefixes,
  };
}

/** Numbers values in the order they first appear; equal ones (by their JSON) have one number and are one object. */
class Interned<T> {
  readonly all: T[];
  readonly #numbers: Map<string, number>;

  constructor(first: T) {
    this.all = [first];
    this.#numbers = new Map([[JSON.stringify(first), 0]]);
  }

  number(value: T): number {
    const key = JSON.stringify(value);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.all.push(value) - 1;
    this.#numbers.set(key, number);
    return number;
  }
}

/** Calls `combine` once for each pair; trees have far more leaves than pairs. */
function remember(combine: (a: number, b: number) => number): (a: number, b: number) => number {
  const results = new Map<number, number>();
  return (a, b) => {
    const pair = a * 2 ** 26 + b;
    const known = results.get(pair);
    if (known !== undefined) return known;
    const result = combine(a, b);
    results.set(pair, result);
    return result;
  };
}
