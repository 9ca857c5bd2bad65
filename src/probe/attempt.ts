/** The course of one probe: its phases and their times, its hard timeout, and its one end. */

import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { ErrorClass, Outcome, Timings } from "../health/report.ts";
import { DETAIL_LENGTH_MAX } from "./protocol.ts";

/** What is timed on the way. */
type Phase = Exclude<keyof Timings, "totalMs">;

/**
 * One probe under way. It ends exactly once: by `succeed`, by `fail`, when its time is up, or when it is given up; then
 * what it opened is closed, and whatever that still says is ignored.
 */
export class Attempt {
  /** What the probe saw; null: it was given up, or this machine could not make it, so it says nothing of the VIP. */
  readonly outcome: Promise<Outcome | null>;
  readonly #end: (outcome: Outcome | null) => void;
  readonly #startedAtMs: number = performance.now();
  readonly #timings: Record<Phase, number | null> = { connectMs: null, tlsMs: null, firstByteMs: null };
  #waitingFor: string;
  #socket: Socket | null = null;
  #closers: (() => void)[] = [];
  #ended = false;

  constructor(waitingFor: string, timeoutMs: number, signal: AbortSignal) {
    this.#waitingFor = waitingFor;
    const { promise, resolve } = Promise.withResolvers<Outcome | null>();
    this.outcome = promise;
    const giveUp = (): void => this.#end(null);
    const expire = (): void => this.fail("timeout", `waited ${timeoutMs} ms for ${this.#waitingFor}`);
    // An agent that was itself held up must not blame the VIP: what has arrived is read before time is called.
    const timer = setTimeout(() => setImmediate(expire), timeoutMs);
    signal.addEventListener("abort", giveUp);
    this.#end = (outcome) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      this.#ended = true;
      for (const close of this.#closers.splice(0)) close();
      resolve(outcome);
    };
    if (signal.aborted) giveUp();
  }

  /** Takes on the connection of the probe: it ends with the probe, and its error ends the probe. */
  own(socket: Socket): void {
    this.#socket = socket;
    socket.on("error", (error) => this.failBy(error));
    this.onEnd(() => socket.destroy());
  }

  /** Calls `close` when the probe ends. */
  onEnd(close: () => void): void {
    if (this.#ended) close();
    else this.#closers.push(close);
  }

  /** Notes that a phase is over, and what comes next, for the detail of a later failure. */
  reached(phase: Phase, waitingFor: string): void {
    this.#timings[phase] ??= this.#elapsedMs();
    this.#waitingFor = waitingFor;
  }

  /** Notes what comes next within a phase. */
  waitFor(what: string): void {
    this.#waitingFor = what;
  }

  /** `load` is what the VIP says of itself; null: nothing. */
  succeed(load: number | null = null): void {
    this.#end({ kind: "success", timings: this.#timingsNow(), ...(load !== null && { load }) });
  }

  fail(error: ErrorClass, detail: string): void {
    this.#end({
      kind: "failure",
      error,
      detail: detail.slice(0, DETAIL_LENGTH_MAX),
      timings: this.#timingsNow(),
    });
  }

  /** Ends the probe for what its socket, or the parser behind it, reported. */
  failBy(error: NodeJS.ErrnoException): void {
    if (ownShortages.has(error.code ?? "")) this.#end(null);
    else this.fail(...this.#explain(error));
  }

  /** Ends the probe because the VIP said no more. */
  closed(): void {
    this.fail("reset", `connection closed before ${this.#waitingFor}`);
  }

  #timingsNow(): Timings {
    return { ...this.#timings, totalMs: this.#elapsedMs() };
  }

  /** To the microsecond: more digits would be noise on the wire. */
  #elapsedMs(): number {
    return Math.round((performance.now() - this.#startedAtMs) * 1_000) / 1_000;
  }

  #explain(error: NodeJS.ErrnoException): [ErrorClass, string] {
    const { code = "" } = error;
    switch (code) {
      case "ECONNREFUSED":
        return ["refused", "connection refused"];
      case "ETIMEDOUT":
        return ["timeout", `the network gave up waiting for ${this.#waitingFor}`];
      case "ECONNRESET":
      case "ECONNABORTED":
      case "EPIPE": {
        // Node uses the same code when the VIP closes in an orderly way, but then no system call has failed.
        const ended = error.syscall === undefined ? "closed" : "reset";
        return ["reset", `connection ${ended} before ${this.#waitingFor}`];
      }
      default:
        return [this.#classOf(code), code.startsWith("HPE_") ? error.message : reasonOf(error)];
    }
  }

  /** The class of an error that is not a plain end of the connection. */
  #classOf(code: string): ErrorClass {
    const { connectMs, tlsMs } = this.#timings;
    if (connectMs === null) return "unreachable";
    if (!(this.#socket instanceof TLSSocket)) return "protocol";
    if (tlsMs === null) return this.#socket.authorizationError ? "certificate" : "tls";
    // With TLS 1.3 a VIP's refusal comes only after our side of the handshake is done.
    return code === "EPROTO" || code.startsWith("ERR_SSL") ? "tls" : "protocol";
  }
}

/** OpenSSL's messages carry thread ids and file names; its reason is what a person wants. */
function reasonOf(error: Error): string {
  return "reason" in error && typeof error.reason === "string" ? error.reason : error.message;
}

/** What fails when the agent itself has run out of descriptors or memory. */
const ownShortages: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);
