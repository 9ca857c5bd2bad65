/** Reads the private keys that a book's zones are signed with. They stay in the memory of dns, and no message or log has them. */

import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { SignedZone } from "../book/signed-zones.ts";
import { algorithmOfKey, publicKeyOctets } from "../dnssec/algorithm.ts";
import { dnskeyRdata, keyTag } from "../dnssec/dnskey.ts";
import { KEY_FOLDER, type KeyRef, keyFileName, PRIVATE_SUFFIX } from "../dnssec/key-name.ts";
import type { Signing, SigningKey } from "../dnssec/signer.ts";
import type { Name } from "../wire/name.ts";

/** What the keys of a book came to. */
export interface Keys {
  /** By zone number; null: the zone is not signed. A zone that lacks a key has none at all. */
  readonly zones: readonly (Signing | null)[];
  /** Why a key cannot be used, for each. */
  readonly problems: readonly string[];
}

/** A key whatever it signs: that is different in other books. */
type PrivateKey = Omit<SigningKey, "duties">;

/** Any mode bit of group or others. */
const OTHERS = 0o077;

/** Remembers keys by their files: a key never changes, and another one has another tag. */
export class Keyring {
  readonly #folder: string;
  readonly #known = new Map<string, PrivateKey>();

  constructor(stateFolder: string) {
    this.#folder = join(stateFolder, KEY_FOLDER);
  }

  async load(zones: readonly (SignedZone | null)[]): Promise<Keys> {
    const problems: string[] = [];
    const found: (Signing | null)[] = [];
    for (const zone of zones) {
      if (zone === null) {
        found.push(null);
        continue;
      }
      const keys: SigningKey[] = [];
      for (const ref of zone.keys) {
        const key = await this.#key(zone.apex, ref);
        if (typeof key === "string") problems.push(key);
        else keys.push({ ...key, duties: ref.duties });
      }
      // With one key of two missing, what that one signs alone would be bogus: rather nothing than half.
      const isWhole = keys.length === zone.keys.length;
      found.push({ validitySeconds: zone.validitySeconds, keys: isWhole ? keys : [] });
    }
    return { zones: found, problems };
  }

  /** The key, or why it cannot be used. */
  async #key(apex: Name, ref: KeyRef): Promise<PrivateKey | string> {
    const file = join(this.#folder, keyFileName(apex, ref) + PRIVATE_SUFFIX);
    const known = this.#known.get(file);
    if (known !== undefined) return known;
    let privateKey: KeyObject;
    try {
      const { mode } = await stat(file);
      if ((mode & OTHERS) !== 0)
        return `Cannot use key ${file}: others can read it (mode ${(mode & 0o777).toString(8)}), expected 600`;
      privateKey = createPrivateKey(await readFile(file));
    } catch (cause) {
      // The error of a parser could quote what it read.
      const code = cause instanceof Error ? Reflect.get(cause, "code") : null;
      return `Cannot read key ${file}: ${typeof code === "string" ? code : "it is no private key"}`;
    }
    const algorithm = algorithmOfKey(privateKey);
    const tag = algorithm === null ? -1 : keyTag(dnskeyRdata(algorithm, publicKeyOctets(privateKey)));
    if (algorithm !== ref.algorithm || tag !== ref.tag) return `Cannot use key ${file}: it is another one`;
    const key = { algorithm, tag, privateKey };
    this.#known.set(file, key);
    return key;
  }
}
