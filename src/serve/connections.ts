/** The open connections of a process, whatever they carry: how many there may be, and how long one may be of no use. */

import type { Socket } from "node:net";
import { Client } from "../answer/client.ts";
import { Counter, count } from "../telemetry/counters.ts";
import type { IpAddress } from "../wire/address.ts";
import { setClient } from "./endpoint.ts";

/** What connections may take. */
export interface ConnectionLimits {
  /** One more, and the connection that has been idle longest is closed for it (RFC 7766 §6.2.3). */
  readonly maxConnections: number;
  /** For one IPv4 address, or one IPv6 /64: a single host can use all of that. */
  readonly maxConnectionsPerClient: number;
  /** A connection is closed when it has not sent a whole query for so long; sooner when the table fills. */
  readonly idleTimeoutMs: number;
}

/** The share of free places below which idle connections get less time, and the share of time that is left of it. */
const CROWDED = { free: 0.5, timeLeft: 0.1 };
/** Looks for idle connections in one idle time. */
const SWEEPS = 20;
/** How long what is being sent may take when a connection is closed. */
const LINGER_MS = 200;

/** One connection. Whatever lies upon its socket, the socket is what is limited and closed. */
export interface Connection {
  readonly socket: Socket;
  readonly client: Client;
  /** Closes what lies upon the socket as that is usually done; what does not end by that is cut off. */
  end: () => void;
}

/** What is known of a connection besides. */
interface Entry {
  usedAtMs: number;
  /** What its client is counted by; null: not known yet. */
  clientKey: string | null;
}

/** The table of connections. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #counters: Float64Array;
  /** From the one idle longest to the one used last. */
  readonly #entries: Map<Connection, Entry> = new Map();
  readonly #bySocket: Map<string, Connection> = new Map();
  readonly #countByClient: Map<string, number> = new Map();
  readonly #sweeper: NodeJS.Timeout;

  constructor(limits: ConnectionLimits, counters: Float64Array) {
    this.#limits = limits;
    this.#counters = counters;
    this.#sweeper = setInterval(() => this.#endIdle(), limits.idleTimeoutMs / SWEEPS);
  }

  /** How many there are. */
  get open(): number {
    return this.#entries.size;
  }

  /** Takes a connection whose client is not known yet, if need be in the place of the one idle longest. */
  admit(socket: Socket): Connection {
    if (this.#entries.size >= this.#limits.maxConnections) this.#cutIdlest();
    const connection: Connection = { socket, client: new Client(), end: () => socket.end() };
    const entry: Entry = { usedAtMs: performance.now(), clientKey: null };
    const key = socketKey(socket);
    this.#entries.set(connection, entry);
    this.#bySocket.set(key, connection);
    this.#countOpen();
    socket.on("close", () => {
      this.#entries.delete(connection);
      if (this.#bySocket.get(key) === connection) this.#bySocket.delete(key);
      if (entry.clientKey !== null) this.#forget(entry.clientKey);
      this.#countOpen();
    });
    return connection;
  }

  /** Says who the client is; false: it has as many connections as it may, and this one is closed. */
  assign(connection: Connection, address: IpAddress): boolean {
    const clientKey = keyOf(address);
    const others = this.#countByClient.get(clientKey) ?? 0;
    const entry = this.#entries.get(connection);
    if (entry === undefined || others >= this.#limits.maxConnectionsPerClient) {
      this.refuse(connection);
      return false;
    }
    entry.clientKey = clientKey;
    this.#countByClient.set(clientKey, others + 1);
    setClient(connection.client, address.bytes);
    return true;
  }

  /** Closes a connection that may not be. */
  refuse(connection: Connection): void {
    count(this.#counters, Counter.connectionsRefused);
    this.#cut(connection);
  }

  /** The connection that a socket, or what lies upon one, belongs to; null: it is closed. */
  find(socket: SocketAddresses): Connection | null {
    return this.#bySocket.get(socketKey(socket)) ?? null;
  }

  /** Moves a connection to the end, because it was just used. */
  use(connection: Connection): void {
    const entry = this.#entries.get(connection);
    if (entry === undefined) return;
    entry.usedAtMs = performance.now();
    this.#entries.delete(connection);
    this.#entries.set(connection, entry);
  }

  /** Sends what is answered and closes all connections, within 300 ms. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    const closed = [...this.#entries.keys()].map((connection) => {
      this.#end(connection);
      return new Promise((resolve) => connection.socket.once("close", resolve));
    });
    await Promise.all(closed);
  }

  /** In a table that is half empty all of it; less and less as it fills (RFC 7766 §6.2.3). */
  #idleTimeoutMs(): number {
    const { idleTimeoutMs, maxConnections } = this.#limits;
    const free = 1 - this.#entries.size / maxConnections;
    return idleTimeoutMs * Math.min(1, Math.max(CROWDED.timeLeft, free / CROWDED.free));
  }

  #endIdle(): void {
    const latest = performance.now() - this.#idleTimeoutMs();
    for (const [connection, { usedAtMs }] of this.#entries) {
      if (usedAtMs > latest) return;
      this.#end(connection);
    }
  }

  #cutIdlest(): void {
    for (const idlest of this.#entries.keys()) {
      this.refuse(idlest);
      return;
    }
  }

  /** Closes a connection politely: its client reads that it is over and not that something broke. */
  #end(connection: Connection): void {
    this.#entries.delete(connection);
    connection.end();
    setTimeout(() => connection.socket.destroy(), LINGER_MS).unref();
  }

  /** Off the list at once: "close" comes only later, and the next to be closed must be another. */
  #cut(connection: Connection): void {
    this.#entries.delete(connection);
    connection.socket.destroy();
  }

  #forget(clientKey: string): void {
    const left = (this.#countByClient.get(clientKey) ?? 0) - 1;
    if (left > 0) this.#countByClient.set(clientKey, left);
    else this.#countByClient.delete(clientKey);
  }

  #countOpen(): void {
    this.#counters[Counter.connectionsOpen] = this.#entries.size;
  }
}

/** The ends of a connection. Node's TLS and HTTP/2 say those of the socket that they lie upon. */
interface SocketAddresses {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** What tells a connection from all others that are open (RFC 9293 §3.3.1). */
function socketKey({ localAddress, localPort, remoteAddress, remotePort }: SocketAddresses): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** What `maxConnectionsPerClient` counts by. */
function keyOf(address: IpAddress): string {
  return address.family === 4 ? address.text : Buffer.from(address.bytes.subarray(0, 8)).toString("hex");
}
