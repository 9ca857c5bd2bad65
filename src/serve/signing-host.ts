/** Holds what signed answers are made with: the keys that books name, the table of signatures, and the thread that fills it. */

import { randomBytes } from "node:crypto";
import { Worker } from "node:worker_threads";
import type { ServedBook } from "../answer/responder.ts";
import { CAPACITY_MIN, type Round } from "../answer/sign-ahead.ts";
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

/** What the owner wants to know. */
export interface SigningEvents {
  /** The table is full, and from now on this one is to be used. */
  table(table: SharedArrayBuffer): void;
  /** A round of signing ahead is done. */
  round(round: Round): void;
  /** The signer thread died, and another one is started. */
  lost(reason: string): void;
}

/** A book for the signer thread; numbers tell books apart. */
export interface BookToSign {
  readonly number: number;
  readonly served: ServedBook;
}

/** To the signer thread. `patched`: plans of the book have changed. */
export type ToSigner = { readonly kind: "book"; readonly book: BookToSign } | { readonly kind: "patched" };

/** What the signer thread is started with; later it is sent other books. */
export interface SignerStart {
  readonly table: SharedArrayBuffer;
  readonly book: BookToSign;
}

/** From the signer thread. `took`: it reads that book, and no other any more. */
export type FromSigner =
  | { readonly kind: "took"; readonly number: number }
  | { readonly kind: "table"; readonly table: SharedArrayBuffer }
  | { readonly kind: "round"; readonly round: Round };

/** A signer thread that died is started again so long after. */
const RESTART_MS = 1000;

/** One for a process. */
export class SigningHost {
  readonly #keyring: Keyring;
  #events: SigningEvents | null = null;
  #table: SignatureTable | null = null;
  /** null: none is in force yet. */
  #book: BookToSign | null = null;
  #hasRings = false;
  #thread: Worker | null = null;
  #isStopping = false;
  readonly #signed: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Books that the thread has been told of, and is not known to read. */
  readonly #pending = new Map<number, () => void>();

  constructor(stateFolder: string) {
    this.#keyring = new Keyring(stateFolder);
  }

  /** Starts signing ahead, for the book in force and those to come. Resolves when all is signed for the first time. */
  async begin(events: SigningEvents): Promise<void> {
    this.#events = events;
    this.#start();
    if (this.#thread !== null) await this.#signed.promise;
  }

  /** A book is in force: what it signs is signed ahead. Resolves once the book before is not read any more. */
  async use(served: ServedBook): Promise<void> {
    const number = (this.#book?.number ?? 0) + 1;
    this.#book = { number, served };
    this.#hasRings = new Book(served.memory).hasRings;
    if (this.#thread === null) return this.#start();
    const taken = Promise.withResolvers<void>();
    this.#pending.set(number, taken.resolve);
    this.#tell({ kind: "book", book: this.#book });
    await taken.promise;
  }

  /** Plans of the book in force have changed: what is answered now with several VIPs at once is signed ahead again. */
  patched(): void {
    if (this.#hasRings) this.#tell({ kind: "patched" });
  }

  #tell(message: ToSigner): void {
    this.#thread?.postMessage(message);
  }

  /** Ends the thread; what is not signed by then is signed when it is asked for. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#thread?.terminate();
  }

  /** Reads the keys of a book. */
  async prepare(memory: SharedArrayBuffer): Promise<Prepared> {
    const signed = signedZones(new Book(memory));
    if (signed.every((zone) => zone === null)) return { signing: null, problems: [] };
    const { zones, problems } = await this.#keyring.load(signed);
    this.#table ??= SignatureTable.create(CAPACITY_MIN, hashKey());
    return { signing: { table: this.#table.shared, zones }, problems };
  }

  /** Starts the thread as soon as there is something to sign. */
  #start(): void {
    const book = this.#book;
    if (this.#events === null || this.#isStopping || this.#table === null || book === null) return;
    const start: SignerStart = { table: this.#table.shared, book };
    const thread = new Worker(new URL("./signer-thread.ts", import.meta.url), {
      name: "signer",
      workerData: start,
    });
    let reason = "it ended";
    thread.on("message", (message: FromSigner) => this.#hear(message));
    thread.on("error", (error) => {
      reason = String(error);
    });
    thread.on("exit", () => this.#lose(reason));
    this.#thread = thread;
  }

  #hear(message: FromSigner): void {
    switch (message.kind) {
      case "took":
        this.#release(message.number);
        return;
      case "table":
        this.#table = new SignatureTable(message.table);
        this.#events?.table(message.table);
        return;
      case "round":
        this.#signed.resolve();
        this.#events?.round(message.round);
        return;
    }
  }

  /** Nobody reads the books before this one any more. */
  #release(number: number): void {
    for (const [pending, resolve] of this.#pending) {
      if (pending > number) continue;
      this.#pending.delete(pending);
      resolve();
    }
  }

  #lose(reason: string): void {
    this.#thread = null;
    this.#signed.resolve();
    this.#release(Number.POSITIVE_INFINITY);
    if (this.#isStopping) return;
    this.#events?.lost(reason);
    setTimeout(() => {
      if (this.#thread === null) this.#start();
    }, RESTART_MS).unref();
  }
}

function hashKey(): readonly [number, number] {
  const octets = randomBytes(8);
  return [octets.readInt32LE(0), octets.readInt32LE(4)];
}
