/** What came to a queue of an interface at once, and its responses. No system call receives it, and one sends it. */

import type { Client } from "../../answer/client.ts";
import { add, Counter } from "../../telemetry/counters.ts";
import { word } from "../../wire/bytes.ts";
import { Packet } from "../../wire/packet.ts";
import { BATCH_PACKETS, type Batch, envelopeOf } from "../batch.ts";
import type { UdpSocket } from "../sockets.ts";
import { Linux, type SystemCalls } from "../system.ts";
import type { ReturnAddress } from "../worker-messages.ts";
import { FrameMemory, PAYLOAD_AT_IPV4, PAYLOAD_AT_IPV6 } from "./frame.ts";
import {
  ADDRESS_OCTETS,
  CHUNK_OCTETS,
  DESCRIPTOR_OCTETS,
  FRAME_AT,
  FRAMES,
  MEMORY_OCTETS,
  Ring,
  type XdpQueue,
} from "./queue.ts";

/** What Linux sends at once where it cannot be told otherwise, so that a batch takes more than one system call. */
const KICKS_MAX = 4;
/** Room in a chunk behind the longest headers. */
const PAYLOAD_OCTETS = CHUNK_OCTETS - FRAME_AT - PAYLOAD_AT_IPV6;
/** The word behind the frames. */
const IN_HANDS = (FRAMES * CHUNK_OCTETS) / 4;
/** Words of a descriptor: address (two), length, options. */
const LENGTH = 2;

const NONE = new Uint8Array(0);

/** What a worker gives to each of its queues. */
export interface XdpBatchOptions {
  readonly calls: SystemCalls;
  /** The worker's: what is replied to later goes out by them. */
  readonly sockets: readonly UdpSocket[];
  /** The worker's row. */
  readonly counters: Float64Array;
}

/**
 * Batches of one queue. A frame goes round: the kernel fills it (fill ring), it is received (receive ring), answered in place and
 * sent (transmit ring), and when the kernel has sent it (completion ring) it may be filled again.
 */
export class XdpBatch implements Batch {
  readonly fd: number;
  readonly packets: Packet[] = [];
  count: number = 0;
  readonly #calls: SystemCalls;
  readonly #sockets: readonly UdpSocket[];
  readonly #counters: Float64Array;
  readonly #memory: FrameMemory;
  /** Of each chunk, behind headers of IPv4 and of IPv6; made when first needed. */
  readonly #ipv4Packets: (Packet | undefined)[] = new Array<Packet | undefined>(FRAMES).fill(undefined);
  readonly #ipv6Packets: (Packet | undefined)[] = new Array<Packet | undefined>(FRAMES).fill(undefined);
  readonly #receive: Ring;
  readonly #transmit: Ring;
  readonly #fill: Ring;
  readonly #completion: Ring;
  /** Of each packet: where its frame begins, and the octets of its query, then of its response. */
  readonly #frames: Uint32Array = new Uint32Array(BATCH_PACKETS);
  readonly #lengths: Uint32Array = new Uint32Array(BATCH_PACKETS);
  /** How far this side of each ring has come. */
  #received: number;
  #transmitted: number;
  #filled: number;
  #completed: number;

  constructor({ calls, sockets, counters }: XdpBatchOptions, queue: XdpQueue) {
    this.fd = queue.fd;
    this.#calls = calls;
    this.#sockets = sockets;
    this.#counters = counters;
    this.#memory = new FrameMemory(calls.memoryAt(queue.memory, MEMORY_OCTETS));
    this.#receive = new Ring(calls, queue.receive, DESCRIPTOR_OCTETS);
    this.#transmit = new Ring(calls, queue.transmit, DESCRIPTOR_OCTETS);
    this.#fill = new Ring(calls, queue.fill, ADDRESS_OCTETS);
    this.#completion = new Ring(calls, queue.completion, ADDRESS_OCTETS);
    this.#received = this.#receive.consumed;
    this.#transmitted = this.#transmit.produced;
    this.#filled = this.#fill.produced;
    this.#completed = this.#completion.consumed;
    this.#giveUpBatch();
  }

  receive(): boolean {
    this.#take(BATCH_PACKETS);
    add(this.#counters, Counter.queriesXdp, this.count);
    return this.count === BATCH_PACKETS;
  }

  queryLength(i: number): number {
    return word(this.#lengths, i);
  }

  readClient(i: number, client: Client): void {
    const frame = word(this.#frames, i);
    if (this.#memory.isIpv4(frame)) {
      client.family = 4;
      client.view.setUint32(0, this.#memory.ipWord(frame, 3), true);
      return;
    }
    client.family = 6;
    for (let k = 0; k < 4; k += 1) client.view.setUint32(k * 4, this.#memory.ipWord(frame, 2 + k), true);
  }

  returnAddress(i: number): ReturnAddress {
    const { source, destination } = this.#memory.ends(word(this.#frames, i));
    const socket = this.#sockets.findIndex(
      ({ family, wildcard, endpoint }) =>
        family === destination.address.family &&
        endpoint.port === destination.port &&
        (wildcard || endpoint.address.text === destination.address.text),
    );
    const found = this.#sockets[socket];
    const envelope = found === undefined ? NONE : envelopeOf(found, source, destination.address);
    return { socket, envelope };
  }

  setResponseLength(i: number, length: number): void {
    this.#lengths[i] = length;
  }

  /** Never fails: what does not fit into the send buffer stays in its ring until the next call. */
  send(): number {
    let sent = 0;
    for (let i = 0; i < this.count; i += 1) {
      const frame = word(this.#frames, i);
      const length = word(this.#lengths, i);
      if (length === 0) {
        this.#giveBack(frame);
        continue;
      }
      const at = this.#transmit.at(this.#transmitted + sent);
      this.#transmit.words[at] = frame;
      this.#transmit.words[at + LENGTH] = this.#memory.turnRound(frame, length);
      sent += 1;
    }
    this.#received = (this.#received + this.count) | 0;
    this.#inHands = 0;
    this.#receive.consumed = this.#received;
    this.count = 0;
    if (sent === 0) return 0;
    this.#transmitted = (this.#transmitted + sent) | 0;
    this.#transmit.produced = this.#transmitted;
    this.#kick();
    return 0;
  }

  #take(countMax: number): void {
    this.#refill();
    const count = Math.min((this.#receive.produced - this.#received) | 0, countMax);
    this.#inHands = count;
    for (let i = 0; i < count; i += 1) {
      const at = this.#receive.at(this.#received + i);
      const frame = word(this.#receive.words, at);
      this.#frames[i] = frame;
      this.#lengths[i] = this.#memory.payloadLength(frame, word(this.#receive.words, at + LENGTH));
      this.packets[i] = this.#packetOf(frame);
    }
    this.count = count;
  }

  /** Has the kernel send what is in the transmit ring. */
  #kick(): void {
    for (let i = 0; i < KICKS_MAX; i += 1)
      if (this.#calls.sendto(this.fd, NONE, 0, Linux.MSG_DONTWAIT, NONE, 0) >= 0) return;
  }

  /** Gives the kernel back what it has sent. */
  #refill(): void {
    const completed = (this.#completion.produced - this.#completed) | 0;
    for (let i = 0; i < completed; i += 1)
      this.#giveBack(word(this.#completion.words, this.#completion.at(this.#completed + i)));
    this.#completed = (this.#completed + completed) | 0;
    this.#completion.consumed = this.#completed;
    this.#fill.produced = this.#filled;
  }

  /** To be filled from the next `refill` on; the kernel finds the beginning of its chunk. */
  #giveBack(frame: number): void {
    this.#fill.words[this.#fill.at(this.#filled)] = frame;
    this.#filled = (this.#filled + 1) | 0;
  }

  /** What a worker that died left half answered is not answered again, as it may have died of it. */
  #giveUpBatch(): void {
    this.#take(this.#inHands);
    for (let i = 0; i < this.count; i += 1) this.setResponseLength(i, 0);
    this.send();
  }

  get #inHands(): number {
    return word(this.#memory.words, IN_HANDS);
  }

  set #inHands(count: number) {
    this.#memory.words[IN_HANDS] = count;
  }

  #packetOf(frame: number): Packet {
    const chunk = Math.trunc(frame / CHUNK_OCTETS);
    const isIpv4 = this.#memory.isIpv4(frame);
    const packets = isIpv4 ? this.#ipv4Packets : this.#ipv6Packets;
    const made = packets[chunk];
    if (made !== undefined) return made;
    const at = frame + (isIpv4 ? PAYLOAD_AT_IPV4 : PAYLOAD_AT_IPV6);
    const packet = new Packet(this.#memory.octets.subarray(at, at + PAYLOAD_OCTETS));
    packets[chunk] = packet;
    return packet;
  }
}
