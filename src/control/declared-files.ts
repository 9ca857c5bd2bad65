/** The files that operators declare: watched, loaded again when they change, and how that went. */

import type { Logger } from "pino";
import type { NodeConfig } from "../config/node.ts";
import { formatProblem, type Problem } from "../problem.ts";
import type { AppliedFiles } from "./applied.ts";
import { FILE } from "./author.ts";
import type { ChangeRequest } from "./change.ts";
import type { Complaints } from "./complaints.ts";
import type { DeclaredState, LastReload } from "./desk.ts";
import type { Loaded, Snapshot } from "./snapshot.ts";
import { FileWatcher } from "./watch.ts";

export interface DeclaredFilesOptions {
  readonly applied: AppliedFiles;
  readonly source: NodeConfig["source"];
  readonly nowMs: () => number;
  readonly change: (request: ChangeRequest) => Promise<unknown>;
  /** Settles when all changes ordered so far are made. */
  readonly quiet: () => Promise<void>;
  /** Whether changes may be made now that could not be made then. */
  readonly hasOpenedSince: (thenMs: number) => boolean;
  readonly complaints: Complaints;
  readonly log: Logger;
}

/** Those of a node. */
export class DeclaredFiles {
  readonly #options: DeclaredFilesOptions;
  readonly #watcher: FileWatcher;
  #lastReload: LastReload;

  constructor(options: DeclaredFilesOptions) {
    this.#options = options;
    this.#lastReload = { kind: "loaded", atMs: options.nowMs(), warnings: [] };
    this.#watcher = new FileWatcher({
      onChange: (files) => this.reload(`changed: ${files.join(", ")}`),
      quiet: options.quiet,
    });
  }

  get lastReload(): LastReload {
    return this.#lastReload;
  }

  /** What is in force of them, and what in their place. */
  state(): DeclaredState {
    const { applied, source } = this.#options;
    const { current } = applied;
    const by = source === "api" || current?.kind === "rollback" ? current : null;
    const isRolledBack = source === "files" && by !== null;
    const drift = isRolledBack
      ? `version ${by.version} is in force by a rollback, and the files on disk are others`
      : this.#lastReload.kind === "refused"
        ? "the files on disk are refused, and those from before are in force"
        : null;
    return { source, by, drift };
  }

  /** Has them read now, whether they have changed or not. */
  reload(reason: string): void {
    const { change, complaints } = this.#options;
    change({ author: FILE, reason, edit: { kind: "reload" }, ifVersion: null }).catch((cause) =>
      complaints.say("the files were not loaded to the end", cause),
    );
  }

  /** Takes note of what an attempt to load them came to; what is in force by it, null: nothing else than before. */
  loaded({ warnings, stamps, value }: Loaded, problems: readonly Problem[]): Snapshot | null {
    const { log, nowMs } = this.#options;
    this.#watcher.watch(stamps);
    for (const warning of warnings) log.error(formatProblem(warning));
    if (problems.length > 0 || value === null) {
      this.refused(problems);
      log.error(
        { problems: problems.map(formatProblem) },
        "the files cannot be used; those read before stay in force",
      );
      return null;
    }
    this.#lastReload = { kind: "loaded", atMs: nowMs(), warnings };
    return value;
  }

  /** Takes note of what is against the files that count, in whose place others are. */
  refused(problems: readonly Problem[]): void {
    this.#lastReload = { kind: "refused", atMs: this.#options.nowMs(), problems };
  }

  /** What was refused because of the time is tried again when it may be made. */
  tick(): void {
    const { kind, atMs } = this.#lastReload;
    if (kind === "refused" && this.#options.hasOpenedSince(atMs)) this.reload("changes may be made again");
  }

  close(): void {
    this.#watcher.close();
  }
}
