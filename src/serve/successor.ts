/** A node hands its work to a new one: the side of the node that is there. The other side is `predecessor.ts`. */

import { type ChildProcess, spawn } from "node:child_process";
import type { Challenges } from "../book/challenges.ts";
import { FIRST_FD, PREDECESSOR } from "./inherited.ts";
import type { XdpLink } from "./xdp/bpf.ts";
import { linksEnvironment } from "./xdp/passed-links.ts";

/** What a predecessor says to its successor. That the channel ends says: its control has, store and API are free. */
export type ToSuccessor =
  /** The book on disk is the one in force, in this version; patches said before may be in it already. */
  { readonly kind: "load"; readonly version: number } | PassedChange;

/** What control says to the node that it belongs to, and that holds for the one that takes over. */
export type PassedChange =
  | { readonly kind: "patch"; readonly version: number; readonly packed: Uint32Array }
  | { readonly kind: "challenges"; readonly challenges: Challenges | null };

/** What a successor says: it reads all sockets, and answers. */
export type FromSuccessor = { readonly kind: "serving" };

/** How a take-over began. */
export type Outcome =
  | { readonly kind: "serving"; readonly pid: number }
  /** `reason`: what the successor wrote to standard error, or how it ended. */
  | { readonly kind: "failed"; readonly reason: string };

/** A successor that does not serve by then is given up: reading a book of a million names takes seconds. */
const SERVING_MS = 60_000;
/** Its last words are kept so far. */
const REASON_LENGTH = 4_000;

/**
 * A new process of the same command, from the code that is on disk now, with our sockets:
 *
 *     0 and 1 as ours   2 a pipe to us   3.. sockets   then our standard error   then the channel   then links
 *
 * While it starts, what it writes to standard error comes here, to be told as the reason if it fails; once it serves
 * it uses ours.
 */
export class Successor {
  readonly outcome: Promise<Outcome>;
  readonly #child: ChildProcess;

  constructor(sockets: readonly number[], links: ReadonlyMap<string, XdpLink>) {
    const { LISTEN_PID: _pid, LISTEN_FDNAMES: _names, WATCHDOG_PID: _watched, ...environment } = process.env;
    this.#child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
      stdio: [
        "inherit",
        "inherit",
        "pipe",
        ...sockets,
        2,
        "ipc",
        ...Array.from(links.values(), ({ fd }) => fd),
      ],
      env: {
        ...environment,
        ...linksEnvironment(links, keptErrorOf(sockets.length) + 2),
        LISTEN_FDS: String(sockets.length),
        [PREDECESSOR]: String(process.pid),
      },
      serialization: "advanced",
    });
    this.outcome = this.#begin();
  }

  /** What nobody hears any more is not kept. */
  send(message: ToSuccessor): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  /** Ends one that has not taken over. */
  abandon(): void {
    this.#child.kill("SIGKILL");
  }

  /** Leaves it to itself, so that this process can end. */
  release(): void {
    if (this.#child.connected) this.#child.disconnect();
    this.#child.stderr?.destroy();
    this.#child.unref();
  }

  #begin(): Promise<Outcome> {
    const child = this.#child;
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      process.stderr.write(text);
      said = (said + text).slice(-REASON_LENGTH);
    });
    return new Promise((resolve) => {
      const settle = (outcome: Outcome): void => {
        clearTimeout(timer);
        resolve(outcome);
      };
      const timer = setTimeout(() => {
        settle({ kind: "failed", reason: `it did not serve within ${SERVING_MS / 1000} s` });
        this.abandon();
      }, SERVING_MS);
      child.on("message", ({ kind }: FromSuccessor) => settle({ kind, pid: child.pid ?? 0 }));
      child.on("error", (cause) => settle({ kind: "failed", reason: String(cause) }));
      // "close" and not "exit": by then all that it said is here.
      child.on("close", (code, signal) => {
        settle({ kind: "failed", reason: said.trim() || `it ended with ${signal ?? `status ${code}`}` });
      });
    });
  }
}

/** Where the successor of `sockets` sockets finds the standard error that becomes its own. */
export function keptErrorOf(sockets: number): number {
  return FIRST_FD + sockets;
}
