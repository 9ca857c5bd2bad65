/** What waits for a second person: taken in, looked up, approved, withdrawn, or too late. */

import { didYouMean } from "../suggest.ts";
import { type ChangeOutcome, type ChangeRequest, refused, type SteeringRequest } from "./change.ts";
import { BY_TIME, type Ledger } from "./ledger.ts";
import type { Moved } from "./moved-clients.ts";
import { describeEdit, type Proposal, proposalId } from "./proposal.ts";
import type { Approval } from "./safety.ts";
import type { Store } from "./store.ts";

export interface ProposalsOptions {
  readonly store: Store;
  readonly nowMs: () => number;
}

/** Those of a node. */
export class Proposals {
  readonly #options: ProposalsOptions;
  readonly #ledger: Ledger;

  constructor(options: ProposalsOptions, ledger: Ledger) {
    this.#options = options;
    this.#ledger = ledger;
  }

  /** A string says that there is none. */
  find(id: string): Proposal | string {
    const { store, nowMs } = this.#options;
    const waiting = store.proposals().filter(({ untilMs }) => untilMs > nowMs());
    const ids = waiting.map((proposal) => proposal.id);
    return waiting.find((proposal) => proposal.id === id) ?? `no proposal "${id}"${didYouMean(id, ids)}`;
  }

  /** Has a request wait; `digest` says of which files it speaks. */
  propose(
    request: SteeringRequest,
    { effects, untilMs }: Approval,
    moved: Moved | null,
    digest = "",
  ): ChangeOutcome {
    const { edit, author, reason } = request;
    const id = proposalId(edit);
    const version = this.#ledger.version() + 1;
    const createdMs = this.#options.nowMs();
    const deeds = [this.#ledger.deed("change-proposed", describeEdit(edit), request)];
    const proposed = { id, edit, author, reason, createdMs, untilMs, version, effects, digest };
    // It waits in the store: without one nobody could approve it.
    const how = { ...request, breakGlass: false };
    const outcome = this.#ledger.write({ proposed, deeds }, how, { moved });
    return outcome.kind === "published" ? { kind: "proposed", version, id } : outcome;
  }

  /**
   * The request that a proposal comes to when `by` approves it. It has the approval only while all is as it was looked at; where anything
   * has changed since, it is to be looked at anew. A string says why it cannot be approved.
   */
  requestOf(id: string, by: ChangeRequest): SteeringRequest | string {
    const proposal = this.find(id);
    if (typeof proposal === "string") return proposal;
    const { edit, author, reason, version } = proposal;
    if (author === by.author) return `${author} has proposed it: expected a second person`;
    const request = { author, reason, edit, ifVersion: null, dryRun: by.dryRun === true };
    return version === this.#ledger.version() ? { ...request, approved: { proposal, by } } : request;
  }

  withdraw(id: string, request: ChangeRequest): ChangeOutcome {
    const proposal = this.find(id);
    if (typeof proposal === "string") return refused(proposal);
    const deeds = [this.#ledger.deed("proposal-withdrawn", describeEdit(proposal.edit), request)];
    return this.#ledger.write({ settled: [id], deeds }, request);
  }

  /** Forgets those that nobody can approve any more. */
  expire(): void {
    const { store, nowMs } = this.#options;
    const late = store.proposals().filter(({ untilMs }) => untilMs <= nowMs());
    if (late.length === 0) return;
    const deeds = late.map(({ edit }) => this.#ledger.deed("proposal-expired", describeEdit(edit), BY_TIME));
    this.#ledger.write({ settled: late.map(({ id }) => id), deeds });
  }
}
