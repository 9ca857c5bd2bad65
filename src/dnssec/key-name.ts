/** What the files of a key are called. */

import { formatName, type Name } from "../wire/name.ts";
import type { Algorithm } from "./algorithm.ts";

/** A key as the book names it; the zone that it belongs to goes without saying. */
export interface KeyRef {
  readonly algorithm: Algorithm;
  readonly tag: number;
}

/** Folder of the keys in the state folder. */
export const KEY_FOLDER = "keys";
/** The public half: its DNSKEY as a line of a master file. */
export const PUBLIC_SUFFIX = ".key";
/** The private half: PKCS #8 in PEM, mode 0600. */
export const PRIVATE_SUFFIX = ".private.pem";

/** `Kgslb.example.+013+12345`, as other signers name keys; suffixes tell the halves apart. */
export function keyFileName(apex: Name, { algorithm, tag }: KeyRef): string {
  return `${keyFilePrefix(apex)}${String(algorithm).padStart(3, "0")}+${String(tag).padStart(5, "0")}`;
}

/** What the names of all keys of a zone begin with. */
export function keyFilePrefix(apex: Name): string {
  // A label may hold a slash, and a file's name may not.
  return `K${formatName(apex).toLowerCase().replaceAll("/", "\\047")}+`;
}
