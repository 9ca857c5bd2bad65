/** Reads geo databases and makes the atlas, as seldom as possible: both take their time. */

import { fileURLToPath } from "node:url";
import { Reader } from "maxmind";
import type { Config } from "../config/config.ts";
import { type Atlas, buildAtlas } from "../geo/atlas.ts";
import type { LabelledPrefix } from "../geo/labels.ts";
import { type Mmdb, readMmdb } from "../geo/mmdb.ts";
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

interface Database {
  readonly file: string;
  readonly stamp: FileStamp;
  readonly mmdb: Mmdb;
}

/** Remembers the last sound database and the last atlas. */
export class GeoLoader {
  #database: Database | null = null;
  #atlas: { readonly mmdb: Mmdb; readonly marks: string; readonly atlas: Atlas } | null = null;

  /** A broken database is a problem, or a warning while an older one can be kept. */
  load(
    config: Config,
    labels: readonly LabelledPrefix[],
    prefixes: readonly Prefix[],
    reader: FileReader,
  ): LoadedGeo {
    const file = config.geo.database ?? fileURLToPath(import.meta.resolve(BUILT_IN));
    const message = this.#refresh(file, reader);
    const problems = message === null ? [] : [{ file, line: 0, column: 0, message }];
    if (this.#database === null) return { value: null, problems, warnings: [] };
    const { mmdb, file: kept } = this.#database;
    const source = { file: kept, type: mmdb.type, builtAtSeconds: mmdb.builtAtSeconds };
    return {
      value: { atlas: this.#atlasOf(mmdb, labels, prefixes), source },
      problems: [],
      warnings: problems.map((problem) => ({
        ...problem,
        message: `${message}; ${kept} as read before is used`,
      })),
    };
  }

  /** Reads the database unless it is the one that was read last. Returns what is wrong with it. */
  #refresh(file: string, reader: FileReader): string | null {
    const stamp = reader.stamp(file);
    if (this.#database?.file === file && this.#database.stamp === stamp) return null;
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
    this.#database = { file, stamp, mmdb };
    return null;
  }

  #atlasOf(mmdb: Mmdb, labels: readonly LabelledPrefix[], prefixes: readonly Prefix[]): Atlas {
    const marks = JSON.stringify([
      labels.map(({ prefix, label }) => [prefix.text, label]),
      prefixes.map((prefix) => prefix.text),
    ]);
    if (this.#atlas?.mmdb === mmdb && this.#atlas.marks === marks) return this.#atlas.atlas;
    const atlas = buildAtlas({ databases: [mmdb], labels, prefixes });
    this.#atlas = { mmdb, marks, atlas };
    return atlas;
  }
}
