/** Holds plans that are due at a time, as when an override ends, and puts them in force then if control is away. */

import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { deserialize, serialize } from "node:v8";
import type { DuePlans } from "../book/messages.ts";
import type { BookHost } from "./book-host.ts";

export interface DuePlansOptions {
  /** The file that they are kept in. */
  readonly path: string;
  readonly host: Pick<BookHost, "patch">;
  readonly nowMs: () => number;
  /** Told that plans came into force without control. */
  readonly onDue: () => void;
  /** Told what did not work. */
  readonly onError: (message: string, cause: unknown) => void;
}

/** Of the file; one of another form is not read. */
const FORMAT = 1;
/** A control that runs does it by itself, and says what is due next; one that says nothing for so long hangs. */
const GRACE_MS = 1_000;
/** A timer holds no longer time; it is set again then. */
const TIMER_MS_MAX = 86_400_000;

interface Kept {
  readonly format: number;
  readonly due: DuePlans;
}

/** The one owner of the plans of a process that are due. */
export class DuePlansHost {
  readonly #options: DuePlansOptions;
  #due: DuePlans | null = null;
  #keeping: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #isControlThere = false;

  constructor(options: DuePlansOptions) {
    this.#options = options;
  }

  /** What was kept last is due too: a node that starts late puts it in force at once. */
  async load(): Promise<void> {
    const { path, onError } = this.#options;
    try {
      const kept: Kept = deserialize(await readFile(path));
      if (kept.format === FORMAT) this.#hold(kept.due);
    } catch (cause) {
      const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
      if (!isMissing) onError("the plans on disk that are due cannot be read", cause);
    }
  }

  /** Holds these, in place of those before, here and on disk; null: nothing is due. */
  take(due: DuePlans | null): void {
    if (due === null && this.#due === null) return;
    this.#hold(due);
    const { path, onError } = this.#options;
    this.#keeping = this.#keeping
      .then(() => keep(path, due))
      .catch((cause) => onError("what is due is not on disk", cause));
  }

  /** Whether control sees to it. */
  control(isThere: boolean): void {
    this.#isControlThere = isThere;
    this.#arm();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #hold(due: DuePlans | null): void {
    this.#due = due;
    this.#arm();
  }

  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#due === null) return;
    const restMs = this.#due.atMs + (this.#isControlThere ? GRACE_MS : 0) - this.#options.nowMs();
    if (restMs <= 0) this.#apply(this.#due);
    else this.#timer = setTimeout(() => this.#arm(), Math.min(restMs, TIMER_MS_MAX));
  }

  /** Plans for another book than the one served are no use: whoever made that book knows better. */
  #apply({ version, packed }: DuePlans): void {
    this.take(null);
    if (this.#options.host.patch(version, packed)) this.#options.onDue();
  }
}

async function keep(path: string, due: DuePlans | null): Promise<void> {
  if (due === null) return await rm(path, { force: true });
  const kept: Kept = { format: FORMAT, due };
  await writeFile(`${path}.tmp`, serialize(kept), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}
