/** The one door: every change that somebody makes, by API, command line or file, goes through here. */

import type { Problem } from "../problem.ts";
import type { Action } from "./override.ts";

/** What somebody wants to be different. */
export type Edit =
  /** Replaces the override of the same kind and target. `untilMs` is in the future; null: no end. */
  | { readonly kind: "set-override"; readonly action: Action; readonly untilMs: number | null }
  | { readonly kind: "end-override"; readonly id: string }
  /** Reads config, zones and geo data again. */
  | { readonly kind: "reload" };

/** An edit with who makes it and why. */
export interface ChangeRequest {
  readonly author: string;
  /** Never empty. */
  readonly reason: string;
  readonly edit: Edit;
  /** The version that the author looked at; null: whatever it is now. */
  readonly ifVersion: number | null;
}

/** All or nothing: a change that is not published has changed nothing. */
export type ChangeOutcome =
  /** In answers from now on. */
  | { readonly kind: "published"; readonly version: number }
  | { readonly kind: "refused"; readonly problems: readonly Problem[] }
  /** `ifVersion` is not the version any more. */
  | { readonly kind: "conflict"; readonly current: number };
