/** The hot upgrade: a new process serves on this one's sockets before this one stops. */

import { type Outcome, type PassedChange, Successor } from "./successor.ts";
import type { XdpLink } from "./xdp/bpf.ts";

/** What a node does in an upgrade. */
export interface UpgradeSteps {
  /** The sockets to hand over. */
  sockets(): readonly number[];
  /** The links to hand over, by the names of interfaces. */
  links(): ReadonlyMap<string, XdpLink>;
  /** Brings the book on disk up to date, and says its version. */
  saveBook(): Promise<number>;
  /** The successor serves: stop reading, and end control. */
  retire(successorPid: number): Promise<void>;
}

/**
 * At most one upgrade at a time:
 *
 *     start successor -> save book -> it loads, opens, serves -> retire -> it starts its control
 *
 * Patches and challenges are passed on from the first moment, so none is missed between what is on disk and the end of control; a book
 * that control offers meanwhile waits until the upgrade has failed, or for the successor's control.
 */
export class Upgrade {
  readonly #steps: UpgradeSteps;
  #successor: Successor | null = null;
  #isServing = false;
  #over: Promise<unknown> = Promise.resolve();

  constructor(steps: UpgradeSteps) {
    this.#steps = steps;
  }

  get isUnderWay(): boolean {
    return this.#successor !== null;
  }

  /** Settles when no upgrade is under way; never once one has worked. */
  get over(): Promise<unknown> {
    return this.#over;
  }

  /** Has the successor do as this process does. */
  pass(change: PassedChange): void {
    this.#successor?.send(change);
  }

  /** Once it resolves with a successor that serves, this process has only streams left to finish. */
  async run(): Promise<Outcome> {
    const over = Promise.withResolvers<void>();
    this.#over = over.promise;
    const successor = new Successor(this.#steps.sockets(), this.#steps.links());
    this.#successor = successor;
    const version = await this.#steps.saveBook();
    successor.send({ kind: "load", version });
    const outcome = await successor.outcome;
    if (outcome.kind === "serving") {
      this.#isServing = true;
      await this.#steps.retire(outcome.pid);
    } else {
      this.#successor = null;
      over.resolve();
    }
    successor.release();
    return outcome;
  }

  /** This process is told to stop: a successor that does not serve yet stops too. */
  abandon(): void {
    if (!this.#isServing) this.#successor?.abandon();
  }
}
