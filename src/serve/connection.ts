/** A connection, and a list of those that have been of no use, with a limit of places and of time. */

import type { Socket } from "node:net";
import { Client } from "../answer/client.ts";

/**
 * One connection. Whatever lies upon its socket, the socket is what is limited and closed.
 *
 * The links to its neighbours are its own, and cut when it leaves its list: each table that a Map outgrew kept the sockets
 * that were in it from being collected as young garbage, and with 3,000 short connections a second collections took 20
 * to 45 ms.
 */
export class Connection {
  readonly socket: Socket;
  readonly client: Client = new Client();
  /** Closes what lies upon the socket as that is usually done; what does not end by that is cut off. */
  end: () => void;
  /** What its client is counted by; null: not known yet. */
  clientKey: string | null = null;
  /** It has brought a query, and nothing since for which it had to be closed. */
  isUseful: boolean = false;
  /** When it was last of use; of its list, like what follows. */
  usedAtMs: number = 0;
  /** Where it stands; null: nowhere, because it is closed. */
  list: ConnectionList | null = null;
  older: Connection | null = null;
  newer: Connection | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    this.end = () => socket.end();
  }
}

/** The share of free places below which there is less time, and the share of time that is left when none is free. */
const CROWDED = { free: 0.5, timeLeft: 0.1 };

/** Connections from the one idle longest to the one used last. */
export class ConnectionList {
  readonly #placesMax: number;
  readonly #timeoutMs: number;
  #length = 0;
  #oldest: Connection | null = null;
  #newest: Connection | null = null;

  constructor(placesMax: number, timeoutMs: number) {
    this.#placesMax = placesMax;
    this.#timeoutMs = timeoutMs;
  }

  get length(): number {
    return this.#length;
  }

  get isFull(): boolean {
    return this.#length >= this.#placesMax;
  }

  /** null: there is none. */
  get oldest(): Connection | null {
    return this.#oldest;
  }

  /** The oldest if its time is over: all of it in a list that is half empty, less as that fills (RFC 7766 §6.2.3). */
  overdue(nowMs: number): Connection | null {
    const free = 1 - this.#length / this.#placesMax;
    const share = Math.min(1, Math.max(CROWDED.timeLeft, free / CROWDED.free));
    const oldest = this.#oldest;
    return oldest !== null && oldest.usedAtMs <= nowMs - this.#timeoutMs * share ? oldest : null;
  }

  /** Puts a connection at the end, wherever it stood before. */
  append(connection: Connection): void {
    connection.list?.remove(connection);
    connection.list = this;
    connection.usedAtMs = performance.now();
    connection.older = this.#newest;
    if (this.#newest === null) this.#oldest = connection;
    else this.#newest.newer = connection;
    this.#newest = connection;
    this.#length += 1;
  }

  /** Takes out a connection that stands here. */
  remove(connection: Connection): void {
    const { older, newer } = connection;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    connection.list = null;
    connection.older = null;
    connection.newer = null;
    this.#length -= 1;
  }
}
