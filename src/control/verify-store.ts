/** Checks the hash chains of a store, also of one that a node is writing, without touching it. */

import { DatabaseSync } from "node:sqlite";
import type { Steps } from "../steps.ts";
import { CHAINS, Chain, type ChainReport, describeFault } from "./chain.ts";
import { checkSchema } from "./schema.ts";

/** What came of checking a store. */
export interface StoreReport {
  readonly chains: readonly ChainReport[];
  /** Heads from before that are no record's: the end was cut off, or all from some record on was written anew. */
  readonly lostHeads: readonly string[];
  /** Nothing is wrong. */
  readonly sound: boolean;
}

/**
 * Checks every record of the store at `path`. `heads` are hashes that were heads before, of any of its chains. Throws when it is no store
 * of this release.
 */
export function* verifyStore(path: string, heads: readonly string[]): Steps<StoreReport> {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    checkSchema(database, path);
    // One transaction sees one state, whatever is written meanwhile.
    database.exec("BEGIN");
    const wanted = new Set(heads);
    const chains: ChainReport[] = [];
    for (const name of CHAINS) chains.push(yield* new Chain(database, name).verify(wanted));
    const found = new Set(chains.flatMap((chain) => chain.heads));
    // Behind a fault nobody has looked.
    const whole = chains.every(({ fault }) => fault === null);
    const lostHeads = whole ? heads.filter((head) => !found.has(head)) : [];
    return { chains, lostHeads, sound: whole && lostHeads.length === 0 };
  } finally {
    database.close();
  }
}

/** For people. */
export function formatStoreReport(
  { chains, lostHeads, sound }: StoreReport,
  asked: number,
): readonly string[] {
  return [
    ...chains.map((report) => {
      const { chain, records, cut, head, fault } = report;
      const from = cut === null ? "" : ` from number ${cut.sequence + 1} on`;
      const good = `${chain}: ${records} records${from}, ${describeFault(report)}`;
      if (fault !== null)
        return `${chain}: ${describeFault(report)}; the ${records} before it are as they were written`;
      return head === null ? good : `${good}; head ${head.hash}`;
    }),
    ...lostHeads.map(
      (head) =>
        `no record has the hash ${head}: the end was cut off or written anew, unless its record was old enough to be cut off at the front`,
    ),
    ...(sound && asked === 0
      ? [
          "the end of a chain is shown by a head from before alone: keep this one elsewhere, and give it with --head",
        ]
      : []),
  ];
}
