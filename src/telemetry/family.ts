/** A metric as a table describes it. */

import type { Sample } from "./measured.ts";

/** One value with its labels. */
export type Reading = readonly [labels: Readonly<Record<string, string>>, value: number];

/** One metric with all its labels. */
export interface Family {
  readonly type: "counter" | "gauge";
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** null: keep the values of the scrape before. */
  readonly read: (sample: Sample) => readonly Reading[] | null;
}
