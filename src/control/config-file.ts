/** Reads `meridian.yaml` from an operator's folder. */

import { availableParallelism, hostname } from "node:os";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { parseConfig } from "../config/parse.ts";
import { COUNTRIES } from "../geo/countries.ts";
import type { Checked } from "../problem.ts";
import { FileReader, readIfThere, unreadable } from "./files.ts";

/** The name of the config file in an operator's folder. */
export const CONFIG_FILE = "meridian.yaml";

/** The copy of the last config that could be used, in the state folder. */
export const LAST_GOOD_FILE = "last-good.yaml";

/** The config of a folder as it was when it could be used last; null: no copy is kept. */
export function lastGoodConfig(folder: string, stateFolder: string): Config | null {
  const file = join(stateFolder, LAST_GOOD_FILE);
  const text = readIfThere(file);
  return text === null ? null : parseConfigText(file, text, folder).value;
}

/** Parses the config in `folder`; relative paths in it count from there. */
export function loadConfig(folder: string, reader: FileReader = new FileReader()): Checked<Config> {
  const file = join(folder, CONFIG_FILE);
  const text = reader.text(file);
  if (text !== null) return parseConfigText(file, text, folder);
  return { value: null, problems: [unreadable(file)] };
}

/** Parses the text of a config as if it lay in `folder`. */
export function parseConfigText(file: string, text: string, folder: string): Checked<Config> {
  return parseConfig(file, text, folder, {
    nodeName: hostname(),
    cores: availableParallelism(),
    countries: new Set(COUNTRIES.keys()),
  });
}
