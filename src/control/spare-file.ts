/** A small file that can be written when its disk is full: its room was taken beforehand. */

import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";

/**
 * The file is two slots of the same size. Each write goes into the one that is older, so that a crash half-way leaves the other:
 *
 *     octets  0    4         8       12      16
 *             | magic | number | length | CRC-32 | content ... | anything |
 *
 * The checksum is over number, length and content, so that a new number before an old content is none.
 */
const HEADER_OCTETS = 16;
const MAGIC = 0x4d524453;
/** The least that a slot has: some hundred changes. */
const SLOT_OCTETS_MIN = 64 * 1024;

interface Slot {
  readonly at: number;
  /** The greater one is the newer. */
  readonly number: number;
  readonly content: Buffer;
}

/** Keeps one content, of which it makes a text durable at once. On file systems that copy on write it takes room all the same. */
export class SpareFile {
  readonly #path: string;
  #slotOctets = 0;
  #number = 0;
  #next = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** What was written last; null: nothing that is whole. Throws when the file is there and cannot be read. */
  read(): string | null {
    const octets = readIfThere(this.#path);
    this.#slotOctets = octets.length / 2;
    const slots = [slotAt(octets, 0), slotAt(octets, this.#slotOctets)].filter((slot) => slot !== null);
    const [newest] = slots.sort((a, b) => b.number - a.number);
    if (newest === undefined) return null;
    this.#number = newest.number;
    this.#next = newest.at === 0 ? this.#slotOctets : 0;
    return newest.content.toString();
  }

  /** Puts a text in the place of the one before; it is on disk when this returns. Throws when it cannot be, and leaves that. */
  write(text: string): void {
    const content = Buffer.from(text);
    const octets = HEADER_OCTETS + content.length;
    const slot = Buffer.alloc(octets);
    slot.writeUInt32LE(MAGIC, 0);
    slot.writeUInt32LE(this.#number + 1, 4);
    slot.writeUInt32LE(content.length, 8);
    slot.writeUInt32LE(checksum(slot, content), 12);
    content.copy(slot, HEADER_OCTETS);
    if (octets > this.#slotOctets) this.#make(slot);
    else {
      const file = openSync(this.#path, "r+");
      try {
        writeAll(file, slot, this.#next);
        fdatasyncSync(file);
      } finally {
        closeSync(file);
      }
      this.#next = this.#next === 0 ? this.#slotOctets : 0;
    }
    this.#number += 1;
  }

  /** Makes the file anew, with room for twice as much. */
  #make(slot: Buffer): void {
    const slotOctets = Math.max(SLOT_OCTETS_MIN, 2 * slot.length);
    const made = `${this.#path}.tmp`;
    const file = openSync(made, "w", 0o600);
    try {
      writeAll(file, Buffer.alloc(2 * slotOctets), 0);
      writeAll(file, slot, 0);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(made, this.#path);
    syncFolder(dirname(this.#path));
    this.#slotOctets = slotOctets;
    this.#next = slotOctets;
  }
}

function slotAt(octets: Buffer, at: number): Slot | null {
  if (at + HEADER_OCTETS > octets.length || octets.readUInt32LE(at) !== MAGIC) return null;
  const slot = octets.subarray(at);
  const length = slot.readUInt32LE(8);
  const content = slot.subarray(HEADER_OCTETS, HEADER_OCTETS + length);
  const isWhole = content.length === length && checksum(slot, content) === slot.readUInt32LE(12);
  return isWhole ? { at, number: slot.readUInt32LE(4), content } : null;
}

function checksum(slot: Buffer, content: Buffer): number {
  return crc32(content, crc32(slot.subarray(4, 12)));
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}

/** A disk that is nearly full takes a part without an error, and then refuses the rest. */
function writeAll(file: number, octets: Buffer, position: number): void {
  for (let at = 0; at < octets.length; ) at += writeSync(file, octets, at, octets.length - at, position + at);
}

/** Makes a rename in a folder durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
