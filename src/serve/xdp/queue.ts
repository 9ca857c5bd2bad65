/** A queue of an interface whose frames come to memory of ours: an AF_XDP socket (linux/if_xdp.h, Documentation/networking/af_xdp.rst). */

import { Linux, SystemCallError, type SystemCalls } from "../system.ts";

/** One of the four rings that are shared with the kernel. Who puts something in moves `producer` on, who takes it out `consumer`. */
export interface RingMemory {
  readonly address: number;
  readonly length: number;
  /** Offsets from `address`. */
  readonly producerAt: number;
  readonly consumerAt: number;
  readonly entriesAt: number;
}

/** An open queue. The numbers are valid in every thread of the process, so it can be passed to a worker. */
export interface XdpQueue {
  readonly fd: number;
  /** Address of `MEMORY_OCTETS`: `FRAMES` chunks of `CHUNK_OCTETS`, then one word, how many packets a worker has in its hands. */
  readonly memory: number;
  readonly receive: RingMemory;
  readonly transmit: RingMemory;
  readonly fill: RingMemory;
  readonly completion: RingMemory;
}

/** A chunk has a frame: the kernel keeps 256 octets free before it, an answer needs 1,232 behind the headers. */
export const CHUNK_OCTETS = 2048;
/** So many are 10 ms of one worker's work; an answer costs the same with a quarter of them. A power of two. */
export const FRAMES = 4096;
export const MEMORY_OCTETS: number = FRAMES * CHUNK_OCTETS + 4;
/** What goes before a frame has two octets more, so that its IP header is on words. */
const HEADROOM = 2;
/** Where in its chunk a frame begins. */
export const FRAME_AT: number = 256 + HEADROOM;

/** Octets of an entry: a frame's address, or a `struct xdp_desc`. */
export const ADDRESS_OCTETS = 8;
export const DESCRIPTOR_OCTETS = 16;

/** Frames that the kernel sends for one system call; Linux 6.17 and later can be told. */
const SENT_AT_ONCE = 64;
/** What the kernel may keep of responses on their way. */
const BUFFER_OCTETS = 4 * 1024 * 1024;

const AF_XDP = 44;
const SOCK_RAW = 3;
const SOL_XDP = 283;
/** Options: the rings in the order in which `XDP_MMAP_OFFSETS` has them. */
const Option = { offsets: 1, receive: 2, transmit: 3, memory: 4, fill: 5, completion: 6, budget: 9 } as const;
/** Offsets for mmap(2) that name the rings. */
const Page = { receive: 0, transmit: 0x80000000, fill: 0x100000000, completion: 0x180000000 } as const;
/** Frames are copied: a driver that leaves them in our memory restarts its queue for that, and loses what is in it. */
const COPY = 1 << 1;

type QueueCalls = Pick<
  SystemCalls,
  "socket" | "bind" | "setsockopt" | "getsockopt" | "mmap" | "munmap" | "memoryAt" | "close" | "errno"
>;

/** Opens queue `queue` of the interface with this index; all frames are the kernel's to fill. Throws a `SystemCallError`. */
export function openQueue(calls: QueueCalls, index: number, queue: number): XdpQueue {
  const opening = new Opening(calls, `queue ${queue}`);
  try {
    const opened = opening.mapAll();
    giveAll(new Ring(calls, opened.fill, ADDRESS_OCTETS));
    opening.bind(index, queue);
    return opened;
  } catch (error) {
    opening.undo();
    throw error;
  }
}

/** A queue that is being opened; each step throws a `SystemCallError`. */
class Opening {
  readonly #calls: QueueCalls;
  readonly #subject: string;
  readonly #fd: number;
  readonly #mapped: [address: number, length: number][] = [];

  constructor(calls: QueueCalls, subject: string) {
    this.#calls = calls;
    this.#subject = subject;
    this.#fd = this.#check(calls.socket(AF_XDP, SOCK_RAW | Linux.SOCK_CLOEXEC, 0), "open an XDP socket for");
  }

  /** Makes the frames' memory and the rings, which must be there before the queue is bound. */
  mapAll(): XdpQueue {
    const memory = this.#map(-1, Linux.MAP_PRIVATE | Linux.MAP_ANONYMOUS, MEMORY_OCTETS, 0);
    this.#check(this.#set(Option.memory, memoryOption(memory)), "register the memory of");
    const entries = new Uint8Array(Uint32Array.of(FRAMES).buffer);
    for (const ring of ["fill", "completion", "receive", "transmit"] as const)
      this.#check(this.#set(Option[ring], entries), `make the ${ring} ring of`);
    const offsets = this.#offsets();
    return {
      fd: this.#fd,
      memory,
      receive: this.#mapRing("receive", DESCRIPTOR_OCTETS, offsets.subarray(0)),
      transmit: this.#mapRing("transmit", DESCRIPTOR_OCTETS, offsets.subarray(4)),
      fill: this.#mapRing("fill", ADDRESS_OCTETS, offsets.subarray(8)),
      completion: this.#mapRing("completion", ADDRESS_OCTETS, offsets.subarray(12)),
    };
  }

  bind(index: number, queue: number): void {
    // Both spare time where the kernel knows them.
    this.#set(Option.budget, new Uint8Array(Uint32Array.of(SENT_AT_ONCE).buffer));
    const buffer = new Uint8Array(Int32Array.of(BUFFER_OCTETS).buffer);
    this.#calls.setsockopt(this.#fd, Linux.SOL_SOCKET, Linux.SO_SNDBUFFORCE, buffer, buffer.length);
    const sockaddr = new Uint8Array(16);
    const view = new DataView(sockaddr.buffer);
    view.setUint16(0, AF_XDP, true);
    view.setUint16(2, COPY, true);
    view.setUint32(4, index, true);
    view.setUint32(8, queue, true);
    this.#check(this.#calls.bind(this.#fd, sockaddr, sockaddr.length), "bind an XDP socket to");
  }

  undo(): void {
    for (const [address, length] of this.#mapped) this.#calls.munmap(address, length);
    this.#calls.close(this.#fd);
  }

  /** Where in the rings their fields are: four numbers each, in the order of `struct xdp_mmap_offsets`. */
  #offsets(): BigUint64Array {
    const offsets = new BigUint64Array(16);
    const octets = new Uint8Array(offsets.buffer);
    const result = this.#calls.getsockopt(
      this.#fd,
      SOL_XDP,
      Option.offsets,
      octets,
      Uint32Array.of(octets.length),
    );
    this.#check(result, "ask for the rings of");
    return offsets;
  }

  #mapRing(name: keyof typeof Page, entryOctets: number, offsets: BigUint64Array): RingMemory {
    const [producerAt = 0, consumerAt = 0, entriesAt = 0] = Array.from(offsets, Number);
    const length = entriesAt + FRAMES * entryOctets;
    const address = this.#map(this.#fd, Linux.MAP_SHARED, length, Page[name]);
    return { address, length, producerAt, consumerAt, entriesAt };
  }

  #map(fd: number, flags: number, length: number, offset: number): number {
    const address = this.#calls.mmap(fd, flags | Linux.MAP_POPULATE, length, offset);
    this.#check(address, "map memory of");
    this.#mapped.push([address, length]);
    return address;
  }

  #set(option: number, value: Uint8Array): number {
    return this.#calls.setsockopt(this.#fd, SOL_XDP, option, value, value.length);
  }

  #check(result: number, what: string): number {
    if (result < 0) throw new SystemCallError(what, this.#subject, this.#calls.errno());
    return result;
  }
}

/** Ends a queue whose worker has gone. What is in it is lost. */
export function closeQueue(calls: QueueCalls, queue: XdpQueue): void {
  calls.close(queue.fd);
  calls.munmap(queue.memory, MEMORY_OCTETS);
  for (const { address, length } of [queue.receive, queue.transmit, queue.fill, queue.completion])
    calls.munmap(address, length);
}

/** A ring in this thread: entries are counted without end, modulo 2^32, and stand at their number modulo the ring's length. */
export class Ring {
  /** 32-bit words of the entries, `entryWords` for each. */
  readonly words: Uint32Array;
  readonly entryWords: number;
  readonly #producer: Int32Array;
  readonly #consumer: Int32Array;

  constructor(calls: Pick<SystemCalls, "memoryAt">, ring: RingMemory, entryOctets: number) {
    const memory = calls.memoryAt(ring.address, ring.length);
    this.#producer = new Int32Array(memory, ring.producerAt, 1);
    this.#consumer = new Int32Array(memory, ring.consumerAt, 1);
    this.words = new Uint32Array(memory, ring.entriesAt, (FRAMES * entryOctets) / 4);
    this.entryWords = entryOctets / 4;
  }

  get produced(): number {
    return Atomics.load(this.#producer, 0);
  }

  set produced(count: number) {
    Atomics.store(this.#producer, 0, count);
  }

  get consumed(): number {
    return Atomics.load(this.#consumer, 0);
  }

  set consumed(count: number) {
    Atomics.store(this.#consumer, 0, count);
  }

  /** Index in `words` of the entry with this number. */
  at(number: number): number {
    return (number & (FRAMES - 1)) * this.entryWords;
  }
}

function giveAll(fill: Ring): void {
  for (let i = 0; i < FRAMES; i += 1) fill.words[fill.at(i)] = i * CHUNK_OCTETS;
  fill.produced = FRAMES;
}

function memoryOption(address: number): Uint8Array {
  const option = new Uint8Array(32);
  const view = new DataView(option.buffer);
  view.setBigUint64(0, BigInt(address), true);
  view.setBigUint64(8, BigInt(FRAMES * CHUNK_OCTETS), true);
  view.setUint32(16, CHUNK_OCTETS, true);
  view.setUint32(20, HEADROOM, true);
  return option;
}
