/** Holds the challenges that are answered: ends each when its time has come, and keeps them on disk for the next start. */

import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { deserialize, serialize } from "node:v8";
import { type Challenges, compileChallenges } from "../book/challenges.ts";
import type { BookHost } from "./book-host.ts";

export interface ChallengeHostOptions {
  /** The file that they are kept in. */
  readonly path: string;
  readonly host: Pick<BookHost, "challenge">;
  readonly nowMs: () => number;
  /** Told what did not work; what was answered before still is. */
  readonly onError: (message: string, cause: unknown) => void;
}

/** Of the file; one of another form is not read. */
const FORMAT = 1;
/** Many that end one after the other are not compiled anew each time: a thousand take 14 ms. */
const TIMER_MS_MIN = 100;
/** A timer holds no longer time; it is set again then. */
const TIMER_MS_MAX = 86_400_000;

interface Kept {
  readonly format: number;
  readonly challenges: Challenges;
}

/** The one owner of the challenges of a process. */
export class ChallengeHost {
  readonly #options: ChallengeHostOptions;
  #challenges: Challenges | null = null;
  #answering: Promise<void> = Promise.resolve();
  #keeping: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: ChallengeHostOptions) {
    this.#options = options;
  }

  /** Settles when all that was said before is answered. */
  get settled(): Promise<void> {
    return this.#answering;
  }

  /** Answers what was kept last, but for what has ended since. */
  async load(): Promise<void> {
    const { path, onError } = this.#options;
    try {
      const kept: Kept = deserialize(await readFile(path));
      if (kept.format === FORMAT) await this.answer(kept.challenges);
    } catch (cause) {
      const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
      if (!isMissing) onError("the last challenges on disk cannot be read", cause);
    }
  }

  /** Answers these from now on; null: none. What a predecessor passes on, it keeps itself. */
  answer(challenges: Challenges | null): Promise<void> {
    this.#challenges = challenges;
    this.#answering = this.#answering
      .then(() => this.#compile())
      .catch((cause) => this.#options.onError("kept the challenges that are answered", cause));
    return this.#answering;
  }

  /** Answers these from now on, and after a restart; null: none. */
  take(challenges: Challenges | null): void {
    void this.answer(challenges);
    this.#keeping = this.#keeping
      .then(() => this.#keep(challenges))
      .catch((cause) =>
        this.#options.onError("the challenges on disk are not those that are answered", cause),
      );
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #compile(): Promise<void> {
    const { host, nowMs } = this.#options;
    const none = { bytes: null, nextEndMs: null };
    const { bytes, nextEndMs } =
      this.#challenges === null ? none : compileChallenges(this.#challenges, nowMs());
    this.stop();
    await host.challenge(bytes);
    if (nextEndMs === null) return;
    const waitMs = Math.min(TIMER_MS_MAX, Math.max(TIMER_MS_MIN, nextEndMs - nowMs()));
    this.#timer = setTimeout(() => void this.answer(this.#challenges), waitMs).unref();
  }

  /** A crash leaves the old file or the new. */
  async #keep(challenges: Challenges | null): Promise<void> {
    const { path } = this.#options;
    if (challenges === null) return await rm(path, { force: true });
    const kept: Kept = { format: FORMAT, challenges };
    const draft = `${path}.${process.pid}`;
    await writeFile(draft, serialize(kept), { mode: 0o600 });
    await rename(draft, path);
  }
}
