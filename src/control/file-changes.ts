/** Changes of what is declared: files are loaded, judged by the plans that they lead to, put in force, and only then on record. */

import { createHash } from "node:crypto";
import { formatQuantity } from "../config/units.ts";
import type { Problem } from "../problem.ts";
import type { AppliedFiles } from "./applied.ts";
import { MERIDIAN } from "./author.ts";
import { type Authorship, type ChangeOutcome, refused, type SteeringRequest } from "./change.ts";
import { DISK, GivenFiles } from "./files.ts";
import { inTurns } from "./in-turns.ts";
import { type Judgement, judge } from "./judgement.ts";
import type { Ledger } from "./ledger.ts";
import type { Judge } from "./live-book.ts";
import type { Moved } from "./moved-clients.ts";
import { proposalId, type SteeringEdit } from "./proposal.ts";
import type { Proposals } from "./proposals.ts";
import type { LoadedFiles } from "./recorder.ts";
import type { Ruled } from "./rules.ts";
import type { Approval, Attempt, Review } from "./safety.ts";
import type { Loaded, Loader, Snapshot } from "./snapshot.ts";
import type { AuditEvent } from "./store.ts";

export interface FileChangesOptions {
  readonly loader: Loader;
  readonly applied: AppliedFiles;
  readonly nowMs: () => number;
  /** The snapshot in force. */
  readonly snapshot: () => Snapshot;
  /** What stands against a change: invariants and safety rules. */
  readonly review: (attempt: Attempt) => Promise<Review>;
  /** Whom a change would move. */
  readonly moved: (attempt: Attempt) => Promise<Moved | null>;
  /** Puts the book of another snapshot in force, if `judge` finds nothing in its plans, or says why it cannot be. */
  readonly replace: (
    snapshot: Snapshot,
    version: number,
    judge: Judge,
    dryRun: boolean,
  ) => Promise<readonly Problem[]>;
  /** Told what an attempt to load the files came to, and whose it was; no problems: they are in force. */
  readonly onLoaded: (loaded: Loaded, problems: readonly Problem[], by: Authorship) => void;
}

/** How files come into force. */
interface Declaration {
  readonly event: AuditEvent;
  /** Sees to it that they still are after a restart. */
  readonly keep: () => Promise<void>;
  /** What there is to say before what they hold. */
  readonly prefix: string;
}

/** Says whether files may be put in force, once their plans are made. */
type RuledJudge = (ruled: Ruled) => Promise<Judgement>;

/** Those that control starts with: nobody has ordered them to be in force. */
const nobodyMinds: RuledJudge = async () => ({ kind: "free", broken: [] });

const doNothing = async (): Promise<void> => undefined;

const FILES_COUNT =
  "this node has its config and zones from the files in its folder (node.source: files): change those, or have it take them by the API (node.source: api)";

export class FileChanges {
  readonly #options: FileChangesOptions;
  readonly #ledger: Ledger;
  readonly #proposals: Proposals;

  constructor(options: FileChangesOptions, ledger: Ledger, proposals: Proposals) {
    this.#options = options;
    this.#ledger = ledger;
    this.#proposals = proposals;
  }

  /** Loads what is proposed, a text in place of the config's or all files, to try it; nothing is put in force. */
  load(proposed: string | ReadonlyMap<string, string>): Promise<Loaded> {
    const { loader, snapshot } = this.#options;
    return inTurns(
      typeof proposed === "string"
        ? loader.loadTextInSteps(proposed, snapshot().config)
        : loader.loadInSteps(new GivenFiles(proposed)),
    );
  }

  /** Puts in force what control starts with, which is loaded already. */
  begin(loaded: Loaded): Promise<ChangeOutcome> {
    return this.#publish(
      loaded,
      { author: MERIDIAN, reason: "control started" },
      this.#asLoaded(loaded),
      nobodyMinds,
    );
  }

  async reload(request: SteeringRequest): Promise<ChangeOutcome> {
    const loaded = await inTurns(this.#options.loader.loadInSteps());
    return await this.#declare(loaded, request, this.#asLoaded(loaded));
  }

  async apply(
    request: SteeringRequest,
    edit: Extract<SteeringEdit, { kind: "apply" | "rollback" }>,
  ): Promise<ChangeOutcome> {
    const { applied, nowMs, snapshot } = this.#options;
    const { source } = snapshot().config.node;
    if (edit.kind === "apply" && source === "files") return refused(FILES_COUNT);
    const texts = new Map(Object.entries(edit.texts));
    const loaded = await this.load(texts);
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

  async endRollback(request: SteeringRequest): Promise<ChangeOutcome> {
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
  async #declare(loaded: Loaded, request: SteeringRequest, declaration: Declaration): Promise<ChangeOutcome> {
    const { review, moved: movedBy } = this.#options;
    const digest = digestOf(loaded.files);
    const { approved, ...others } = request;
    const ordered = approved?.proposal.digest === digest ? request : others;
    const needed: Approval[] = [];
    let moved: Moved | null = null;
    const outcome = await this.#publish(loaded, ordered, declaration, async (ruled) => {
      const attempt: Attempt = { kind: "files", ruled };
      const judged = judge(await review(attempt), ordered);
      if (judged.kind === "needs-approval") needed.push(judged.approval);
      if (ordered.dryRun === true) moved = await movedBy(attempt);
      return judged;
    });
    const [approval] = needed;
    if (approval !== undefined) return this.#proposals.propose(others, approval, moved, digest);
    return outcome.kind === "tried" ? { ...outcome, moved } : outcome;
  }

  /**
   * The files are what is stored, so here publishing comes first: a book that dns refuses leaves no trace but the
   * problem, and after a crash between the two the version goes on from the one that dns tells.
   */
  async #publish(
    loaded: Loaded,
    request: Authorship & Pick<SteeringRequest, "approved" | "dryRun">,
    { event, keep, prefix }: Declaration,
    judgeRuled: RuledJudge,
  ): Promise<ChangeOutcome> {
    const { replace, onLoaded } = this.#options;
    const { value } = loaded;
    const { dryRun = false } = request;
    const version = this.#ledger.version() + 1;
    let broken: readonly Problem[] = [];
    const objections = async (ruled: Ruled): Promise<readonly Problem[]> => {
      const judged = await judgeRuled(ruled);
      if (judged.kind !== "free") return judged.problems;
      broken = judged.broken;
      return [];
    };
    const problems = value === null ? loaded.problems : await replace(value, version, objections, dryRun);
    if (problems.length > 0 || value === null) {
      // What somebody tries, or sends in vain, says nothing of the files.
      if (event === "files-loaded" && !dryRun) onLoaded(loaded, problems, request);
      return { kind: "refused", problems };
    }
    const { zones, config } = value;
    const parts = [
      formatQuantity(zones.length, "zone"),
      formatQuantity(config.services.length, "service"),
      formatQuantity(config.members.size, "member"),
    ];
    const detail = prefix + parts.join(", ");
    const deeds = this.#ledger.deeds(event, detail, request, broken);
    if (!dryRun) {
      await keep();
      onLoaded(loaded, problems, request);
    }
    const how = { breakGlass: true, dryRun };
    const settled = [proposalId({ kind: "reload" })];
    return this.#ledger.write({ settled, deeds }, how, { version, putInForce: () => undefined });
  }
}

/** Equal for files that are the same. */
function digestOf({ texts, databases }: LoadedFiles): string {
  const stamps = [...texts, ...databases].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(stamps)).digest("hex");
}
