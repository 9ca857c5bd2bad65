/** DNS over connections (RFC 7766): the listeners of a process, on the event loop of the parent. */

import assert from "node:assert/strict";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../answer/responder.ts";
import { Transport } from "../answer/transport.ts";
import type { Endpoint } from "../config/config.ts";
import { Counter, count } from "../telemetry/counters.ts";
import { type Prefix, parseAddress } from "../wire/address.ts";
import { type Connection, type ConnectionLimits, Connections } from "./connections.ts";
import { describeCrash, guard } from "./guard.ts";
import { type ListenerOptions, listen } from "./listener.ts";
import type { SocketSet } from "./socket-set.ts";
import { DnsStream, type RespondLater, type StreamService } from "./stream.ts";

/** How connections are served. */
export interface StreamServerOptions {
  /** Where the sockets that listen come from; null: each listener opens its own. */
  readonly sockets: SocketSet | null;
  /** Where there is DNS over TCP. */
  readonly endpoints: readonly Endpoint[];
  /** What connections of all listeners share. */
  readonly limits: ConnectionLimits;
  /** Where load balancers are that say with the PROXY protocol for whom they connect. */
  readonly proxies: readonly Prefix[];
  readonly answer: Answer;
  /** null: every query is answered at once. */
  readonly respondLater: RespondLater | null;
  /** The parent's own row. */
  readonly counters: Float64Array;
  /** An answer threw; one a second is told, with its stack. */
  readonly onCrash: (stack: string) => void;
}

/** How often it is looked whether the last connection has ended. */
const DRAIN_LOOK_MS = 50;

/** The listeners of a process, and their connections. */
export class StreamServer {
  readonly #options: StreamServerOptions;
  readonly #connections: Connections;
  readonly #listenerOptions: ListenerOptions;
  readonly #answer: Answer;
  readonly #servers: Server[] = [];

  private constructor(options: StreamServerOptions) {
    this.#options = options;
    const { counters, limits, proxies, sockets } = options;
    this.#connections = new Connections(limits, counters);
    this.#listenerOptions = { sockets, connections: this.#connections, proxies, counters };
    this.#answer = guard(options.answer, (error, isFirst) => this.#onCrash(error, isFirst));
  }

  /** Resolves when all endpoints listen; rejects when one cannot. */
  static async start(options: StreamServerOptions): Promise<StreamServer> {
    const server = new StreamServer(options);
    try {
      for (const endpoint of options.endpoints) await server.#serveTcp(endpoint);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
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

  /** Accepts nothing more, and stops once the last connection has ended or `withinMs` are over. */
  async drain(withinMs: number): Promise<void> {
    for (const server of this.#servers) server.close();
    const end = performance.now() + withinMs;
    while (this.#connections.open > 0 && performance.now() < end) await sleep(DRAIN_LOOK_MS);
    await this.stop();
  }

  /** Accepts nothing more, sends what is answered, and closes all connections, within 300 ms. */
  async stop(): Promise<void> {
    for (const server of this.#servers) server.close();
    await this.#connections.stop();
  }

  async #serveTcp(endpoint: Endpoint): Promise<void> {
    const service = this.#service(Transport.Tcp);
    const server = await listen(endpoint, this.#listenerOptions, (connection) => {
      count(this.#options.counters, Counter.streamConnections);
      this.#converse(connection, connection.socket, service);
    });
    this.#servers.push(server);
  }

  #converse(connection: Connection, stream: Duplex, service: StreamService): void {
    const messages = new DnsStream(stream, connection.client, service, () =>
      this.#connections.use(connection),
    );
    connection.end = () => messages.end();
  }

  #service(transport: Transport): StreamService {
    const { respondLater } = this.#options;
    return { transport, answer: this.#answer, respondLater, onCrash: (error) => this.#onCrash(error, true) };
  }

  #onCrash(error: unknown, isFirst: boolean): void {
    count(this.#options.counters, Counter.crashes);
    if (isFirst) this.#options.onCrash(describeCrash(error));
  }
}
