/**
 * The files that were given to a node through its API: config, zones with what they include, and labels. One file of the state
 * folder has them all, so that a crash at any moment leaves those from before or those from after.
 */

import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { NodeConfig } from "../config/node.ts";
import { messageOf, type Problem } from "../problem.ts";
import { GivenFiles } from "./files.ts";
import { freeName, setAside } from "./set-aside.ts";
import { putInPlace, syncFolder, writeAside } from "./whole-file.ts";

/** Its name in the state folder. */
const APPLIED_FILE = "applied.json";

/** Who gave files, and what for. */
export interface AppliedBy {
  /** `rollback`: in place of the files on disk, until those say the same or somebody ends it. */
  readonly kind: "applied" | "rollback";
  /** The snapshot that was rolled back to; null: the files are new. */
  readonly version: number | null;
  readonly author: string;
  readonly reason: string;
  readonly atMs: number;
}

/** What the file holds. */
interface Content extends AppliedBy {
  /** The texts by their paths. */
  readonly texts: Readonly<Record<string, string>>;
}

/** Files with who gave them. */
export interface Applied extends AppliedBy {
  readonly files: GivenFiles;
}

/** Keeps the last files that were given. */
export class AppliedFiles {
  readonly #folder: string;
  readonly #path: string;
  #current: Applied | null;
  #problem: Problem | null;

  constructor(stateFolder: string) {
    this.#folder = resolve(stateFolder);
    this.#path = join(this.#folder, APPLIED_FILE);
    const read = readApplied(this.#path);
    this.#current = "message" in read ? null : read.applied;
    this.#problem = "message" in read ? read : null;
  }

  /** What is wrong with the file; null: nothing. */
  get problem(): Problem | null {
    return this.#problem;
  }

  /** null: none were given, or those on disk are in force again. */
  get current(): Applied | null {
    return this.#current;
  }

  /** The files in place of those on disk; null: those on disk count. Those of a rollback do once they say the same. */
  inPlaceOf(
    disk: { text(path: string): string | null },
    { source }: Pick<NodeConfig, "source">,
  ): GivenFiles | null {
    const current = this.#current;
    if (current === null) return null;
    if (source === "api") return current.files;
    if (current.kind === "applied") return null;
    // All are read, so that each is watched.
    const different = [...current.files.texts].filter(([path, text]) => disk.text(path) !== text);
    return different.length === 0 ? null : current.files;
  }

  /** Writes files aside; they are in force after a crash once the function that is returned has settled. */
  async prepare(by: AppliedBy, texts: ReadonlyMap<string, string>): Promise<() => Promise<void>> {
    const content: Content = { ...by, texts: Object.fromEntries(texts) };
    const text = JSON.stringify(content);
    await writeAside(this.#path, Buffer.from(`${hash("sha256", text)}\n${text}\n`));
    return async () => {
      await putInPlace(this.#path);
      this.#current = { ...by, files: new GivenFiles(texts) };
      this.#problem = null;
    };
  }

  /** Puts files in the place of a spoiled file, and returns under which name that is kept. */
  async replaceSpoiled(by: AppliedBy, texts: ReadonlyMap<string, string>): Promise<string> {
    const putInPlace = await this.prepare(by, texts);
    const aside = freeName(this.#path, "corrupt", by.atMs);
    setAside(this.#path, aside);
    await putInPlace();
    return aside;
  }

  /** Forgets them. */
  async drop(): Promise<void> {
    await rm(this.#path, { force: true });
    await syncFolder(this.#folder);
    this.#current = null;
  }
}

function readApplied(path: string): { readonly applied: Applied | null } | Problem {
  const problem = (message: string): Problem => ({ file: path, line: 0, column: 0, message });
  let file: string;
  try {
    file = readFileSync(path, "utf8");
  } catch (cause) {
    if (Object(cause).code === "ENOENT") return { applied: null };
    return problem(`cannot be read (${messageOf(cause)}), expected the files that were applied`);
  }
  const end = file.indexOf("\n");
  const text = file.slice(end + 1, -1);
  if (hash("sha256", text) !== file.slice(0, end))
    return problem(
      "is not as it was written: put it back from a backup, or remove it to begin with the files on disk",
    );
  const { texts, ...by }: Content = JSON.parse(text);
  return { applied: { ...by, files: new GivenFiles(new Map(Object.entries(texts))) } };
}
