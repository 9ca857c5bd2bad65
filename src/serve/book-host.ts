/** Holds the book that is served: takes whole ones from disk and patches from control. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { inspectBook } from "../book/book.ts";
import { applyPatch, type PlanPatch } from "../book/patch.ts";

/** What became of a book that was offered. */
export type Adoption =
  | { readonly kind: "adopted"; readonly version: number }
  | { readonly kind: "refused"; readonly reason: string };

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
  adopt(path: string): Adoption {
    let memory: SharedArrayBuffer;
    try {
      memory = readShared(path);
    } catch (cause) {
      return { kind: "refused", reason: `Cannot read book ${path}: ${String(cause)}` };
    }
    const found = inspectBook(new Uint8Array(memory));
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

  /** Puts new plans in force; false when they are for another book than the one served. */
  patch(version: number, patches: readonly PlanPatch[]): boolean {
    if (version !== this.#version) return false;
    for (const patch of patches) applyPatch(this.#words, patch);
    return true;
  }
}

function readShared(path: string): SharedArrayBuffer {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const memory = new SharedArrayBuffer(size);
    const bytes = new Uint8Array(memory);
    for (let at = 0; at < size; ) {
      const read = readSync(file, bytes, at, size - at, at);
      if (read === 0) break;
      at += read;
    }
    return memory;
  } finally {
    closeSync(file);
  }
}
