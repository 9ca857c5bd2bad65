/** Works out what will be answered once the next override has ended, or drained more, and tells dns beforehand: the end holds without control too. */

import type { Steps } from "../steps.ts";
import type { FactKeeper } from "./fact-keeper.ts";
import { inTurns } from "./in-turns.ts";
import type { Edition } from "./live-book.ts";
import { isActive, nextTurnMs } from "./override.ts";
import { patchesFor, type Replanned } from "./planner.ts";
import type { Publisher } from "./publish.ts";

export interface AfterwardsOptions {
  readonly keeper: FactKeeper;
  readonly publisher: Publisher;
  readonly nowMs: () => number;
  readonly edition: () => Edition | null;
  readonly onError: (cause: unknown) => void;
}

/** What dns was told last is right for the plans, the facts and the overrides of that moment. */
export class Afterwards {
  readonly #options: AfterwardsOptions;
  #isStale = true;
  #isBusy = false;
  #isTold = false;

  constructor(options: AfterwardsOptions) {
    this.#options = options;
  }

  /** Plans or overrides have become others: what was told is to be worked out again. */
  note(): void {
    this.#isStale = true;
  }

  /** Tells dns what is due next, where that may have changed; so it is right again soon after each change. */
  look(): void {
    if (!this.#isStale || this.#isBusy) return;
    this.#isStale = false;
    this.#isBusy = true;
    this.#tell()
      .catch(this.#options.onError)
      .finally(() => {
        this.#isBusy = false;
      });
  }

  async #tell(): Promise<void> {
    const { keeper, publisher, nowMs, edition } = this.#options;
    const inForce = edition();
    const atMs = nextTurnMs(keeper.overrides, nowMs());
    if (inForce === null || atMs === null) {
      if (this.#isTold) publisher.due(null);
      this.#isTold = false;
      return;
    }
    const changed = await inTurns(this.#changedAt(atMs, inForce));
    // Another book has come meanwhile, and what is due in it will be told too.
    if (edition() !== inForce) return;
    publisher.due({ atMs, packed: patchesFor(inForce.directory, changed) });
    this.#isTold = true;
  }

  *#changedAt(atMs: number, { planner }: Edition): Steps<readonly Replanned[]> {
    const { keeper } = this.#options;
    const left = keeper.overrides.filter((override) => isActive(override, atMs));
    const { shift, facts } = keeper.supposing(left, atMs);
    const changed: Replanned[] = [];
    for (const compared of planner.compare(shift, facts)) {
      changed.push(compared);
      yield;
    }
    return changed;
  }
}
