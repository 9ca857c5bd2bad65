/** A node as an agent sees it: it says what to probe, takes reports, and counts failures. */

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { formatMessage, parseAgentMessage, STREAM_PATH, type Target } from "../src/probe/protocol.ts";

export class BenchNode {
  /** Settles when an agent has said hello. */
  readonly connected: Promise<void>;
  failures = 0;
  readonly #server: WebSocketServer;
  readonly #targets: readonly Target[];
  readonly #onHello: () => void;

  private constructor(server: WebSocketServer, targets: readonly Target[]) {
    this.#server = server;
    this.#targets = targets;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.connected = promise;
    this.#onHello = resolve;
    server.on("connection", (socket) => socket.on("message", (data) => this.#take(socket, String(data))));
  }

  static async open(targets: readonly Target[]): Promise<BenchNode> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: STREAM_PATH });
    await once(server, "listening");
    return new BenchNode(server, targets);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
  }

  #take(socket: WebSocket, text: string): void {
    const message = parseAgentMessage(text);
    if (message.kind === "problem") throw new Error(message.message);
    if (message.kind === "hello") {
      socket.send(formatMessage({ kind: "targets", version: 1, targets: this.#targets }));
      this.#onHello();
      return;
    }
    if (message.kind !== "reports") throw new Error(`expected reports, got ${message.kind}`);
    this.failures += message.reports.filter(({ outcome }) => outcome.kind === "failure").length;
    socket.send(formatMessage({ kind: "ack", sequence: message.sequence }));
  }
}
