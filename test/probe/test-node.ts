/** The node's side of the report stream, on a real WebSocket, as the protocol asks for it and no more. */

import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import type { Outcome } from "../../src/health/report.ts";
import type { Observations } from "../../src/probe/orders.ts";
import {
  formatMessage,
  type NodeMessage,
  parseAgentMessage,
  STREAM_PATH,
  type Target,
} from "../../src/probe/protocol.ts";
import { pem } from "./servers.ts";

/** What a node took, duplicates left out. */
export interface Taken {
  readonly vip: string;
  readonly outcome: Outcome;
  readonly agoMs: number;
  /** When it came, by the clock of the process. */
  readonly atMs: number;
}

export class TestNode {
  readonly taken: Taken[] = [];
  /** Sequence numbers in the order of arrival, with those sent again. */
  readonly sequences: number[] = [];
  readonly hellos: { readonly vantage: string; readonly session: string }[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** Batches of observations in the order of arrival, with those sent again. */
  readonly observed: Observations[] = [];
  /** How far its clock is ahead of the process's. */
  aheadMs = 1_000_000;
  targets: readonly Target[] = [];
  acknowledges = true;
  refusal: string | null = null;
  /** Answers no pings and reads nothing. */
  silent = false;
  /** Answers pings, but takes no message. */
  deaf = false;
  /** One of those made by `certificates/make.sh`; null: without TLS. */
  certificate: string | null = null;
  /** Connections that a stream was to be upon. */
  connections = 0;
  port = 0;
  #server: WebSocketServer | null = null;
  #http: HttpServer | null = null;
  readonly #last = new Map<string, number>();

  get url(): string {
    return `${this.certificate === null ? "http" : "https"}://127.0.0.1:${this.port}`;
  }

  /** Listens, on the port that it had before if it had one. */
  async open(): Promise<void> {
    const { certificate } = this;
    const http =
      certificate === null
        ? createServer()
        : createTlsServer({ cert: pem(`${certificate}.pem`), key: pem(`${certificate}.key`) });
    const server = new WebSocketServer({ server: http, path: STREAM_PATH, autoPong: false });
    this.#server = server;
    this.#http = http;
    http.on("connection", () => {
      this.connections += 1;
    });
    server.on("connection", (socket, request) => {
      this.authorizations.push(request.headers.authorization);
      this.#serve(socket);
    });
    http.listen(this.port, "127.0.0.1");
    await once(http, "listening");
    this.port = (http.address() as AddressInfo).port;
  }

  /** Goes away as a machine does that loses its power. */
  async close(): Promise<void> {
    const [server, http] = [this.#server, this.#http];
    this.#server = null;
    this.#http = null;
    for (const socket of server?.clients ?? []) socket.terminate();
    server?.close();
    const closed = http === null ? null : new Promise((resolve) => http.close(resolve));
    http?.closeAllConnections();
    await closed;
  }

  get clients(): number {
    return this.#server?.clients.size ?? 0;
  }

  send(message: NodeMessage): void {
    for (const socket of this.#server?.clients ?? []) socket.send(formatMessage(message));
  }

  sendText(text: string): void {
    for (const socket of this.#server?.clients ?? []) socket.send(text);
  }

  #serve(socket: WebSocket): void {
    let session = "";
    socket.on("ping", (data) => {
      if (!this.silent) socket.pong(data);
    });
    socket.on("message", (data) => {
      if (this.silent || this.deaf) return;
      const message = parseAgentMessage(data.toString());
      if (message.kind === "problem") throw new Error(message.message);
      if (message.kind === "hello") {
        session = message.session;
        this.hellos.push(message);
        if (this.refusal === null) this.send({ kind: "targets", version: 1, targets: this.targets });
        else {
          this.send({ kind: "refused", reason: this.refusal });
          socket.close(1008);
        }
        return;
      }
      if (message.kind === "clock") {
        const nowMs = performance.now() + this.aheadMs;
        this.send({ ...message, receivedAtMs: nowMs, repliedAtMs: nowMs });
        return;
      }
      if (message.kind === "observations") {
        this.observed.push(message);
        if (this.acknowledges) this.send({ kind: "observed", sequence: message.sequence });
        return;
      }
      this.sequences.push(message.sequence);
      if (message.sequence > (this.#last.get(session) ?? 0)) {
        this.#last.set(session, message.sequence);
        const atMs = performance.now();
        this.taken.push(...message.reports.map((report) => ({ ...report, atMs })));
      }
      if (this.acknowledges) socket.send(formatMessage({ kind: "ack", sequence: message.sequence }));
    });
  }
}

/** A node that listens until the test ends. */
export async function testNode(
  targets: readonly Target[] = [],
  certificate: string | null = null,
): Promise<TestNode> {
  const node = new TestNode();
  node.targets = targets;
  node.certificate = certificate;
  await node.open();
  onTestFinished(() => node.close());
  return node;
}

/** Waits until something holds. */
export function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 5_000, interval: 5 });
}
