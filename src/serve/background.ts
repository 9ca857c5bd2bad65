/** A process behind the one that answers: it has the time that answers leave, and is lent a share if they leave none. */

import { readFileSync } from "node:fs";
import { mayStepForward, putProcessBack, runNicerBy, runWhenIdle } from "./priority.ts";
import type { SystemCalls } from "./system.ts";

/**
 * How far below dns it runs while it is lent a share. On one core with a busy worker control then gets a third of the time: with
 * a quarter a failover of 1,000 services took 70 to 115 ms. While it starts it has nothing to do that could not wait, and
 * seconds of work.
 */
const NICER_BY = { starting: 10, started: 3 } as const;
/** How often it is looked after. */
const LOOK_MS = 50;
/** Who wants the core all the time and has less than this much of it starves. */
const STARVING_BELOW = 0.05;
/** After so many looks in a row: a worker may just have much to catch up with, and lent time costs the answers some of theirs. */
const STARVING_LOOKS = 5;
/** How long it is lent a share. Under full load that is nearly always. */
const LENT_MS = 3000;

/** One process that runs in the background, from its start to its end. */
export class Background {
  readonly #pid: number;
  readonly #calls: SystemCalls | null;
  #nicerBy: number = NICER_BY.starting;
  #timer: NodeJS.Timeout | null = null;
  #ranNs = 0;
  /** How many looks in a row have found it starving. */
  #starvingLooks = 0;
  #lentUntil: number | null = null;

  /** @param calls null, or a user who may not raise a priority again: it runs a little below dns all the time. */
  constructor(pid: number, calls: SystemCalls | null) {
    this.#pid = pid;
    this.#calls = calls;
    if (calls === null || !mayStepForward() || ranNsOf(pid) === null) {
      putProcessBack(pid, NICER_BY.started);
      return;
    }
    runWhenIdle(calls, pid);
    this.#timer = setInterval(() => this.#look(calls), LOOK_MS).unref();
  }

  /** It has started: from now on somebody waits for what it does. */
  started(): void {
    this.#nicerBy = NICER_BY.started;
    if (this.#calls !== null && this.#lentUntil !== null) runNicerBy(this.#calls, this.#pid, this.#nicerBy);
  }

  /** It has ended. */
  ended(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #look(calls: SystemCalls): void {
    const nowMs = performance.now();
    if (this.#lentUntil !== null) {
      if (nowMs < this.#lentUntil) return;
      this.#lentUntil = null;
      runWhenIdle(calls, this.#pid);
    }
    const ranNs = ranNsOf(this.#pid) ?? 0;
    const share = (ranNs - this.#ranNs) / (LOOK_MS * 1e6);
    this.#ranNs = ranNs;
    const starves = share < STARVING_BELOW && isRunnable(this.#pid);
    this.#starvingLooks = starves ? this.#starvingLooks + 1 : 0;
    if (this.#starvingLooks < STARVING_LOOKS) return;
    this.#starvingLooks = 0;
    this.#lentUntil = nowMs + LENT_MS;
    runNicerBy(calls, this.#pid, this.#nicerBy);
  }
}

/** How long the first thread of a process has run, in ns; null where the kernel does not say. */
function ranNsOf(pid: number): number | null {
  const [ran] = readProcess(pid, "schedstat").split(" ");
  return ran ? Number(ran) : null;
}

/** Whether the first thread of a process runs or waits for a core: field 3 of its stat, behind a name that may hold anything. */
function isRunnable(pid: number): boolean {
  const stat = readProcess(pid, "stat");
  return stat[stat.lastIndexOf(")") + 2] === "R";
}

/** Empty for a process that has ended. */
function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
