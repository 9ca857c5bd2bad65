/** Ends worker threads of another process. */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";

const PATIENCE_MS = 30_000;
const LOOK_MS = 5;

/** Ends threads of another process by the debugger's protocol: nothing of ours needs a way to do that. */
export class Inspector {
  readonly #socket: WebSocket;
  readonly #sessions: string[] = [];
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (text) => {
      const { method, params } = JSON.parse(String(text));
      if (method === "NodeWorker.attachedToWorker") this.#sessions.push(params.sessionId);
    });
  }

  /** Connects, and waits until both threads of a node with one worker are known. */
  static async open(url: string): Promise<Inspector> {
    const socket = new WebSocket(url);
    await once(socket, "open");
    const inspector = new Inspector(socket);
    inspector.#send("NodeWorker.enable", { waitForDebuggerOnStart: false });
    const giveUpAt = performance.now() + PATIENCE_MS;
    while (inspector.#sessions.length < 2) {
      if (performance.now() > giveUpAt) throw new Error("the debugger does not see the worker and its spare");
      await sleep(LOOK_MS);
    }
    return inspector;
  }

  threads(): readonly string[] {
    return [...this.#sessions];
  }

  end(sessionId: string): void {
    const evaluate = { id: 1, method: "Runtime.evaluate", params: { expression: "process.exit(1)" } };
    this.#send("NodeWorker.sendMessageToWorker", { sessionId, message: JSON.stringify(evaluate) });
  }

  close(): void {
    this.#socket.close();
  }

  #send(method: string, params: object): void {
    this.#id += 1;
    this.#socket.send(JSON.stringify({ id: this.#id, method, params }));
  }
}
