/** The one door: every change that somebody makes, by API, command line or file, goes through here. */

import { createHash } from "node:crypto";
import type { VipId } from "../config/config.ts";
import { inRequest, type Problem } from "../problem.ts";
import { didYouMean } from "../suggest.ts";
import { Rcode } from "../wire/codes.ts";
import type { Name } from "../wire/name.ts";
import type { AppliedFiles } from "./applied.ts";
import { MERIDIAN } from "./author.ts";
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
import { Owners } from "./cross-check.ts";
import { DISK, GivenFiles } from "./files.ts";
import { inTurns } from "./in-turns.ts";
import type { Judge as PlanJudge } from "./live-book.ts";
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
import { describeEdit, describeRelease, type Proposal, proposalId, type SteeringEdit } from "./proposal.ts";
import type { LoadedFiles } from "./recorder.ts";
import type { Ruled } from "./rules.ts";
import type { Approval, Attempt, Review } from "./safety.ts";
import type { Loaded, Loader, Snapshot } from "./snapshot.ts";
import { describeStage } from "./stage.ts";
import type { Stager, StageStep } from "./stager.ts";
import type { AuditEvent, CommitOutcome, NewAuditEntry, Scope, Store, StoredChange } from "./store.ts";
import { StoreUnavailable } from "./store-file.ts";
import type { UpdateOutcome } from "./update.ts";

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
export type OwnEdit =
  | SteeringEdit
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

export interface DoorOptions {
  readonly store: Store;
  readonly loader: Loader;
  readonly applied: AppliedFiles;
  readonly nowMs: () => number;
  /** The snapshot in force. */
  readonly snapshot: () => Snapshot;
  /** The highest version seen anywhere. */
  readonly versionSeen: () => number;
  /** Why an edit goes beyond a scope; null: it does not. */
  readonly beyondScope: (scope: Scope, edit: OwnEdit) => string | null;
  readonly stager: Stager;
  /** What stands against a change: invariants and safety rules. */
  readonly review: (attempt: Attempt) => Promise<Review>;
  /** Whom a change would move. */
  readonly moved: (attempt: Attempt) => Promise<Moved | null>;
  /** Puts other overrides in force before it returns. `audit` says what is new, for the log. */
  readonly override: (overrides: readonly Override[], audit: readonly NewAuditEntry[]) => void;
  readonly isHeldDown: (vip: VipId) => boolean;
  /** Brings up VIPs that are held down before it returns. `audit` says what is new, for the log. */
  readonly release: (vips: readonly VipId[], audit: readonly NewAuditEntry[]) => void;
  /** Has other challenges answered before it returns. `audit` says what is new, for the log. */
  readonly challenge: (challenges: readonly Challenge[], audit: readonly NewAuditEntry[]) => void;
  /** Puts the book of another snapshot in force, if `judge` finds nothing in its plans, or says why it cannot be. */
  readonly replace: (
    snapshot: Snapshot,
    version: number,
    judge: PlanJudge,
    dryRun: boolean,
  ) => Promise<readonly Problem[]>;
  /** Told what an attempt to load the files came to, and whose it was; no problems: they are in force. */
  readonly onLoaded: (loaded: Loaded, problems: readonly Problem[], by: Authorship) => void;
}

/** Says whether a snapshot may be put in force, once its plans are made. */
type Judge = (ruled: Ruled) => Promise<Judgement>;

/** Whether files may be put in force that nobody has ordered to be: those that control starts with. */
const nobodyMinds: Judge = async () => ({ kind: "free", broken: [] });

/** A request, with the approval that it has. */
type Ordered = ChangeRequest & {
  readonly approved?: { readonly proposal: Proposal; readonly by: Authorship };
};

/** Whether a change may be made. */
type Judgement =
  /** It may, by force if rules are broken. */
  | { readonly kind: "free"; readonly broken: readonly Problem[] }
  | { readonly kind: "refused"; readonly problems: readonly Problem[] }
  | { readonly kind: "needs-approval"; readonly approval: Approval }
  /** It may, but not at once. */
  | { readonly kind: "in-steps"; readonly problem: Problem };

/** What approval may look at many times: steering, and nothing but. */
interface Steering extends Ordered {
  readonly edit: SteeringEdit;
}

/** Takes changes one after the other. */
export class Door {
  readonly #options: DoorOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: DoorOptions) {
    this.#options = options;
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
          return this.#editChallenges(request, this.#challengeEdit(request, edit));
        case "approve":
          return await this.#approve(request, edit.id);
        case "withdraw":
          return this.#withdraw(request, edit.id);
        case "stage":
          return this.#orderStage(request, edit.id, edit.order);
        default:
          return await this.#steer({ ...request, edit });
      }
    });
  }

  async #steer(request: Steering): Promise<ChangeOutcome> {
    const { edit } = request;
    switch (edit.kind) {
      case "set-override":
        return await this.#setOverride(request, edit.action, edit.untilMs);
      case "end-override":
        return await this.#endOverride(request, edit.id);
      case "release":
        return await this.#release(request, edit.target);
      case "reload":
        return await this.#reload(request);
      case "apply":
      case "rollback":
        return await this.#apply(request, edit);
      case "end-rollback":
        return await this.#endRollback(request);
    }
  }

  /** Loads the files with this text in place of the config's, to try it; nothing is put in force. */
  load(config: string): Promise<Loaded> {
    const { loader, snapshot } = this.#options;
    return this.#inTurn(() => inTurns(loader.loadTextInSteps(config, snapshot().config)));
  }

  /** Loads files that are proposed, to try them; nothing is put in force. */
  loadGiven(texts: ReadonlyMap<string, string>): Promise<Loaded> {
    return this.#inTurn(() => inTurns(this.#options.loader.loadInSteps(new GivenFiles(texts))));
  }

  /** Makes the change that an UPDATE comes to, if it does; `evaluate` is given what is so when its turn has come. */
  update(author: string, evaluate: (now: UpdateState) => UpdateOutcome): Promise<UpdateOutcome> {
    return this.#inTurn(async () => {
      const { snapshot, store, nowMs } = this.#options;
      const outcome = evaluate({ snapshot: snapshot(), challenges: live(store.challenges(), nowMs()) });
      if (outcome.kind === "failed") return outcome;
      if (outcome.edit.set.length + outcome.edit.ended.length === 0) return outcome;
      const made = this.#editChallenges({ author, reason: "UPDATE" }, outcome.edit);
      if (made.kind === "published") return outcome;
      return { kind: "failed", rcode: Rcode.ServFail, detail: "somebody else has changed something" };
    });
  }

  /** Publishes the first book of this process, from files that are loaded already. */
  begin(loaded: Loaded): Promise<ChangeOutcome> {
    const by = { author: MERIDIAN, reason: "control started" };
    return this.#inTurn(() => this.#publish(loaded, by, this.#asLoaded(loaded)));
  }

  /** Ends the overrides whose end has come. They have stopped to count at that moment; here it is put on record. */
  expire(): Promise<void> {
    return this.#inTurn(async () => {
      const { store, nowMs } = this.#options;
      const by = { author: MERIDIAN, reason: "its end has come" };
      const old = store.challenges().filter(({ untilMs }) => untilMs <= nowMs());
      if (old.length > 0) {
        const audit = [this.#entry("challenges-expired", describeChallenges(old), by)];
        this.#write({ set: [], ended: [], challenges: { set: [], ended: old }, audit });
      }
      const late = store.proposals().filter(({ untilMs }) => untilMs <= nowMs());
      if (late.length > 0) {
        const audit = late.map(({ edit }) => this.#entry("proposal-expired", describeEdit(edit), by));
        this.#write({ set: [], ended: [], settled: late.map(({ id }) => id), audit });
      }
      const expired = store.overrides().filter((override) => !isActive(override, nowMs()));
      if (expired.length === 0) return;
      const audit = expired.map(({ action }) => this.#entry("override-expired", describeAction(action), by));
      this.#write({ set: [], ended: expired.map(({ id }) => id), audit });
    });
  }

  /**
   * Takes the steps that are due of overrides that take effect step by step, and takes back those that do harm. Says which it took that
   * are not on record.
   */
  advance(): Promise<readonly string[]> {
    const { stager } = this.#options;
    return this.#inTurn(async () => {
      const taken: string[] = [];
      for (const id of stager.ids()) {
        const step = await stager.due(id);
        if (step === null) continue;
        this.#take(step, { author: MERIDIAN });
        if (typeof step.record === "string") taken.push(step.record);
      }
      return taken;
    });
  }

  /** Settles when all that was ordered so far is done. */
  async quiet(): Promise<void> {
    await this.#last;
  }

  /** The version of the last change. */
  version(): number {
    return Math.max(this.#options.store.version(), this.#options.versionSeen());
  }

  /**
   * Makes a proposal, if it is still as it was looked at. Where anything has changed since, it is proposed anew, with what it would
   * do now.
   */
  async #approve(by: ChangeRequest, id: string): Promise<ChangeOutcome> {
    const proposal = this.#proposal(id);
    if (typeof proposal === "string") return refused(proposal);
    const { edit, author, reason, version } = proposal;
    if (author === by.author) return refused(`${author} has proposed it: expected a second person`);
    const isCurrent = version === this.version();
    const ordered = { author, reason, edit, ifVersion: null, dryRun: by.dryRun === true };
    const outcome = await this.#steer(isCurrent ? { ...ordered, approved: { proposal, by } } : ordered);
    return outcome.kind === "proposed" ? { kind: "conflict", current: this.version() } : outcome;
  }

  #withdraw(request: ChangeRequest, id: string): ChangeOutcome {
    const proposal = this.#proposal(id);
    if (typeof proposal === "string") return refused(proposal);
    const audit = [this.#entry("proposal-withdrawn", describeEdit(proposal.edit), request)];
    return this.#write({ set: [], ended: [], settled: [id], audit }, request);
  }

  /** What is not there any more is refused for that. */
  #beyond(scope: Scope, edit: Edit): string | null {
    if (edit.kind === "stage") return this.#options.beyondScope(scope, { kind: "end-override", id: edit.id });
    if (edit.kind !== "approve" && edit.kind !== "withdraw") return this.#options.beyondScope(scope, edit);
    const proposal = this.#proposal(edit.id);
    return typeof proposal === "string" ? null : this.#options.beyondScope(scope, proposal.edit);
  }

  /** A string says that there is none. */
  #proposal(id: string): Proposal | string {
    const { store, nowMs } = this.#options;
    const waiting = store.proposals().filter(({ untilMs }) => untilMs > nowMs());
    const ids = waiting.map((proposal) => proposal.id);
    return waiting.find((proposal) => proposal.id === id) ?? `no proposal "${id}"${didYouMean(id, ids)}`;
  }

  #propose(
    request: Steering,
    { effects, untilMs }: Approval,
    moved: Moved | null,
    digest = "",
  ): ChangeOutcome {
    const { edit, author, reason } = request;
    const id = proposalId(edit);
    const version = this.version() + 1;
    const createdMs = this.#options.nowMs();
    const audit = [this.#entry("change-proposed", describeEdit(edit), { author, reason })];
    const proposed = { id, edit, author, reason, createdMs, untilMs, version, effects, digest };
    // It waits in the store: without one nobody could approve it.
    const how = { ...request, breakGlass: false };
    const outcome = this.#write({ set: [], ended: [], proposed, audit }, how, moved);
    return outcome.kind === "published" ? { kind: "proposed", version, id } : outcome;
  }

  /** `action` is what could take effect step by step; null: it is all or nothing. */
  async #judge(request: Ordered, attempt: Attempt, action: Action | null = null): Promise<Judgement> {
    const { problems, tooMany, approval } = await this.#options.review(attempt);
    const needed = request.approved === undefined ? approval : null;
    const broken = [...problems, ...(tooMany ? [tooMany] : []), ...(needed ? [needed.problem] : [])];
    if (broken.length === 0 || request.force === true) return { kind: "free", broken };
    const isGradual = action?.kind === "weight" || (action?.kind === "drain" && action.rampMs === undefined);
    const refused = { kind: "refused", problems: broken } as const;
    // A drill that waited, or came little by little, would not be the one that was rehearsed; and who breaks the glass does it now.
    const isNow = request.isDrill === true || request.breakGlass === true;
    if (problems.length > 0 || isNow || (tooMany !== null && !isGradual)) return refused;
    if (needed !== null) return { kind: "needs-approval", approval: needed };
    return tooMany === null ? refused : { kind: "in-steps", problem: tooMany };
  }

  async #movedIn(attempt: Attempt, { dryRun }: Ordered): Promise<Moved | null> {
    return dryRun === true ? await this.#options.moved(attempt) : null;
  }

  async #setOverride(request: Steering, action: Action, untilMs: number | null): Promise<ChangeOutcome> {
    const { snapshot, nowMs, store } = this.#options;
    const problem = actionProblem(snapshot().config, action) ?? endProblem(untilMs, nowMs());
    if (problem !== null) return refused(problem);
    const { author, reason } = request;
    const id = overrideId(action);
    const override = { id, action, author, reason, createdMs: nowMs(), untilMs };
    const others = store.overrides().filter((other) => other.id !== id);
    const attempt: Attempt = {
      kind: "overrides",
      overrides: [...others, override],
      restores: action.kind === "force" && action.verdict === "up",
      isDrill: request.isDrill === true,
    };
    const judged = await this.#judge(request, attempt, action);
    if (judged.kind === "refused") return judged;
    const moved = await this.#movedIn(attempt, request);
    if (judged.kind === "needs-approval") return this.#propose(request, judged.approval, moved);
    if (judged.kind === "in-steps")
      return this.#beginStages(request, await this.#options.stager.begin(override), judged.problem, moved);
    const event = others.length === store.overrides().length ? "override-set" : "override-replaced";
    const audit = this.#entries(event, describeEdit(request.edit), request, judged.broken);
    const settled = [proposalId(request.edit)];
    return this.#write({ set: [override], ended: [], settled, audit }, request, moved);
  }

  async #endOverride(request: Steering, id: string): Promise<ChangeOutcome> {
    const overrides = this.#options.store.overrides();
    const override = overrides.find((candidate) => candidate.id === id);
    if (override === undefined) {
      const ids = overrides.map((candidate) => candidate.id);
      return refused(`no override "${id}"${didYouMean(id, ids)}`);
    }
    const { action } = override;
    const attempt: Attempt = {
      kind: "overrides",
      overrides: overrides.filter((other) => other !== override),
      restores: action.kind === "drain" || (action.kind === "force" && action.verdict === "down"),
      isDrill: request.isDrill === true,
    };
    const judged = await this.#judge(request, attempt, action);
    if (judged.kind === "refused") return judged;
    const moved = await this.#movedIn(attempt, request);
    if (judged.kind === "needs-approval") return this.#propose(request, judged.approval, moved);
    if (judged.kind === "in-steps")
      return this.#beginStages(request, await this.#options.stager.beginEnd(override), judged.problem, moved);
    const audit = this.#entries("override-ended", describeAction(action), request, judged.broken);
    const settled = [proposalId(request.edit)];
    return this.#write({ set: [], ended: [id], settled, audit }, request, moved);
  }

  /** null: no step is small enough. */
  #beginStages(
    request: Steering,
    first: Override | null,
    tooMany: Problem,
    moved: Moved | null,
  ): ChangeOutcome {
    if (first?.stage === undefined) return { kind: "refused", problems: [tooMany] };
    const detail = `${describeEdit(request.edit)}, ${describeStage(first.stage)}: ${tooMany.message}`;
    const audit = this.#entries("change-staged", detail, request, []);
    const settled = [proposalId(request.edit)];
    return this.#write({ set: [first], ended: [], settled, audit }, request, moved);
  }

  #orderStage(request: ChangeRequest, id: string, order: StageOrder): ChangeOutcome {
    const { stager, store } = this.#options;
    const override = store.overrides().find((one) => one.id === id);
    if (override?.stage === undefined) return refused(`no override "${id}" that takes effect step by step`);
    if (order === "abort") {
      const step = stager.takeBack(override, "stage-aborted", request.reason);
      return step === null ? refused(`override "${id}" is whole`) : this.#take(step, request);
    }
    const nextMs = order === "pause" ? null : this.#options.nowMs();
    const event = order === "pause" ? "stage-paused" : "stage-resumed";
    const stage = { ...override.stage, nextMs };
    const audit = [
      this.#entry(event, `${describeAction(override.action)}, ${describeStage(stage)}`, request),
    ];
    return this.#write({ set: [{ ...override, stage }], ended: [], audit }, request);
  }

  #take(
    { set, ended, record }: StageStep,
    { author, dryRun = false }: Pick<ChangeRequest, "author" | "dryRun">,
  ): ChangeOutcome {
    const audit =
      typeof record === "string"
        ? []
        : [this.#entry(record.event, record.detail, { author, reason: record.reason })];
    return this.#write({ set, ended, audit }, { dryRun });
  }

  async #release(request: Steering, target: VipTarget): Promise<ChangeOutcome> {
    const { snapshot, isHeldDown, release } = this.#options;
    const { config } = snapshot();
    const problem = targetProblem(config, target);
    if (problem !== null) return refused(problem);
    const vips = vipsUnder(config, target).filter(isHeldDown);
    if (vips.length === 0) return refused(`${target.by} ${target.id}: nothing of it is held down`);
    const attempt: Attempt = { kind: "release", vips };
    const judged = await this.#judge(request, attempt);
    if (judged.kind === "refused") return judged;
    if (judged.kind === "in-steps") return { kind: "refused", problems: [judged.problem] };
    const moved = await this.#movedIn(attempt, request);
    if (judged.kind === "needs-approval") return this.#propose(request, judged.approval, moved);
    const detail = `${describeRelease(target)}: ${vips.join(", ")}`;
    const audit = this.#entries("hold-released", detail, request, judged.broken);
    if (request.dryRun === true) return { kind: "tried", audit, moved };
    const version = this.version() + 1;
    const change = { version, set: [], ended: [], settled: [proposalId(request.edit)], audit };
    const stored = this.#commit(change, request.breakGlass === true);
    if (stored.kind === "conflict") return stored;
    release(vips, audit);
    return { kind: "published", version };
  }

  #challengeEdit(
    { author }: Pick<ChangeRequest, "author">,
    edit: Extract<Edit, { kind: "set-challenge" | "end-challenge" }>,
  ): ChallengeEdit | string {
    const { nowMs, snapshot, store } = this.#options;
    const { value } = edit;
    const owner = ownerOf(edit.owner);
    const challenges = live(store.challenges(), nowMs());
    const at = challenges.filter((challenge) => challenge.owner === owner);
    const isThere = at.some((challenge) => challenge.value === value);
    if (edit.kind === "end-challenge")
      return isThere ? { set: [], ended: [{ owner, value }] } : `no challenge ${value} at ${owner}`;
    const problem =
      ownerProblem(new Owners(snapshot().zones), edit.owner) ?? endProblem(edit.untilMs, nowMs());
    if (problem !== null) return problem;
    if (!isValue(value)) return "value: expected 1 to 255 printable ASCII characters";
    if (!isThere && at.length >= VALUES_MAX)
      return `${owner} has ${VALUES_MAX} values, the most there can be`;
    if (!isThere && challenges.length >= CHALLENGES_MAX)
      return `there are ${CHALLENGES_MAX} challenges, the most there can be`;
    return { set: [{ owner, value, author, createdMs: nowMs(), untilMs: edit.untilMs }], ended: [] };
  }

  #editChallenges(
    request: Authorship & Pick<ChangeRequest, "dryRun">,
    edit: ChallengeEdit | string,
  ): ChangeOutcome {
    if (typeof edit === "string") return refused(edit);
    const audit: NewAuditEntry[] = [];
    if (edit.ended.length > 0)
      audit.push(this.#entry("challenges-ended", describeChallenges(edit.ended), request));
    if (edit.set.length > 0) audit.push(this.#entry("challenges-set", describeChallenges(edit.set), request));
    return this.#write({ set: [], ended: [], challenges: edit, audit }, request);
  }

  async #reload(request: Steering): Promise<ChangeOutcome> {
    const loaded = await inTurns(this.#options.loader.loadInSteps());
    return await this.#declare(loaded, request, this.#asLoaded(loaded));
  }

  async #apply(
    request: Steering,
    edit: Extract<SteeringEdit, { kind: "apply" | "rollback" }>,
  ): Promise<ChangeOutcome> {
    const { applied, loader, nowMs, snapshot } = this.#options;
    const { source } = snapshot().config.node;
    if (edit.kind === "apply" && source === "files") return refused(FILES_COUNT);
    const texts = new Map(Object.entries(edit.texts));
    const loaded = await inTurns(loader.loadInSteps(new GivenFiles(texts)));
    if (loaded.value === null) return { kind: "refused", problems: loaded.problems };
    const { author, reason } = request;
    const version = edit.kind === "rollback" ? edit.version : null;
    const kind = source === "files" ? "rollback" : "applied";
    const by = { kind, version, author, reason, atMs: nowMs() } as const;
    const keep = request.dryRun === true ? doNothing : await applied.prepare(by, texts);
    const declaration: Declaration =
      version === null
        ? { event: "files-applied", keep, prefix: "" }
        : { event: "files-rolled-back", keep, prefix: `to version ${version}: ` };
    return await this.#declare(loaded, request, declaration);
  }

  async #endRollback(request: Steering): Promise<ChangeOutcome> {
    const { applied, loader } = this.#options;
    if (applied.current?.kind !== "rollback") return refused("no rollback is in force");
    const loaded = await inTurns(loader.loadInSteps("disk"));
    const keep = (): Promise<void> => applied.drop();
    return await this.#declare(loaded, request, { event: "rollback-ended", keep, prefix: "" });
  }

  /** Files that count: those on disk, or those that a rollback has put in their place for as long as they differ. */
  #asLoaded({ files }: Loaded): Declaration {
    const { applied } = this.#options;
    const rollback = applied.current?.kind === "rollback" ? applied.current : null;
    const isOver = rollback !== null && files.source === DISK;
    return {
      event: "files-loaded",
      keep: isOver ? () => applied.drop() : doNothing,
      prefix: rollback === null || isOver ? "" : `as rolled back to version ${rollback.version}: `,
    };
  }

  /** What is against the files keeps them out of force, unless they are forced: then the audit has it. */
  async #declare(loaded: Loaded, request: Steering, declaration: Declaration): Promise<ChangeOutcome> {
    const digest = digestOf(loaded.files);
    const { approved, ...others } = request;
    const ordered = approved?.proposal.digest === digest ? request : others;
    const needed: Approval[] = [];
    let moved: Moved | null = null;
    const outcome = await this.#publish(loaded, ordered, declaration, async (ruled) => {
      const attempt: Attempt = { kind: "files", ruled };
      const judged = await this.#judge(ordered, attempt);
      if (judged.kind === "needs-approval") needed.push(judged.approval);
      moved = await this.#movedIn(attempt, ordered);
      return judged;
    });
    const [approval] = needed;
    if (approval !== undefined) return this.#propose(others, approval, moved, digest);
    return outcome.kind === "tried" ? { ...outcome, moved } : outcome;
  }

  /**
   * The files are what is stored, so here publishing comes first: a book that dns refuses leaves no trace but the
   * problem, and after a crash between the two the version goes on from the one that dns tells.
   */
  async #publish(
    loaded: Loaded,
    request: Ordered | Authorship,
    { event, keep, prefix }: Declaration,
    judge: Judge = nobodyMinds,
  ): Promise<ChangeOutcome> {
    const { replace, onLoaded } = this.#options;
    const { value } = loaded;
    const version = this.version() + 1;
    let broken: readonly Problem[] = [];
    const judged = async (ruled: Ruled): Promise<readonly Problem[]> => {
      const judgement = await judge(ruled);
      if (judgement.kind === "refused") return judgement.problems;
      if (judgement.kind === "needs-approval") return [judgement.approval.problem];
      if (judgement.kind === "in-steps") return [judgement.problem];
      broken = judgement.broken;
      return [];
    };
    const dryRun = "dryRun" in request && request.dryRun === true;
    const problems = value === null ? loaded.problems : await replace(value, version, judged, dryRun);
    if (problems.length > 0 || value === null) {
      // What somebody tries, or sends in vain, says nothing of the files.
      if (event === "files-loaded" && !dryRun) onLoaded(loaded, problems, request);
      return { kind: "refused", problems };
    }
    const { zones, config } = value;
    const detail = `${prefix}${zones.length} zones, ${config.services.length} services, ${config.members.size} members`;
    const audit = this.#entries(event, detail, request, broken).map((entry) => ({ ...entry, version }));
    if (dryRun) return { kind: "tried", audit, moved: null };
    await keep();
    onLoaded(loaded, problems, request);
    const settled = [proposalId({ kind: "reload" })];
    const stored = this.#commit({ version, set: [], ended: [], settled, audit }, true);
    return stored.kind === "conflict" ? stored : { kind: "published", version };
  }

  /** What is in force whether the store can be written or not is put on record later, if it must be. */
  #commit(change: StoredChange, isInForce: boolean): CommitOutcome {
    const { store, nowMs } = this.#options;
    try {
      return store.commit(change);
    } catch (error) {
      if (!isInForce || !(error instanceof StoreUnavailable)) throw error;
      store.commitLater(change, nowMs());
      return { kind: "stored" };
    }
  }

  #write(
    change: Omit<StoredChange, "version">,
    { breakGlass = false, dryRun = false }: Pick<ChangeRequest, "breakGlass" | "dryRun"> = {},
    moved: Moved | null = null,
  ): ChangeOutcome {
    if (dryRun) return { kind: "tried", audit: change.audit, moved };
    const { challenge, nowMs, store, override } = this.#options;
    const version = this.version() + 1;
    const stored = this.#commit({ ...change, version }, breakGlass);
    if (stored.kind === "conflict") return stored;
    if (change.challenges === undefined) override(store.overrides(), change.audit);
    else challenge(live(store.challenges(), nowMs()), change.audit);
    return { kind: "published", version };
  }

  /** What was done, by whom it was approved, and, where it was forced, against what. */
  #entries(
    event: AuditEvent,
    detail: string,
    request: Ordered | Authorship,
    broken: readonly Problem[],
  ): readonly NewAuditEntry[] {
    const done = [this.#entry(event, detail, request)];
    if ("approved" in request && request.approved !== undefined)
      done.push(this.#entry("change-approved", detail, request.approved.by));
    if (broken.length === 0) return done;
    const against = broken.map(({ message }) => message).join("; ");
    return [...done, this.#entry("change-forced", `${detail}, against ${against}`, request)];
  }

  #entry(event: AuditEvent, detail: string, { author, reason }: Authorship): NewAuditEntry {
    return { version: this.version() + 1, atMs: this.#options.nowMs(), author, reason, event, detail };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

const doNothing = async (): Promise<void> => undefined;

/** How files came into force. */
interface Declaration {
  readonly event: AuditEvent;
  /** Sees to it that they still are after a restart. */
  readonly keep: () => Promise<void>;
  /** What there is to say before what they hold. */
  readonly prefix: string;
}

const FILES_COUNT =
  "this node has its config and zones from the files in its folder (node.source: files): change those, or have it take them by the API (node.source: api)";

function requestProblems({ author, reason }: ChangeRequest): readonly Problem[] {
  const problems: string[] = [];
  if (author.trim() === "") problems.push("author: expected who makes the change");
  if (reason.trim() === "") problems.push("reason: expected why the change is made");
  return problems.map(inRequest);
}

/** What an UPDATE is held against. */
export interface UpdateState {
  readonly snapshot: Snapshot;
  /** Those that count now. */
  readonly challenges: readonly Challenge[];
}

/** For people: each owner once, with how many values. */
function describeChallenges(challenges: readonly Pick<Challenge, "owner" | "value">[]): string {
  const counts = new Map<string, number>();
  for (const { owner } of challenges) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return [...counts].map(([owner, count]) => (count === 1 ? owner : `${owner} (${count} values)`)).join(", ");
}

function endProblem(untilMs: number | null, nowMs: number): string | null {
  if (untilMs === null || (untilMs > nowMs && untilMs <= TIME_MAX_MS)) return null;
  return `until: expected a time after ${new Date(nowMs).toISOString()}`;
}

/** Equal for files that are the same. */
function digestOf({ texts, databases }: LoadedFiles): string {
  const stamps = [...texts, ...databases].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(stamps)).digest("hex");
}

function refused(message: string): ChangeOutcome {
  return { kind: "refused", problems: [inRequest(message)] };
}
