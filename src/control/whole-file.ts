/** Files that are written as a whole: a crash leaves the old content or the new. */

import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Octets that are copied or written at once: a third of a millisecond, for which a worker on the same core may have to wait. */
export const PART_OCTETS: number = 1 << 17;

/** Puts a file in place of the one at `path`, durably. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await writeAside(path, bytes);
  await putInPlace(path);
}

/** Writes durably, beside the one at `path`, what is to be put in its place. */
export function writeAside(path: string, bytes: Uint8Array): Promise<void> {
  return makeAside(path, "w", (file) => writeAt(file, bytes, 0));
}

/** The same as `make` makes it. What could not be made takes no room from what else is on the disk. */
export async function makeAside(
  path: string,
  flags: string,
  make: (file: FileHandle) => Promise<void>,
): Promise<void> {
  try {
    await using file = await open(asideOf(path), flags);
    await make(file);
    await file.sync();
  } catch (error) {
    await rm(asideOf(path), { force: true });
    throw error;
  }
}

/** Puts what was written aside in place of the file at `path`, durably. */
export async function putInPlace(path: string): Promise<void> {
  await rename(asideOf(path), path);
  await syncFolder(dirname(path));
}

/** A disk that is nearly full takes a part without an error, and then refuses the rest. */
export async function writeAt(file: FileHandle, octets: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < octets.length; ) {
    const { bytesWritten } = await file.write(
      octets,
      at,
      Math.min(PART_OCTETS, octets.length - at),
      position + at,
    );
    at += bytesWritten;
  }
}

/** Where what is to replace a file is written. */
function asideOf(path: string): string {
  return `${path}.tmp`;
}

/** Makes what was renamed or removed in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync();
}
