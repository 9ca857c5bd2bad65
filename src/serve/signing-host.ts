/** Holds what signed answers are made with: the keys that books name, and the table of signatures. */

import { randomBytes } from "node:crypto";
import { Worker } from "node:worker_threads";
import type { ServedBook } from "../answer/responder.ts";
import type { Round } from "../answer/sign-ahead.ts";
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

/** A signer thread that died is started again so long after. */
const RESTART_MS = 1000;

/** What the owner wants to know. */
export interface SigningEvents {
  /** A round of signing ahead is done; its table may be another one than before. */
  round(round: Round): void;
  /** The signer thread died, and another one is started. */
  lost(reason: string): void;
}

/** One for a process. */
export class SigningHost {
  readonly #keyring: Keyring;
  #events: SigningEvents | null = null;
  #table: SignatureTable | null = null;
  #book: ServedBook | null = null;
  #thread: Worker | null = null;
  #isStopping = false;

  constructor(stateFolder: string) {
    this.#keyring = new Keyring(stateFolder);
  }

  /** Starts signing ahead, for the book in force and those to come. */
  begin(events: SigningEvents): void {
    this.#events = events;
    if (this.#book !== null) this.use(this.#book);
  }

  /** A book is in force: what it signs is signed ahead. */
  use(book: ServedBook): void {
    this.#book = book;
    if (this.#isStopping || this.#events === null) return;
    if (book.signing === null && this.#thread === null) return;
    this.#thread ??= this.#start(this.#events);
    this.#thread.postMessage(book);
  }

  /** Ends the thread; what is not signed by then is signed when it is asked for. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#thread?.terminate();
  }

  #start(events: SigningEvents): Worker {
    const thread = new Worker(new URL("./signer-thread.ts", import.meta.url), { name: "signer" });
    let reason = "it ended";
    thread.on("message", (round: Round) => {
      if (this.#table?.shared !== round.table) this.#table = new SignatureTable(round.table);
      events.round(round);
    });
    thread.on("error", (error) => {
      reason = String(error);
    });
    thread.on("exit", () => {
      if (this.#isStopping) return;
      events.lost(reason);
      setTimeout(() => {
        this.#thread = null;
        if (this.#book !== null) this.use(this.#book);
      }, RESTART_MS).unref();
    });
    return thread;
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
