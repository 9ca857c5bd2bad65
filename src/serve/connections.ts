/** The open connections of a process, whatever they carry: how many there may be, and how long one may be of no use. */

import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Counter, count } from "../telemetry/counters.ts";
import type { IpAddress } from "../wire/address.ts";
import { Connection, ConnectionList } from "./connection.ts";
import { setClient } from "./endpoint.ts";
import { Wasters } from "./wasters.ts";

/** What connections may take. */
export interface ConnectionLimits {
  /** One more, and the connection that has been idle longest is closed for it (RFC 7766 §6.2.3). */
  readonly maxConnections: number;
  /** For one IPv4 address, or one IPv6 /64: a single host can use all of that. */
  readonly maxConnectionsPerClient: number;
  /** Those of one client that may come to nothing; one is forgiven each second, and with more it gets no further ones. */
  readonly maxWastedPerClient: number;
  /** A connection is closed when it has not sent a whole query for so long; sooner when the table fills. */
  readonly idleTimeoutMs: number;
}

/**
 * TLS handshakes that may be under way at a time: a quarter of the connections, and never more than these. Half a
 * handshake keeps 110 kB, and a core does a thousand whole ones in a second.
 */
const HANDSHAKES = { share: 0.25, most: 1_000 };
/** A handshake takes two round trips; the slowest satellite's, with a segment that is lost, fit in here. */
const HANDSHAKE_MS = 5_000;
/** How long what is being sent may take when a connection is closed. */
const LINGER_MS = 200;
/** How often it is looked whose time is over, and how many are closed then at most: a thousand a second, in less than a millisecond each time. */
const SWEEP = { everyMs: 20, most: 20 };

/** The table of connections. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #counters: Float64Array;
  readonly #handshaking: ConnectionList;
  readonly #settled: ConnectionList;
  /** Those that are being closed politely. */
  readonly #leaving: ConnectionList;
  /** Those with TLS. Of a connection that is closed nothing is left in a place, whoever still holds that. */
  readonly #bySocket: Map<string, { connection: Connection | null }> = new Map();
  readonly #countByClient: Map<string, number> = new Map();
  readonly #wasters: Wasters;
  readonly #sweeper: NodeJS.Timeout;

  constructor(limits: ConnectionLimits, counters: Float64Array) {
    const { maxConnections, maxWastedPerClient, idleTimeoutMs } = limits;
    this.#limits = limits;
    this.#wasters = new Wasters(maxWastedPerClient);
    this.#counters = counters;
    const handshakes = Math.min(HANDSHAKES.most, Math.ceil(maxConnections * HANDSHAKES.share));
    this.#handshaking = new ConnectionList(handshakes, Math.min(HANDSHAKE_MS, idleTimeoutMs));
    this.#settled = new ConnectionList(maxConnections, idleTimeoutMs);
    this.#leaving = new ConnectionList(Number.POSITIVE_INFINITY, LINGER_MS);
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP.everyMs);
  }

  /** How many there are. */
  get open(): number {
    return this.#handshaking.length + this.#settled.length + this.#leaving.length;
  }

  /** Takes a connection whose client is not known yet, if need be in the place of the one idle longest. */
  admit(socket: Socket): Connection {
    if (this.open >= this.#limits.maxConnections) this.#cutIdlest();
    const connection = new Connection(socket);
    this.#settled.append(connection);
    this.#countOpen();
    socket.on("close", () => {
      connection.list?.remove(connection);
      if (connection.clientKey !== null) this.#forget(connection.clientKey, connection.isUseful);
      this.#countOpen();
    });
    return connection;
  }

  /** Whether connections of a client are closed as they come, because so many before came to nothing. Counts those. */
  bars(address: IpAddress): boolean {
    if (!this.#wasters.mustWait(keyOf(address), performance.now())) return false;
    count(this.#counters, Counter.connectionsBarred);
    return true;
  }

  /** Says who the client is; false: it gets no more connections, and this one is closed. */
  assign(connection: Connection, address: IpAddress): boolean {
    if (this.bars(address)) {
      this.#cut(connection);
      return false;
    }
    const clientKey = keyOf(address);
    const others = this.#countByClient.get(clientKey) ?? 0;
    if (connection.list === null || others >= this.#limits.maxConnectionsPerClient) {
      this.#wasters.note(clientKey, false, performance.now());
      this.refuse(connection);
      return false;
    }
    connection.clientKey = clientKey;
    this.#countByClient.set(clientKey, others + 1);
    setClient(connection.client, address.bytes);
    return true;
  }

  /** Closes a connection that may not be. */
  refuse(connection: Connection): void {
    count(this.#counters, Counter.connectionsRefused);
    this.#cut(connection);
  }

  /** A TLS handshake begins, if need be in the place of the one that has taken longest. */
  beginHandshake(connection: Connection): void {
    const slowest = this.#handshaking.isFull ? this.#handshaking.oldest : null;
    if (slowest !== null) this.refuse(slowest);
    this.#handshaking.append(connection);
    const key = socketKey(connection.socket);
    const place: { connection: Connection | null } = { connection };
    this.#bySocket.set(key, place);
    connection.socket.on("close", () => {
      place.connection = null;
      if (this.#bySocket.get(key) === place) this.#bySocket.delete(key);
    });
  }

  /** The connection whose TLS handshake was done upon a socket; null: it is closed. */
  endHandshake(socket: SocketAddresses): Connection | null {
    const connection = this.find(socket);
    if (connection?.list === this.#handshaking) this.#settled.append(connection);
    return connection;
  }

  /** The connection with TLS that lies upon a socket; null: it is closed. */
  find(socket: SocketAddresses): Connection | null {
    return this.#bySocket.get(socketKey(socket))?.connection ?? null;
  }

  /** Moves a connection to the end, because it was just used. */
  use(connection: Connection): void {
    connection.isUseful = true;
    if (connection.list === this.#settled) this.#settled.append(connection);
  }

  /** Closes a connection politely: its client reads that it is over and not that something broke. */
  end(connection: Connection): void {
    this.#leaving.append(connection);
    connection.end();
  }

  /** Closes a connection in the same way for what it sent. */
  expel(connection: Connection): void {
    connection.isUseful = false;
    this.end(connection);
  }

  /** Sends what is answered and closes all connections, within 300 ms. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    for (const list of [this.#handshaking, this.#settled]) {
      for (let next = list.oldest; next !== null; next = list.oldest) this.end(next);
    }
    const closed: Promise<unknown>[] = [];
    for (let next = this.#leaving.oldest; next !== null; next = next.newer) {
      const { socket } = next;
      closed.push(new Promise((resolve) => socket.once("close", resolve)));
    }
    const allClosed = Promise.all(closed);
    await Promise.race([allClosed, sleep(LINGER_MS)]);
    for (let next = this.#leaving.oldest; next !== null; next = this.#leaving.oldest) this.#cut(next);
    await allClosed;
  }

  #sweep(): void {
    const nowMs = performance.now();
    closeOverdue(this.#leaving, nowMs, (connection) => this.#cut(connection));
    closeOverdue(this.#handshaking, nowMs, (connection) => this.end(connection));
    closeOverdue(this.#settled, nowMs, (connection) => this.end(connection));
  }

  #cutIdlest(): void {
    const [idlest] = [this.#handshaking.oldest, this.#settled.oldest, this.#leaving.oldest]
      .filter((oldest) => oldest !== null)
      .toSorted((a, b) => a.usedAtMs - b.usedAtMs);
    if (idlest !== undefined) this.refuse(idlest);
  }

  /** Off the list at once: "close" comes only later, and the next to be closed must be another. */
  #cut(connection: Connection): void {
    connection.list?.remove(connection);
    connection.socket.destroy();
  }

  #forget(clientKey: string, wasUseful: boolean): void {
    this.#wasters.note(clientKey, wasUseful, performance.now());
    const left = (this.#countByClient.get(clientKey) ?? 0) - 1;
    if (left > 0) this.#countByClient.set(clientKey, left);
    else this.#countByClient.delete(clientKey);
  }

  #countOpen(): void {
    this.#counters[Counter.connectionsOpen] = this.open;
  }
}

/** Closes those whose time is over, as many as one sweep may. */
function closeOverdue(list: ConnectionList, nowMs: number, close: (connection: Connection) => void): void {
  for (let left = SWEEP.most; left > 0; left -= 1) {
    const overdue = list.overdue(nowMs);
    if (overdue === null) return;
    close(overdue);
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
