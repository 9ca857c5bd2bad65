/** Rewrites a flat country MMDB in MaxMind's shape, so that every peer can read the same data. */

const METADATA_MARKER = Buffer.concat([Buffer.from([0xab, 0xcd, 0xef]), Buffer.from("MaxMind.com")]);

/** What a tree of `nodeCount` nodes with records of `recordSize` bits is read by. */
interface Layout {
  readonly nodeCount: number;
  readonly recordSize: number;
}

/**
 * The same search tree over records `{continent: {code}, country: {iso_code}}`. `lookup` gives the country of a data
 * offset and `continentOf` its continent; offsets without a country keep pointing at an empty map.
 */
export function inMaxmindShape(
  flat: Buffer,
  metadata: Buffer,
  layout: Layout,
  countryAt: (dataOffset: number) => string | null,
  continentOf: (country: string) => string | null,
): Buffer {
  const { nodeCount, recordSize } = layout;
  const treeOctets = (nodeCount * recordSize * 2) / 8;
  const tree = Buffer.from(flat.subarray(0, treeOctets));
  const data: Buffer[] = [encode({})];
  let dataLength = data[0]?.length ?? 0;
  const offsets = new Map<number, number>();
  for (let node = 0; node < nodeCount; node += 1) {
    for (const side of [0, 1] as const) {
      const record = readRecord(tree, node, side, recordSize);
      if (record <= nodeCount) continue;
      let offset = offsets.get(record);
      if (offset === undefined) {
        const country = countryAt(record - nodeCount - 16);
        offset = 0;
        if (country !== null) {
          const place = encode({
            continent: { code: continentOf(country) ?? "NA" },
            country: { iso_code: country },
          });
          offset = dataLength;
          data.push(place);
          dataLength += place.length;
        }
        offsets.set(record, offset);
      }
      writeRecord(tree, node, side, recordSize, nodeCount + 16 + offset);
    }
  }
  return Buffer.concat([tree, Buffer.alloc(16), ...data, METADATA_MARKER, asCountryDatabase(metadata)]);
}

function readRecord(tree: Buffer, node: number, side: 0 | 1, bits: number): number {
  const at = (node * bits * 2) / 8;
  if (bits === 24) return tree.readUIntBE(at + 3 * side, 3);
  if (bits === 32) return tree.readUInt32BE(at + 4 * side);
  const middle = tree.readUInt8(at + 3);
  return side === 0
    ? ((middle >> 4) << 24) | tree.readUIntBE(at, 3)
    : ((middle & 15) << 24) | tree.readUIntBE(at + 4, 3);
}

function writeRecord(tree: Buffer, node: number, side: 0 | 1, bits: number, value: number): void {
  const at = (node * bits * 2) / 8;
  if (bits === 24) {
    tree.writeUIntBE(value, at + 3 * side, 3);
  } else if (bits === 32) {
    tree.writeUInt32BE(value, at + 4 * side);
  } else {
    const middle = tree.readUInt8(at + 3);
    const top = value >>> 24;
    tree.writeUInt8(side === 0 ? (top << 4) | (middle & 15) : (middle & 0xf0) | top, at + 3);
    tree.writeUIntBE(value & 0xffffff, side === 0 ? at : at + 4, 3);
  }
}

/** The same metadata under the type name that peers insist on. */
function asCountryDatabase(metadata: Buffer): Buffer {
  const key = Buffer.from("database_type");
  const at = metadata.indexOf(key) + key.length;
  const short = metadata.readUInt8(at) & 31;
  const end = at + (short === 29 ? 2 + 29 + metadata.readUInt8(at + 1) : 1 + short);
  return Buffer.concat([metadata.subarray(0, at), encode("GeoLite2-Country"), metadata.subarray(end)]);
}

type Value = string | { readonly [key: string]: Value };

/** A value in the data format: texts and maps of fewer than 29 octets and entries. */
function encode(value: Value): Buffer {
  if (typeof value === "string")
    return Buffer.concat([Buffer.from([0x40 | value.length]), Buffer.from(value)]);
  const entries = Object.entries(value);
  const parts = entries.flatMap(([key, entry]) => [encode(key), encode(entry)]);
  return Buffer.concat([Buffer.from([0xe0 | entries.length]), ...parts]);
}
