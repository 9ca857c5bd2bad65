/** The sections `keys` and `acme`: who may send what resolvers do not. */

import { type Prefix, parsePrefix } from "../wire/address.ts";
import { type Name, nameKey, parseName, rootName } from "../wire/name.ts";
import { tsigAlgorithms } from "../wire/tsig.ts";
import type { AcmeConfig, AcmeGrant, KeyConfig, Place } from "./config.ts";
import { keys } from "./keys.ts";
import { parsePath } from "./parse-node.ts";
import { parsePrefixes } from "./parse-prefixes.ts";
import type { Reader } from "./read.ts";

const keepRange = { least: 1000, most: 30 * 86_400_000 };
const HOUR_MS = 3_600_000;

const everywhere: readonly Prefix[] = ["0.0.0.0/0", "::/0"].flatMap((text) => parsePrefix(text) ?? []);

/** The keys of a config, by `nameKey`. */
export type TsigKeys = ReadonlyMap<string, KeyConfig>;

/** The section `keys`; null where it is not given. Relative paths start at `folder`. */
export function parseKeys(reader: Reader | null, file: string, folder: string): TsigKeys {
  const parsed = new Map<string, KeyConfig>();
  for (const { name: label, key, value } of reader?.named() ?? []) {
    const fields = value.fields(keys["keys.*"]);
    const algorithm = fields.optional("algorithm")?.oneOf(tsigAlgorithms) ?? "hmac-sha256";
    const secretFile = parsePath(fields.required("secret"), folder) ?? "";
    const name = keyName(label);
    if (name === null) key.expected("a name that is a domain name too");
    else if (parsed.has(nameKey(name)))
      key.problem("this key is there already, and case does not matter in its name");
    else parsed.set(nameKey(name), { name, label, algorithm, secretFile, place: placeOf(key, file) });
  }
  return parsed;
}

/** The section `acme`; null where it is not given. */
export function parseAcme(reader: Reader | null, file: string, known: TsigKeys): AcmeConfig {
  const acme = reader?.fields(keys.acme);
  const grants = (acme?.optional("keys")?.entries() ?? []).flatMap(({ key, value }): readonly AcmeGrant[] => {
    const fields = value.fields(keys["acme.keys.*"]);
    const grant = {
      names: domainNames(fields.optional("names")),
      below: domainNames(fields.optional("below")),
      from: fields.optional("from") === null ? everywhere : parsePrefixes(fields.optional("from")),
      place: placeOf(key, file),
    };
    if (fields.optional("names") === null && fields.optional("below") === null)
      value.problemAtKey('expected the key "names" or "below"');
    const tsig = keyReference(key, known);
    return tsig === null ? [] : [{ key: tsig, ...grant }];
  });
  return { keepMs: acme?.optional("keepFor")?.duration(keepRange) ?? HOUR_MS, grants };
}

/** `nameKey` of a key that is declared. */
export function keyReference(reader: Reader, known: TsigKeys): string | null {
  const label = reader.text("the name of a key");
  const name = label === null ? null : keyName(label);
  if (name !== null && known.has(nameKey(name))) return nameKey(name);
  if (label !== null)
    reader.unknown(
      "key",
      label,
      [...known.values()].map((key) => key.label),
    );
  return null;
}

function keyName(label: string): Name | null {
  const parsed = parseName(label, rootName);
  return parsed.kind === "name" ? parsed.name : null;
}

function domainNames(reader: Reader | null): readonly Name[] {
  return (reader?.items("a list of domain names") ?? []).flatMap((item) => item.domainName() ?? []);
}

function placeOf({ place: { line, column } }: Reader, file: string): Place {
  return { file, line, column };
}
