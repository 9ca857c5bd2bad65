/** Splits all locations into the classes that a policy cannot tell apart. */

import type { Config } from "../config/config.ts";
import type { Policy } from "../config/policy.ts";
import type { Location } from "../geo/location.ts";
import { middleOfSquare } from "./cell.ts";
import { hasSticky, type LocalPolicy } from "./local.ts";
import { localKey } from "./local-key.ts";
import { localise } from "./localise.ts";
import { shapeOf } from "./shape.ts";

/** The classes of all policies of one shape. */
export interface Partition {
  /** By location number: its class. */
  readonly classOf: Uint16Array;
  /** By class: a location that stands for all of it. */
  readonly representatives: readonly Location[];
  /** By class: whether what its clients get depends on their prefix too (`LocalSticky`). */
  readonly isSticky: readonly boolean[];
  /** Coordinates count as the middle of a square of so many degrees; 0: as they are. */
  readonly gridDegrees: number;
}

/** As many classes as a `Uint16Array` can tell apart. */
export const CLASSES_MAX = 0x1_0000;

/**
 * Coordinates are the one thing that can be different for every location, so when there are too many classes they
 * are rounded, and rounded more: at first to a point at most 80 km away, which moves clients between regions only
 * where two are about equally near.
 */
const GRIDS_DEGREES: readonly number[] = [0, 1, 5, 15, 45];

/** A policy for which no rounding of coordinates helps: its cases alone are too many. */
export class TooManyClasses extends Error {
  readonly code = "TOO_MANY_CLASSES";

  constructor() {
    super(
      `Cannot split locations: the policy tells more than ${CLASSES_MAX} of them apart, expected fewer cases`,
    );
  }
}

/**
 * The classes of a policy; numbers are in the order in which locations show them.
 * @throws TooManyClasses
 */
export function partition(policy: Policy, locations: readonly Location[], config: Config): Partition {
  for (const gridDegrees of GRIDS_DEGREES) {
    const split = splitBy(policy, locations, config, gridDegrees);
    if (split !== null) return split;
  }
  throw new TooManyClasses();
}

function splitBy(
  policy: Policy,
  locations: readonly Location[],
  config: Config,
  gridDegrees: number,
): Partition | null {
  const classOf = new Uint16Array(locations.length);
  const representatives: Location[] = [];
  const isSticky: boolean[] = [];
  const classes = new Map<string, number>();
  for (const [number, exact] of locations.entries()) {
    const location = onGrid(exact, gridDegrees);
    const local = localise(policy, location, config);
    const key = localKey(local);
    let found = classes.get(key);
    if (found === undefined) {
      if (classes.size === CLASSES_MAX) return null;
      found = representatives.push(location) - 1;
      isSticky.push(hasSticky(local));
      classes.set(key, found);
    }
    classOf[number] = found;
  }
  return { classOf, representatives, isSticky, gridDegrees };
}

/** A location as a partition sees it; localise this one to get what its class gets. */
export function onGrid(location: Location, gridDegrees: number): Location {
  if (gridDegrees === 0 || location.coordinates === null) return location;
  return { ...location, coordinates: middleOfSquare(location.coordinates, gridDegrees) };
}

/**
 * The partitions of many policies over the locations of one atlas and one config. Policies of one shape share one
 * `Partition` object, so whatever is made from it, such as a class trie, can be shared by that object.
 */
export class Partitions {
  readonly #locations: readonly Location[];
  readonly #config: Config;
  readonly #byShape = new Map<string, Partition>();
  readonly #byPolicy = new Map<Policy, Partition>();
  readonly #classes = new Map<Policy, readonly LocalPolicy[]>();

  constructor(locations: readonly Location[], config: Config) {
    this.#locations = locations;
    this.#config = config;
  }

  /**
   * The partition of a policy's shape.
   * @throws TooManyClasses
   */
  of(policy: Policy): Partition {
    const known = this.#byPolicy.get(policy);
    if (known !== undefined) return known;
    const shape = shapeOf(policy, this.#config);
    const found = this.#byShape.get(shape) ?? partition(policy, this.#locations, this.#config);
    this.#byShape.set(shape, found);
    this.#byPolicy.set(policy, found);
    return found;
  }

  /**
   * By class of `of(policy)`: what the policy comes to there. Worked out once for each policy object, so the many
   * services that use one named policy share the result.
   * @throws TooManyClasses
   */
  classes(policy: Policy): readonly LocalPolicy[] {
    const known = this.#classes.get(policy);
    if (known !== undefined) return known;
    const classes = this.of(policy).representatives.map((location) =>
      localise(policy, location, this.#config),
    );
    this.#classes.set(policy, classes);
    return classes;
  }
}
