/** Packets that are received, answered in place and sent together. Of a socket: many with one system call. */

import type { Client } from "../answer/client.ts";
import type { Endpoint } from "../config/node.ts";
import type { IpAddress } from "../wire/address.ts";
import { u8, word } from "../wire/bytes.ts";
import { Packet } from "../wire/packet.ts";
import { readSockaddr, SOCKADDR_IN, SOCKADDR_IN6, sockaddrOf } from "./endpoint.ts";
import type { UdpSocket } from "./sockets.ts";
import { Linux, SystemCallError, type SystemCalls } from "./system.ts";
import type { ReturnAddress } from "./worker-messages.ts";

/**
 * Packets in a batch. Its two system calls cost 0.9 µs by themselves, and the code of the answer is out of the nearest cache
 * when they are done: shared by 64 packets instead of 32, that is 2 to 3 % of a packet's 3 µs. 128 are no better.
 */
export const BATCH_PACKETS = 64;

/** Room for one packet: more than any query needs, and what `Answer` may use on UDP. */
export const PACKET_OCTETS = 4096;

/**
 * One allocation holds everything that the kernel is given an address of, so nothing of it can be collected while
 * the batch lives. Structures as on x64 and arm64, offset:size in octets:
 *
 *     mmsghdr (64)   0 name:8          8 name length:4     16 iov:8        24 iov count:8
 *                   32 control:8      40 control length:8  48 flags:4      56 received length:4
 *     iovec (16)     0 base:8          8 length:8
 *     name (32)      sockaddr_in (16) or sockaddr_in6 (28)
 *     control (64)   cmsghdr: 0 length:8  8 level:4  12 type:4, then
 *                    in_pktinfo:  16 interface:4  20 local address:4  24 destination:4
 *                    in6_pktinfo: 16 destination:16  32 interface:4
 *     packet (4160)  4096 octets, and 64 that keep packets' beginnings out of one another's cache sets
 *
 * All of a kind stand together. The same headers receive and send: a name received is the one to send to, and a
 * control message that says which address was asked is the one that says which address to reply from.
 */
const HEADER = 64;
const IOVEC = 16;
const NAME = 32;
const CONTROL = 64;
const PACKET_STRIDE = PACKET_OCTETS + 64;
const IOVECS_AT = BATCH_PACKETS * HEADER;
const NAMES_AT = IOVECS_AT + BATCH_PACKETS * IOVEC;
const CONTROLS_AT = NAMES_AT + BATCH_PACKETS * NAME;
const PACKETS_AT = CONTROLS_AT + BATCH_PACKETS * CONTROL;
const MEMORY_OCTETS = PACKETS_AT + BATCH_PACKETS * PACKET_STRIDE;

/** Places of fields as indices of 32-bit words; the high halves of lengths stay zero. */
const HEADER_WORDS = HEADER / 4;
const IOVEC_WORDS = IOVEC / 4;
const CONTROL_WORDS = CONTROL / 4;
const NAME_LENGTH = 8 / 4;
const CONTROL_LENGTH = 40 / 4;
const RECEIVED_LENGTH = 56 / 4;
const IOVEC_LENGTH = IOVECS_AT / 4 + 8 / 4;
const INTERFACE_V4 = CONTROLS_AT / 4 + 16 / 4;
const INTERFACE_V6 = CONTROLS_AT / 4 + 32 / 4;

/** The envelope of a packet that a socket would have received from `client`, at `local` of the machine's addresses. */
export function envelopeOf({ wildcard, family }: UdpSocket, client: Endpoint, local: IpAddress): Uint8Array {
  const envelope = new Uint8Array(NAME + CONTROL + 1);
  envelope.set(sockaddrOf(client));
  if (!wildcard) return envelope;
  const control = new DataView(envelope.buffer, NAME, CONTROL);
  control.setUint32(0, family === 4 ? 28 : 36, true);
  control.setUint32(8, family === 4 ? Linux.IPPROTO_IP : Linux.IPPROTO_IPV6, true);
  control.setUint32(12, family === 4 ? Linux.IP_PKTINFO : Linux.IPV6_PKTINFO, true);
  envelope.set(local.bytes, NAME + (family === 4 ? 20 : 16));
  envelope[NAME + CONTROL] = CONTROL;
  return envelope;
}

/** What came at once, and its responses. */
export interface Batch {
  /** To be waited for, by poll(2), until there is something to receive. */
  readonly fd: number;
  /** The packets received, from the first on. */
  readonly packets: readonly Packet[];
  /** Packets received and not yet sent. */
  readonly count: number;
  /**
   * Receives into `packets`: none when nothing came in the time that `flags` and the socket allow. True: all are full, so that
   * more may have come.
   */
  receive(flags: number): boolean;
  /** The octets of the query in packet `i`. */
  queryLength(i: number): number;
  /** Reads who sent packet `i`. */
  readClient(i: number, client: Client): void;
  /** From where packet `i` came, and to which address of ours: what it takes to reply to it later. */
  returnAddress(i: number): ReturnAddress;
  /** Says how many octets of packet `i` to send; 0: none. */
  setResponseLength(i: number, length: number): void;
  /**
   * Sends the responses and makes room for the next batch; returns how many could not be sent. A response that
   * does not fit the send buffer is dropped: waiting for one client's link would make all others wait.
   */
  send(): number;
}

/** Batches of one socket. */
export class SocketBatch implements Batch {
  readonly fd: number;
  /** Room for a packet each. */
  readonly packets: readonly Packet[];
  count: number = 0;
  readonly #index: number;
  readonly #calls: SystemCalls;
  readonly #socket: UdpSocket;
  readonly #memory: ArrayBuffer = new ArrayBuffer(MEMORY_OCTETS);
  readonly #octets: Uint8Array = new Uint8Array(this.#memory);
  readonly #words: Uint32Array = new Uint32Array(this.#memory);
  readonly #headers: number;

  /** `index` is the socket's own in the post of its worker. */
  constructor(calls: SystemCalls, socket: UdpSocket, index: number) {
    this.fd = socket.fd;
    this.#index = index;
    this.#calls = calls;
    this.#socket = socket;
    this.#headers = calls.addressOf(this.#memory);
    this.packets = Array.from(
      { length: BATCH_PACKETS },
      (_, i) => new Packet(new Uint8Array(this.#memory, PACKETS_AT + i * PACKET_STRIDE, PACKET_OCTETS)),
    );
    const view = new DataView(this.#memory);
    for (let i = 0; i < BATCH_PACKETS; i += 1) this.#layOut(view, i);
  }

  receive(flags: number): boolean {
    const received = this.#calls.recvmmsg(this.#socket.fd, this.#headers, BATCH_PACKETS, flags, 0);
    this.count = Math.max(received, 0);
    if (received >= 0) return received === BATCH_PACKETS;
    const errno = this.#calls.errno();
    if (errno === Linux.EAGAIN || errno === Linux.EINTR) return false;
    throw new SystemCallError("receive from", `UDP socket ${this.#socket.fd}`, errno);
  }

  queryLength(i: number): number {
    return word(this.#words, i * HEADER_WORDS + RECEIVED_LENGTH);
  }

  readClient(i: number, client: Client): void {
    readSockaddr(this.#octets, NAMES_AT + i * NAME, client);
  }

  returnAddress(i: number): ReturnAddress {
    const envelope = new Uint8Array(NAME + CONTROL + 1);
    envelope.set(this.#octets.subarray(NAMES_AT + i * NAME, NAMES_AT + (i + 1) * NAME));
    envelope.set(this.#octets.subarray(CONTROLS_AT + i * CONTROL, CONTROLS_AT + (i + 1) * CONTROL), NAME);
    envelope[NAME + CONTROL] = word(this.#words, i * HEADER_WORDS + CONTROL_LENGTH);
    return { socket: this.#index, envelope };
  }

  /** Sends one message by an envelope that a batch of the same socket gave; returns how many could not be sent. */
  reply(envelope: Uint8Array, message: Uint8Array): number {
    this.#octets.set(envelope.subarray(0, NAME), NAMES_AT);
    this.#octets.set(envelope.subarray(NAME, NAME + CONTROL), CONTROLS_AT);
    this.#words[CONTROL_LENGTH] = u8(envelope, NAME + CONTROL);
    this.#octets.set(message, PACKETS_AT);
    this.setResponseLength(0, message.length);
    this.count = 1;
    return this.send();
  }

  setResponseLength(i: number, length: number): void {
    this.#words[i * IOVEC_WORDS + IOVEC_LENGTH] = length;
  }

  send(): number {
    if (this.#socket.wildcard) this.#clearInterfaces();
    let unsent = 0;
    let from = 0;
    while (from < this.count) {
      const to = this.#endOfRun(from);
      while (from < to) {
        const sent = this.#sendRun(from, to);
        if (sent < 1) unsent += 1;
        from += Math.max(sent, 1);
      }
      from += 1;
    }
    this.#reset();
    return unsent;
  }

  /** The first packet from `from` on that has no response: sendmmsg(2) cannot leave one out. */
  #endOfRun(from: number): number {
    let to = from;
    while (to < this.count && word(this.#words, to * IOVEC_WORDS + IOVEC_LENGTH) > 0) to += 1;
    return to;
  }

  #sendRun(from: number, to: number): number {
    const headers = this.#headers + from * HEADER;
    return this.#calls.sendmmsg(this.#socket.fd, headers, to - from, Linux.MSG_DONTWAIT);
  }

  /**
   * The routing table, not the interface that a query came in by, says where its response goes out. A link-local
   * client's interface stays in its name.
   */
  #clearInterfaces(): void {
    const at = this.#socket.family === 4 ? INTERFACE_V4 : INTERFACE_V6;
    for (let i = 0; i < this.count; i += 1) this.#words[i * CONTROL_WORDS + at] = 0;
  }

  /** Gives back the room that received and sent lengths have taken. The name's length never changes. */
  #reset(): void {
    const control = this.#socket.wildcard ? CONTROL : 0;
    for (let i = 0; i < this.count; i += 1) {
      this.#words[i * IOVEC_WORDS + IOVEC_LENGTH] = PACKET_OCTETS;
      this.#words[i * HEADER_WORDS + CONTROL_LENGTH] = control;
    }
    this.count = 0;
  }

  #layOut(view: DataView, i: number): void {
    const header = i * HEADER;
    const iovec = IOVECS_AT + i * IOVEC;
    const pointer = (at: number, target: number): void =>
      view.setBigUint64(at, BigInt(this.#headers + target), true);
    pointer(header, NAMES_AT + i * NAME);
    view.setUint32(header + NAME_LENGTH * 4, this.#socket.family === 4 ? SOCKADDR_IN : SOCKADDR_IN6, true);
    pointer(header + 16, iovec);
    view.setUint32(header + 24, 1, true);
    pointer(iovec, PACKETS_AT + i * PACKET_STRIDE);
    view.setUint32(iovec + 8, PACKET_OCTETS, true);
    if (!this.#socket.wildcard) return;
    pointer(header + 32, CONTROLS_AT + i * CONTROL);
    view.setUint32(header + 40, CONTROL, true);
  }
}
