/** Notices that an operator's file has changed. */

import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import { type FileStamp, fileStamp } from "./files.ts";

export interface FileWatcherOptions {
  /** Told which files differ from their stamps, once they have been quiet for `settleMs`. */
  readonly onChange: (files: readonly string[]) => void;
  /** Settles when nobody reads the files: what has changed may be in hand already. */
  readonly quiet?: () => Promise<void>;
  /** Editors write a file in several steps, and a change may touch several files. */
  readonly settleMs?: number;
  /** Looks this often without being told: some file systems tell nothing, and a link's target changes elsewhere. */
  readonly pollMs?: number;
}

/**
 * Watches files by their stamps. The operating system's events about their folders only hasten the next look, so
 * none that is lost, doubled or about another file does harm.
 */
export class FileWatcher {
  readonly #options: FileWatcherOptions;
  readonly #settleMs: number;
  readonly #folders = new Map<string, FSWatcher>();
  readonly #poll: NodeJS.Timeout;
  #stamps = new Map<string, FileStamp>();
  #settling: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: FileWatcherOptions) {
    this.#options = options;
    this.#settleMs = options.settleMs ?? 200;
    this.#poll = setInterval(() => this.#hasten(), options.pollMs ?? 5_000);
    this.#poll.unref();
  }

  /** From now on watches these files, and reports what differs from these stamps. */
  watch(stamps: ReadonlyMap<string, FileStamp>): void {
    this.#stamps = new Map(stamps);
    const folders = new Set([...stamps.keys()].map((file) => dirname(file)));
    for (const [folder, watcher] of this.#folders) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#folders.delete(folder);
    }
    for (const folder of folders) {
      if (!this.#folders.has(folder)) this.#watchFolder(folder);
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    if (this.#settling !== null) clearTimeout(this.#settling);
    for (const watcher of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  /** A folder that cannot be watched is left to the poll. */
  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#hasten());
      watcher.on("error", () => {
        watcher.close();
        this.#folders.delete(folder);
      });
      this.#folders.set(folder, watcher);
    } catch {
      this.#folders.delete(folder);
    }
  }

  #hasten(): void {
    if (this.#settling !== null || this.#closed) return;
    this.#settling = setTimeout(() => void this.#look(), this.#settleMs);
    this.#settling.unref();
  }

  async #look(): Promise<void> {
    await this.#options.quiet?.();
    const before = this.#stamps;
    const after = new Map<string, FileStamp>();
    for (const file of before.keys()) after.set(file, await fileStamp(file));
    this.#settling = null;
    if (this.#closed) return;
    if (this.#stamps !== before) return this.#hasten();
    const changed = [...after].filter(([file, stamp]) => before.get(file) !== stamp).map(([file]) => file);
    if (changed.length === 0) return;
    this.#stamps = after;
    this.#options.onChange(changed);
  }
}
