/** Remembers the tables of sticky plans while books and patches are written: most classes have the same as others. */

import { shareOut } from "../steering/maglev.ts";
import type { Sticky } from "../steering/sticky.ts";

/** Tables that are kept; those of one policy are asked for one after the other. */
const TABLES_MAX = 256;

export class BucketTables {
  readonly #known = new Map<string, Uint16Array>();

  /** By bucket: the index of the claim that has it. */
  of({ claims }: Sticky, buckets: number): Uint16Array {
    const key = `${buckets} ${claims.map(({ member, wanted, share }) => `${member} ${wanted} ${share}`).join(" ")}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size === TABLES_MAX) this.#known.clear();
    const table = shareOut(claims, buckets);
    this.#known.set(key, table);
    return table;
  }
}
