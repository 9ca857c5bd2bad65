/** VIPs for an agent to probe: one HTTP server on many loopback addresses, which notes when it is asked. */

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { VipId } from "../src/config/config.ts";
import type { Target } from "../src/probe/protocol.ts";

export const INTERVAL_MS = 5_000;
export const JITTER_MS = 500;
const BIN_MS = 10;

/** What the VIPs saw since the last `forget`. */
interface Begun {
  readonly count: number;
  /** The most probes that began within 10 ms. */
  readonly most10ms: number;
  /** For each probe but the first of a VIP, by how much it came later than interval and jitter. */
  readonly latenessMs: readonly number[];
}

export class BenchVips {
  readonly #server: Server;
  readonly #port: number;
  readonly #lastMs = new Map<string, number>();
  #bins = new Map<number, number>();
  #count = 0;
  #latenessMs: number[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    server.on("connection", (socket) => this.#note(socket.localAddress ?? ""));
  }

  static async open(): Promise<BenchVips> {
    const server = createServer((_, response) => response.end('{"db":"ok","load":0.5}'));
    // All of 127.0.0.0/8 is here, so that each VIP has an address of its own.
    server.listen({ port: 0, host: "0.0.0.0", backlog: 4_096 });
    await once(server, "listening");
    return new BenchVips(server);
  }

  /** So many of them, as a node would tell an agent. */
  targets(size: number): readonly Target[] {
    return Array.from({ length: size }, (_, i) => ({
      vip: `web/vip-${i}/ipv4` as VipId,
      address: `127.1.${i >> 8}.${i & 255}`,
      probe: {
        kind: "http",
        version: 1,
        tls: null,
        port: this.#port,
        method: "GET",
        path: "/healthz",
        host: "www.gslb.example",
        headers: {},
        expect: { codes: [[200, 299]], headers: {}, body: null, pattern: null, json: {} },
        load: null,
        latencyMs: null,
        inverted: false,
      },
      intervalMs: INTERVAL_MS,
      timeoutMs: 2_000,
      recheckMs: 1_000,
      jitterMs: JITTER_MS,
      rise: 2,
      fall: 2,
    }));
  }

  begun(): Begun {
    const most10ms = Math.max(0, ...this.#bins.values());
    return { count: this.#count, most10ms, latenessMs: this.#latenessMs };
  }

  forget(): void {
    this.#bins = new Map();
    this.#count = 0;
    this.#latenessMs = [];
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #note(address: string): void {
    const nowMs = performance.now();
    const bin = Math.floor(nowMs / BIN_MS);
    this.#bins.set(bin, (this.#bins.get(bin) ?? 0) + 1);
    this.#count += 1;
    const lastMs = this.#lastMs.get(address);
    this.#lastMs.set(address, nowMs);
    if (lastMs !== undefined) this.#latenessMs.push(nowMs - lastMs - INTERVAL_MS - JITTER_MS);
  }
}
