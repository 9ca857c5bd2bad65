/** The keys of signed zones on disk: made, listed and removed. Private halves are written here and read by dns alone. */

import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Algorithm, algorithmOf, publicKeyOctets } from "../dnssec/algorithm.ts";
import { dnskeyProblem, dnskeyRdata, dsRdata, keyTag } from "../dnssec/dnskey.ts";
import {
  KEY_FOLDER,
  type KeyRef,
  keyFileName,
  keyFilePrefix,
  PRIVATE_SUFFIX,
  PUBLIC_SUFFIX,
} from "../dnssec/key-name.ts";
import { isSame } from "../dnssec/rollover.ts";
import type { Problem } from "../problem.ts";
import { RRType } from "../wire/codes.ts";
import { formatName, type Name } from "../wire/name.ts";
import { formatRdata } from "../zone/rdata.ts";
import { FileReader } from "./files.ts";

/** The public half of a key. */
export interface ZoneKey extends KeyRef {
  /** RDATA of its DNSKEY. */
  readonly dnskey: Uint8Array;
  /** RDATA of its DS, with a SHA-256 digest. */
  readonly ds: Uint8Array;
  readonly file: string;
}

/** A line of a master file has a TTL; the zone's is `keyTtl` of the config. */
const FILE_TTL_SECONDS = 3600;
const TRIES_MAX = 100;

/**
 * Makes a key for a zone; null: there is no tag left. The private half has mode 0600 from its first octet on, and is
 * written first, so that a key with a public half can sign.
 */
export function makeKey(stateFolder: string, apex: Name, algorithm: Algorithm): ZoneKey | null {
  const folder = join(stateFolder, KEY_FOLDER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const taken = new Set(namesIn(folder).map((name) => Number(/\+(\d{5})\.key$/.exec(name)?.[1])));
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const privateKey = generate(algorithm);
    const dnskey = dnskeyRdata(algorithm, publicKeyOctets(privateKey));
    const tag = keyTag(dnskey);
    // Validators would have to try both keys of a tag; RFC 4034 appendix B allows for it, and we spare them.
    if (taken.has(tag)) continue;
    const path = join(folder, keyFileName(apex, { algorithm, tag }));
    const pem = privateKey.export({ format: "pem", type: "pkcs8" });
    writeFileSync(path + PRIVATE_SUFFIX, pem, { mode: 0o600, flag: "wx" });
    writeFileSync(path + PUBLIC_SUFFIX, `${formatKey(apex, dnskey)}\n`, { mode: 0o644, flag: "wx" });
    return { algorithm, tag, dnskey, ds: dsRdata(apex, dnskey), file: path + PUBLIC_SUFFIX };
  }
  return null;
}

/** Removes both halves of a key; false: there is none. The public half goes first: nothing may name a lost key. */
export function removeKey(stateFolder: string, apex: Name, tag: number): boolean {
  const { keys } = readKeys(stateFolder, apex, new FileReader());
  const key = keys.find((candidate) => candidate.tag === tag);
  if (key === undefined) return false;
  rmSync(key.file);
  rmSync(key.file.slice(0, -PUBLIC_SUFFIX.length) + PRIVATE_SUFFIX, { force: true });
  return true;
}

/** Puts the DNSKEY RDATA and file of keys beside their names; those whose file is not there are left out. */
export function filesOf(refs: readonly KeyRef[], keys: readonly ZoneKey[]): readonly ZoneKey[] {
  return refs.flatMap((ref) => keys.find((key) => isSame(key, ref)) ?? []);
}

/** The public halves of a zone's keys, by tag. `reader` takes note of what was looked at. */
export function readKeys(
  stateFolder: string,
  apex: Name,
  reader: FileReader,
): { readonly keys: readonly ZoneKey[]; readonly problems: readonly Problem[] } {
  const folder = join(stateFolder, KEY_FOLDER);
  reader.stamp(folder);
  const keys: ZoneKey[] = [];
  const problems: Problem[] = [];
  const prefix = keyFilePrefix(apex);
  for (const name of namesIn(folder)) {
    if (!name.startsWith(prefix) || !name.endsWith(PUBLIC_SUFFIX)) continue;
    const file = join(folder, name);
    const key = parseKey(apex, file, reader.text(file) ?? "");
    if (typeof key === "string") problems.push({ file, line: 1, column: 0, message: key });
    else keys.push(key);
  }
  return { keys: keys.sort((a, b) => a.tag - b.tag), problems };
}

/** A DNSKEY as a line of a master file. */
function formatKey(apex: Name, dnskey: Uint8Array): string {
  const rdata = formatRdata(RRType.DNSKEY, dnskey);
  return `${formatName(apex).toLowerCase()} ${FILE_TTL_SECONDS} IN DNSKEY ${rdata}`;
}

/** The key in a public file, or what is wrong with it. */
function parseKey(apex: Name, file: string, text: string): ZoneKey | string {
  const [, flags, protocol, number, base64] =
    /\sDNSKEY\s+(\d+)\s+(\d+)\s+(\d+)\s+([A-Za-z0-9+/=]+)\s*$/.exec(text) ?? [];
  if (base64 === undefined)
    return "no DNSKEY: expected <zone> <TTL> IN DNSKEY 257 3 <algorithm> <public key>";
  const algorithm = algorithmOf(Number(number));
  if (algorithm === null) return `algorithm ${number} is not one of ours, expected 13 or 15`;
  const octets = Buffer.from(base64, "base64");
  const expected = algorithm === Algorithm.Ed25519 ? 32 : 64;
  if (octets.length !== expected) return `the public key has ${octets.length} octets, expected ${expected}`;
  const dnskey = dnskeyRdata(algorithm, octets);
  dnskey.set([Number(flags) >> 8, Number(flags) & 0xff, Number(protocol)]);
  const problem = dnskeyProblem(dnskey);
  if (problem !== null) return problem;
  const tag = keyTag(dnskey);
  if (!file.endsWith(keyFileName(apex, { algorithm, tag }) + PUBLIC_SUFFIX))
    return `the key in it is ${keyFileName(apex, { algorithm, tag })}, expected the file's name`;
  return { algorithm, tag, dnskey, ds: dsRdata(apex, dnskey), file };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function generate(algorithm: Algorithm): KeyObject {
  return algorithm === Algorithm.Ed25519
    ? generateKeyPairSync("ed25519").privateKey
    : generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey;
}
