/** What operators hold their own changes to. What fails over by itself is held to nothing here. */

import type { Place } from "./config.ts";

/** The section `safety`; a rule that is null holds nobody back. */
export interface SafetyConfig {
  readonly minRegionsUp: (Rule & { readonly regions: number }) | null;
  readonly maxMoved:
    | (Rule & {
        readonly share: number;
        /** Weights and drains that would move more are made in steps, one each so often. */
        readonly stageEveryMs: number;
      })
    | null;
  readonly noDrillDuringIncident: Rule | null;
  readonly windows: (Rule & Windows) | null;
  readonly approval: (Rule & Approval) | null;
}

/** Where a rule is declared. */
interface Rule {
  readonly place: Place;
}

/** When changes may be made. */
export interface Windows {
  /** None: at any time that is not blocked. */
  readonly open: readonly OpenHours[];
  /** Days on which no change is made. */
  readonly blocked: readonly Dates[];
  /** An IANA time zone that all of it is in. */
  readonly timeZone: string;
}

/** Which changes take a second person. */
interface Approval {
  /** Labels of services: what touches one of them waits for approval. */
  readonly services: ReadonlySet<string>;
  /** How long it waits. */
  readonly withinMs: number;
}

/** Hours of some days of the week. */
export interface OpenHours {
  /** As the operator wrote it. */
  readonly text: string;
  /** Their places in `WEEKDAYS`. */
  readonly weekdays: ReadonlySet<number>;
  /** Minutes since midnight, the last one excluded. */
  readonly fromMinute: number;
  readonly untilMinute: number;
}

/** Days from the first to the last, as `2026-12-24`. */
export interface Dates {
  readonly first: string;
  readonly last: string;
}
