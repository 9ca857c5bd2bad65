/** Reads the operator's files, and remembers which ones and in which state, so that changes can be seen. */

import { hash } from "node:crypto";
import { readFileSync, type Stats, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import type { Problem } from "../problem.ts";
import type { Steps } from "../steps.ts";

/** What tells two states of a file apart without reading it; `absent` where there is none. */
export type FileStamp = string;

/** Where files are read from. */
export interface FileSource {
  /** null: there is none, or it cannot be read. */
  bytes(path: string): Buffer | null;
  stamp(path: string): FileStamp;
}

/** The files of this machine. */
export const DISK: FileSource = { bytes: bytesIfThere, stamp: stampNow };

/** Texts that stand for files: there are no others. */
export class GivenFiles implements FileSource {
  /** By path. */
  readonly texts: ReadonlyMap<string, string>;
  readonly #stamps = new Map<string, FileStamp>();

  constructor(texts: ReadonlyMap<string, string>) {
    this.texts = texts;
  }

  bytes(path: string): Buffer | null {
    const text = this.texts.get(path);
    return text === undefined ? null : Buffer.from(text);
  }

  stamp(path: string): FileStamp {
    const text = this.texts.get(path);
    const stamp = this.#stamps.get(path) ?? (text === undefined ? "absent" : hash("sha256", text));
    this.#stamps.set(path, stamp);
    return stamp;
  }
}

/** Reads files for one attempt to load everything. */
export class FileReader implements FileSource {
  /** Another reader knows stamps already, and gets to know those from here. */
  readonly #source: FileSource;

  /** Every path that was asked for, present or not, with its stamp from just before it was read. */
  readonly stamps: Map<string, FileStamp> = new Map();

  constructor(source: FileSource = DISK) {
    this.#source = source;
  }

  /** The text of a file; null where it cannot be read. */
  text(path: string): string | null {
    return this.bytes(path)?.toString("utf8") ?? null;
  }

  /** The octets of a file; null where it cannot be read. */
  bytes(path: string): Buffer | null {
    this.stamp(path);
    return this.#source.bytes(path);
  }

  /** The stamp of a file that may then not have to be read. */
  stamp(path: string): FileStamp {
    const known = this.stamps.get(path);
    if (known !== undefined) return known;
    const stamp = this.#source.stamp(path);
    this.stamps.set(path, stamp);
    return stamp;
  }
}

/** Remembers what was made of files until one of them has changed. */
export class Remembered<T> {
  #made: { readonly stamps: ReadonlyMap<string, FileStamp>; readonly value: T } | null = null;

  /** What `make` makes of the files that it asks its reader for. */
  of(reader: FileReader, make: (reader: FileReader) => T): T {
    if (this.#made !== null && isCurrent(this.#made.stamps, reader)) return this.#made.value;
    const own = new FileReader(reader);
    return this.#keep(own, make(own));
  }

  /** The same, made in steps. */
  *inSteps(reader: FileReader, make: (reader: FileReader) => Steps<T>): Steps<T> {
    if (this.#made !== null && isCurrent(this.#made.stamps, reader)) return this.#made.value;
    const own = new FileReader(reader);
    return this.#keep(own, yield* make(own));
  }

  #keep({ stamps }: FileReader, value: T): T {
    this.#made = { stamps, value };
    return value;
  }
}

function isCurrent(stamps: ReadonlyMap<string, FileStamp>, reader: FileReader): boolean {
  // All are asked for, so that a change of any of them is noticed from now on.
  const changed = [...stamps].filter(([path, stamp]) => reader.stamp(path) !== stamp);
  return changed.length === 0;
}

/** What is wrong where a file that is needed has no text. */
export function unreadable(file: string): Problem {
  return { file, line: 0, column: 0, message: "cannot be read, expected a file that this user may read" };
}

/** The text of a file; null where it cannot be read. */
export function readIfThere(path: string): string | null {
  return bytesIfThere(path)?.toString("utf8") ?? null;
}

function bytesIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

/** The stamp of a file as it is now. */
export async function fileStamp(path: string): Promise<FileStamp> {
  try {
    return stampOf(await stat(path));
  } catch {
    return "absent";
  }
}

function stampNow(path: string): FileStamp {
  try {
    return stampOf(statSync(path));
  } catch {
    return "absent";
  }
}

/** The inode is in it because editors and `mv` put a new file in the old one's place. */
function stampOf({ ino, size, mtimeMs }: Stats): FileStamp {
  return `${ino} ${size} ${mtimeMs}`;
}
