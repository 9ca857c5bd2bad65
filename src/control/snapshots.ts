/** The sets of files that came into force, each under the version that it made: listed, read and compared. */

import { join, resolve } from "node:path";
import { CONFIG_FILE } from "./config-file.ts";
import { type DeclaredDiff, type DeclaredTexts, diffDeclared, pathIn } from "./declared-diff.ts";
import type { HistoryEntry, HistoryStore, PastFiles } from "./history.ts";
import { inTurns } from "./in-turns.ts";
import { readTexts } from "./kept-texts.ts";

/** Files that were in force, or are. */
export interface KeptSnapshot {
  readonly version: number;
  /** When they came into force; null: so long ago that only what they said is kept. */
  readonly atMs: number | null;
  /** null: an earlier release did not keep it. */
  readonly author: string | null;
  readonly reason: string | null;
  readonly inForce: boolean;
  /** Config, zones with what they include, and labels. */
  readonly files: readonly KeptFile[];
}

interface KeptFile {
  /** Relative to the folder of the config. */
  readonly path: string;
  /** SHA-256; null: it could not be read again when it came into force. */
  readonly hash: string | null;
}

/** What was asked for, or why there is none. */
export type Found<T> = { readonly kind: "found"; readonly value: T } | Missing;

interface Missing {
  readonly kind: "missing";
  readonly message: string;
}

export interface SnapshotsOptions {
  readonly store: HistoryStore;
  readonly configFolder: string;
  /** Settles when the store has all that there is to know. */
  readonly flush: () => Promise<void>;
  /** null: none yet. */
  readonly inForce: () => PastFiles | null;
}

/** Reads them from the history, which is cut off at its front: how far back they go is `node.history`. */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  /** Of the config, as all its versions have it. */
  readonly #file: string;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#file = join(resolve(options.configFolder), CONFIG_FILE);
  }

  /** The newest first, at most `limit`, of those with a version below `before`. */
  async list(limit: number, before: number): Promise<readonly KeptSnapshot[]> {
    const { store, flush, inForce } = this.#options;
    await flush();
    const listed = store.files(limit, before).map((entry) => this.#viewOf(entry));
    const current = inForce();
    const isCutOff = current !== null && current.version < before && listed.every(({ inForce }) => !inForce);
    return isCutOff ? [this.#view(current, null), ...listed].slice(0, limit) : listed;
  }

  /** What the files of a version said. */
  async texts(version: number): Promise<Found<DeclaredTexts & { readonly snapshot: KeptSnapshot }>> {
    const { store, flush, inForce } = this.#options;
    await flush();
    const current = inForce();
    const [entry] = store.files(1, version + 1).filter((found) => readFiles(found).version === version);
    const files = entry === undefined ? current : readFiles(entry);
    if (files?.version !== version)
      return missing(`no snapshot of version ${version} is kept; GET /v1/snapshots lists those that are`);
    const texts = await readTexts(store, files);
    if (typeof texts === "string")
      return missing(
        `what ${pathIn({ file: this.#file }, texts)} said in version ${version} is not on record`,
      );
    return {
      kind: "found",
      value: { file: this.#file, texts, snapshot: this.#view(files, entry?.atMs ?? null) },
    };
  }

  /** What makes one version into another. */
  async diff(from: number, to: number): Promise<Found<DeclaredDiff>> {
    const before = await this.texts(from);
    if (before.kind === "missing") return before;
    const after = await this.texts(to);
    if (after.kind === "missing") return after;
    return { kind: "found", value: await inTurns(diffDeclared(before.value, after.value)) };
  }

  #viewOf(entry: HistoryEntry): KeptSnapshot {
    return this.#view(readFiles(entry), entry.atMs);
  }

  #view({ version, author, reason, texts }: PastFiles, atMs: number | null): KeptSnapshot {
    const files = Object.entries(texts).map(([path, hash]) => ({
      path: pathIn({ file: this.#file }, path),
      hash,
    }));
    const inForce = version === this.#options.inForce()?.version;
    return { version, atMs, author: author ?? null, reason: reason ?? null, inForce, files };
  }
}

function readFiles({ content }: HistoryEntry): PastFiles {
  return JSON.parse(content);
}

function missing(message: string): Missing {
  return { kind: "missing", message };
}
