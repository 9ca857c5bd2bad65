/** THREAD: answers UDP queries. Starts as a spare with everything loaded, and serves once it is given a post. */

import assert from "node:assert/strict";
import type { Socket } from "node:dgram";
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type * as ResponderModule from "../answer/responder.ts";
import type { Answer, Responder, ServedBook } from "../answer/responder.ts";
import { Counter, count } from "../telemetry/counters.ts";
import { Budget } from "./budget.ts";
import { describeCrash, guard } from "./guard.ts";
import { BEAT_MS, Heartbeat } from "./heartbeat.ts";
import { LinkedModules, readModules } from "./linked.ts";
import { Orders } from "./orders.ts";
import { Precedence } from "./precedence.ts";
import { systemCalls } from "./system.ts";
import type * as UdpBatch from "./udp-batch.ts";
import type { ForwardPacket } from "./udp-batch.ts";
import { replyBy, type SendReply, serveDatagrams } from "./udp-datagram.ts";
import type { BatchPost, DatagramPost, FromWorker, Post, ToWorker, WorkerStart } from "./worker-messages.ts";
import type { XdpQueue } from "./xdp/queue.ts";

/** One worker thread. */
class UdpWorker {
  readonly #port: MessagePort;
  readonly #start: WorkerStart;
  readonly #responder: Responder;
  #sockets: readonly Socket[] = [];
  /** How late replies go out; until something is served there are none, and where there are batches the parent sends them. */
  #reply: SendReply = () => {};
  readonly #budget = new Budget();
  #queues: readonly XdpQueue[] = [];
  #isWarm = false;

  constructor(port: MessagePort, start: WorkerStart, responder: Responder) {
    this.#port = port;
    this.#start = start;
    this.#responder = responder;
    if (start.book !== null) this.#adopt(start.book);
    responder.adoptChallenges(start.challenges);
    port.on("message", (message: ToWorker) => this.#obey(message));
    this.#tell({ kind: "ready" });
  }

  #obey(message: ToWorker): void {
    switch (message.kind) {
      case "book":
        this.#adopt(message.book);
        this.#tell({ kind: "taken" });
        break;
      case "challenges":
        this.#responder.adoptChallenges(message.challenges);
        break;
      case "reply":
        this.#reply(message.to, message.message);
        break;
      case "serve":
        this.#serve(message.post);
        break;
      case "queues":
        this.#queues = message.queues;
        this.#tell({ kind: "taken" });
        break;
      case "stop":
        for (const socket of this.#sockets) socket.close();
        this.#port.close();
        break;
    }
  }

  /** Warms up with the first book: without one nobody could be answered, and later ones are adopted between two answers. */
  #adopt(book: ServedBook): void {
    this.#responder.adopt(book);
    if (this.#isWarm) return;
    this.#isWarm = true;
    try {
      this.#responder.warmUp(book, Math.trunc(Date.now() / 1000));
    } catch (error) {
      this.#tellCrash(error, true);
    }
  }

  #serve(post: Post): void {
    const answer = guard(this.#responder.answer, (error, isFirst) => this.#tellCrash(error, isFirst));
    switch (post.kind) {
      case "batch":
        this.#serveBatches(post, answer);
        break;
      case "datagram":
        void this.#serveDatagrams(post, answer);
        break;
    }
  }

  #tellCrash(error: unknown, isFirst: boolean): void {
    count(this.#start.counters, Counter.crashes);
    if (isFirst) this.#tell({ kind: "crash", stack: describeCrash(error) });
  }

  /** Keeps the thread until the end, so it reads the messages itself. */
  #serveBatches({ sockets, queues }: BatchPost, answer: Answer): void {
    this.#queues = queues;
    const calls = systemCalls();
    assert(calls !== null, "a worker has the system calls with which the parent opened its sockets");
    const precedence = new Precedence({
      calls,
      workersOnCore: this.#start.workersOnCore,
      usedUs: threadUsedUs,
    });
    this.#tell({ kind: "serving" });
    serveBatches({
      calls,
      sockets,
      queues: () => this.#queues,
      answer,
      orders: new Orders(this.#start.orders),
      heartbeat: new Heartbeat(this.#start.heartbeat),
      precedence,
      readMail: () => this.#readMail(),
      forward: this.#forward,
      counters: this.#start.counters,
    });
  }

  /** Leaves the thread to its event loop. A socket that cannot be bound, or breaks, ends the thread. */
  async #serveDatagrams(post: DatagramPost, answer: Answer): Promise<void> {
    this.#sockets = await serveDatagrams({
      ...post,
      answer,
      forward: this.#forward,
      counters: this.#start.counters,
    });
    this.#reply = replyBy(this.#sockets, this.#start.counters);
    const heartbeat = new Heartbeat(this.#start.heartbeat);
    setInterval(() => heartbeat.beat(), BEAT_MS).unref();
    this.#tell({ kind: "serving" });
  }

  /** What is beyond the budget is dropped, and the client asks again: over UDP anybody may be the source. */
  readonly #forward: ForwardPacket = (octets, client, from) => {
    if (!this.#budget.take(Date.now())) return;
    const source = client.address.slice(0, client.family === 4 ? 4 : 16);
    this.#tell({ kind: "forward", from, source, octets });
  };

  #readMail(): void {
    for (;;) {
      const mail = receiveMessageOnPort(this.#port);
      if (mail === undefined) return;
      this.#obey(mail.message);
    }
  }

  #tell(message: FromWorker): void {
    this.#port.postMessage(message);
  }
}

function threadUsedUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

assert(parentPort !== null, "this file is a worker thread's");
const start: WorkerStart = workerData;
const loop = new URL("./udp-batch.ts", import.meta.url).href;
const modules = start.modules ?? readModules(start.responder, loop);
if (start.modules === null) parentPort.postMessage({ kind: "read", modules } satisfies FromWorker);
const linked = new LinkedModules(modules);
const { createResponder } = linked.load(start.responder) as typeof ResponderModule;
// With the answer, because a spare that has to load it first would let a dead worker's sockets wait.
const { serveBatches } = linked.load(loop) as typeof UdpBatch;
new UdpWorker(parentPort, start, createResponder(null, start.counters, start.options, start.samples));
