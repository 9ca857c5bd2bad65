/** Reads the zones of a config. */

import { basename } from "node:path";
import type { Config } from "../config/config.ts";
import type { Checked, Problem } from "../problem.ts";
import type { Steps } from "../steps.ts";
import { type Name, parseName, rootName } from "../wire/name.ts";
import { parseZoneInSteps } from "../zone/parse.ts";
import type { Zone } from "../zone/zone.ts";
import { type FileReader, Remembered } from "./files.ts";

interface Zones {
  readonly value: readonly Zone[];
  readonly problems: readonly Problem[];
}

/** Remembers each zone until one of its files has changed. */
export class ZoneLoader {
  #remembered: ReadonlyMap<string, Remembered<Checked<Zone>>> = new Map();

  *load(config: Config, reader: FileReader): Steps<Zones> {
    this.#remembered = new Map(
      config.zones.map((file) => [file, this.#remembered.get(file) ?? new Remembered<Checked<Zone>>()]),
    );
    const checked: Checked<Zone>[] = [];
    for (const file of config.zones) {
      const remembered = this.#remembered.get(file) ?? new Remembered<Checked<Zone>>();
      const parse = (own: FileReader): Steps<Checked<Zone>> =>
        parseZoneInSteps(file, originOf(file), (path) => own.text(path));
      checked.push(yield* remembered.inSteps(reader, parse));
    }
    const problems = checked.flatMap((zone) => zone.problems);
    if (config.zones.length === 0) {
      problems.push({ file: config.file, line: 0, column: 0, message: "no zones, expected at least one" });
    }
    return { value: checked.flatMap((zone) => zone.value ?? []), problems };
  }
}

/** A file named for its apex, as in `zones/gslb.example.zone`, needs no `$ORIGIN`. */
export function originOf(file: string): Name | null {
  if (!file.endsWith(".zone")) return null;
  const parsed = parseName(basename(file, ".zone"), rootName);
  return parsed.kind === "name" ? parsed.name : null;
}
