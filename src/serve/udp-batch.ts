/** A worker's loop where system calls are at hand: receive a batch, answer it, send it. */

import { Client } from "../answer/client.ts";
import { FORWARD } from "../answer/forward.ts";
import type { Answer } from "../answer/responder.ts";
import { Transport } from "../answer/transport.ts";
import { Counter, count } from "../telemetry/counters.ts";
import { type Batch, SocketBatch } from "./batch.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { Orders } from "./orders.ts";
import type { Precedence } from "./precedence.ts";
import { RECEIVE_TIMEOUT_MS, type UdpSocket } from "./sockets.ts";
import { Linux, SystemCallError, type SystemCalls } from "./system.ts";
import type { ReturnAddress } from "./worker-messages.ts";
import type { XdpQueue } from "./xdp/queue.ts";
import { XdpBatch } from "./xdp/xdp-batch.ts";

/** What the loop works with. */
export interface BatchService {
  readonly calls: SystemCalls;
  readonly sockets: readonly UdpSocket[];
  /** Queues of interfaces, beside the sockets; others only after `readMail`. */
  readonly queues: () => readonly XdpQueue[];
  /** Does not throw. */
  readonly answer: Answer;
  readonly orders: Orders;
  readonly heartbeat: Heartbeat;
  readonly precedence: Precedence;
  /**
   * Reads the messages of this worker, such as a new book; called once at the start, and after an announcement before
   * anything else is answered.
   */
  readonly readMail: () => void;
  /** Leaves a packet to control. */
  readonly forward: ForwardPacket;
  /** The worker's row of counters. */
  readonly counters: Float64Array;
}

/** Leaves the packet that came from `client` to somebody who will reply to `from`. */
export type ForwardPacket = (octets: Uint8Array, client: Client, from: ReturnAddress) => void;

/** Batches that are answered after the order to stop: somewhat more than a receive buffer holds. */
const LAST_BATCHES = 512;

/**
 * Serves until the orders say stop, and blocks the thread meanwhile; what has come by then is still answered. Throws
 * when a socket cannot be read.
 */
export function serveBatches(service: BatchService): void {
  const ofSockets = service.sockets.map((socket, i) => new SocketBatch(service.calls, socket, i));
  let queues = service.queues();
  let batches = withQueues(service, ofSockets);
  let wait = waitFor(service, batches);
  const client = new Client();
  let mailRead = -1;
  let isBehind = false;
  while (!service.orders.isStopped()) {
    service.heartbeat.beat();
    if (!isBehind) service.orders.rest();
    isBehind = wait();
    // Read before the batch is answered, so that who was told of a change sees it in the next answer.
    const mail = service.orders.mail();
    if (mail !== mailRead) {
      mailRead = mail;
      service.readMail();
      if (service.queues() !== queues) {
        queues = service.queues();
        batches = withQueues(service, ofSockets);
        wait = waitFor(service, batches);
      }
    }
    const nowMs = Date.now();
    service.precedence.look(nowMs, isBehind);
    const moment = Math.trunc(nowMs / 1000);
    // By number, here and in `waitForAny`: iterators left 170 octets a round to be collected, three times a second, and these are 35.
    for (let i = 0; i < batches.length; i += 1) {
      const batch = batches[i];
      if (batch !== undefined && batch.count > 0) answerBatch(service, batch, client, moment);
    }
  }
  for (const batch of batches) answerRest(service, batch, client);
}

function withQueues(service: BatchService, ofSockets: readonly Batch[]): readonly Batch[] {
  return [...ofSockets, ...service.queues().map((queue) => new XdpBatch(service, queue))];
}

/** Empties a socket or queue, for it may be closed now; a socket that a successor reads too never gets empty. */
function answerRest(service: BatchService, batch: Batch, client: Client): void {
  const moment = Math.trunc(Date.now() / 1000);
  for (let i = 0; i < LAST_BATCHES; i += 1) {
    batch.receive(Linux.MSG_DONTWAIT);
    if (batch.count === 0) return;
    answerBatch(service, batch, client, moment);
  }
}

/** Receives, and says whether more may have come than there is room for. */
type Wait = () => boolean;

/** One socket: a blocking receive is all that is needed. */
function waitFor(service: BatchService, batches: readonly Batch[]): Wait {
  const [only] = batches;
  if (only === undefined || batches.length > 1) return waitForAny(service, batches);
  return () => only.receive(Linux.MSG_WAITFORONE);
}

/** Several sockets and queues: polls them, then receives from those that are ready, one batch of each so that all get a turn. */
function waitForAny(service: BatchService, batches: readonly Batch[]): Wait {
  const polled = new Poll(service.calls, batches);
  return () => {
    let isBehind = false;
    if (!polled.wait(RECEIVE_TIMEOUT_MS)) return isBehind;
    for (let i = 0; i < batches.length; i += 1) {
      if (polled.isReady(i) && batches[i]?.receive(Linux.MSG_DONTWAIT) === true) isBehind = true;
    }
    return isBehind;
  };
}

/** Answers what `batch` holds and sends it. */
function answerBatch(service: BatchService, batch: Batch, client: Client, moment: number): void {
  for (let i = 0; i < batch.count; i += 1) {
    const packet = batch.packets[i];
    if (packet === undefined) break; // Never: the kernel fills at most as many as there are.
    batch.readClient(i, client);
    const length = service.answer(packet, batch.queryLength(i), client, Transport.Udp, moment);
    batch.setResponseLength(i, Math.max(length, 0));
    if (length === FORWARD) {
      const octets = packet.octets.slice(0, batch.queryLength(i));
      service.forward(octets, client, batch.returnAddress(i));
    }
  }
  const unsent = batch.send();
  for (let i = 0; i < unsent; i += 1) count(service.counters, Counter.sendErrors);
}

/**
 * The array of poll(2), in memory that lives as long as the loop. A pollfd has 8 octets:
 *
 *     0 fd:4   4 events asked for:2   6 events seen:2
 */
class Poll {
  readonly #calls: SystemCalls;
  readonly #entries: Int16Array;
  readonly #address: number;
  readonly #count: number;

  constructor(calls: SystemCalls, batches: readonly Batch[]) {
    const memory = new ArrayBuffer(Math.max(batches.length, 1) * 8);
    const fds = new Int32Array(memory);
    this.#entries = new Int16Array(memory);
    for (const [i, { fd }] of batches.entries()) {
      fds[i * 2] = fd;
      this.#entries[i * 4 + 2] = Linux.POLLIN;
    }
    this.#calls = calls;
    this.#address = calls.addressOf(memory);
    this.#count = batches.length;
  }

  /** False when nothing came; an interrupted wait counts as that. */
  wait(timeoutMs: number): boolean {
    const ready = this.#calls.poll(this.#address, this.#count, timeoutMs);
    if (ready >= 0) return ready > 0;
    const errno = this.#calls.errno();
    if (errno === Linux.EINTR) return false;
    throw new SystemCallError("wait for", `${this.#count} sockets and queues`, errno);
  }

  /** Whether batch `i` has something to receive, or an error to tell. */
  isReady(i: number): boolean {
    return this.#entries[i * 4 + 3] !== 0;
  }
}
