/** Changes of overrides, and releases of what is held down: made at once, step by step, or by a second person. */

import type { VipId } from "../config/config.ts";
import type { Problem } from "../problem.ts";
import { didYouMean } from "../suggest.ts";
import { MERIDIAN } from "./author.ts";
import {
  type ChangeOutcome,
  type ChangeRequest,
  endProblem,
  refused,
  type StageOrder,
  type SteeringRequest,
} from "./change.ts";
import { judge } from "./judgement.ts";
import { BY_TIME, type Ledger, type Writing, type WritingOptions } from "./ledger.ts";
import type { Moved } from "./moved-clients.ts";
import {
  type Action,
  actionProblem,
  describeAction,
  isActive,
  type Override,
  overrideId,
  targetProblem,
  type VipTarget,
  vipsUnder,
} from "./override.ts";
import { describeEdit, describeRelease, proposalId } from "./proposal.ts";
import type { Proposals } from "./proposals.ts";
import type { Attempt, Review } from "./safety.ts";
import type { Snapshot } from "./snapshot.ts";
import { describeStage } from "./stage.ts";
import type { Stager, StageStep } from "./stager.ts";
import type { AuditEvent, NewAuditEntry, Store } from "./store.ts";

export interface OverrideChangesOptions {
  readonly store: Store;
  readonly nowMs: () => number;
  /** The snapshot in force. */
  readonly snapshot: () => Snapshot;
  readonly stager: Stager;
  /** What stands against a change: invariants and safety rules. */
  readonly review: (attempt: Attempt) => Promise<Review>;
  /** Whom a change would move. */
  readonly moved: (attempt: Attempt) => Promise<Moved | null>;
  readonly isHeldDown: (vip: VipId) => boolean;
  /** Brings up VIPs that are held down before it returns. `audit` says what is new, for the log. */
  readonly release: (vips: readonly VipId[], audit: readonly NewAuditEntry[]) => void;
}

/** What a request comes to, if nothing stands against it. */
interface Intent {
  readonly attempt: Attempt;
  readonly event: AuditEvent;
  readonly detail: string;
  readonly writing: Omit<Writing, "deeds">;
  readonly putInForce?: WritingOptions["putInForce"];
  /** Its first step alone, of what can take effect step by step; null: there is none that is small enough. */
  readonly firstStep?: () => Promise<Override | null>;
}

export class OverrideChanges {
  readonly #options: OverrideChangesOptions;
  readonly #ledger: Ledger;
  readonly #proposals: Proposals;

  constructor(options: OverrideChangesOptions, ledger: Ledger, proposals: Proposals) {
    this.#options = options;
    this.#ledger = ledger;
    this.#proposals = proposals;
  }

  async set(request: SteeringRequest, action: Action, untilMs: number | null): Promise<ChangeOutcome> {
    const { snapshot, nowMs, stager, store } = this.#options;
    const problem = actionProblem(snapshot().config, action) ?? endProblem(untilMs, nowMs());
    if (problem !== null) return refused(problem);
    const { author, reason } = request;
    const id = overrideId(action);
    const override = { id, action, author, reason, createdMs: nowMs(), untilMs };
    const overrides = store.overrides();
    const others = overrides.filter((other) => other.id !== id);
    return await this.#carryOut(request, {
      attempt: {
        kind: "overrides",
        overrides: [...others, override],
        restores: action.kind === "force" && action.verdict === "up",
        isDrill: request.isDrill === true,
      },
      event: others.length === overrides.length ? "override-set" : "override-replaced",
      detail: describeEdit(request.edit),
      writing: { set: [override] },
      ...(isGradual(action) && { firstStep: () => stager.begin(override) }),
    });
  }

  async end(request: SteeringRequest, id: string): Promise<ChangeOutcome> {
    const { stager, store } = this.#options;
    const overrides = store.overrides();
    const override = overrides.find((candidate) => candidate.id === id);
    if (override === undefined) {
      const ids = overrides.map((candidate) => candidate.id);
      return refused(`no override "${id}"${didYouMean(id, ids)}`);
    }
    const { action } = override;
    return await this.#carryOut(request, {
      attempt: {
        kind: "overrides",
        overrides: overrides.filter((other) => other !== override),
        restores: action.kind === "drain" || (action.kind === "force" && action.verdict === "down"),
        isDrill: request.isDrill === true,
      },
      event: "override-ended",
      detail: describeAction(action),
      writing: { ended: [id] },
      ...(isGradual(action) && { firstStep: () => stager.beginEnd(override) }),
    });
  }

  async release(request: SteeringRequest, target: VipTarget): Promise<ChangeOutcome> {
    const { snapshot, isHeldDown, release } = this.#options;
    const { config } = snapshot();
    const problem = targetProblem(config, target);
    if (problem !== null) return refused(problem);
    const vips = vipsUnder(config, target).filter(isHeldDown);
    if (vips.length === 0) return refused(`${target.by} ${target.id}: nothing of it is held down`);
    return await this.#carryOut(request, {
      attempt: { kind: "release", vips },
      event: "hold-released",
      detail: `${describeRelease(target)}: ${vips.join(", ")}`,
      writing: {},
      putInForce: (audit) => release(vips, audit),
    });
  }

  orderStage(request: ChangeRequest, id: string, order: StageOrder): ChangeOutcome {
    const { nowMs, stager, store } = this.#options;
    const override = store.overrides().find((one) => one.id === id);
    if (override?.stage === undefined) return refused(`no override "${id}" that takes effect step by step`);
    if (order === "abort") {
      const step = stager.takeBack(override, "stage-aborted", request.reason);
      return step === null ? refused(`override "${id}" is whole`) : this.#take(step, request);
    }
    const stage = { ...override.stage, nextMs: order === "pause" ? null : nowMs() };
    const event = order === "pause" ? "stage-paused" : "stage-resumed";
    const detail = `${describeAction(override.action)}, ${describeStage(stage)}`;
    const deeds = [this.#ledger.deed(event, detail, request)];
    return this.#ledger.write({ set: [{ ...override, stage }], deeds }, request);
  }

  /**
   * Takes the steps that are due of overrides that take effect step by step, and takes back those that do harm. Says which it took that
   * are not on record.
   */
  async advance(): Promise<readonly string[]> {
    const { stager } = this.#options;
    const taken: string[] = [];
    for (const id of stager.ids()) {
      const step = await stager.due(id);
      if (step === null) continue;
      this.#take(step, { author: MERIDIAN });
      if (typeof step.record === "string") taken.push(step.record);
    }
    return taken;
  }

  /** Ends those whose end has come. They have stopped to count at that moment; here it is put on record. */
  expire(): void {
    const { store, nowMs } = this.#options;
    const expired = store.overrides().filter((override) => !isActive(override, nowMs()));
    if (expired.length === 0) return;
    const deeds = expired.map(({ action }) =>
      this.#ledger.deed("override-expired", describeAction(action), BY_TIME),
    );
    this.#ledger.write({ ended: expired.map(({ id }) => id), deeds });
  }

  async #carryOut(request: SteeringRequest, intent: Intent): Promise<ChangeOutcome> {
    const { review, moved: movedBy } = this.#options;
    const { attempt, event, detail, writing, putInForce, firstStep } = intent;
    const judged = judge(await review(attempt), request, firstStep !== undefined);
    if (judged.kind === "refused") return judged;
    const moved = request.dryRun === true ? await movedBy(attempt) : null;
    if (judged.kind === "needs-approval") return this.#proposals.propose(request, judged.approval, moved);
    if (judged.kind === "in-steps") {
      const first = (await firstStep?.()) ?? null;
      return this.#begin(request, first, judged.problems, moved);
    }
    const deeds = this.#ledger.deeds(event, detail, request, judged.broken);
    const settled = [proposalId(request.edit)];
    const how = putInForce === undefined ? { moved } : { moved, putInForce };
    return this.#ledger.write({ ...writing, settled, deeds }, request, how);
  }

  /** null: no step is small enough. */
  #begin(
    request: SteeringRequest,
    first: Override | null,
    problems: readonly [Problem],
    moved: Moved | null,
  ): ChangeOutcome {
    if (first?.stage === undefined) return { kind: "refused", problems };
    const [{ message }] = problems;
    const detail = `${describeEdit(request.edit)}, ${describeStage(first.stage)}: ${message}`;
    const deeds = this.#ledger.deeds("change-staged", detail, request, []);
    const settled = [proposalId(request.edit)];
    return this.#ledger.write({ set: [first], settled, deeds }, request, { moved });
  }

  #take(
    { set, ended, record }: StageStep,
    { author, dryRun = false }: Pick<ChangeRequest, "author" | "dryRun">,
  ): ChangeOutcome {
    const deeds =
      typeof record === "string"
        ? []
        : [this.#ledger.deed(record.event, record.detail, { author, reason: record.reason })];
    return this.#ledger.write({ set, ended, deeds }, { dryRun });
  }
}

/** What can take effect step by step; all else is all or nothing. */
function isGradual(action: Action): boolean {
  return action.kind === "weight" || (action.kind === "drain" && action.rampMs === undefined);
}
