/** Keeps the control process running beside dns. Nothing here can hold up an answer. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import type { ToControl, ToDns } from "../book/messages.ts";
import { putControlBack, putControlForward } from "./priority.ts";

/** How long to wait before starting control again: doubles from the first to the last. */
const BACK_OFF_MS = { first: 100, last: 10_000 };
/** A control that ran this long was healthy: the next back-off starts small again. */
const STEADY_MS = 30_000;
/** How long control may take to stop on SIGTERM. */
const STOP_MS = 1000;

/** What the owner wants to know. */
export interface ControlEvents {
  /** A new control process runs. */
  started(): void;
  message(message: ToDns): void;
  /** It has ended; unless dns stops, another will be started. */
  ended(): void;
}

/** One control process after the other. */
export class ControlProcess {
  readonly #arguments: readonly string[];
  readonly #log: Logger;
  readonly #events: ControlEvents;
  #child: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #backOffMs = BACK_OFF_MS.first;
  #isStopping = false;

  constructor(args: readonly string[], log: Logger, events: ControlEvents) {
    this.#arguments = args;
    this.#log = log;
    this.#events = events;
  }

  /** Process id of the control that runs now; null: none. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  start(): void {
    this.#timer = null;
    if (this.#isStopping) return;
    const startedAt = performance.now();
    const child = fork(fileURLToPath(new URL("../control.ts", import.meta.url)), [...this.#arguments], {
      serialization: "advanced",
      // A book of 100,000 services is compiled in less; a leak ends here and not with the machine. The thread that works collects
      // garbage too: with V8's four others, control would have five processes' share of a busy core. One of them compiles what has
      // become hot: a failure makes code hot that has never run, and waited 60 ms for its compiler.
      execArgv: ["--max-old-space-size=2048", "--single-threaded-gc", "--v8-pool-size=1"],
    });
    this.#child = child;
    if (child.pid !== undefined) putControlBack(child.pid);
    child.on("error", (cause) => this.#log.error({ cause: String(cause) }, "control could not be started"));
    child.on("message", (message: ToDns) => this.#events.message(message));
    child.on("exit", (code, signal) => {
      this.#child = null;
      this.#events.ended();
      if (this.#isStopping) return;
      if (performance.now() - startedAt > STEADY_MS) this.#backOffMs = BACK_OFF_MS.first;
      this.#log.error(
        { code, signal, retryMs: this.#backOffMs },
        "control ended; answers go on from the book in memory, control is started again",
      );
      this.#timer = setTimeout(() => this.start(), this.#backOffMs);
      this.#backOffMs = Math.min(2 * this.#backOffMs, BACK_OFF_MS.last);
    });
    this.#events.started();
  }

  /** Control has started: from now on failovers wait for it. */
  promote(): void {
    if (this.#child?.pid !== undefined) putControlForward(this.#child.pid);
  }

  /** Tells control something; what a dead control would have heard is not kept. */
  send(message: ToControl): void {
    if (this.#child?.connected === true) this.#child.send(message, () => undefined);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const child = this.#child;
    if (child === null || child.exitCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGTERM");
    const killer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(killer);
  }
}
