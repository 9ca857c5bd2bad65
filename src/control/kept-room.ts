/** Room on a disk for what must be written when there is no other left. */

import { rm, stat } from "node:fs/promises";
import { makeAside, PART_OCTETS, putInPlace, writeAt } from "./whole-file.ts";

/** What is written differs a little from one time to the next. */
const ROOM = 9 / 8;

/** A file that holds nothing. What takes the place of an old file of its size gives the room back with that. */
export class KeptRoom {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Does work that writes; once more, in this room, where the disk is full. */
  async use(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      if (!isFull(cause)) throw cause;
      await rm(this.#path, { force: true });
      await work();
    }
  }

  /** Keeps room for so much; where there is none now, this may be asked again. */
  async keep(octets: number): Promise<void> {
    const size = await stat(this.#path).then(
      ({ size }) => size,
      () => 0,
    );
    if (size >= octets) return;
    const nothing = new Uint8Array(PART_OCTETS);
    try {
      await makeAside(this.#path, "w", async (file) => {
        for (let at = 0; at < octets * ROOM; at += nothing.length) await writeAt(file, nothing, at);
      });
      await putInPlace(this.#path);
    } catch (cause) {
      if (!isFull(cause)) throw cause;
    }
  }
}

function isFull(cause: unknown): boolean {
  const { code } = Object(cause);
  return code === "ENOSPC" || code === "EDQUOT";
}
