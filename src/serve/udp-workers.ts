/** The threads that answer over UDP: started, given sockets, told of books, replaced when they die. */

import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { AnswerOptions } from "../answer/options.ts";
import type { ServedBook } from "../answer/responder.ts";
import { Transport } from "../answer/transport.ts";
import type { Endpoint } from "../config/node.ts";
import { counterRow } from "../telemetry/counters.ts";
import { sampleRing } from "../telemetry/samples.ts";
import type { Forwarder } from "./forwarder.ts";
import { describeCrash } from "./guard.ts";
import { Heartbeat } from "./heartbeat.ts";
import { LateReplies } from "./late-replies.ts";
import type { ModuleTexts } from "./linked.ts";
import { Orders } from "./orders.ts";
import type { SocketSet } from "./socket-set.ts";
import { batchPosts, datagramPosts, datagramWorkers } from "./udp-posts.ts";
import type { FromWorker, Post, ReturnAddress, ToWorker, WorkerStart } from "./worker-messages.ts";
import type { XdpLink } from "./xdp/bpf.ts";
import type { XdpInterface } from "./xdp/interfaces.ts";

/** How UDP is served. */
export interface UdpOptions {
  readonly endpoints: readonly Endpoint[];
  /** Threads that answer at a time; each has a socket for each endpoint. */
  readonly workers: number;
  /** Where the sockets of batches come from; null: each worker binds its own, and reads one datagram at a time. */
  readonly sockets: SocketSet | null;
  /** null: none yet. */
  readonly book: ServedBook | null;
  /** null: none. */
  readonly challenges: ServedBook | null;
  readonly options: AnswerOptions;
  /** Made by `newCounters`. */
  readonly counters: SharedArrayBuffer;
  /** Made by `newSampleRings`, with a ring for each row of the counters; null: traffic is not sampled. */
  readonly samples: SharedArrayBuffer | null;
  /** The workers' rows are this one and those after it, `udpRows` in all. */
  readonly firstRow: number;
  /** The parent's own row: the replies of control's to packets in batches are sent here. */
  readonly ownCounters: Float64Array;
  /** Takes what workers leave to control. */
  readonly forwarder: Pick<Forwarder, "forward">;
  /** What deserves a line in the log. */
  readonly onEvent: (event: UdpEvent) => void;
  /** A module with a `createResponder`; `answer/responder.ts` but in tests. */
  readonly responder?: URL;
}

/** lost: a worker died, and another takes its post over if it had one. crash: an answer threw; one a second is told. */
export type UdpEvent =
  | {
      readonly kind: "lost";
      readonly reason: string;
      /** It was ended, because it did not answer any more. */
      readonly isHung: boolean;
      readonly wasServing: boolean;
    }
  | { readonly kind: "crash"; readonly stack: string };

/** The rows of counters that `workers` workers and their spare need. */
export function udpRows(workers: number): number {
  return workers + 1;
}

/** A worker that lived shorter would die again at once, so its successor waits as long. */
const SHORT_LIFE_MS = 200;
/** By then a worker that was asked to stop has stopped, because a batch loop looks every 100 ms. */
const STOPPED_AFTER_MS = 250;

/** By then the kernel has put what it had in hand into the queues of interfaces. */
const DIVERTED_AFTER_MS = 20;

/** Who asks for room does so again in less. */
const ROOM_MS = 500;

/** How often the workers' heartbeats are looked at. */
const LOOK_MS = 1_000;
/** A worker that serves and was found without a beat so often in a row hangs: it makes ten rounds between two looks. */
const LOOKS_MAX = 2;

/** A thread, and what it is for. */
interface Hand {
  readonly worker: Worker;
  readonly row: number;
  readonly startedAtMs: number;
  readonly heartbeat: Heartbeat;
  state: "loading" | "spare" | "starting" | "serving";
  post: Post | null;
  /** Called by turns, for each book, and all queues, that it was told of and has taken. */
  readonly onTaken: (() => void)[];
  /** Why it died. */
  reason: string;
  /** It was ended, because it did not go round its loop any more. */
  isHung: boolean;
}

/**
 * All UDP workers of a process.
 *
 *     loading --ready--> spare --a post is vacant--> starting --> serving --dies--> its post is vacant
 *
 * There is one worker more than there are posts, so a dead one's sockets are in other hands within a millisecond,
 * and then a new spare is started; one that hangs is found out within three seconds. The queries that come meanwhile wait in the sockets: lost is at most the batch
 * that the dead one had in its hands.
 */
export class UdpWorkers {
  readonly mode: "batch" | "datagram";
  readonly #options: UdpOptions;
  /** How many workers serve at a time. */
  readonly #workers: number;
  readonly #vacant: Post[] = [];
  readonly #hands: Set<Hand> = new Set();
  readonly #freeRows: number[];
  readonly #orders: Orders = new Orders();
  readonly #loaded: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #watch: NodeJS.Timeout = setInterval(() => this.#endHung(), LOOK_MS).unref();
  readonly #lateReplies: LateReplies | null;
  #roomEnds: NodeJS.Timeout | null = null;
  /** What all workers run; null until the first has read it. */
  #modules: ModuleTexts | null = null;
  #posts: readonly Post[] = [];
  #endpoints: readonly Endpoint[] = [];
  #interfaces: readonly XdpInterface[] = [];
  #book: ServedBook | null;
  #challenges: ServedBook | null;
  #isStopping = false;

  private constructor(options: UdpOptions) {
    const { workers, sockets, firstRow, book, challenges, ownCounters } = options;
    this.mode = sockets === null ? "datagram" : "batch";
    this.#options = options;
    this.#lateReplies = sockets === null ? null : new LateReplies(sockets.calls, ownCounters);
    this.#workers = sockets === null ? datagramWorkers(workers) : workers;
    this.#freeRows = Array.from({ length: udpRows(this.#workers) }, (_, i) => firstRow + i);
    this.#book = book;
    this.#challenges = challenges;
  }

  /** Resolves when every worker serves; rejects when an endpoint cannot be bound or a worker cannot start. */
  static async start(options: UdpOptions): Promise<UdpWorkers> {
    const workers = new UdpWorkers(options);
    try {
      await workers.#begin();
    } catch (error) {
      await workers.stop();
      throw error;
    }
    return workers;
  }

  /** Where it listens: with the ports that were chosen, and for datagrams with wildcards resolved. */
  addresses(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** Has every worker answer from another book, from its next batch on; resolves when all do. */
  async adopt(book: ServedBook): Promise<void> {
    this.#book = book;
    const taken = [...this.#hands].map((hand) => {
      tell(hand, { kind: "book", book });
      return new Promise<void>((resolve) => hand.onTaken.push(resolve));
    });
    this.#orders.announceMail();
    await Promise.all(taken);
  }

  /** Has every worker answer with other challenges, from its next batch on. */
  adoptChallenges(challenges: ServedBook | null): void {
    this.#challenges = challenges;
    for (const hand of this.#hands) tell(hand, { kind: "challenges", challenges });
    this.#orders.announceMail();
  }

  /**
   * Has workers answer what comes to interfaces too; their queues are dealt out, and end with the workers. Resolves when all read
   * them. To be called once at most, with workers that read batches.
   */
  async takeInterfaces(interfaces: readonly XdpInterface[]): Promise<void> {
    this.#interfaces = interfaces;
    const posts = this.#posts.filter((post) => post.kind === "batch");
    for (const [i, queue] of interfaces.flatMap(({ queues }) => queues).entries())
      posts[i % posts.length]?.queues.push(queue);
    const taken = [...this.#hands].map((hand) => {
      if (hand.post?.kind !== "batch") return null;
      tell(hand, { kind: "queues", queues: hand.post.queues });
      return new Promise<void>((resolve) => hand.onTaken.push(resolve));
    });
    this.#orders.announceMail();
    await Promise.all(taken);
  }

  /**
   * For half a second, has workers that keep up leave more of their cores to others, and answer somewhat later. Where there are
   * more cores than workers there is room already.
   */
  makeRoom(): void {
    if (this.#options.workers < availableParallelism()) return;
    this.#orders.askForRoom(true);
    if (this.#roomEnds !== null) clearTimeout(this.#roomEnds);
    this.#roomEnds = setTimeout(() => this.#orders.askForRoom(false), ROOM_MS).unref();
  }

  /** The links of the interfaces, by name. */
  links(): ReadonlyMap<string, XdpLink> {
    return new Map(this.#interfaces.flatMap(({ name, link }) => (link === null ? [] : [[name, link]])));
  }

  /** Ends all workers and closes their sockets, within 300 ms. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#watch);
    for (const one of this.#interfaces) one.divert();
    if (this.#interfaces.length > 0) await sleep(DIVERTED_AFTER_MS);
    const exits = [...this.#hands].map((hand) => new Promise((resolve) => hand.worker.once("exit", resolve)));
    for (const hand of this.#hands) tell(hand, { kind: "stop" });
    this.#orders.stop();
    await Promise.race([Promise.all(exits), sleep(STOPPED_AFTER_MS)]);
    await Promise.all([...this.#hands].map((hand) => hand.worker.terminate()));
    this.#options.sockets?.closeUdp();
    for (const one of this.#interfaces) one.close();
  }

  /**
   * The first worker reads the modules for all. Sockets come last: what is bound beside a predecessor's sockets gets queries at
   * once, and somebody must read it.
   */
  async #begin(): Promise<void> {
    this.#startWorker();
    await Promise.race([this.#loaded.promise, this.#started.promise]);
    const { sockets, endpoints } = this.#options;
    const opened = await (sockets === null
      ? datagramPosts(endpoints, this.#workers)
      : batchPosts(sockets, endpoints, this.#workers));
    this.#endpoints = opened.endpoints;
    this.#posts = opened.posts;
    this.#vacant.push(...opened.posts);
    this.#fillPosts();
    await this.#started.promise;
  }

  #startWorker(): void {
    const row = this.#freeRows.pop();
    if (row === undefined || this.#isStopping) return;
    const heartbeat = new Heartbeat();
    const { samples } = this.#options;
    const start: WorkerStart = {
      responder: (this.#options.responder ?? new URL("../answer/responder.ts", import.meta.url)).href,
      modules: this.#modules,
      book: this.#book,
      options: this.#options.options,
      challenges: this.#challenges,
      counters: counterRow(this.#options.counters, row),
      samples: samples === null ? null : sampleRing(samples, row),
      orders: this.#orders.shared,
      heartbeat: heartbeat.shared,
      workersOnCore: Math.max(1, this.#options.workers / availableParallelism()),
    };
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      name: "udp",
      workerData: start,
      // Reading TypeScript by a function, as `linked.ts` does, is called experimental; the Node that we run is pinned.
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    const startedAtMs = performance.now();
    const hand: Hand = {
      worker,
      row,
      startedAtMs,
      heartbeat,
      state: "loading",
      post: null,
      onTaken: [],
      reason: "it ended",
      isHung: false,
    };
    this.#hands.add(hand);
    worker.on("message", (message: FromWorker) => this.#hear(hand, message));
    worker.on("error", (error) => {
      hand.reason = describeCrash(error);
    });
    worker.on("exit", () => this.#lose(hand));
  }

  #hear(hand: Hand, message: FromWorker): void {
    switch (message.kind) {
      case "read":
        this.#modules = message.modules;
        while (this.#freeRows.length > 0) this.#startWorker();
        break;
      case "ready":
        hand.state = "spare";
        if (this.#count("spare") === udpRows(this.#workers)) this.#loaded.resolve();
        this.#fillPosts();
        break;
      case "serving":
        hand.state = "serving";
        if (this.#count("serving") === this.#workers) this.#started.resolve();
        break;
      case "taken":
        hand.onTaken.shift()?.();
        break;
      case "forward":
        this.#forward(hand, message);
        break;
      case "crash":
        this.#options.onEvent(message);
        break;
    }
  }

  /** A reply goes out by the socket that the request came in by: from here, or by who has it in hand then. */
  #forward({ post }: Hand, { from, source, octets }: Extract<FromWorker, { kind: "forward" }>): void {
    const request = { octets, source, transport: Transport.Udp, tls: null };
    this.#options.forwarder.forward(request, {
      reply: (message) => this.#reply(post, from, message),
      abort: () => {},
    });
  }

  #reply(post: Post | null, to: ReturnAddress, message: Uint8Array): void {
    // By then the sockets are closed, or somebody else's.
    if (this.#isStopping) return;
    if (post?.kind === "batch") {
      const socket = post.sockets[to.socket];
      if (socket !== undefined) this.#lateReplies?.send(socket, to.envelope, message);
      return;
    }
    // Posts of datagrams are alike, and one reply is enough.
    const hand = [...this.#hands].find((one) => one.post === post && one.state === "serving");
    if (hand !== undefined) tell(hand, { kind: "reply", to, message });
  }

  #count(state: Hand["state"]): number {
    return [...this.#hands].filter((hand) => hand.state === state).length;
  }

  /** Gives vacant posts to spare workers. */
  #fillPosts(): void {
    for (const hand of this.#hands) {
      if (hand.state !== "spare") continue;
      const post = this.#vacant.shift();
      if (post === undefined) return;
      hand.post = post;
      hand.state = "starting";
      tell(hand, { kind: "serve", post });
    }
  }

  /** Ends workers that hang, so that others take their posts. What they have in hand is lost. */
  #endHung(): void {
    for (const hand of this.#hands) {
      if (hand.state !== "serving" || hand.heartbeat.look() < LOOKS_MAX || hand.isHung) continue;
      hand.isHung = true;
      hand.reason = `it did not go round its loop for ${(LOOKS_MAX * LOOK_MS) / 1_000} s`;
      void hand.worker.terminate();
    }
  }

  /** A worker has ended: its post goes to the spare, and a new spare is started. */
  #lose(hand: Hand): void {
    this.#hands.delete(hand);
    for (const taken of hand.onTaken) taken();
    this.#freeRows.push(hand.row);
    if (hand.post !== null) this.#vacant.push(hand.post);
    if (this.#isStopping) return;
    this.#fillPosts();
    const livedMs = performance.now() - hand.startedAtMs;
    setTimeout(() => this.#startWorker(), livedMs < SHORT_LIFE_MS ? SHORT_LIFE_MS : 0);
    this.#started.reject(new Error(`Cannot start a UDP worker: ${hand.reason}`));
    const { reason, isHung, post } = hand;
    this.#options.onEvent({ kind: "lost", reason, isHung, wasServing: post !== null });
  }
}

function tell(hand: Hand, message: ToWorker): void {
  hand.worker.postMessage(message);
}
