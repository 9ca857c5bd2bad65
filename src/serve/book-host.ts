/** Holds the book that is served: takes whole ones from disk and patches from control. */

import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServedBook } from "../answer/responder.ts";
import { type Inspection, inspectInSteps } from "../book/book.ts";
import { applyPatches } from "../book/patch.ts";
import type { SigningHost } from "./signing-host.ts";

/** What became of a book that was offered. */
export type Adoption =
  /** `problems`: keys that cannot be used. */
  | { readonly kind: "adopted"; readonly version: number; readonly problems: readonly string[] }
  | { readonly kind: "refused"; readonly reason: string };

/** Octets read at once: with the page faults of fresh memory, less than a tenth of a millisecond. */
const READ_OCTETS = 1 << 16;
/**
 * While a book is served, taking over another one leaves the processor to the workers between two steps. On one core
 * with them, 18 MB in one go delayed answers by 40 ms.
 */
const PAUSE_MS = 1;
/** Books differ a little from one to the next: so much room lets the next one take the memory of one that has served its time. */
const ROOM = 9 / 8;

/** What must be answered from now on. */
export interface BookEvents {
  /** Resolves once nobody reads the one before. */
  book(book: ServedBook): Promise<void>;
  /** null: there are none. */
  challenges(challenges: ServedBook | null): void;
}

/** The one owner of the served book; everybody else reads it. */
export class BookHost {
  #book: ServedBook | null = null;
  #challenges: ServedBook | null = null;
  #words: Uint32Array = new Uint32Array(0);
  #version = 0;
  /**
   * Memory of a book that nobody reads any more. Threads that answer make no garbage, so what they once held would be
   * collected late or never: nodes grew by a book with each reload.
   */
  #spare: SharedArrayBuffer | null = null;
  readonly #signing: SigningHost;
  readonly #events: BookEvents;

  constructor(signing: SigningHost, events: BookEvents) {
    this.#signing = signing;
    this.#events = events;
  }

  /** Version of the book that is served; 0: none yet. */
  get version(): number {
    return this.#version;
  }

  get book(): ServedBook | null {
    return this.#book;
  }

  get challenges(): ServedBook | null {
    return this.#challenges;
  }

  /**
   * Reads the book at `path` and serves it, unless it is broken, not newer than what is served, or has keys that cannot be
   * used. Where nothing is served yet, such a book is better than none: only what should be signed gets SERVFAIL.
   */
  async adopt(path: string): Promise<Adoption> {
    let bytes: Uint8Array<SharedArrayBuffer>;
    try {
      bytes = await this.#read(path);
    } catch (cause) {
      return { kind: "refused", reason: `Cannot read book ${path}: ${String(cause)}` };
    }
    const found = await this.#inspect(bytes);
    if (found.kind === "problem")
      return { kind: "refused", reason: `Cannot use book ${path}: ${found.message}` };
    if (found.version <= this.#version)
      return {
        kind: "refused",
        reason: `Cannot go back to book ${found.version} in ${path}: ${this.#version} is served`,
      };
    const memory = bytes.buffer;
    const { signing, problems } = await this.#signing.prepare(memory);
    if (problems.length > 0 && this.#book !== null)
      return { kind: "refused", reason: `Cannot sign book ${path}: ${problems.join("; ")}` };
    const before = this.#book;
    this.#book = { memory, signing };
    this.#words = new Uint32Array(memory);
    this.#version = found.version;
    const released = Promise.all([this.#events.book(this.#book), this.#signing.use(this.#book)]);
    if (before !== null)
      void released.then(() => {
        this.#spare = before.memory;
      });
    return { kind: "adopted", version: found.version, problems };
  }

  /** Answers from other challenges; null: there are none. */
  async challenge(bytes: Uint8Array | null): Promise<void> {
    this.#challenges = bytes === null ? null : await this.#load(bytes);
    this.#events.challenges(this.#challenges);
  }

  /** What was compiled in this process is sound, or a bug. */
  async #load(bytes: Uint8Array): Promise<ServedBook> {
    const memory = new SharedArrayBuffer(bytes.length);
    new Uint8Array(memory).set(bytes);
    const found = await this.#inspect(new Uint8Array(memory));
    assert(found.kind === "sound", "a book that was compiled can be read");
    const { signing } = await this.#signing.prepare(memory);
    return { memory, signing };
  }

  /** Signs from another table, as the signer thread makes one when the last is full. */
  retable(table: SharedArrayBuffer): void {
    const book = retabled(this.#book, table);
    if (book === this.#book || book === null) return;
    this.#book = book;
    this.#challenges = retabled(this.#challenges, table);
    void this.#events.book(book);
    this.#events.challenges(this.#challenges);
  }

  /** Puts packed patches in force; false when they are for another book than the one served. */
  patch(version: number, packed: Uint32Array): boolean {
    if (version !== this.#version) return false;
    applyPatches(this.#words, packed);
    this.#signing.patched();
    return true;
  }

  async #read(path: string): Promise<Uint8Array<SharedArrayBuffer>> {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const bytes = new Uint8Array(this.#memoryFor(size), 0, size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(READ_OCTETS, size - at), at);
      if (bytesRead === 0) break;
      at += bytesRead;
      await this.#pause();
    }
    return bytes;
  }

  /** The spare memory where a book of `size` octets fits in and leaves little over; otherwise new memory. */
  #memoryFor(size: number): SharedArrayBuffer {
    const spare = this.#spare;
    if (spare === null || spare.byteLength < size || spare.byteLength > size * ROOM * ROOM)
      return new SharedArrayBuffer(Math.ceil((size * ROOM) / 4) * 4);
    this.#spare = null;
    return spare;
  }

  async #inspect(bytes: Uint8Array): Promise<Inspection> {
    const steps = inspectInSteps(bytes);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    if (this.#book !== null) await sleep(PAUSE_MS);
  }
}

/** A book whose signatures are in that table; the same where they are, or where there are none. */
function retabled(book: ServedBook | null, table: SharedArrayBuffer): ServedBook | null {
  if (book === null || book.signing === null || book.signing.table === table) return book;
  return { ...book, signing: { ...book.signing, table } };
}
