/** Holds what signed answers are made with: the keys that books name, and the table of signatures. */

import { randomBytes } from "node:crypto";
import type { SigningState } from "../answer/signatures.ts";
import { Book } from "../book/book.ts";
import { signedZones } from "../book/signed-zones.ts";
import { SignatureTable } from "../dnssec/signature-table.ts";
import { Keyring } from "./keyring.ts";

/** How a book can be signed. */
export interface Prepared {
  /** null: the book has no signed zone. */
  readonly signing: SigningState | null;
  /** Keys that cannot be used; their zones have no keys in `signing`, and queries that want signatures get SERVFAIL. */
  readonly problems: readonly string[];
}

/** Signatures prepared for a small zone; the signer thread makes room for more. */
const FIRST_CAPACITY = 1024;

/** One for a process. */
export class SigningHost {
  readonly #keyring: Keyring;
  #table: SignatureTable | null = null;

  constructor(stateFolder: string) {
    this.#keyring = new Keyring(stateFolder);
  }

  /** Reads the keys of a book. */
  async prepare(memory: SharedArrayBuffer): Promise<Prepared> {
    const signed = signedZones(new Book(memory));
    if (signed.every((zone) => zone === null)) return { signing: null, problems: [] };
    const { zones, problems } = await this.#keyring.load(signed);
    this.#table ??= SignatureTable.create(FIRST_CAPACITY, hashKey());
    return { signing: { table: this.#table.shared, zones }, problems };
  }
}

function hashKey(): readonly [number, number] {
  const octets = randomBytes(8);
  return [octets.readInt32LE(0), octets.readInt32LE(4)];
}
