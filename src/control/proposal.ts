/** Changes that wait for a second person. */

import { type Action, describeAction, overrideId, type VipTarget } from "./override.ts";

/** What can move clients. */
export type SteeringEdit =
  /** Replaces the override of the same kind and target. `untilMs` is in the future; null: no end. */
  | { readonly kind: "set-override"; readonly action: Action; readonly untilMs: number | null }
  | { readonly kind: "end-override"; readonly id: string }
  /** Brings up what is healthy and held down. */
  | { readonly kind: "release"; readonly target: VipTarget }
  /** Reads config, zones and geo data again. */
  | { readonly kind: "reload" }
  /** Puts config, zones and labels in force that come by the API. */
  | { readonly kind: "apply"; readonly texts: TextsByPath }
  /** Puts what an earlier snapshot said in force again. */
  | { readonly kind: "rollback"; readonly version: number; readonly texts: TextsByPath }
  /** Puts the files on disk in force that a rollback has taken the place of. */
  | { readonly kind: "end-rollback" };

type TextsByPath = Readonly<Record<string, string>>;

/** A change that is made when somebody else than its author approves it. */
export interface Proposal {
  /** From `proposalId`: another one of the same edit replaces it. */
  readonly id: string;
  readonly edit: SteeringEdit;
  readonly author: string;
  readonly reason: string;
  readonly createdMs: number;
  /** From this moment it can be approved no more. */
  readonly untilMs: number;
  /** What it would do was worked out at this version, and by this version it is approved. */
  readonly version: number;
  /** What it would do, for people. */
  readonly effects: readonly string[];
  /** What files are proposed: they may be others by the time that somebody approves them. Of other edits: "". */
  readonly digest: string;
}

/** The proposal of other files, wherever they come from: there is one set of them. */
export const FILES = "files";

/** One for each thing that can be ordered. */
export function proposalId(edit: SteeringEdit): string {
  switch (edit.kind) {
    case "set-override":
      return `set:${overrideId(edit.action)}`;
    case "end-override":
      return `end:${edit.id}`;
    case "release":
      return `release:${edit.target.by}:${edit.target.id}`;
    case "reload":
    case "apply":
    case "rollback":
    case "end-rollback":
      return FILES;
  }
}

/** For people: `drain region eu-west until 2026-01-01T00:00:00.000Z`. */
export function describeEdit(edit: SteeringEdit): string {
  switch (edit.kind) {
    case "set-override": {
      const until = edit.untilMs === null ? "" : ` until ${new Date(edit.untilMs).toISOString()}`;
      return `${describeAction(edit.action)}${until}`;
    }
    case "end-override":
      return `end ${edit.id}`;
    case "release":
      return describeRelease(edit.target);
    case "reload":
      return "the files as they are";
    case "apply":
      return `apply ${Object.keys(edit.texts).length} files`;
    case "rollback":
      return `roll back to version ${edit.version}`;
    case "end-rollback":
      return "end the rollback";
  }
}

/** For people: `release region eu-west`. */
export function describeRelease({ by, id }: VipTarget): string {
  return `release ${by} ${id}`;
}
