/** Decodes the data section of a MaxMind DB file (spec 2.0, "Output Data Section"). */

import { u8, u16 } from "../wire/bytes.ts";

/** A decoded value; integers of 64 and 128 bits are bigints. */
export type MmdbValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | readonly MmdbValue[]
  | ReadonlyMap<string, MmdbValue>;

/** The file is not what the format asks for; `readMmdb` turns it into a problem. */
export class Malformed extends Error {}

/** Data types by number; those from 8 on are written as 0 and an octet that counts from 7. */
const Type = {
  Extended: 0,
  Pointer: 1,
  String: 2,
  Double: 3,
  Bytes: 4,
  Uint16: 5,
  Uint32: 6,
  Map: 7,
  Int32: 8,
  Uint64: 9,
  Uint128: 10,
  Array: 11,
  Boolean: 14,
  Float: 15,
} as const;

/** Real records nest 4 deep; libmaxminddb draws its line at 512. */
const MAX_DEPTH = 32;

/** Names of places in eight languages: nine tenths of a city record, and nothing that steers. */
const IGNORED_KEY = "names";

/** What the first value of a pointer's longer forms stands for, so that no number has two forms. */
const POINTER_BASES = [0, 2048, 526336, 0] as const;

/**
 * Values at offsets in one section. Pointers make a file of a few bytes stand for endlessly many values, so the
 * section has a budget: sixteen values for each of its octets, where real files need less than two.
 */
export class DataSection {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #start: number;
  readonly #end: number;
  readonly #text = new TextDecoder();
  #at = 0;
  #budget: number;

  /** The section fills `start` to `end` of the file. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#start = start;
    this.#end = end;
    this.#budget = 16 * (end - start) + 1000;
  }

  /** The value at an offset of the section, without anything under a key `names`. */
  read(offset: number): MmdbValue {
    this.#at = this.#start + offset;
    return this.#value(0);
  }

  #value(depth: number): MmdbValue {
    this.#spend(depth);
    const control = this.#octet();
    if (control >>> 5 === Type.Pointer) return this.#follow(control, depth);
    const type = this.#type(control);
    const size = this.#size(control);
    switch (type) {
      case Type.Map:
        return this.#map(size, depth);
      case Type.Array:
        return this.#array(size, depth);
      case Type.Boolean:
        return size !== 0;
      case Type.String:
        return this.#string(size);
      case Type.Bytes:
        return this.#bytes.slice(this.#take(size), this.#at);
      case Type.Double:
        return this.#view.getFloat64(this.#take(exactly(size, 8)));
      case Type.Float:
        return this.#view.getFloat32(this.#take(exactly(size, 4)));
      case Type.Uint16:
        return this.#integer(size, 2);
      case Type.Uint32:
        return this.#integer(size, 4);
      case Type.Int32:
        return this.#integer(size, 4) | 0;
      case Type.Uint64:
        return this.#bigInteger(size, 8);
      case Type.Uint128:
        return this.#bigInteger(size, 16);
      default:
        throw new Malformed(`type ${type} at octet ${this.#at}: expected a data type of the format`);
    }
  }

  #array(size: number, depth: number): readonly MmdbValue[] {
    const values: MmdbValue[] = [];
    for (let i = 0; i < size; i += 1) values.push(this.#value(depth + 1));
    return values;
  }

  #map(size: number, depth: number): ReadonlyMap<string, MmdbValue> {
    const map = new Map<string, MmdbValue>();
    for (let i = 0; i < size; i += 1) {
      const key = this.#value(depth + 1);
      if (typeof key !== "string") throw new Malformed(`key at octet ${this.#at}: expected a string`);
      if (key === IGNORED_KEY) this.#skip(depth + 1);
      else map.set(key, this.#value(depth + 1));
    }
    return map;
  }

  /** Passes over one value without following its pointers. */
  #skip(depth: number): void {
    this.#spend(depth);
    const control = this.#octet();
    if (control >>> 5 === Type.Pointer) {
      this.#take(1 + ((control >>> 3) & 3));
      return;
    }
    const type = this.#type(control);
    const size = this.#size(control);
    if (type === Type.Map || type === Type.Array) {
      const values = type === Type.Map ? 2 * size : size;
      for (let i = 0; i < values; i += 1) this.#skip(depth + 1);
    } else if (type !== Type.Boolean) {
      this.#take(size);
    }
  }

  /** The value a pointer leads to; decoding goes on behind the pointer. */
  #follow(control: number, depth: number): MmdbValue {
    const length = (control >>> 3) & 3;
    const high = length === 3 ? 0 : (control & 7) * 2 ** (8 * (length + 1));
    const target = high + this.#integer(length + 1, 4) + (POINTER_BASES[length] ?? 0);
    const behind = this.#at;
    this.#at = this.#start + target;
    if (this.#at >= this.#end)
      throw new Malformed(`pointer to ${target}: expected a place inside its section`);
    const value = this.#value(depth + 1);
    this.#at = behind;
    return value;
  }

  #type(control: number): number {
    return control >>> 5 === Type.Extended ? this.#octet() + 7 : control >>> 5;
  }

  #size(control: number): number {
    const size = control & 0x1f;
    if (size < 29) return size;
    if (size === 29) return 29 + this.#octet();
    if (size === 30) return 285 + u16(this.#bytes, this.#take(2));
    const at = this.#take(3);
    return 65821 + ((u8(this.#bytes, at) << 16) | u16(this.#bytes, at + 1));
  }

  /** Unsigned; leading zero octets are left out in the file. */
  #integer(size: number, most: 2 | 4): number {
    let value = 0;
    for (let at = this.#take(fitting(size, most)); at < this.#at; at += 1)
      value = value * 256 + u8(this.#bytes, at);
    return value;
  }

  #bigInteger(size: number, most: 8 | 16): bigint {
    let value = 0n;
    for (let at = this.#take(fitting(size, most)); at < this.#at; at += 1) {
      value = (value << 8n) | BigInt(u8(this.#bytes, at));
    }
    return value;
  }

  #string(size: number): string {
    return this.#text.decode(this.#bytes.subarray(this.#take(size), this.#at));
  }

  #octet(): number {
    return u8(this.#bytes, this.#take(1));
  }

  /** Moves on by `length` octets and returns where they start. */
  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw new Malformed(`value at octet ${at}: expected ${length} more octets`);
    this.#at = at + length;
    return at;
  }

  #spend(depth: number): void {
    if (depth > MAX_DEPTH) throw new Malformed(`value at octet ${this.#at}: nested deeper than ${MAX_DEPTH}`);
    this.#budget -= 1;
    if (this.#budget < 0) throw new Malformed("more values than its size can hold: pointers multiply them");
  }
}

function exactly(size: number, wanted: number): number {
  if (size !== wanted) throw new Malformed(`floating-point number of ${size} octets: expected ${wanted}`);
  return size;
}

function fitting(size: number, most: number): number {
  if (size > most) throw new Malformed(`integer of ${size} octets: expected at most ${most}`);
  return size;
}
