/** The geo data that all peers read. */

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { COUNTRIES } from "../src/geo/countries.ts";
import { DataSection } from "../src/geo/mmdb-data.ts";
import { inMaxmindShape } from "./maxmind-shape.ts";

const FLAT = "@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb";
const MARKER = Buffer.concat([Buffer.from([0xab, 0xcd, 0xef]), Buffer.from("MaxMind.com")]);

/** Writes the built-in country database in MaxMind's shape to `path`. */
export function writeDatabase(path: string): void {
  const flat = readFileSync(createRequire(import.meta.url).resolve(FLAT));
  const metadataAt = flat.lastIndexOf(MARKER) + MARKER.length;
  const metadata = new DataSection(flat, metadataAt, flat.length).read(0);
  if (!(metadata instanceof Map)) throw new TypeError("the built-in database has no metadata");
  const layout = {
    nodeCount: Number(metadata.get("node_count")),
    recordSize: Number(metadata.get("record_size")),
  };
  const dataAt = (layout.nodeCount * layout.recordSize * 2) / 8 + 16;
  const data = new DataSection(flat, dataAt, metadataAt - MARKER.length);
  const countryAt = (offset: number): string | null => {
    const record = data.read(offset);
    const code = record instanceof Map ? record.get("country_code") : null;
    return typeof code === "string" ? code : null;
  };
  const continentOf = (country: string): string | null => COUNTRIES.get(country)?.continent ?? null;
  writeFileSync(path, inMaxmindShape(flat, flat.subarray(metadataAt), layout, countryAt, continentOf));
}
