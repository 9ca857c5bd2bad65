/** The one door: every change that somebody makes, by API, command line or file, goes through here. */

import { ChallengeChanges, type ChallengeChangesOptions, type UpdateState } from "./challenge-changes.ts";
import {
  type ChangeOutcome,
  type ChangeRequest,
  type Edit,
  type OwnEdit,
  refused,
  requestProblems,
  type SteeringRequest,
} from "./change.ts";
import { FileChanges, type FileChangesOptions } from "./file-changes.ts";
import { Ledger, type LedgerOptions } from "./ledger.ts";
import { OverrideChanges, type OverrideChangesOptions } from "./override-changes.ts";
import { Proposals, type ProposalsOptions } from "./proposals.ts";
import type { Loaded } from "./snapshot.ts";
import type { Scope } from "./store.ts";
import type { UpdateOutcome } from "./update.ts";

export interface DoorOptions
  extends LedgerOptions,
    ProposalsOptions,
    OverrideChangesOptions,
    ChallengeChangesOptions,
    FileChangesOptions {
  /** Why an edit goes beyond a scope; null: it does not. */
  readonly beyondScope: (scope: Scope, edit: OwnEdit) => string | null;
}

/** Takes changes one after the other. */
export class Door {
  readonly #options: DoorOptions;
  readonly #ledger: Ledger;
  readonly #proposals: Proposals;
  readonly #overrides: OverrideChanges;
  readonly #challenges: ChallengeChanges;
  readonly #files: FileChanges;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#ledger = new Ledger(options);
    this.#proposals = new Proposals(options, this.#ledger);
    this.#overrides = new OverrideChanges(options, this.#ledger, this.#proposals);
    this.#challenges = new ChallengeChanges(options, this.#ledger);
    this.#files = new FileChanges(options, this.#ledger, this.#proposals);
  }

  /** Makes one change: checks the version, edits a copy, validates all of it, stores and publishes. */
  change(request: ChangeRequest): Promise<ChangeOutcome> {
    return this.#inTurn(async () => {
      const current = this.version();
      if (request.ifVersion !== null && request.ifVersion !== current) return { kind: "conflict", current };
      const problems = requestProblems(request);
      if (problems.length > 0) return { kind: "refused", problems };
      const { edit } = request;
      const why = request.scope && this.#beyond(request.scope, edit);
      if (typeof why === "string") return { kind: "forbidden", why };
      switch (edit.kind) {
        case "set-challenge":
        case "end-challenge":
          return this.#challenges.order(request, edit);
        case "approve":
          return await this.#approve(request, edit.id);
        case "withdraw":
          return this.#proposals.withdraw(edit.id, request);
        case "stage":
          return this.#overrides.orderStage(request, edit.id, edit.order);
        default:
          return await this.#steer({ ...request, edit });
      }
    });
  }

  /** Loads what is proposed, a text in place of the config's or all files, to try it; nothing is put in force. */
  load(proposed: string | ReadonlyMap<string, string>): Promise<Loaded> {
    return this.#inTurn(() => this.#files.load(proposed));
  }

  /** Makes the change that an UPDATE comes to, if it does; `evaluate` is given what is so when its turn has come. */
  update(author: string, evaluate: (now: UpdateState) => UpdateOutcome): Promise<UpdateOutcome> {
    return this.#inTurn(async () => this.#challenges.update(author, evaluate));
  }

  /** Publishes the first book of this process, from files that are loaded already. */
  begin(loaded: Loaded): Promise<ChangeOutcome> {
    return this.#inTurn(() => this.#files.begin(loaded));
  }

  /** Ends what has come to its end, and puts that on record. */
  expire(): Promise<void> {
    return this.#inTurn(async () => {
      this.#challenges.expire();
      this.#proposals.expire();
      this.#overrides.expire();
    });
  }

  /**
   * Takes the steps that are due of overrides that take effect step by step, and takes back those that do harm. Says which it took that
   * are not on record.
   */
  advance(): Promise<readonly string[]> {
    return this.#inTurn(() => this.#overrides.advance());
  }

  /** Settles when all that was ordered so far is done. */
  async quiet(): Promise<void> {
    await this.#last;
  }

  /** The version of the last change. */
  version(): number {
    return this.#ledger.version();
  }

  async #steer(request: SteeringRequest): Promise<ChangeOutcome> {
    const { edit } = request;
    switch (edit.kind) {
      case "set-override":
        return await this.#overrides.set(request, edit.action, edit.untilMs);
      case "end-override":
        return await this.#overrides.end(request, edit.id);
      case "release":
        return await this.#overrides.release(request, edit.target);
      case "reload":
        return await this.#files.reload(request);
      case "apply":
      case "rollback":
        return await this.#files.apply(request, edit);
      case "end-rollback":
        return await this.#files.endRollback(request);
    }
  }

  /**
   * Makes a proposal, if it is still as it was looked at. Where anything has changed since, it is proposed anew, with what it would
   * do now.
   */
  async #approve(by: ChangeRequest, id: string): Promise<ChangeOutcome> {
    const request = this.#proposals.requestOf(id, by);
    if (typeof request === "string") return refused(request);
    const outcome = await this.#steer(request);
    return outcome.kind === "proposed" ? { kind: "conflict", current: this.version() } : outcome;
  }

  /** What is not there any more is refused for that. */
  #beyond(scope: Scope, edit: Edit): string | null {
    const { beyondScope } = this.#options;
    if (edit.kind === "stage") return beyondScope(scope, { kind: "end-override", id: edit.id });
    if (edit.kind !== "approve" && edit.kind !== "withdraw") return beyondScope(scope, edit);
    const proposal = this.#proposals.find(edit.id);
    return typeof proposal === "string" ? null : beyondScope(scope, proposal.edit);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
