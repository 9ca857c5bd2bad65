/** Writes MaxMind DB files, to have every shape of them at hand. */

import { type Prefix, parsePrefix } from "../../src/wire/address.ts";

/** A value to write. Numbers are uint32 when they can be, else doubles; `Typed` says which type it must be. */
export type Plain = string | number | boolean | bigint | Uint8Array | Typed | readonly Plain[] | PlainMap;
interface PlainMap {
  readonly [key: string]: Plain;
}

class Typed {
  readonly type: "uint16" | "int32" | "float";
  readonly value: number;

  constructor(type: "uint16" | "int32" | "float", value: number) {
    this.type = type;
    this.value = value;
  }
}

export const uint16 = (value: number): Typed => new Typed("uint16", value);
export const int32 = (value: number): Typed => new Typed("int32", value);
export const float = (value: number): Typed => new Typed("float", value);

export interface MmdbFile {
  readonly recordSize: 24 | 28 | 32;
  readonly ipVersion: 4 | 6;
  /** Prefixes with their records; longer ones cut into shorter ones. */
  readonly records: Readonly<Record<string, Plain>>;
  /** IPv6 prefixes that lead to the IPv4 tree, as MaxMind's `2002::/16`. */
  readonly aliases?: readonly string[];
  /** Fields written over the true metadata. */
  readonly metadata?: PlainMap;
}

/** The octets of a file. */
export function writeMmdb(file: MmdbFile): Uint8Array {
  const root = plant(file);
  const data: number[] = [];
  const offsets = new Map<Plain, number>();
  const strings = new Map<string, number>();
  const nodes = numberNodes(root);
  const numberOf = (child: Child): number => {
    if (child === null) return nodes.length;
    if (child instanceof Node) return nodes.indexOf(child);
    const offset = offsets.get(child.record) ?? data.length;
    if (!offsets.has(child.record)) {
      offsets.set(child.record, offset);
      encode(child.record, data, strings);
    }
    return nodes.length + 16 + offset;
  };
  const tree = nodes.flatMap((node) =>
    writeNode(file.recordSize, numberOf(node.children[0]), numberOf(node.children[1])),
  );
  const metadata: number[] = [];
  const fields = {
    binary_format_major_version: uint16(2),
    binary_format_minor_version: uint16(0),
    build_epoch: 1_700_000_000n,
    database_type: "Test",
    description: { en: "made by hand" },
    ip_version: uint16(file.ipVersion),
    languages: ["en"],
    node_count: nodes.length,
    record_size: uint16(file.recordSize),
    ...file.metadata,
  };
  encode(fields, metadata, new Map());
  return Uint8Array.from([...tree, ...new Array(16).fill(0), ...data, ...MARKER, ...metadata]);
}

export const MARKER: readonly number[] = [0xab, 0xcd, 0xef, ...new TextEncoder().encode("MaxMind.com")];

/** Appends a value as the format writes it; a string that was written before becomes a pointer. */
export function encode(value: Plain, out: number[], strings: Map<string, number>): void {
  if (typeof value === "string") {
    const written = strings.get(value);
    if (written !== undefined) {
      out.push(...pointerTo(written));
      return;
    }
    strings.set(value, out.length);
    const text = new TextEncoder().encode(value);
    out.push(...control(2, text.length), ...text);
  } else if (typeof value === "boolean") out.push(...control(14, value ? 1 : 0));
  else if (typeof value === "bigint") encodeInteger(value < 2n ** 64n ? 9 : 10, value, out);
  else if (typeof value === "number") encodeNumber(value, out);
  else if (value instanceof Typed) encodeTyped(value, out);
  else if (value instanceof Uint8Array) out.push(...control(4, value.length), ...value);
  else if (isList(value)) {
    out.push(...control(11, value.length));
    for (const item of value) encode(item, out, strings);
  } else {
    const entries = Object.entries(value);
    out.push(...control(7, entries.length));
    for (const [key, item] of entries) {
      encode(key, out, strings);
      encode(item, out, strings);
    }
  }
}

/** A pointer in its shortest form. */
export function pointerTo(offset: number): readonly number[] {
  const octets = (value: number, length: number): number[] =>
    Array.from({ length }, (_, i) => (value >>> (8 * (length - 1 - i))) & 0xff);
  const packed = (value: number, size: number): number[] => [
    0x20 | (size << 3) | (value >>> (8 * (size + 1))),
    ...octets(value, size + 1),
  ];
  if (offset < 2048) return packed(offset, 0);
  if (offset < 526336) return packed(offset - 2048, 1);
  if (offset < 134744064) return packed(offset - 526336, 2);
  return [0x38, ...octets(offset, 4)];
}

function isList(value: Plain): value is readonly Plain[] {
  return Array.isArray(value);
}

function encodeNumber(value: number, out: number[]): void {
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) encodeInteger(6, BigInt(value), out);
  else {
    const octets = new Uint8Array(8);
    new DataView(octets.buffer).setFloat64(0, value);
    out.push(...control(3, 8), ...octets);
  }
}

function encodeTyped({ type, value }: Typed, out: number[]): void {
  if (type === "uint16") encodeInteger(5, BigInt(value), out);
  else if (type === "int32") encodeInteger(8, BigInt.asUintN(32, BigInt(value)), out);
  else {
    const octets = new Uint8Array(4);
    new DataView(octets.buffer).setFloat32(0, value);
    out.push(...control(15, 4), ...octets);
  }
}

function encodeInteger(type: number, value: bigint, out: number[]): void {
  const octets: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 8n) octets.unshift(Number(rest & 0xffn));
  out.push(...control(type, octets.length), ...octets);
}

function control(type: number, size: number): readonly number[] {
  const [short, rest] =
    size < 29
      ? [size, []]
      : size < 285
        ? [29, [size - 29]]
        : size < 65821
          ? [30, [(size - 285) >>> 8, (size - 285) & 0xff]]
          : [31, [(size - 65821) >>> 16, ((size - 65821) >>> 8) & 0xff, (size - 65821) & 0xff]];
  return type < 8 ? [(type << 5) | short, ...rest] : [short, type - 7, ...rest];
}

type Child = Node | { readonly record: Plain } | null;

class Node {
  readonly children: [Child, Child];

  constructor(both: Child) {
    this.children = [both, both];
  }
}

function plant(file: MmdbFile): Node {
  const root = new Node(null);
  const prefixes = Object.entries(file.records)
    .map(([text, record]) => ({ prefix: parsePrefix(text)!, record }))
    .sort((a, b) => a.prefix.length - b.prefix.length);
  const within = (family: 4 | 6): typeof prefixes =>
    prefixes.filter(({ prefix }) => prefix.address.family === family);
  for (const { prefix, record } of [...within(6), ...within(4)])
    insert(root, bitsOf(prefix, file), { record });
  for (const alias of file.aliases ?? []) {
    insert(root, bitsOf(parsePrefix(alias)!, file), node(root, new Array(96).fill(0)));
  }
  return root;
}

function bitsOf(prefix: Prefix, file: MmdbFile): readonly (0 | 1)[] {
  const bits = [...prefix.address.bytes].flatMap((octet) =>
    Array.from({ length: 8 }, (_, i) => ((octet & (0x80 >> i)) === 0 ? 0 : 1)),
  );
  const own = bits.slice(0, prefix.length);
  return file.ipVersion === 6 && prefix.address.family === 4 ? [...new Array(96).fill(0), ...own] : own;
}

/** The node at the end of `path`; what stood for all of it before is now in both halves of each new node. */
function node(root: Node, path: readonly (0 | 1)[]): Node {
  let at = root;
  for (const bit of path) {
    const child = at.children[bit];
    const next = child instanceof Node ? child : new Node(child);
    at.children[bit] = next;
    at = next;
  }
  return at;
}

function insert(root: Node, path: readonly (0 | 1)[], child: Child): void {
  const last = path.at(-1);
  if (last === undefined) root.children.fill(child);
  else node(root, path.slice(0, -1)).children[last] = child;
}

function numberNodes(root: Node): readonly Node[] {
  const nodes = new Set([root]);
  for (const { children } of nodes) for (const child of children) if (child instanceof Node) nodes.add(child);
  return [...nodes];
}

function writeNode(recordSize: 24 | 28 | 32, left: number, right: number): readonly number[] {
  const octets = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
  const [leftHigh = 0, ...leftLow] = octets(left);
  const [rightHigh = 0, ...rightLow] = octets(right);
  switch (recordSize) {
    case 24:
      return [...leftLow, ...rightLow];
    case 28:
      return [...leftLow, (leftHigh << 4) | rightHigh, ...rightLow];
    case 32:
      return [leftHigh, ...leftLow, rightHigh, ...rightLow];
  }
}
