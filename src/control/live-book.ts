/** The book in force: keeps its plans in step with the facts, and puts another in its place. */

import { type BookDirectory, type CompiledBook, compileBook } from "../book/compile.ts";
import type { Verdict } from "../health/verdict.ts";
import type { Problem } from "../problem.ts";
import { type FactKeeper, isNothing, joinShifts, NO_SHIFT, type Shift } from "./fact-keeper.ts";
import { Planner, patchesFor, type Replanned } from "./planner.ts";
import { emptiness, type Publisher } from "./publish.ts";
import type { Snapshot } from "./snapshot.ts";

/** A snapshot with its plans and the places of these in its book. */
export interface Edition {
  readonly snapshot: Snapshot;
  readonly planner: Planner;
  readonly directory: BookDirectory;
}

export interface LiveBookOptions {
  readonly keeper: FactKeeper;
  readonly publisher: Publisher;
  readonly nowMs: () => number;
  /** Told of verdicts that flipped and what that moved, after dns has been told. */
  readonly onFlip: (flipped: readonly Verdict[], replanned: readonly Replanned[]) => void;
}

/** Shifts come in; plans go out, all of one turn of the event loop together. */
export class LiveBook {
  readonly #options: LiveBookOptions;
  #edition: Edition | null = null;
  /** On its way to dns, with the patches that it needs by the time it is adopted. */
  #draft: { readonly edition: Edition; readonly patches: Uint32Array[] } | null = null;
  #pending: Shift = NO_SHIFT;
  #flushing: NodeJS.Immediate | null = null;

  constructor(options: LiveBookOptions) {
    this.#options = options;
  }

  /** What is in force; null before the first book. */
  get edition(): Edition | null {
    return this.#edition;
  }

  /** Takes note of a shift; plans follow within this turn of the event loop. */
  shift(shift: Shift): void {
    if (isNothing(shift)) return;
    this.#pending = joinShifts(this.#pending, shift);
    this.#flushing ??= setImmediate(() => this.flush());
  }

  /** Replans what has shifted, at once, and returns what has become different in answers. */
  flush(): readonly Replanned[] {
    if (this.#flushing !== null) clearImmediate(this.#flushing);
    this.#flushing = null;
    const shift = this.#pending;
    this.#pending = NO_SHIFT;
    if (isNothing(shift)) return [];
    const { keeper, publisher, nowMs, onFlip } = this.#options;
    let replanned: readonly Replanned[] = [];
    if (this.#edition !== null) {
      const { planner, directory } = this.#edition;
      replanned = planner.replan(shift, keeper.facts(nowMs()));
      publisher.patch(patchesFor(directory, replanned));
    }
    if (this.#draft !== null) {
      const { planner, directory, snapshot } = this.#draft.edition;
      const late = planner.replan(shift, keeper.factsFor(snapshot.config, nowMs()));
      this.#draft.patches.push(patchesFor(directory, late));
    }
    if (shift.flipped.length > 0) onFlip(shift.flipped, replanned);
    return replanned;
  }

  /** Puts the book of another snapshot in place of this one. With any problem, nothing has changed. */
  async replace(snapshot: Snapshot, version: number): Promise<readonly Problem[]> {
    const { keeper, publisher, nowMs } = this.#options;
    const planner = Planner.of(snapshot, this.#edition?.planner);
    if (planner.value === null) return planner.problems;
    planner.value.planAll(keeper.factsFor(snapshot.config, nowMs()));
    const content = planner.value.content(version);
    const empty = emptiness(content);
    if (empty !== null) return [problemOf(snapshot, `refused to publish: ${empty}`)];
    const compiled: CompiledBook = compileBook(content);
    if (compiled.problems.length > 0) return compiled.problems;

    const edition: Edition = { snapshot, planner: planner.value, directory: compiled.directory };
    this.#draft = { edition, patches: [] };
    const { patches } = this.#draft;
    const outcome = await publisher.publish(version, compiled);
    this.#draft = null;
    if (outcome.kind === "refused") return [problemOf(snapshot, `dns refused the book: ${outcome.reason}`)];
    this.#edition = edition;
    for (const packed of patches) publisher.patch(packed);
    this.shift(keeper.use(snapshot.config, nowMs()));
    this.flush();
    return [];
  }
}

function problemOf({ config }: Snapshot, message: string): Problem {
  return { file: config.file, line: 0, column: 0, message };
}
