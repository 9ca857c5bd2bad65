/** Takes the report streams of agents: the node's side of `probe/protocol.ts`. */

import type { RawData, WebSocket } from "ws";
import type { Config, VantageId, VipId } from "../config/config.ts";
import type { Report } from "../health/report.ts";
import type { ClockRequest, Observations, Order } from "../probe/orders.ts";
import {
  type AgentMessage,
  formatMessage,
  type Hello,
  type MessageProblem,
  type NodeMessage,
  PING_INTERVAL_MS,
  parseAgentMessage,
  type Reports,
  SILENCE_MS_MAX,
  type Target,
} from "../probe/protocol.ts";
import type { TokenRecord } from "./store.ts";
import { targetsOf } from "./targets.ts";

/** A stream that brings more than this is read no faster, so that one agent cannot take all of control's time. */
const REPORTS_PER_SECOND_MAX = 20_000;

/** An agent makes a session at each start; numbers of more sessions than this are not remembered. */
const SESSIONS_MAX = 16;

/** So much of what an agent has asked for may wait until it reads: 10,000 replies, of which a batch takes one. */
const UNREAD_OCTETS_MAX = 1_048_576;

/** WebSocket close code for a peer that breaks the rules (RFC 6455 §7.4.1). */
const POLICY_VIOLATION = 1008;

export interface IngestOptions {
  readonly nowMs: () => number;
  /** Takes reports whose vantage is known; their VIPs may be gone. */
  readonly take: (reports: readonly Report[]) => void;
  /** What agents of a vantage are to do for drills. */
  readonly orders: (vantage: VantageId) => readonly Order[];
  /** Takes what an agent has seen for drills. */
  readonly observe: (hello: Hello, batch: Observations) => void;
  /** Told, for the log, that an agent came, went or was refused. */
  readonly onStream: (token: string, event: "opened" | "closed" | "refused", detail: string) => void;
  readonly reportsPerSecondMax?: number;
}

/** All report streams of a node. */
export class Ingest {
  readonly #options: IngestOptions;
  readonly #streams = new Set<Stream>();
  readonly #reportsOf = new Sequences();
  readonly #observationsOf = new Sequences();
  /** By vantage and VIP, when the last report counts as made. */
  readonly #reportedAtMs = new Map<string, number>();
  #reportsTaken = 0;
  #config: Config;
  #version: number;
  #targets: readonly Target[];
  #targetVips: ReadonlySet<string>;
  readonly #pings: NodeJS.Timeout;

  constructor(config: Config, version: number, options: IngestOptions) {
    this.#config = config;
    this.#version = version;
    this.#targets = targetsOf(config);
    this.#targetVips = vipsOf(this.#targets);
    this.#options = options;
    this.#pings = setInterval(() => this.#ping(), PING_INTERVAL_MS);
    this.#pings.unref();
  }

  /** Takes over the socket of a token's owner; nothing must have been read from it. */
  accept(socket: WebSocket, token: TokenRecord): void {
    const stream = new Stream(socket, token, this.#options.reportsPerSecondMax ?? REPORTS_PER_SECOND_MAX);
    this.#streams.add(stream);
    socket.on("message", (data, isBinary) => this.#receive(stream, data, isBinary));
    for (const sign of ["message", "ping", "pong"]) socket.on(sign, () => stream.alive());
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      this.#streams.delete(stream);
      stream.close();
      if (stream.hello !== null) this.#options.onStream(token.name, "closed", "");
    });
  }

  /** Ends the streams of all tokens but those with these ids: one that was removed or has expired lets nobody in any more. */
  keepTokens(ids: ReadonlySet<string>): void {
    for (const stream of this.#streams) {
      if (!ids.has(stream.token.id)) this.#refuse(stream, "this token was removed, or has expired");
    }
  }

  /** Uses another config from now on; agents whose targets have changed are told. */
  use(config: Config, version: number): void {
    const targets = targetsOf(config);
    const changed = JSON.stringify(targets) !== JSON.stringify(this.#targets);
    this.#config = config;
    this.#version = version;
    this.#targets = targets;
    this.#targetVips = vipsOf(targets);
    this.#reportedAtMs.clear();
    for (const stream of this.#streams) {
      if (stream.hello === null) continue;
      if (!config.vantages.has(stream.hello.vantage))
        this.#refuse(stream, this.#unknownVantage(stream.hello));
      else if (changed) this.#sendTargets(stream);
    }
  }

  /** How many agents of a vantage are connected. */
  streamsOf(vantage: VantageId): number {
    return [...this.#streams].filter((stream) => stream.hello?.vantage === vantage).length;
  }

  /** The agents that are connected. */
  get agents(): readonly Hello[] {
    return [...this.#streams].flatMap(({ hello }) => hello ?? []);
  }

  /** Tells every agent that understands orders its own. */
  sendOrders(): void {
    for (const stream of this.#streams) this.#sendOrders(stream);
  }

  /** Reports taken since the start; repeated ones count once. */
  get reportsTaken(): number {
    return this.#reportsTaken;
  }

  close(): void {
    clearInterval(this.#pings);
    for (const stream of this.#streams) stream.socket.terminate();
  }

  #receive(stream: Stream, data: RawData, isBinary: boolean): void {
    // One that is refused may have sent much more.
    if (stream.socket.readyState !== stream.socket.OPEN) return;
    const message: AgentMessage | MessageProblem =
      isBinary || !Buffer.isBuffer(data)
        ? { kind: "problem", message: "expected text, got binary data" }
        : parseAgentMessage(data.toString("utf8"));
    const wrong = message.kind === "problem" ? message.message : this.#outOfPlace(stream, message);
    if (wrong !== null) this.#refuse(stream, wrong);
    else if (message.kind !== "problem") this.#take(stream, message);
  }

  #take(stream: Stream, message: AgentMessage): void {
    switch (message.kind) {
      case "hello":
        this.#greet(stream, message);
        break;
      case "reports":
        this.#takeReports(stream, message);
        break;
      case "observations":
        this.#takeObservations(stream, message);
        break;
      case "clock":
        this.#tellTime(stream, message);
        break;
    }
  }

  #greet(stream: Stream, hello: Hello): void {
    stream.hello = hello;
    this.#options.onStream(stream.token.name, "opened", `release ${hello.version}`);
    this.#sendTargets(stream);
    this.#sendOrders(stream);
  }

  /** Why this message may not come now; null: it may. */
  #outOfPlace(stream: Stream, message: AgentMessage): string | null {
    if (message.kind !== "hello") return stream.hello === null ? "expected a hello first" : null;
    if (stream.hello !== null) return "expected one hello, got another";
    const { grant } = stream.token;
    if (grant.role !== "agent") return `this token is for the role ${grant.role}, expected one for an agent`;
    if (message.vantage !== grant.vantage) {
      return `this token is for vantage "${grant.vantage}", not for "${message.vantage}"`;
    }
    return this.#config.vantages.has(message.vantage) ? null : this.#unknownVantage(message);
  }

  #unknownVantage(hello: Hello): string {
    return `no vantage "${hello.vantage}" in ${this.#config.file}`;
  }

  #takeReports(stream: Stream, message: Reports): void {
    const { hello } = stream;
    if (hello === null) return;
    if (this.#reportsOf.isNew(hello, message.sequence)) {
      this.#reportsTaken += message.reports.length;
      const { vantage } = hello;
      this.#options.take(
        message.reports.map(({ vip, agoMs, outcome }) => ({
          vantage,
          vip,
          atMs: this.#timeOf(vantage, vip, agoMs),
          outcome,
        })),
      );
    }
    this.#reply(stream, { kind: "ack", sequence: this.#reportsOf.last(hello) });
    stream.spend(message.reports.length);
  }

  #takeObservations(stream: Stream, message: Observations): void {
    const { hello } = stream;
    if (hello === null) return;
    if (this.#observationsOf.isNew(hello, message.sequence)) this.#options.observe(hello, message);
    this.#reply(stream, { kind: "observed", sequence: this.#observationsOf.last(hello) });
    stream.spend(message.observations.length);
  }

  #tellTime(stream: Stream, { sentAtMs }: ClockRequest): void {
    const nowMs = this.#options.nowMs();
    this.#reply(stream, { kind: "clock", sentAtMs, receivedAtMs: nowMs, repliedAtMs: nowMs });
    stream.spend(1);
  }

  /**
   * When a report was made, by our clock. Reports of one vantage on one VIP come in the order in which they were made,
   * but a message that was held up on its way makes the later ones look as old as it: they stay in order all the same.
   */
  #timeOf(vantage: VantageId, vip: VipId, agoMs: number): number {
    const key = `${vantage} ${vip}`;
    const last = this.#reportedAtMs.get(key) ?? 0;
    const atMs = Math.max(this.#options.nowMs() - agoMs, last + 1);
    // Whatever else an agent names is not remembered.
    if (this.#targetVips.has(vip)) this.#reportedAtMs.set(key, atMs);
    return atMs;
  }

  #sendTargets(stream: Stream): void {
    stream.send({ kind: "targets", version: this.#version, targets: this.#targets });
  }

  #sendOrders(stream: Stream): void {
    const { hello } = stream;
    if (hello?.watcher !== undefined)
      stream.send({ kind: "orders", orders: this.#options.orders(hello.vantage) });
  }

  /** Replies to an agent; one that sends and never reads would fill memory, and could not be told that it is let go. */
  #reply(stream: Stream, message: NodeMessage): void {
    stream.reply(message);
    if (stream.unreadOctets <= UNREAD_OCTETS_MAX) return;
    this.#options.onStream(stream.token.name, "refused", "it does not read what it is sent");
    stream.socket.terminate();
  }

  #refuse(stream: Stream, reason: string): void {
    this.#options.onStream(stream.token.name, "refused", reason);
    stream.send({ kind: "refused", reason });
    stream.socket.close(POLICY_VIOLATION);
  }

  #ping(): void {
    for (const stream of this.#streams) {
      if (stream.isSilent()) stream.socket.terminate();
      else if (stream.socket.readyState === stream.socket.OPEN) stream.socket.ping();
    }
  }
}

function vipsOf(targets: readonly Target[]): ReadonlySet<string> {
  return new Set(targets.map(({ vip }) => vip));
}

/** What was taken of each session's batches. */
class Sequences {
  /** By vantage and session, the last sequence number taken; the newest session last. */
  readonly #taken = new Map<VantageId, Map<string, number>>();

  /** Whether this batch was not taken before; from now on it was. */
  isNew(hello: Hello, sequence: number): boolean {
    if (sequence <= this.last(hello)) return false;
    this.#remember(hello, sequence);
    return true;
  }

  /** 0: nothing was taken. */
  last({ vantage, session }: Hello): number {
    return this.#taken.get(vantage)?.get(session) ?? 0;
  }

  #remember({ vantage, session }: Hello, sequence: number): void {
    const sessions = this.#taken.get(vantage) ?? new Map<string, number>();
    this.#taken.set(vantage, sessions);
    sessions.delete(session);
    sessions.set(session, sequence);
    const [oldest] = sessions.keys();
    if (sessions.size > SESSIONS_MAX && oldest !== undefined) sessions.delete(oldest);
  }
}

/** One agent's connection. */
class Stream {
  readonly socket: WebSocket;
  readonly token: TokenRecord;
  hello: Hello | null = null;
  /** Of replies; targets and orders are not the agent's doing, and may be longer. */
  unreadOctets = 0;
  readonly #reportsPerSecond: number;
  /** Reports that may still come before the stream is paused. */
  #budget: number;
  #refilledMs = performance.now();
  #lastSignMs = performance.now();
  #paused: NodeJS.Timeout | null = null;

  constructor(socket: WebSocket, token: TokenRecord, reportsPerSecond: number) {
    this.socket = socket;
    this.token = token;
    this.#reportsPerSecond = reportsPerSecond;
    this.#budget = reportsPerSecond;
  }

  send(message: NodeMessage): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(formatMessage(message));
  }

  /** Sends what the agent has asked for. */
  reply(message: NodeMessage): void {
    const text = formatMessage(message);
    this.unreadOctets += text.length;
    this.socket.send(text, () => {
      this.unreadOctets -= text.length;
    });
  }

  alive(): void {
    this.#lastSignMs = performance.now();
  }

  isSilent(): boolean {
    return this.#paused === null && performance.now() - this.#lastSignMs > SILENCE_MS_MAX;
  }

  /** Counts reports; once a second's worth is used up, reads no more until it has come in again. */
  spend(reports: number): void {
    const nowMs = performance.now();
    const refill = ((nowMs - this.#refilledMs) / 1_000) * this.#reportsPerSecond;
    this.#budget = Math.min(this.#budget + refill, this.#reportsPerSecond) - reports;
    this.#refilledMs = nowMs;
    if (this.#budget >= 0 || this.#paused !== null) return;
    this.socket.pause();
    const waitMs = (-this.#budget / this.#reportsPerSecond) * 1_000;
    this.#paused = setTimeout(() => {
      this.#paused = null;
      this.alive();
      this.socket.resume();
    }, waitMs);
  }

  close(): void {
    if (this.#paused !== null) clearTimeout(this.#paused);
  }
}
