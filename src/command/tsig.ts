/** `meridian tsig`: makes secrets for TSIG keys, in files that `keys` in the config names. */

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { messageOf } from "../problem.ts";
import { macOctets, type TsigAlgorithm } from "../wire/tsig.ts";
import { complain, print } from "./console.ts";

/** Where secrets lie in the config folder. */
const FOLDER = "keys";

/** Writes a new secret into a file for the user alone, and prints what goes into the config. Never replaces one. */
export function addKey(
  name: string,
  { config, algorithm }: { readonly config: string; readonly algorithm: TsigAlgorithm },
): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) {
    complain(
      `Cannot name a key ${JSON.stringify(name)}: expected at most 63 letters, digits, ".", "-" and "_"`,
    );
    return;
  }
  const file = join(resolve(config), FOLDER, `${name}.secret`);
  mkdirSync(join(resolve(config), FOLDER), { recursive: true, mode: 0o700 });
  try {
    const secret = randomBytes(macOctets[algorithm]).toString("base64");
    writeFileSync(file, `${secret}\n`, { mode: 0o600, flag: "wx" });
  } catch (cause) {
    complain(`Cannot write ${file}: ${messageOf(cause)}`);
    return;
  }
  print(`keys:\n  ${name}: { algorithm: ${algorithm}, secret: ${FOLDER}/${name}.secret }`);
}
