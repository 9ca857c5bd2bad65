/** Reads the operator's files, and remembers which ones and in which state, so that changes can be seen. */

import { readFileSync, type Stats, statSync } from "node:fs";
import { stat } from "node:fs/promises";

/** What tells two states of a file apart without reading it; `absent` where there is none. */
export type FileStamp = string;

/** Reads files for one attempt to load everything. */
export class FileReader {
  /** Every path that was asked for, present or not, with its stamp from just before it was read. */
  readonly stamps: Map<string, FileStamp> = new Map();

  /** The text of a file; null where it cannot be read. */
  text(path: string): string | null {
    return this.bytes(path)?.toString("utf8") ?? null;
  }

  /** The octets of a file; null where it cannot be read. */
  bytes(path: string): Buffer | null {
    this.stamp(path);
    try {
      return readFileSync(path);
    } catch {
      return null;
    }
  }

  /** The stamp of a file that may then not have to be read. */
  stamp(path: string): FileStamp {
    const known = this.stamps.get(path);
    if (known !== undefined) return known;
    const stamp = stampNow(path);
    this.stamps.set(path, stamp);
    return stamp;
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
