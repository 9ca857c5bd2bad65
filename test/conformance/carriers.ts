/** Ways for packets to reach a node, and for its replies to come back. */

import type { Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** Carries packets of which the first two octets are their place in the list, if they have as many. */
export interface Carrier {
  /** The reply to each packet; null: there is none. Rejects when the node answers nobody any more. */
  readonly ask: (packets: readonly Uint8Array[]) => Promise<readonly (Uint8Array | null)[]>;
}

/** The ID of the query that follows others, so that what is not answered before it never will be. */
const LAST_ID = 0xffff;
/** A node that has not answered for so long is gone. */
const SILENCE_MS = 30_000;

/** What is expected from a node to whom less than a header comes on a stream, or more than any query (RFC 7766 §8). */
const QUERY_OCTETS_MIN = 12;

/** `last` is a query that is answered. */
export function overUdp(socket: UdpSocket, port: number, last: Buffer): Carrier {
  const replies = new Replies();
  socket.on("message", (octets) => replies.take(octets));
  const marked = withId(last, LAST_ID);
  return {
    ask: async (packets) => {
      const taken = replies.expect(packets.length);
      for (const packet of packets) socket.send(packet, port, "127.0.0.1");
      socket.send(marked, port, "127.0.0.1");
      return taken;
    },
  };
}

/** Over TCP, or over TLS, with one connection after the other: what is no query ends them. */
export class StreamCarrier implements Carrier {
  connections = 0;
  readonly #dial: () => Promise<Socket>;
  readonly #last: Buffer;
  readonly #replies = new Replies();
  #socket: Socket | null = null;

  constructor(dial: () => Promise<Socket>, last: Buffer) {
    this.#dial = dial;
    this.#last = withId(last, LAST_ID);
  }

  async ask(packets: readonly Uint8Array[]): Promise<readonly (Uint8Array | null)[]> {
    const end = packets.findIndex(({ length }) => length < QUERY_OCTETS_MIN);
    if (end < 0) return this.#converse(packets);
    const before = await this.#converse(packets.slice(0, end));
    await this.disturb(framed(packets[end]!));
    const after = packets.slice(end + 1);
    return [...before, null, ...(after.length === 0 ? [] : await this.#askOn(after, end + 1))];
  }

  /** Sends what the node must end the connection for, or wait for more of. */
  async disturb(octets: Buffer): Promise<void> {
    const socket = await this.#open();
    socket.write(octets);
    socket.end();
    if (!socket.closed) await once(socket, "close", { signal: AbortSignal.timeout(SILENCE_MS) });
  }

  close(): void {
    this.#socket?.destroy();
  }

  /** Asks packets whose IDs begin at `first`. */
  async #askOn(packets: readonly Uint8Array[], first: number): Promise<readonly (Uint8Array | null)[]> {
    const replies = await this.ask(packets.map((packet, i) => withId(packet, i)));
    return replies.map((reply, i) => reply && withId(reply, first + i));
  }

  async #converse(packets: readonly Uint8Array[]): Promise<readonly (Uint8Array | null)[]> {
    const socket = await this.#open();
    const taken = this.#replies.expect(packets.length);
    socket.write(Buffer.concat([...packets.map((packet) => framed(packet)), framed(this.#last)]));
    return taken;
  }

  async #open(): Promise<Socket> {
    if (this.#socket?.writable === true) return this.#socket;
    this.connections += 1;
    const socket = await this.#dial();
    this.#socket = socket;
    let unread = Buffer.alloc(0);
    socket.on("error", () => {}); // The node hangs up on what is no DNS.
    socket.on("data", (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk]);
      while (unread.length >= 2 && unread.length >= 2 + unread.readUInt16BE(0)) {
        const end = 2 + unread.readUInt16BE(0);
        this.#replies.take(Buffer.from(unread.subarray(2, end)));
        unread = unread.subarray(end);
      }
    });
    return socket;
  }
}

/** Opens a connection. */
export async function dialTcp(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  return socket;
}

/** Opens a connection with TLS, whoever answers. */
export async function dialTls(port: number): Promise<Socket> {
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  return socket;
}

/** By POST over HTTP/2; what gets no reply over UDP gets the status 400. */
export function overHttps(port: number, path: string): Carrier & { readonly close: () => void } {
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  return {
    ask: (packets) => Promise.all(packets.map((packet) => post(session, path, packet))),
    close: () => session.destroy(),
  };
}

async function post(
  session: ClientHttp2Session,
  path: string,
  packet: Uint8Array,
): Promise<Uint8Array | null> {
  const headers = { ":method": "POST", ":path": path, "content-type": "application/dns-message" };
  const stream = session.request(headers);
  stream.end(packet);
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [{ ":status": status }] = await once(stream, "response", { signal: AbortSignal.timeout(SILENCE_MS) });
  if (!stream.readableEnded) await once(stream, "end");
  if (status === 400) return null;
  if (status !== 200) throw new Error(`status ${status} for ${Buffer.from(packet).toString("hex")}`);
  return Buffer.concat(chunks);
}

/** Takes replies until the last query is answered. */
class Replies {
  #replies: (Uint8Array | null)[] = [];
  #done: PromiseWithResolvers<readonly (Uint8Array | null)[]> = Promise.withResolvers();

  async expect(count: number): Promise<readonly (Uint8Array | null)[]> {
    this.#replies = new Array<Uint8Array | null>(count).fill(null);
    this.#done = Promise.withResolvers();
    const timer = setTimeout(() => this.#done.reject(new Error("the node answers nobody")), SILENCE_MS);
    return this.#done.promise.finally(() => clearTimeout(timer));
  }

  take(reply: Buffer): void {
    const id = reply.length < 2 ? -1 : reply.readUInt16BE(0);
    if (id === LAST_ID) this.#done.resolve(this.#replies);
    else if (id >= 0 && id < this.#replies.length && this.#replies[id] === null) this.#replies[id] = reply;
    else this.#done.reject(new Error(`a reply to nothing that was asked: ${reply.toString("hex")}`));
  }
}

/** A copy with another ID; what is too short for one has none. */
export function withId(packet: Uint8Array, id: number): Buffer {
  const copy = Buffer.from(packet);
  if (copy.length >= 2) copy.writeUInt16BE(id, 0);
  return copy;
}

/** A message with a length before it, its own or another. */
export function framed(packet: Uint8Array, length: number = packet.length): Buffer {
  return Buffer.concat([Buffer.of(length >> 8, length & 0xff), packet]);
}
