/** An agent that probes nothing: it tells a node what the bench wants it to believe. */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import { parseNodeMessage, STREAM_PATH } from "../src/probe/protocol.ts";

/** Reports are sent at once, up to this many VIPs in a message. */
const REPORTS_MAX = 500;
const RETRY_MS = 50;

/** One vantage's report stream. */
export class BenchVantage {
  readonly #socket: WebSocket;
  #sequence = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Connects as soon as the node's API is there; `giveUpAt` is by `performance.now`. */
  static async connect(
    port: number,
    vantage: string,
    token: string,
    giveUpAt: number,
  ): Promise<BenchVantage> {
    for (;;) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}${STREAM_PATH}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      try {
        await once(socket, "open");
        return await BenchVantage.#greet(socket, vantage);
      } catch (cause) {
        if (performance.now() > giveUpAt) throw new Error(`Cannot connect as vantage ${vantage}`, { cause });
        await sleep(RETRY_MS);
      }
    }
  }

  /** Says that all these VIPs are up or down, and waits until the node has taken it. */
  async report(vips: readonly string[], isUp: boolean): Promise<void> {
    const timings = { connectMs: 10, tlsMs: null, firstByteMs: null };
    const outcome = isUp
      ? { kind: "success", timings }
      : { kind: "failure", error: "timeout", detail: "as the bench wants it", timings };
    for (let from = 0; from < vips.length; from += REPORTS_MAX) {
      const reports = vips.slice(from, from + REPORTS_MAX).map((vip) => ({ vip, agoMs: 0, outcome }));
      this.#sequence += 1;
      this.#socket.send(JSON.stringify({ kind: "reports", sequence: this.#sequence, reports }));
      await hear(this.#socket, "ack");
    }
  }

  close(): void {
    this.#socket.on("error", () => undefined);
    this.#socket.terminate();
  }

  static async #greet(socket: WebSocket, vantage: string): Promise<BenchVantage> {
    const session = `bench-${process.pid}-${performance.now()}`;
    socket.send(JSON.stringify({ kind: "hello", vantage, session, version: "bench" }));
    await hear(socket, "targets");
    return new BenchVantage(socket);
  }
}

/** Waits for a message of a kind; throws when the node says something else instead. */
async function hear(socket: WebSocket, kind: "targets" | "ack"): Promise<void> {
  const [data] = await once(socket, "message");
  const message = parseNodeMessage(String(data));
  if (message.kind !== kind)
    throw new Error(`expected ${kind} from the node, got ${JSON.stringify(message)}`);
}
