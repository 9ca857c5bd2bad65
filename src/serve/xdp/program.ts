/** The eBPF program at an interface: which frames are queries for us, and go to a worker's queue. All others go on to the kernel. */

import type { Endpoint } from "../../config/node.ts";
import { ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6, IPV4, IPV6, PROTOCOL_UDP, UDP } from "./frame.ts";

/** Operations of eBPF (RFC 9669 §4, §5). `Word` compares the lower 32 bits of a register. */
const Op = {
  addImmediate: 0x07,
  andImmediate: 0x57,
  call: 0x85,
  exit: 0x95,
  jumpIfAbove: 0x2d,
  jumpIfWordEqual: 0x16,
  jumpIfWordNot: 0x56,
  jumpIfWordAtLeast: 0x36,
  load: { 1: 0x71, 2: 0x69, 4: 0x61 },
  loadMap: 0x18,
  move: 0xbf,
  moveImmediate: 0xb7,
} as const;

/** What a program returns for a frame that it leaves to the kernel (linux/bpf.h). */
const XDP_PASS = 2;
const HELPER_REDIRECT_MAP = 51;
/** Says that what a `loadMap` has is the number of a file. */
const PSEUDO_MAP_FD = 1;

/** Offsets in what a program is called with (struct xdp_md). */
const DATA = 0;
const DATA_END = 4;
const RX_QUEUE = 16;

/** What a frame of ordinary length has at most: anything longer would not fit where it is to be copied to. */
const FRAME_OCTETS_MAX = 1514;
/** So many addresses with their ports a program can compare, as far as its jumps reach. */
const ENDPOINTS_MAX = 2_000;

/** Registers: the argument of a program, the frame, its end, and what is looked at. */
const ARGUMENT = 6;
const FRAME = 2;
const END = 3;
const SCRATCH = 4;
const FIELD = 5;

/** An instruction has 8 octets: operation:1, destination:4 bits, source:4 bits, offset:2, immediate:4. */
interface Instruction {
  readonly op: number;
  readonly to: number;
  readonly from: number;
  readonly immediate: number;
  /** Where a jump goes to, by name; or an offset. */
  readonly offset: string | number;
}

/** Puts instructions together; jumps go forward, to names. */
class Assembler {
  readonly #instructions: Instruction[] = [];
  readonly #labels = new Map<string, number>();

  add(op: number, to: number, from: number, offset: string | number, immediate: number): void {
    this.#instructions.push({ op, to, from, offset, immediate });
  }

  label(name: string): void {
    this.#labels.set(name, this.#instructions.length);
  }

  /** Loads the field of `octets` octets at `at` in the frame; in memory order, so little-endian in the register. */
  field(at: number, octets: 1 | 2 | 4): void {
    this.add(Op.load[octets], FIELD, FRAME, at, 0);
  }

  /** Leaves the frame to the kernel unless the field at `at` is `expected`. */
  require(at: number, expected: Uint8Array | readonly number[]): void {
    this.unless(at, expected, "pass");
  }

  /** Goes to a label unless the field is that. */
  unless(at: number, expected: Uint8Array | readonly number[], label: string): void {
    for (const [offset, length] of pieces(expected.length)) {
      this.field(at + offset, length);
      this.add(Op.jumpIfWordNot, FIELD, 0, label, littleEndian(expected, offset, length));
    }
  }

  /**
   * Leaves the frame to the kernel if it is longer or shorter than so much. A program may run only where the kernel can see that nothing
   * is read behind the end of a frame.
   */
  leaveIf(comparison: "longer" | "shorter", octets: number): void {
    this.add(Op.move, SCRATCH, FRAME, 0, 0);
    this.add(Op.addImmediate, SCRATCH, 0, 0, octets);
    const [greater, less] = comparison === "longer" ? [END, SCRATCH] : [SCRATCH, END];
    this.add(Op.jumpIfAbove, greater, less, "pass", 0);
  }

  /** Leaves the frame to the kernel. */
  leave(): void {
    this.add(Op.moveImmediate, 0, 0, 0, XDP_PASS);
    this.add(Op.exit, 0, 0, 0, 0);
  }

  octets(): Uint8Array<ArrayBuffer> {
    const octets = new Uint8Array(this.#instructions.length * 8);
    const view = new DataView(octets.buffer);
    for (const [i, { op, to, from, offset, immediate }] of this.#instructions.entries()) {
      const distance = typeof offset === "number" ? offset : (this.#labels.get(offset) ?? 0) - i - 1;
      view.setUint8(i * 8, op);
      view.setUint8(i * 8 + 1, to | (from << 4));
      view.setInt16(i * 8 + 2, distance, true);
      view.setInt32(i * 8 + 4, immediate, true);
    }
    return octets;
  }
}

/**
 * The program for queries to `endpoints` that come to the address `mac`; `map` is the number of a map of queues. It takes whole
 * UDP packets right behind an Ethernet header, without IP options or extension headers, that are neither from a network that no client
 * is in nor longer than ordinary; and only while a worker reads their queue. Throws where there are too many endpoints.
 */
export function assembleProgram(
  mac: Uint8Array,
  endpoints: readonly Endpoint[],
  map: number,
): Uint8Array<ArrayBuffer> {
  if (endpoints.length > ENDPOINTS_MAX)
    throw new Error(
      `expected at most ${ENDPOINTS_MAX} addresses to take queries to, found ${endpoints.length}`,
    );
  const program = new Assembler();
  program.add(Op.move, ARGUMENT, 1, 0, 0);
  program.add(Op.load[4], FRAME, ARGUMENT, DATA, 0);
  program.add(Op.load[4], END, ARGUMENT, DATA_END, 0);
  program.leaveIf("shorter", ETHERNET.octets + IPV4.octets + UDP.octets);
  program.leaveIf("longer", FRAME_OCTETS_MAX);
  program.require(ETHERNET.destination, mac);
  program.unless(ETHERNET.type, ETHERTYPE_IPV4, "ipv6");
  takeIpv4(
    program,
    endpoints.filter(({ address }) => address.family === 4),
  );
  program.label("ipv6");
  program.require(ETHERNET.type, ETHERTYPE_IPV6);
  takeIpv6(
    program,
    endpoints.filter(({ address }) => address.family === 6),
  );
  program.label("take");
  program.add(Op.load[4], 2, ARGUMENT, RX_QUEUE, 0);
  program.add(Op.loadMap, 1, PSEUDO_MAP_FD, 0, map);
  program.add(0, 0, 0, 0, 0); // The upper half of what `loadMap` loads.
  program.add(Op.moveImmediate, 3, 0, 0, XDP_PASS);
  program.add(Op.call, 0, 0, 0, HELPER_REDIRECT_MAP);
  program.add(Op.exit, 0, 0, 0, 0);
  program.label("pass");
  program.leave();
  return program.octets();
}

function takeIpv4(program: Assembler, endpoints: readonly Endpoint[]): void {
  const ip = ETHERNET.octets;
  program.require(ip + IPV4.versionAndLength, [0x45]);
  // Neither a first fragment nor a later one: all but "may not be fragmented" is zero.
  program.field(ip + IPV4.fragment, 2);
  program.add(Op.andImmediate, FIELD, 0, 0, 0xffbf);
  program.add(Op.jumpIfWordNot, FIELD, 0, "pass", 0);
  program.require(ip + IPV4.protocol, [PROTOCOL_UDP]);
  // "This network", loopback, multicast and what is reserved (RFC 6890 §2.2.2): the kernel throws these away.
  program.field(ip + IPV4.source, 1);
  program.add(Op.jumpIfWordEqual, FIELD, 0, "pass", 0);
  program.add(Op.jumpIfWordEqual, FIELD, 0, "pass", 127);
  program.add(Op.jumpIfWordAtLeast, FIELD, 0, "pass", 224);
  takeEndpoints(program, endpoints, ip + IPV4.destination, ip + IPV4.octets);
}

function takeIpv6(program: Assembler, endpoints: readonly Endpoint[]): void {
  const ip = ETHERNET.octets;
  program.leaveIf("shorter", ip + IPV6.octets + UDP.octets);
  program.require(ip + IPV6.nextHeader, [PROTOCOL_UDP]);
  program.field(ip + IPV6.source, 1);
  program.add(Op.jumpIfWordEqual, FIELD, 0, "pass", 0xff);
  // Unspecified, loopback, IPv4-mapped (RFC 6890 §2.2.3).
  program.field(ip + IPV6.source, 4);
  program.add(Op.jumpIfWordEqual, FIELD, 0, "pass", 0);
  takeEndpoints(program, endpoints, ip + IPV6.destination, ip + IPV6.octets);
}

function takeEndpoints(
  program: Assembler,
  endpoints: readonly Endpoint[],
  addressAt: number,
  udpAt: number,
): void {
  for (const [i, { address, port }] of endpoints.entries()) {
    const next = `after ${addressAt} ${i}`;
    program.unless(addressAt, address.bytes, next);
    program.field(udpAt + UDP.destinationPort, 2);
    program.add(Op.jumpIfWordEqual, FIELD, 0, "take", littleEndian([port >>> 8, port & 0xff], 0, 2));
    program.label(next);
  }
  program.leave();
}

/** How fields of so many octets are loaded: where each load begins, and how much it loads. */
function pieces(octets: number): readonly (readonly [offset: number, length: 1 | 2 | 4])[] {
  const loads: [number, 1 | 2 | 4][] = [];
  for (let at = 0; at < octets; ) {
    const length = octets - at >= 4 ? 4 : octets - at >= 2 ? 2 : 1;
    loads.push([at, length]);
    at += length;
  }
  return loads;
}

function littleEndian(octets: Uint8Array | readonly number[], at: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i -= 1) value = (value << 8) | (octets[at + i] ?? 0);
  return value;
}
