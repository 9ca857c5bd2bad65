/** DNS over TCP (RFC 7766), on the event loop of the parent. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { Client } from "../answer/client.ts";
import type { Answer } from "../answer/responder.ts";
import type { Endpoint } from "../config/config.ts";
import { Counter, count } from "../telemetry/counters.ts";
import { type IpAddress, parseAddress } from "../wire/address.ts";
import { setClient, withoutZone } from "./endpoint.ts";
import { describeCrash, guard } from "./guard.ts";
import type { SocketSet } from "./socket-set.ts";
import { DnsStream } from "./stream.ts";

/** How TCP is served. */
export interface TcpOptions {
  readonly endpoints: readonly Endpoint[];
  /** Where the sockets that listen come from; null: each server opens its own. */
  readonly sockets: SocketSet | null;
  readonly limits: TcpLimits;
  readonly answer: Answer;
  /** The parent's own row. */
  readonly counters: Float64Array;
  /** An answer threw; one a second is told, with its stack. */
  readonly onCrash: (stack: string) => void;
}

/** What connections may take. */
export interface TcpLimits {
  /** One more, and the connection that has been idle longest is closed for it (RFC 7766 §6.2.3). */
  readonly maxConnections: number;
  /** For one IPv4 address, or one IPv6 /64: a single host can use all of that. */
  readonly maxConnectionsPerClient: number;
  /** A connection is closed when it has not sent a whole query for so long, or a quarter longer. */
  readonly idleTimeoutMs: number;
}

/** Responses that wait for a client to read them; with more, its queries wait too. */
const UNSENT_OCTETS_MAX = 64 * 1024;
/** What is being sent when we stop may take so long. */
const LINGER_MS = 200;

/** A connection, and when it was last of use. */
interface Connection {
  readonly socket: Socket;
  readonly stream: DnsStream;
  usedAtMs: number;
}

/** The TCP listeners of a process, and their connections. */
export class TcpServer {
  readonly #options: TcpOptions;
  readonly #answer: Answer;
  readonly #servers: Server[] = [];
  /** From the one idle longest to the one used last. */
  readonly #connections: Set<Connection> = new Set();
  readonly #countByClient: Map<string, number> = new Map();
  readonly #sweeper: NodeJS.Timeout;

  private constructor(options: TcpOptions) {
    this.#options = options;
    this.#answer = guard(options.answer, (error, isFirst) => {
      count(options.counters, Counter.crashes);
      if (isFirst) options.onCrash(describeCrash(error));
    });
    this.#sweeper = setInterval(() => this.#closeIdle(), options.limits.idleTimeoutMs / 4);
  }

  /** Resolves when all endpoints listen; rejects when one cannot. */
  static async start(options: TcpOptions): Promise<TcpServer> {
    const tcp = new TcpServer(options);
    try {
      for (const endpoint of options.endpoints) await tcp.#listen(endpoint);
    } catch (error) {
      await tcp.stop();
      throw error;
    }
    return tcp;
  }

  /** Where it listens, with the ports that were chosen. */
  addresses(): readonly Endpoint[] {
    return this.#servers.map((server) => {
      const bound = server.address();
      assert(bound !== null && typeof bound === "object", "a listening server has an address and a port");
      const address = parseAddress(bound.address);
      assert(address !== null, "a server is bound to an address");
      return { address, port: bound.port };
    });
  }

  /** Accepts nothing more, sends what is answered, and closes all connections, within 300 ms. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    for (const server of this.#servers) server.close();
    const closed = [...this.#connections].map(({ socket, stream }) => {
      stream.end();
      return new Promise((resolve) => socket.once("close", resolve));
    });
    const linger = setTimeout(() => {
      for (const { socket } of this.#connections) socket.destroy();
    }, LINGER_MS);
    await Promise.all(closed);
    clearTimeout(linger);
  }

  async #listen(endpoint: Endpoint): Promise<void> {
    const server = createServer({ highWaterMark: UNSENT_OCTETS_MAX, noDelay: true });
    server.listen(listenOptions(endpoint, this.#options.sockets));
    await once(server, "listening");
    server.on("connection", (socket) => this.#accept(socket));
    // Such as no file descriptor left: that connection is lost, and the next may do.
    server.on("error", () => count(this.#options.counters, Counter.receiveErrors));
    this.#servers.push(server);
  }

  #accept(socket: Socket): void {
    const { counters, limits } = this.#options;
    socket.on("error", () => {}); // The client went away: "close" follows, and there is nobody to tell.
    const address = parseAddress(withoutZone(socket.remoteAddress ?? ""));
    const clientKey = address === null ? "" : keyOf(address);
    const others = this.#countByClient.get(clientKey) ?? 0;
    if (address === null || others >= limits.maxConnectionsPerClient) {
      count(counters, Counter.streamRefused);
      socket.destroy();
      return;
    }
    if (this.#connections.size >= limits.maxConnections) this.#closeIdlest();
    count(counters, Counter.streamConnections);
    const client = new Client();
    setClient(client, address.bytes);
    const stream = new DnsStream(socket, client, this.#answer, () => this.#use(connection));
    const connection: Connection = { socket, stream, usedAtMs: performance.now() };
    this.#connections.add(connection);
    this.#countByClient.set(clientKey, others + 1);
    socket.on("close", () => {
      this.#connections.delete(connection);
      this.#forget(clientKey);
    });
  }

  /** Moves a connection to the end, because it was just used. */
  #use(connection: Connection): void {
    connection.usedAtMs = performance.now();
    this.#connections.delete(connection);
    this.#connections.add(connection);
  }

  #forget(clientKey: string): void {
    const left = (this.#countByClient.get(clientKey) ?? 0) - 1;
    if (left > 0) this.#countByClient.set(clientKey, left);
    else this.#countByClient.delete(clientKey);
  }

  #closeIdlest(): void {
    const [idlest] = this.#connections;
    if (idlest === undefined) return;
    count(this.#options.counters, Counter.streamRefused);
    this.#close(idlest);
  }

  #closeIdle(): void {
    const latest = performance.now() - this.#options.limits.idleTimeoutMs;
    for (const connection of this.#connections) {
      if (connection.usedAtMs > latest) return;
      this.#close(connection);
    }
  }

  /** Off the list at once: "close" comes only later, and the next to be closed must be another. */
  #close(connection: Connection): void {
    this.#connections.delete(connection);
    connection.socket.destroy();
  }
}

/** What `server.listen` is told, of any server that listens at an endpoint. */
function listenOptions(endpoint: Endpoint, sockets: SocketSet | null): ListenOptions | { fd: number } {
  if (sockets !== null) return { fd: sockets.takeTcp(endpoint) };
  const { family, text } = endpoint.address;
  return { host: text, port: endpoint.port, ipv6Only: family === 6 };
}

/** What `maxConnectionsPerClient` counts by. */
function keyOf(address: IpAddress): string {
  return address.family === 4 ? address.text : Buffer.from(address.bytes.subarray(0, 8)).toString("hex");
}
