/** Sends queries to the toy responder over UDP. */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Endpoint } from "../../src/config/node.ts";
import { parseAddress } from "../../src/wire/address.ts";

/** A reply, and the address it came from. */
export interface Reply {
  readonly packet: Buffer;
  readonly from: RemoteInfo;
}

/** An endpoint from its text. */
export function endpoint(address: string, port = 0): Endpoint {
  return { address: parseAddress(address)!, port };
}

/** A query: a header with this ID, then a command and its parameters. */
export function query(id: number, ...command: number[]): Buffer {
  const packet = Buffer.alloc(12 + command.length);
  packet.writeUInt16BE(id, 0);
  packet.set(command, 12);
  return packet;
}

/** Sends a packet from a socket of its own; null when no reply came in time. */
export async function ask(to: Endpoint, packet: Buffer, timeoutMs = 2_000): Promise<Reply | null> {
  const socket = createSocket(to.address.family === 4 ? "udp4" : "udp6");
  try {
    socket.send(packet, to.port, to.address.text);
    const [reply, from] = await once(socket, "message", { signal: AbortSignal.timeout(timeoutMs) });
    return { packet: reply, from };
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") return null;
    throw error;
  } finally {
    socket.close();
  }
}

/** Keeps queries in flight from several sockets, so that every worker gets some, and counts what is lost. */
export class Load {
  sent = 0;
  received = 0;
  readonly #sockets: Socket[];
  #isOver = false;

  constructor(to: Endpoint, sockets: number, inFlightEach: number) {
    const send = (socket: Socket): void => {
      this.sent += 1;
      socket.send(query(this.sent & 0xffff, 0), to.port, to.address.text);
    };
    this.#sockets = Array.from({ length: sockets }, () => {
      const socket = createSocket(to.address.family === 4 ? "udp4" : "udp6");
      socket.on("message", () => {
        this.received += 1;
        if (!this.#isOver) send(socket);
      });
      for (let i = 0; i < inFlightEach; i += 1) send(socket);
      return socket;
    });
  }

  /** Ends it, and waits a moment for the last replies. Returns how many queries got none. */
  async end(): Promise<number> {
    this.#isOver = true;
    for (let i = 0; i < 50 && this.received < this.sent; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const socket of this.#sockets) socket.close();
    return this.sent - this.received;
  }
}
