/** Reads geo databases and makes the atlas, as seldom as possible: both take their time. */

import { fileURLToPath } from "node:url";
import { Reader } from "maxmind";
import type { Config } from "../config/config.ts";
import { type Atlas, buildAtlas } from "../geo/atlas.ts";
import type { LabelledPrefix } from "../geo/labels.ts";
import { type Mmdb, readMmdb } from "../geo/mmdb.ts";
import { NO_PLACE } from "../geo/place.ts";
import { messageOf, type Problem } from "../problem.ts";
import type { Prefix } from "../wire/address.ts";
import type { FileReader, FileStamp } from "./files.ts";

/** The database that needs no account: countries, IPv4 and IPv6, CC0. */
const BUILT_IN = "@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb";

/** Where locations come from. */
export interface GeoSource {
  readonly file: string;
  /** The maker's name for this sort of database. */
  readonly type: string;
  readonly builtAtSeconds: number;
}

/** What an attempt came to. */
export interface LoadedGeo {
  /** null: there has never been a sound database. */
  readonly value: { readonly atlas: Atlas; readonly source: GeoSource } | null;
  readonly problems: readonly Problem[];
  /** Why an older database stays in use. */
  readonly warnings: readonly Problem[];
}

/** What policies name, which is told apart by more than the databases do. */
export interface NamedNetworks {
  readonly prefixes: readonly Prefix[];
  /** Of the thousands in a database of AS numbers, these count. */
  readonly asns: ReadonlySet<number>;
}

/** Remembers the last sound databases and the last atlas. */
export class GeoLoader {
  readonly #places = new KeptDatabase();
  readonly #asns = new KeptDatabase();
  #atlas: { readonly key: string; readonly mmdbs: readonly Mmdb[]; readonly atlas: Atlas } | null = null;

  /** A broken database is a problem, or a warning while an older one can be kept. */
  load(
    config: Config,
    labels: readonly LabelledPrefix[],
    named: NamedNetworks,
    reader: FileReader,
  ): LoadedGeo {
    const { database, asnDatabase } = config.geo;
    const places = this.#places.read(database ?? fileURLToPath(import.meta.resolve(BUILT_IN)), reader);
    const asns = asnDatabase === null ? NO_DATABASE : this.#asns.read(asnDatabase, reader);
    const problems = [...places.problems, ...asns.problems];
    const warnings = [...places.warnings, ...asns.warnings];
    if (places.value === null || problems.length > 0) return { value: null, problems, warnings };
    const mmdbs = [places.value.mmdb, ...(asns.value === null ? [] : [asns.value.mmdb])];
    const { mmdb, file } = places.value;
    const source = { file, type: mmdb.type, builtAtSeconds: mmdb.builtAtSeconds };
    return { value: { atlas: this.#atlasOf(mmdbs, labels, named), source }, problems, warnings };
  }

  #atlasOf(
    mmdbs: readonly Mmdb[],
    labels: readonly LabelledPrefix[],
    { prefixes, asns }: NamedNetworks,
  ): Atlas {
    const key = JSON.stringify([
      labels.map(({ prefix, label }) => [prefix.text, label]),
      prefixes.map((prefix) => prefix.text),
      mmdbs.length > 1 ? [...asns].sort((a, b) => a - b) : [],
    ]);
    const isSame = this.#atlas?.key === key && mmdbs.every((mmdb, i) => mmdb === this.#atlas?.mmdbs[i]);
    if (this.#atlas !== null && isSame && mmdbs.length === this.#atlas.mmdbs.length) return this.#atlas.atlas;
    const databases = mmdbs.map((mmdb, i) => (i === 0 ? mmdb : onlyAsns(mmdb, asns)));
    const atlas = buildAtlas({ databases, labels, prefixes });
    this.#atlas = { key, mmdbs, atlas };
    return atlas;
  }
}

/** A database of AS numbers without what nobody asks of it: each of its networks would be a location of its own. */
function onlyAsns(mmdb: Mmdb, asns: ReadonlySet<number>): Mmdb {
  const places = mmdb.places.map(({ asn }) =>
    asn !== null && asns.has(asn) ? { ...NO_PLACE, asn } : NO_PLACE,
  );
  return { ...mmdb, places };
}

interface Database {
  readonly file: string;
  readonly stamp: FileStamp;
  readonly mmdb: Mmdb;
}

/** A database as an attempt to read it has left it. */
interface ReadDatabase {
  /** null: there has never been a sound one. */
  readonly value: Database | null;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

const NO_DATABASE: ReadDatabase = { value: null, problems: [], warnings: [] };

/** The last sound state of one database. */
class KeptDatabase {
  #kept: Database | null = null;

  read(file: string, reader: FileReader): ReadDatabase {
    const message = this.#refresh(file, reader);
    const value = this.#kept;
    if (message === null) return { value, problems: [], warnings: [] };
    const problem = { file, line: 0, column: 0, message };
    if (value === null) return { value, problems: [problem], warnings: [] };
    const warning = { ...problem, message: `${message}; ${value.file} as read before is used` };
    return { value, problems: [], warnings: [warning] };
  }

  /** Reads the database unless it is the one that was read last. Returns what is wrong with it. */
  #refresh(file: string, reader: FileReader): string | null {
    const stamp = reader.stamp(file);
    if (this.#kept?.file === file && this.#kept.stamp === stamp) return null;
    const bytes = reader.bytes(file);
    if (bytes === null) return "cannot be read, expected a geo database";
    try {
      // An independent reader looks first. It throws on what is not a whole MMDB; ours then says what is in it.
      new Reader(bytes).get("192.0.2.1");
    } catch (cause) {
      return `Cannot open geo database: ${messageOf(cause)}`;
    }
    const mmdb = readMmdb(bytes);
    if (mmdb.kind === "problem") return mmdb.message;
    this.#kept = { file, stamp, mmdb };
    return null;
  }
}
