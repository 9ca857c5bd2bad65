/** What of a store is known in memory, so that it is known while the store cannot be read. */

import { type StoreFile, StoreUnavailable } from "./store-file.ts";

/** What was read last. It is read again once somebody else has written; as long as it cannot be, it stays. */
export class LastRead<T> {
  readonly #file: StoreFile;
  readonly #read: () => T;
  #value: { readonly of: T } | null = null;
  #foreignWrites = 0;

  constructor(file: StoreFile, read: () => T) {
    this.#file = file;
    this.#read = read;
  }

  now(): T {
    const before = this.#value;
    try {
      const { foreignWrites } = this.#file;
      if (before !== null && foreignWrites === this.#foreignWrites) return before.of;
      this.#value = { of: this.#read() };
      this.#foreignWrites = foreignWrites;
      return this.#value.of;
    } catch (error) {
      if (before === null || !(error instanceof StoreUnavailable)) throw error;
      return before.of;
    }
  }

  /** Takes what is so now, without reading it. */
  put(value: T): void {
    this.#value = { of: value };
  }

  forget(): void {
    this.#value = null;
  }
}
