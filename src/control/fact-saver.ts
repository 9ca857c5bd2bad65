/** Writes what a restart must not forget of the facts. What cannot be written now is kept, and written as soon as it can be. */

import type { VipId } from "../config/config.ts";
import type { Verdict } from "../health/verdict.ts";
import type { Answer } from "../steering/last-good.ts";
import type { FactStore } from "./store.ts";
import { storedVerdict } from "./stored-verdict.ts";

export interface FactSaverOptions {
  readonly store: FactStore;
  /** Told of what could not be written. */
  readonly onError: (what: string, cause: unknown) => void;
}

/** Holds up nobody: failover goes on whatever becomes of the store. */
export class FactSaver {
  readonly #options: FactSaverOptions;
  readonly #verdicts = new Map<VipId, Verdict>();
  readonly #lastGood = new Map<string, Answer>();

  constructor(options: FactSaverOptions) {
    this.#options = options;
  }

  /** Verdicts that have changed. */
  judged(verdicts: readonly Verdict[]): void {
    for (const verdict of verdicts) this.#verdicts.set(verdict.vip, verdict);
    this.save();
  }

  /** Plans of the past, with their keys, by which is answered from now on. */
  answeredByLastGood(plans: ReadonlyMap<string, Answer>): void {
    for (const [key, plan] of plans) this.#lastGood.set(key, plan);
    this.save();
  }

  /** Writes what is not written yet. */
  save(): void {
    const { store, onError } = this.#options;
    try {
      if (this.#verdicts.size > 0) store.saveVerdicts([...this.#verdicts.values()].map(storedVerdict));
      this.#verdicts.clear();
    } catch (cause) {
      onError("verdicts are not stored; after a restart they would be as they were before", cause);
    }
    try {
      if (this.#lastGood.size > 0) store.saveLastGood(this.#lastGood);
      this.#lastGood.clear();
    } catch (cause) {
      onError("what is answered while all is down is not stored; a restart would forget it", cause);
    }
  }
}
