/** Agents as a node sees them: real WebSockets, and messages as a test wants them. */

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { TokenRecord } from "../../src/control/store.ts";
import { PRETENDED } from "../../src/probe/orders.ts";
import { type NodeMessage, parseNodeMessage } from "../../src/probe/protocol.ts";

/** The part of the API that agents need: hands every connection to `accept`, with the token that the URL names. */
export class StreamServer {
  readonly #server: WebSocketServer;

  private constructor(server: WebSocketServer) {
    this.#server = server;
  }

  static async open(accept: (socket: WebSocket, token: TokenRecord) => void): Promise<StreamServer> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    server.on("connection", (socket, request) => accept(socket, agentToken((request.url ?? "/").slice(1))));
    await once(server, "listening");
    onTestFinished(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    return new StreamServer(server);
  }

  /** Connects with the token of a vantage. */
  async connect(tokenOf: string): Promise<TestAgent> {
    const { port } = this.#server.address() as AddressInfo;
    const agent = new TestAgent(new WebSocket(`ws://127.0.0.1:${port}/${tokenOf}`));
    await agent.opened;
    return agent;
  }
}

/** A token as the store has it for the agent of a vantage. */
function agentToken(vantage: string): TokenRecord {
  const name = `agent-${vantage}`;
  return { id: name, name, grant: { role: "agent", vantage }, createdMs: 0, expiresMs: null, usedMs: null };
}

/** One connection of an agent. */
export class TestAgent {
  readonly socket: WebSocket;
  readonly opened: Promise<unknown>;
  readonly received: NodeMessage[] = [];
  readonly #waiting: (() => void)[] = [];
  #sequence = 0;

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.opened = once(socket, "open");
    socket.on("message", (data) => {
      const message = parseNodeMessage(String(data));
      if (message.kind === "problem") throw new Error(message.message);
      this.received.push(message);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  send(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Says hello and waits for the targets. */
  async greet(vantage: string, session = "one"): Promise<void> {
    this.send({ kind: "hello", vantage, session, version: "test" });
    await this.next("targets");
  }

  /** Reports on VIPs and waits until the node has taken it. */
  async report(outcomes: Readonly<Record<string, Seen>>, agoMs = 0): Promise<void> {
    this.#sequence += 1;
    const sequence = this.#sequence;
    this.send({
      kind: "reports",
      sequence,
      reports: Object.entries(outcomes).map(([vip, what]) => sent(vip, what, agoMs)),
    });
    await this.until(() =>
      this.received.some((message) => message.kind === "ack" && message.sequence >= sequence),
    );
  }

  /** Waits for one more message of a kind than there were. */
  async next<Kind extends NodeMessage["kind"]>(kind: Kind): Promise<Extract<NodeMessage, { kind: Kind }>> {
    const all = (): readonly NodeMessage[] => this.received.filter((message) => message.kind === kind);
    const before = all().length;
    await this.until(() => all().length > before);
    return all().at(-1) as Extract<NodeMessage, { kind: Kind }>;
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** What an agent says that it saw; `pretended`: what a drill orders it to say. */
export type Seen = "ok" | "timeout" | "pretended";

/** One report as it goes over the stream. */
export function sent(vip: string, what: Seen, agoMs = 0): object {
  const timings = { connectMs: 10, tlsMs: null, firstByteMs: null };
  const outcome =
    what === "ok"
      ? { kind: "success", timings }
      : {
          kind: "failure",
          error: "timeout",
          detail: what === "timeout" ? "no answer in 1 s" : PRETENDED,
          timings,
        };
  return { vip, agoMs, outcome };
}
