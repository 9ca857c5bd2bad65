/** Changes of ACME challenges, by order or by an UPDATE. */

import { Rcode } from "../wire/codes.ts";
import {
  CHALLENGES_MAX,
  type Challenge,
  type ChallengeEdit,
  isValue,
  live,
  ownerOf,
  ownerProblem,
  VALUES_MAX,
} from "./challenge.ts";
import {
  type Authorship,
  type ChallengeOrder,
  type ChangeOutcome,
  type ChangeRequest,
  endProblem,
  refused,
} from "./change.ts";
import { Owners } from "./cross-check.ts";
import { BY_TIME, type Deed, type Ledger } from "./ledger.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Store } from "./store.ts";
import type { UpdateOutcome } from "./update.ts";

export interface ChallengeChangesOptions {
  readonly store: Store;
  readonly nowMs: () => number;
  /** The snapshot in force. */
  readonly snapshot: () => Snapshot;
}

/** What an UPDATE is held against. */
export interface UpdateState {
  readonly snapshot: Snapshot;
  /** Those that count now. */
  readonly challenges: readonly Challenge[];
}

export class ChallengeChanges {
  readonly #options: ChallengeChangesOptions;
  readonly #ledger: Ledger;

  constructor(options: ChallengeChangesOptions, ledger: Ledger) {
    this.#options = options;
    this.#ledger = ledger;
  }

  order(request: ChangeRequest, order: ChallengeOrder): ChangeOutcome {
    const edit = this.#editOf(request, order);
    return typeof edit === "string" ? refused(edit) : this.#write(request, edit);
  }

  /** Makes the change that an UPDATE comes to, if it does; `evaluate` is given what is so now. */
  update(author: string, evaluate: (now: UpdateState) => UpdateOutcome): UpdateOutcome {
    const outcome = evaluate({ snapshot: this.#options.snapshot(), challenges: this.#live() });
    if (outcome.kind === "failed") return outcome;
    if (outcome.edit.set.length + outcome.edit.ended.length === 0) return outcome;
    const made = this.#write({ author, reason: "UPDATE" }, outcome.edit);
    if (made.kind === "published") return outcome;
    return { kind: "failed", rcode: Rcode.ServFail, detail: "somebody else has changed something" };
  }

  /** Forgets those that are not answered any more. */
  expire(): void {
    const { store, nowMs } = this.#options;
    const old = store.challenges().filter(({ untilMs }) => untilMs <= nowMs());
    if (old.length === 0) return;
    const deeds = [this.#ledger.deed("challenges-expired", describeChallenges(old), BY_TIME)];
    this.#ledger.write({ challenges: { set: [], ended: old }, deeds });
  }

  /** A string says why it cannot be made. */
  #editOf({ author }: Authorship, order: ChallengeOrder): ChallengeEdit | string {
    const { nowMs, snapshot } = this.#options;
    const { value } = order;
    const owner = ownerOf(order.owner);
    const challenges = this.#live();
    const at = challenges.filter((challenge) => challenge.owner === owner);
    const isThere = at.some((challenge) => challenge.value === value);
    if (order.kind === "end-challenge")
      return isThere ? { set: [], ended: [{ owner, value }] } : `no challenge ${value} at ${owner}`;
    const { untilMs } = order;
    const problem = ownerProblem(new Owners(snapshot().zones), order.owner) ?? endProblem(untilMs, nowMs());
    if (problem !== null) return problem;
    if (!isValue(value)) return "value: expected 1 to 255 printable ASCII characters";
    if (!isThere && at.length >= VALUES_MAX)
      return `${owner} has ${VALUES_MAX} values, the most there can be`;
    if (!isThere && challenges.length >= CHALLENGES_MAX)
      return `there are ${CHALLENGES_MAX} challenges, the most there can be`;
    return { set: [{ owner, value, author, createdMs: nowMs(), untilMs }], ended: [] };
  }

  #write(request: Authorship & Pick<ChangeRequest, "dryRun">, edit: ChallengeEdit): ChangeOutcome {
    const { set, ended } = edit;
    const deeds: Deed[] = [];
    if (ended.length > 0)
      deeds.push(this.#ledger.deed("challenges-ended", describeChallenges(ended), request));
    if (set.length > 0) deeds.push(this.#ledger.deed("challenges-set", describeChallenges(set), request));
    return this.#ledger.write({ challenges: edit, deeds }, { dryRun: request.dryRun === true });
  }

  #live(): readonly Challenge[] {
    const { store, nowMs } = this.#options;
    return live(store.challenges(), nowMs());
  }
}

/** For people: each owner once, with how many values. */
function describeChallenges(challenges: readonly Pick<Challenge, "owner" | "value">[]): string {
  const counts = new Map<string, number>();
  for (const { owner } of challenges) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return [...counts].map(([owner, count]) => (count === 1 ? owner : `${owner} (${count} values)`)).join(", ");
}
