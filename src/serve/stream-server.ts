/** DNS over connections (RFC 7766): the listeners of a process, on the event loop of the parent. */

import assert from "node:assert/strict";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Server as TlsServer } from "node:tls";
import type { Answer } from "../answer/responder.ts";
import { Transport } from "../answer/transport.ts";
import type { Endpoint, TlsFiles } from "../config/node.ts";
import { Counter, count } from "../telemetry/counters.ts";
import { type Prefix, parseAddress } from "../wire/address.ts";
import { type CertificateEvent, keepCertificate } from "./certificate.ts";
import type { Connection } from "./connection.ts";
import { type ConnectionLimits, Connections } from "./connections.ts";
import { describeCrash, guard } from "./guard.ts";
import { createHttpsServer } from "./https.ts";
import { type ListenerOptions, listen } from "./listener.ts";
import type { SocketSet } from "./socket-set.ts";
import { DnsStream, type RespondLater, type StreamService } from "./stream.ts";
import { createTlsServer } from "./tls.ts";
import { Turns } from "./turns.ts";

/** DNS over TLS. */
interface TlsOptions extends TlsFiles {
  readonly endpoints: readonly Endpoint[];
}

/** DNS over HTTPS. */
interface HttpsOptions extends TlsOptions {
  /** Where queries are taken, as in `/dns-query`. */
  readonly path: string;
}

/** How connections are served. */
export interface StreamServerOptions {
  /** Where the sockets that listen come from; null: each listener opens its own. */
  readonly sockets: SocketSet | null;
  /** Where there is DNS over TCP. */
  readonly endpoints: readonly Endpoint[];
  /** null: none. */
  readonly tls: TlsOptions | null;
  /** null: none. */
  readonly https: HttpsOptions | null;
  /** What connections of all listeners share. */
  readonly limits: ConnectionLimits;
  /** Where load balancers are that say with the PROXY protocol for whom they connect. */
  readonly proxies: readonly Prefix[];
  readonly answer: Answer;
  readonly respondLater: RespondLater;
  /** The parent's own row. */
  readonly counters: Float64Array;
  /** An answer threw; one a second is told, with its stack. */
  readonly onCrash: (stack: string) => void;
  /** A certificate was read, or could not be. */
  readonly onCertificate: (event: CertificateEvent) => void;
}

/** A listener, and what is spoken there. */
interface Listener {
  readonly transport: Transport;
  readonly server: Server;
}

/** How often it is looked whether the last connection has ended. */
const DRAIN_LOOK_MS = 50;

/** The listeners of a process, and their connections. */
export class StreamServer {
  readonly #options: StreamServerOptions;
  readonly #connections: Connections;
  readonly #listenerOptions: ListenerOptions;
  readonly #answer: Answer;
  readonly #turns = new Turns();
  readonly #listeners: Listener[] = [];
  /** How to stop looking at certificates. */
  readonly #stops: (() => void)[] = [];

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
      await server.#serveTcp(options.endpoints);
      if (options.tls !== null) await server.#serveTls(options.tls);
      if (options.https !== null) await server.#serveHttps(options.https);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Where it listens, with the ports that were chosen. */
  addresses(transport: Transport): readonly Endpoint[] {
    const listeners = this.#listeners.filter((listener) => listener.transport === transport);
    return listeners.map(({ server }) => {
      const bound = server.address();
      assert(bound !== null && typeof bound === "object", "a listening server has an address and a port");
      const address = parseAddress(bound.address);
      assert(address !== null, "a server is bound to an address");
      return { address, port: bound.port };
    });
  }

  /** Accepts nothing more, and stops once the last connection has ended or `withinMs` are over. */
  async drain(withinMs: number): Promise<void> {
    this.#acceptNoMore();
    const end = performance.now() + withinMs;
    while (this.#connections.open > 0 && performance.now() < end) await sleep(DRAIN_LOOK_MS);
    await this.stop();
  }

  /** Accepts nothing more, sends what is answered, and closes all connections, within 300 ms. */
  async stop(): Promise<void> {
    this.#acceptNoMore();
    await this.#connections.stop();
  }

  #acceptNoMore(): void {
    for (const stop of this.#stops.splice(0)) stop();
    for (const { server } of this.#listeners) server.close();
  }

  async #serveTcp(endpoints: readonly Endpoint[]): Promise<void> {
    const service = this.#service(Transport.Tcp);
    await this.#listen(Transport.Tcp, endpoints, (connection) => {
      count(this.#options.counters, Counter.connectionsTcp);
      this.#converse(connection, connection.socket, service);
    });
  }

  async #serveTls(options: TlsOptions): Promise<void> {
    const service = this.#service(Transport.Tls);
    const server = createTlsServer(this.#connections, this.#options.counters, (connection, stream) =>
      this.#converse(connection, stream, { ...service, tls: stream.getProtocol() }),
    );
    await this.#listenFor(Transport.Tls, server, options);
  }

  async #serveHttps(options: HttpsOptions): Promise<void> {
    const server = createHttpsServer({
      connections: this.#connections,
      path: options.path,
      answer: this.#answer,
      counters: this.#options.counters,
    });
    await this.#listenFor(Transport.Https, server, options);
  }

  /** Listens for a TLS server, which is given raw connections. */
  async #listenFor(transport: Transport, server: TlsServer, options: TlsOptions): Promise<void> {
    const { counters, onCertificate } = this.#options;
    const end = transport === Transport.Tls ? Counter.tlsCertificateEnd : Counter.httpsCertificateEnd;
    const stop = keepCertificate(server, options, (event) => {
      if (event.kind === "used") counters[end] = event.validTo.getTime() / 1000;
      onCertificate(event);
    });
    this.#stops.push(stop);
    await this.#listen(transport, options.endpoints, (connection) => {
      this.#connections.beginHandshake(connection);
      server.emit("connection", connection.socket);
    });
  }

  async #listen(
    transport: Transport,
    endpoints: readonly Endpoint[],
    onConnection: (connection: Connection) => void,
  ): Promise<void> {
    for (const endpoint of endpoints) {
      const server = await listen(endpoint, this.#listenerOptions, onConnection);
      this.#listeners.push({ transport, server });
    }
  }

  #converse(connection: Connection, stream: Duplex, service: StreamService): void {
    const messages = new DnsStream(stream, connection.client, service, {
      onUse: () => this.#connections.use(connection),
      onNonsense: () => this.#connections.expel(connection),
    });
    connection.end = () => messages.end();
  }

  #service(transport: Transport): StreamService {
    const { respondLater } = this.#options;
    return {
      transport,
      tls: null,
      answer: this.#answer,
      respondLater,
      turns: this.#turns,
      onCrash: (error) => this.#onCrash(error, true),
    };
  }

  #onCrash(error: unknown, isFirst: boolean): void {
    count(this.#options.counters, Counter.crashes);
    if (isFirst) this.#options.onCrash(describeCrash(error));
  }
}
