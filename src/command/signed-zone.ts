/** What `meridian key` and `meridian ds` share: a zone under `dnssec`, and its keys. */

import type { Config, DnssecZone } from "../config/config.ts";
import { FileReader } from "../control/files.ts";
import { readKeyState } from "../control/key-state.ts";
import { readKeys, type ZoneKey } from "../control/keys.ts";
import type { KeyState } from "../dnssec/rollover.ts";
import { suggest } from "../suggest.ts";
import { nameKey, parseName, rootName } from "../wire/name.ts";
import { complain, complainOf } from "./console.ts";
import { readConfig } from "./node.ts";

/** Does something with a zone that the config wants signed. */
export function withZone(
  text: string,
  folder: string,
  use: (config: Config, zone: DnssecZone) => void,
): void {
  const config = readConfig(folder);
  if (config === null) return;
  const parsed = parseName(text, rootName);
  const zone = parsed.kind === "name" ? config.dnssec.get(nameKey(parsed.name)) : undefined;
  if (zone !== undefined) {
    use(config, zone);
    return;
  }
  const meant = suggest(
    text,
    [...config.dnssec.values()].map(({ label }) => label),
  );
  const hint = meant === null ? `add it there first` : `did you mean ${meant}?`;
  complain(`${text} is not under dnssec in ${config.file}: ${hint}`);
}

/** The keys of a zone; problems with their files are complained of. */
export function keysOf(config: Config, apex: DnssecZone["apex"]): readonly ZoneKey[] {
  const { keys, problems } = readKeys(config.node.stateFolder, apex, new FileReader());
  if (problems.length > 0) complainOf(problems);
  return keys;
}

/** Where a zone stands with its keys; null: nobody has rolled them. */
export function stateOf(config: Config, { apex }: DnssecZone): KeyState | null {
  const { value, problems } = readKeyState(config.node.stateFolder, apex, new FileReader());
  if (problems.length > 0) complainOf(problems);
  return value;
}
