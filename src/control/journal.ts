/**
 * What is kept beside the store for the time without it: the overrides in force, and what was ordered by break-glass and the store
 * does not have yet.
 */

import type { Override } from "./override.ts";
import { SpareFile } from "./spare-file.ts";
import type { StoredChange } from "./store.ts";

/** The name of the journal in the state folder. */
export const JOURNAL_FILE = "journal";

/** A change that was made without the store. */
export interface UnrecordedChange extends StoredChange {
  /** By which the store knows which it has already. It rises, also from one journal to the next: it is the moment or above. */
  readonly sequence: number;
}

interface Content {
  readonly version: number;
  readonly overrides: readonly Override[];
  readonly unrecorded: readonly UnrecordedChange[];
}

/** One node's. A file that is damaged or cannot be read is taken for none. */
export class Journal {
  readonly #file: SpareFile;
  #content: Content | null;
  /** Whether the file says what this does. */
  #isWritten = false;

  constructor(path: string) {
    this.#file = new SpareFile(path);
    this.#content = readContent(this.#file);
  }

  /** Of the last change that it knows of. */
  get version(): number {
    return this.#content?.version ?? 0;
  }

  /** Those that were in force when it was written last; null: it never was. */
  get overrides(): readonly Override[] | null {
    return this.#content?.overrides ?? null;
  }

  /** In the order in which they were made. */
  get unrecorded(): readonly UnrecordedChange[] {
    return this.#content?.unrecorded ?? [];
  }

  /** Whether what it holds outlives this process. */
  get isWritten(): boolean {
    return this.#isWritten;
  }

  /** Takes a change in, with the overrides that are in force with it. */
  add(change: StoredChange, overrides: readonly Override[], nowMs: number): void {
    const sequence = Math.max(nowMs, 1 + (this.unrecorded.at(-1)?.sequence ?? 0));
    const unrecorded = [...this.unrecorded, { ...change, sequence }];
    this.#content = { version: change.version, overrides, unrecorded };
    this.save();
  }

  /** Takes note that the store has all, and what is so. */
  settle(version: number, overrides: readonly Override[]): void {
    const isSame = version === this.version && overrides === this.overrides && this.unrecorded.length === 0;
    if (isSame && this.#isWritten) return;
    this.#content = { version, overrides, unrecorded: [] };
    this.save();
  }

  /** Writes what it holds; where that does not work now, it may be tried again. */
  save(): void {
    try {
      this.#file.write(JSON.stringify(this.#content));
      this.#isWritten = true;
    } catch {
      this.#isWritten = false;
    }
  }
}

function readContent(file: SpareFile): Content | null {
  try {
    return JSON.parse(file.read() ?? "null");
  } catch {
    return null;
  }
}
