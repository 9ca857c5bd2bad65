/** Changes: what somebody wants to be different, and what came of it. */

import { inRequest, type Problem } from "../problem.ts";
import type { Name } from "../wire/name.ts";
import type { Moved } from "./moved-clients.ts";
import type { Proposal, SteeringEdit } from "./proposal.ts";
import type { NewAuditEntry, Scope } from "./store.ts";

/** What somebody wants to be different. */
export type Edit =
  | OwnEdit
  /** Makes what somebody else has proposed. */
  | { readonly kind: "approve"; readonly id: string }
  | { readonly kind: "withdraw"; readonly id: string }
  /** Has an override that takes effect step by step stay as it is, go on, or be taken back. */
  | { readonly kind: "stage"; readonly id: string; readonly order: StageOrder };

/** What becomes of an override that takes effect step by step. */
export type StageOrder = "pause" | "resume" | "abort";

/** An edit that says by itself what is to be different. */
export type OwnEdit = SteeringEdit | ChallengeOrder;

/** An edit of one challenge. */
export type ChallengeOrder =
  /** Answers this value at an `_acme-challenge` name; one that is there gets this end. */
  | { readonly kind: "set-challenge"; readonly owner: Name; readonly value: string; readonly untilMs: number }
  | { readonly kind: "end-challenge"; readonly owner: Name; readonly value: string };

/** An edit with who makes it and why. */
export interface ChangeRequest {
  readonly author: string;
  /** Never empty. */
  readonly reason: string;
  readonly edit: Edit;
  /** The version that the author looked at; null: whatever it is now. */
  readonly ifVersion: number | null;
  /** Whether it is made although it breaks rules; the audit says which. */
  readonly force?: boolean;
  /** Whether it is only tried: all of it is checked, and nothing changes or goes on record. */
  readonly dryRun?: boolean;
  /** What its author may change; absent: everything. */
  readonly scope?: Scope;
  /** Whether it is a drill's, which some rules ask more of. */
  readonly isDrill?: boolean;
  /**
   * Whether an override is made, or ended, also while the store cannot be written; it is put on record afterwards. It neither waits for a
   * second person nor takes effect step by step.
   */
  readonly breakGlass?: boolean;
}

/** A request to move clients, with the approval that it has. */
export interface SteeringRequest extends ChangeRequest {
  readonly edit: SteeringEdit;
  readonly approved?: { readonly proposal: Proposal; readonly by: Authorship };
}

/** Who makes a change, and why. */
export type Authorship = Pick<ChangeRequest, "author" | "reason">;

/** All or nothing: a change that is not published has changed nothing. */
export type ChangeOutcome =
  /** In answers from now on. */
  | { readonly kind: "published"; readonly version: number }
  | { readonly kind: "refused"; readonly problems: readonly Problem[] }
  /** It goes beyond its author's scope. */
  | { readonly kind: "forbidden"; readonly why: string }
  /** Waits for a second person. */
  | { readonly kind: "proposed"; readonly version: number; readonly id: string }
  /** It would be made, or proposed: what would go on record, and who would be moved; null: it concerns no answers of services. */
  | { readonly kind: "tried"; readonly audit: readonly NewAuditEntry[]; readonly moved: Moved | null }
  /** `ifVersion` is not the version any more. */
  | { readonly kind: "conflict"; readonly current: number };

/** The last moment that a `Date` can hold. */
const TIME_MAX_MS = 8.64e15;

/** What is wrong with a request whatever its edit is. */
export function requestProblems({ author, reason }: Authorship): readonly Problem[] {
  const problems: string[] = [];
  if (author.trim() === "") problems.push("author: expected who makes the change");
  if (reason.trim() === "") problems.push("reason: expected why the change is made");
  return problems.map(inRequest);
}

/** What is wrong with the end that something is to have; null: nothing. */
export function endProblem(untilMs: number | null, nowMs: number): string | null {
  if (untilMs === null || (untilMs > nowMs && untilMs <= TIME_MAX_MS)) return null;
  return `until: expected a time after ${new Date(nowMs).toISOString()}`;
}

/** That a request is refused for one thing. */
export function refused(message: string): ChangeOutcome {
  return { kind: "refused", problems: [inRequest(message)] };
}
