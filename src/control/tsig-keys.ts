/** Reads the secrets of TSIG keys from files that nobody else can read. */

import type { Config, KeyConfig } from "../config/config.ts";
import type { Checked, Problem } from "../problem.ts";
import { macOctets, type TsigKey } from "../wire/tsig.ts";
import type { FileReader } from "./files.ts";
import { readSecretFile } from "./secret-file.ts";

/** The keys of a config, by `nameKey`. */
export type TsigKeys = ReadonlyMap<string, TsigKey>;

/** Shorter ones are guessed sooner than the MAC is forged (RFC 8945 §8 asks for the length of the MAC). */
const SECRET_OCTETS_MIN = 16;

/** All keys, or every problem with them. A secret never stands in a problem. */
export function loadTsigKeys(config: Config, reader: FileReader): Checked<TsigKeys> {
  const problems: Problem[] = [];
  const keys = new Map<string, TsigKey>();
  for (const [key, declared] of config.keys) {
    const loaded = loadKey(declared, reader);
    if ("message" in loaded) problems.push(loaded);
    else keys.set(key, loaded);
  }
  return { value: problems.length === 0 ? keys : null, problems };
}

function loadKey({ name, algorithm, secretFile, label }: KeyConfig, reader: FileReader): TsigKey | Problem {
  const problem = (message: string): Problem => ({ file: secretFile, line: 0, column: 0, message });
  const what = `the secret of key ${label} in base64; \`meridian tsig add ${label}\` makes one`;
  const read = readSecretFile(secretFile, what, reader);
  if ("message" in read) return problem(read.message);
  const base64 = read.secret;
  const secret = Buffer.from(base64, "base64");
  if (secret.toString("base64").replace(/=+$/, "") !== base64.replace(/=+$/, ""))
    return problem(`expected the secret of key ${label} in base64 on one line`);
  if (secret.length < SECRET_OCTETS_MIN) {
    const best = macOctets[algorithm];
    return problem(`has ${secret.length} octets, expected ${best}, at least ${SECRET_OCTETS_MIN}`);
  }
  return { name, algorithm, secret };
}
