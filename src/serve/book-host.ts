/** Holds the book that is served: takes whole ones from disk and patches from control. */

import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Inspection, inspectInSteps } from "../book/book.ts";
import { applyPatches } from "../book/patch.ts";

/** What became of a book that was offered. */
export type Adoption =
  | { readonly kind: "adopted"; readonly version: number }
  | { readonly kind: "refused"; readonly reason: string };

/** Octets read at once: with the page faults of fresh memory, less than a tenth of a millisecond. */
const READ_OCTETS = 1 << 16;
/**
 * While a book is served, taking over another one leaves the processor to the workers between two steps. On one core
 * with them, 18 MB in one go delayed answers by 40 ms.
 */
const PAUSE_MS = 1;

/** The one owner of the served book; everybody else reads it. */
export class BookHost {
  #memory: SharedArrayBuffer | null = null;
  #words: Uint32Array = new Uint32Array(0);
  #version = 0;
  readonly #onAdopt: (memory: SharedArrayBuffer) => void;

  constructor(onAdopt: (memory: SharedArrayBuffer) => void) {
    this.#onAdopt = onAdopt;
  }

  /** Version of the book that is served; 0: none yet. */
  get version(): number {
    return this.#version;
  }

  get memory(): SharedArrayBuffer | null {
    return this.#memory;
  }

  /** Reads the book at `path` and serves it, unless it is broken or not newer than what is served. */
  async adopt(path: string): Promise<Adoption> {
    let memory: SharedArrayBuffer;
    try {
      memory = await this.#read(path);
    } catch (cause) {
      return { kind: "refused", reason: `Cannot read book ${path}: ${String(cause)}` };
    }
    const found = await this.#inspect(new Uint8Array(memory));
    if (found.kind === "problem")
      return { kind: "refused", reason: `Cannot use book ${path}: ${found.message}` };
    if (found.version <= this.#version)
      return {
        kind: "refused",
        reason: `Cannot go back to book ${found.version} in ${path}: ${this.#version} is served`,
      };
    this.#memory = memory;
    this.#words = new Uint32Array(memory);
    this.#version = found.version;
    this.#onAdopt(memory);
    return { kind: "adopted", version: found.version };
  }

  /** Puts packed patches in force; false when they are for another book than the one served. */
  patch(version: number, packed: Uint32Array): boolean {
    if (version !== this.#version) return false;
    applyPatches(this.#words, packed);
    return true;
  }

  async #read(path: string): Promise<SharedArrayBuffer> {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const memory = new SharedArrayBuffer(size);
    const bytes = new Uint8Array(memory);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(READ_OCTETS, size - at), at);
      if (bytesRead === 0) break;
      at += bytesRead;
      await this.#pause();
    }
    return memory;
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
    if (this.#memory !== null) await sleep(PAUSE_MS);
  }
}
