/** The node's side of the report stream, on a real WebSocket, as the protocol asks for it and no more. */

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { onTestFinished, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import type { Outcome } from "../../src/health/report.ts";
import {
  formatMessage,
  type NodeMessage,
  parseAgentMessage,
  STREAM_PATH,
  type Target,
} from "../../src/probe/protocol.ts";

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
  targets: readonly Target[] = [];
  acknowledges = true;
  refusal: string | null = null;
  /** Answers no pings and reads nothing. */
  silent = false;
  /** Answers pings, but takes no message. */
  deaf = false;
  port = 0;
  #server: WebSocketServer | null = null;
  readonly #last = new Map<string, number>();

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Listens, on the port that it had before if it had one. */
  async open(): Promise<void> {
    const server = new WebSocketServer({
      host: "127.0.0.1",
      port: this.port,
      path: STREAM_PATH,
      autoPong: false,
    });
    this.#server = server;
    server.on("connection", (socket, request) => {
      this.authorizations.push(request.headers.authorization);
      this.#serve(socket);
    });
    await once(server, "listening");
    this.port = (server.address() as AddressInfo).port;
  }

  /** Goes away as a machine does that loses its power. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of server?.clients ?? []) socket.terminate();
    await new Promise<void>((resolve) => (server === null ? resolve() : server.close(() => resolve())));
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
export async function testNode(targets: readonly Target[] = []): Promise<TestNode> {
  const node = new TestNode();
  node.targets = targets;
  await node.open();
  onTestFinished(() => node.close());
  return node;
}

/** Waits until something holds. */
export function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 5_000, interval: 5 });
}
