/** Sends what control replies to packets that came in batches, from the parent: a worker waits up to 100 ms in its socket. */

import { Counter, count } from "../telemetry/counters.ts";
import { SocketBatch } from "./batch.ts";
import type { UdpSocket } from "./sockets.ts";
import type { SystemCalls } from "./system.ts";

/** The parent's way to the sockets that its workers read; the kernel lets both send. */
export class LateReplies {
  readonly #calls: SystemCalls;
  readonly #counters: Float64Array;
  /** By descriptor. Each has memory for many packets, so it is made when the first reply goes out there. */
  readonly #batches = new Map<number, SocketBatch>();

  /** `counters` is the parent's row. */
  constructor(calls: SystemCalls, counters: Float64Array) {
    this.#calls = calls;
    this.#counters = counters;
  }

  /** Sends a message by the envelope of the packet that it replies to; that packet came in by `socket`. */
  send(socket: UdpSocket, envelope: Uint8Array, message: Uint8Array): void {
    const batch = this.#batches.get(socket.fd) ?? new SocketBatch(this.#calls, socket, 0);
    this.#batches.set(socket.fd, batch);
    if (batch.reply(envelope, message) > 0) count(this.#counters, Counter.sendErrors);
  }
}
