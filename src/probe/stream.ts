/** The report stream to one node: a connection that is made again forever, and reports that outlive it. */

import type { Logger } from "pino";
import { WebSocket } from "ws";
import type { Clock } from "./clock.ts";
import { ObservationSender } from "./observation-sender.ts";
import type { Order, ReadOrders } from "./orders.ts";
import { isOwned, Outbox, reportsOutbox, type TimedReport } from "./outbox.ts";
import {
  type AgentMessage,
  formatMessage,
  type Hello,
  NODE_MESSAGE_LENGTH_MAX,
  PING_INTERVAL_MS,
  parseNodeMessage,
  type ReadTargets,
  SILENCE_MS_MAX,
  STREAM_PATH,
  type Target,
} from "./protocol.ts";
import { connectTo, parseNodeUrl, type Trust } from "./trust.ts";

/** How long news waits for more news; much less than what a report may take by the failover bound. */
const URGENT_DELAY_MS = 5;

/** How long an expected outcome waits for others. */
const BATCH_DELAY_MS = 200;

const RECONNECT_MS_MIN = 100;
/** A node whose control was killed cannot fail over before its agents are back, so this adds little to its restart. */
const RECONNECT_MS_MAX = 1_000;

/** How long a node may take to say goodbye. */
const CLOSE_MS_MAX = 500;

export interface StreamOptions {
  /** The node's URL, as in `https://dns1.example:8053`. */
  readonly node: string;
  /** What that node must show before it gets the token. */
  readonly trust: Trust;
  readonly token: string;
  readonly hello: Hello;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** Called at each sign of life of the node. */
  readonly onHeard: () => void;
  /** Called with all that the node wants probed, each time it says so; with nothing when it refuses this agent. */
  readonly onTargets: (targets: readonly Target[]) => void;
  /** Called with all that the node orders for drills, likewise. */
  readonly onOrders: (orders: readonly Order[]) => void;
}

/** Keeps one node informed until it is stopped. */
export class ReportStream {
  readonly #options: StreamOptions;
  readonly #url: URL;
  readonly #log: Logger;
  readonly #outbox = new Outbox(reportsOutbox);
  /** Sends what watches see for this node. */
  readonly observations: ObservationSender;
  /** null: not started. */
  #socket: WebSocket | null = null;
  /** True once this connection has brought targets. */
  #accepted = false;
  /** Connections in a row that ended before that. */
  #failures = 0;
  /** Why one of the two will not have the other, as the log has it. */
  #refusedFor: string | null = null;
  /** The next sending of what is loose. */
  #flush: { readonly atMs: number; readonly cancel: () => void } | null = null;
  #cancelReconnect = (): void => {};
  #stopped = false;

  /** Throws when the node's URL cannot be used. */
  constructor(options: StreamOptions) {
    this.#options = options;
    this.#url = parseNodeUrl(options.node, options.trust);
    // A path before it, as behind a proxy, is kept.
    this.#url.pathname = this.#url.pathname.replace(/\/$/, "") + STREAM_PATH;
    this.#log = options.log.child({ node: options.node });
    this.observations = new ObservationSender(options.clock, (message) => this.#send(message));
  }

  /** The address or name at which the node's API is. */
  get host(): string {
    return this.#url.hostname.replace(/^\[|\]$/g, "");
  }

  /** Connects, and from then on as often as need be. */
  start(): void {
    this.#socket = this.#connect();
  }

  /** Sends a report: news at once, the rest in company. It is kept until the node has acknowledged it. */
  report(report: TimedReport, urgent: boolean): void {
    const { clock } = this.#options;
    this.#outbox.add(report);
    const delayMs = urgent ? URGENT_DELAY_MS : BATCH_DELAY_MS;
    const atMs = clock.now() + delayMs;
    if (this.#flush !== null && this.#flush.atMs <= atMs) return;
    this.#flush?.cancel();
    this.#flush = { atMs, cancel: clock.after(delayMs, () => this.#sendLoose()) };
  }

  /** Forgets the failures of a time in which nobody could be heard. */
  disown(afterMs: number, untilMs: number): void {
    this.#outbox.keep((report) => isOwned(report, afterMs, untilMs));
  }

  /** Sends what is left and closes. */
  async stop(): Promise<void> {
    this.#sendLoose();
    this.observations.stop();
    this.#stopped = true;
    this.#cancelReconnect();
    const socket = this.#socket;
    if (socket === null || socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const cancel = this.#options.clock.after(CLOSE_MS_MAX, () => socket.terminate());
    socket.close(1000);
    await closed;
    cancel();
  }

  #connect(): WebSocket {
    const { clock, hello, token, trust, onHeard } = this.#options;
    const socket = new WebSocket(this.#url, {
      createConnection: () => connectTo(this.#url, trust, (why) => this.#distrust(why)),
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: SILENCE_MS_MAX,
      maxPayload: NODE_MESSAGE_LENGTH_MAX,
      perMessageDeflate: false,
    });
    let reason = "the node closed the connection";
    const hangUp = (why: string): void => {
      reason = why;
      socket.terminate();
    };
    let stopWatching = (): void => {};
    let cancelWelcome = (): void => {};
    // First of all: what is resent depends on it.
    for (const sign of ["open", "message", "ping", "pong"]) socket.on(sign, onHeard);
    socket.on("open", () => {
      stopWatching = watch(socket, clock, () => hangUp(`no sign of life for ${SILENCE_MS_MAX} ms`));
      cancelWelcome = clock.after(SILENCE_MS_MAX, () => {
        if (!this.#accepted) hangUp(`no targets within ${SILENCE_MS_MAX} ms`);
      });
      socket.send(formatMessage(hello));
      for (const batch of this.#outbox.resend(clock.now())) socket.send(formatMessage(batch));
      this.#sendLoose();
      this.observations.resend();
    });
    socket.on("message", (data) => this.#receive(data.toString()));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ECONNRESET") onHeard();
      reason = error.message;
    });
    socket.on("close", () => {
      stopWatching();
      cancelWelcome();
      this.#reconnect(reason);
    });
    return socket;
  }

  #receive(text: string): void {
    const message = parseNodeMessage(text);
    switch (message.kind) {
      case "targets":
        this.#accept(message);
        break;
      case "ack":
        this.#outbox.acknowledge(message.sequence);
        break;
      case "refused":
        this.#refuse(message.reason);
        break;
      case "orders":
        this.#follow(message);
        break;
      case "clock":
        this.observations.learn(message);
        break;
      case "observed":
        this.observations.acknowledge(message.sequence);
        break;
      case "problem":
        this.#log.error({ problem: message.message }, "cannot read the node's message");
        break;
    }
  }

  #accept({ version, targets, unreadable }: ReadTargets): void {
    const event = this.#accepted ? "targets changed" : "connected to node";
    this.#log.info({ version, targets: targets.length }, event);
    if (unreadable.length > 0) {
      this.#log.error(
        { left: unreadable.length, first: unreadable[0] },
        "targets that this agent cannot read are not probed; is it older than the node?",
      );
    }
    this.#accepted = true;
    this.#failures = 0;
    this.#refusedFor = null;
    this.#options.onTargets(targets);
  }

  #follow({ orders, unreadable }: ReadOrders): void {
    if (unreadable.length > 0) {
      this.#log.error(
        { left: unreadable.length, first: unreadable[0] },
        "orders that this agent cannot read are not followed; is it older than the node?",
      );
    }
    this.#options.onOrders(orders);
  }

  #refuse(reason: string): void {
    this.#sayOnce(reason, "node refuses this agent");
    this.#options.onTargets([]);
    this.#options.onOrders([]);
  }

  /** What it is asked to probe stays: whoever answers there now may be on the way to the node, and the token was not sent. */
  #distrust(reason: string): void {
    this.#sayOnce(reason, "cannot trust that this is the node; it gets no token");
  }

  #sayOnce(reason: string, event: string): void {
    if (reason !== this.#refusedFor) this.#log.error({ reason }, event);
    this.#refusedFor = reason;
  }

  /** Doubles the wait with each failure; the random half keeps the agents from returning all at once. */
  #reconnect(reason: string): void {
    if (this.#stopped) return;
    // One line for an outage, however many attempts it takes.
    if (this.#accepted) this.#log.warn({ reason }, "lost node");
    else if (this.#failures === 0 && reason !== this.#refusedFor)
      this.#log.warn({ reason }, "cannot connect to node");
    this.#accepted = false;
    const { clock, random } = this.#options;
    const waitMs = Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** this.#failures);
    this.#failures += 1;
    this.#cancelReconnect = clock.after(waitMs * (0.5 + random() / 2), () => this.start());
  }

  #sendLoose(): void {
    this.#flush?.cancel();
    this.#flush = null;
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    for (const batch of this.#outbox.seal(this.#options.clock.now())) this.#send(batch);
  }

  /** What is sent while there is no connection is lost. */
  #send(message: AgentMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(formatMessage(message));
  }
}

/**
 * Pings, and tells when nothing at all has come back for `SILENCE_MS_MAX`. It counts pings rather than time, so that an
 * agent that was itself held up does not blame the node.
 */
function watch(socket: WebSocket, clock: Clock, onSilence: () => void): () => void {
  let unanswered = 0;
  const alive = (): void => {
    unanswered = 0;
  };
  for (const event of ["message", "ping", "pong"]) socket.on(event, alive);
  const tick = (): void => {
    if (unanswered < SILENCE_MS_MAX / PING_INTERVAL_MS) {
      unanswered += 1;
      socket.ping();
      cancel = clock.after(PING_INTERVAL_MS, tick);
    } else onSilence();
  };
  let cancel = clock.after(0, tick);
  return () => cancel();
}
