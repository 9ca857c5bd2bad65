/** The demo's processes: each runs this same command, and none outlives the demo. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { print } from "../command/console.ts";

/** Children get this long to stop by themselves; Ctrl-C promises an end within two seconds. */
const STOP_MS = 1500;

/** Processes that are started together and stopped together. */
export class Children {
  readonly #running: Map<ChildProcess, Promise<void>> = new Map();
  #isStopping = false;

  /** Starts `meridian` with arguments; resolves when that process has ended. */
  start(name: string, args: readonly string[]): Promise<void> {
    const child = fork(fileURLToPath(new URL("../cli.ts", import.meta.url)), [...args], {
      env: { ...process.env, MERIDIAN_LOG_FORMAT: process.env["MERIDIAN_LOG_FORMAT"] ?? "text" },
    });
    const ended = new Promise<void>((resolve) => {
      child.once("exit", (code, signal) => {
        this.#running.delete(child);
        if (!this.#isStopping) print(`${name} ended (${signal ?? `status ${code}`})`);
        resolve();
      });
    });
    this.#running.set(child, ended);
    return ended;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const killer = setTimeout(() => this.#kill("SIGKILL"), STOP_MS);
    this.#kill("SIGTERM");
    await Promise.all(this.#running.values());
    clearTimeout(killer);
  }

  #kill(signal: "SIGTERM" | "SIGKILL"): void {
    for (const child of this.#running.keys()) child.kill(signal);
  }
}
