/**
 * Frames in a queue's memory: Ethernet, IP without options and UDP (IEEE 802.3, RFC 791, RFC 8200, RFC 768), and how a query's becomes
 * its response's. All is done on the memory's 16-bit and 32-bit words, in the order of the machine, which is little-endian.
 */

import type { Endpoint } from "../../config/node.ts";
import { addressOf } from "../../wire/address.ts";
import { half, u16, word } from "../../wire/bytes.ts";

/** Octets of the headers, and where fields stand in them. */
export const ETHERNET = { octets: 14, destination: 0, type: 12 } as const;
export const IPV4 = {
  octets: 20,
  versionAndLength: 0,
  fragment: 6,
  protocol: 9,
  source: 12,
  destination: 16,
} as const;
export const IPV6 = { octets: 40, nextHeader: 6, source: 8, destination: 24 } as const;
export const UDP = { octets: 8, sourcePort: 0, destinationPort: 2, length: 4 } as const;

export const PROTOCOL_UDP = 17;
export const ETHERTYPE_IPV4: readonly number[] = [0x08, 0x00];
export const ETHERTYPE_IPV6: readonly number[] = [0x86, 0xdd];

/** Hops that a response may take, as the kernel has it by default. */
const HOPS = 64;
const PROTOCOL = PROTOCOL_UDP << 8;

/** Where the payload is, in octets behind the beginning of a frame. */
export const PAYLOAD_AT_IPV4: number = ETHERNET.octets + IPV4.octets + UDP.octets;
export const PAYLOAD_AT_IPV6: number = ETHERNET.octets + IPV6.octets + UDP.octets;

/**
 * The memory of frames. A frame begins two octets behind a multiple of four, so that what follows its Ethernet header
 * is on words.
 */
export class FrameMemory {
  readonly octets: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly #halves: Uint16Array;

  constructor(memory: ArrayBuffer) {
    this.octets = new Uint8Array(memory);
    this.words = new Uint32Array(memory);
    this.#halves = new Uint16Array(memory);
  }

  isIpv4(at: number): boolean {
    return this.#half(at + ETHERNET.type) === 0x0008;
  }

  /** A word of the IP header of the frame at `at`; the source begins at index 3 of IPv4's and 2 of IPv6's. */
  ipWord(at: number, index: number): number {
    return this.#word(((at + ETHERNET.octets) >>> 2) + index);
  }

  /** How long the payload is, by UDP's own length; 0 where that is more than came. */
  payloadLength(at: number, frameLength: number): number {
    const udp = ETHERNET.octets + (this.isIpv4(at) ? IPV4.octets : IPV6.octets);
    const length = swap16(this.#half(at + udp + UDP.length));
    return length >= UDP.octets && udp + length <= frameLength ? length - UDP.octets : 0;
  }

  /** Where the packet at `at` came from and was sent to. */
  ends(at: number): { readonly source: Endpoint; readonly destination: Endpoint } {
    const isIpv4 = this.isIpv4(at);
    const header = isIpv4 ? IPV4 : IPV6;
    const ip = at + ETHERNET.octets;
    const end = (addressAt: number, portAt: number): Endpoint => ({
      address: addressOf(this.octets.slice(ip + addressAt, ip + addressAt + (isIpv4 ? 4 : 16))),
      port: u16(this.octets, ip + header.octets + portAt),
    });
    return {
      source: end(header.source, UDP.sourcePort),
      destination: end(header.destination, UDP.destinationPort),
    };
  }

  /** Makes a query's frame at `at` the one of a response, which is in place with `length` octets; returns the frame's length. */
  turnRound(at: number, length: number): number {
    for (let i = at >>> 1; i < (at >>> 1) + 3; i += 1) {
      const destination = half(this.#halves, i + 3);
      this.#halves[i + 3] = half(this.#halves, i);
      this.#halves[i] = destination;
    }
    const ip = (at + ETHERNET.octets) >>> 2;
    if (this.isIpv4(at)) {
      this.#turnIpv4(ip, length);
      return PAYLOAD_AT_IPV4 + length;
    }
    this.#turnIpv6(ip, length);
    return PAYLOAD_AT_IPV6 + length;
  }

  /** No router may fragment it (`sockets.ts` says why), so it needs no id (RFC 6864 §4.1). */
  #turnIpv4(ip: number, length: number): void {
    const words = this.words;
    const source = this.#word(ip + 4);
    const destination = this.#word(ip + 3);
    words[ip] = 0x0045 | (swap16(IPV4.octets + UDP.octets + length) << 16);
    words[ip + 1] = 0x400000;
    words[ip + 2] = HOPS | PROTOCOL;
    words[ip + 3] = source;
    words[ip + 4] = destination;
    words[ip + 2] = HOPS | PROTOCOL | (~folded(this.#sum(ip, ip + 5)) << 16);
    this.#turnUdp(ip + 5, length, this.#sum(ip + 3, ip + 5));
  }

  #turnIpv6(ip: number, length: number): void {
    const words = this.words;
    words[ip] = 0x60;
    words[ip + 1] = swap16(UDP.octets + length) | (PROTOCOL_UDP << 16) | (HOPS << 24);
    for (let i = ip + 2; i < ip + 6; i += 1) {
      const source = this.#word(i + 4);
      words[i + 4] = this.#word(i);
      words[i] = source;
    }
    this.#turnUdp(ip + 10, length, this.#sum(ip + 2, ip + 10));
  }

  /** `addresses` is the sum of the IP header's two. */
  #turnUdp(udp: number, length: number, addresses: number): void {
    const words = this.words;
    const ports = this.#word(udp);
    const udpLength = swap16(UDP.octets + length);
    words[udp] = (ports >>> 16) | (ports << 16);
    words[udp + 1] = udpLength;
    const end = (udp + 2) * 4 + length;
    // The checksum counts whole words; the memory behind a response is nobody's.
    this.octets[end] = 0;
    this.octets[end + 1] = 0;
    this.octets[end + 2] = 0;
    const sum = ~folded(addresses + PROTOCOL + udpLength + this.#sum(udp, (end + 3) >>> 2)) & 0xffff;
    // Zero would say that there is none.
    words[udp + 1] = udpLength | ((sum === 0 ? 0xffff : sum) << 16);
  }

  /** The 16-bit halves of words, added (RFC 1071); of 64 KiB at the most it fits. */
  #sum(from: number, to: number): number {
    let sum = 0;
    for (let i = from; i < to; i += 1) {
      const two = word(this.words, i);
      sum += (two & 0xffff) + (two >>> 16);
    }
    return sum;
  }

  #half(at: number): number {
    return half(this.#halves, at >>> 1);
  }

  #word(index: number): number {
    return word(this.words, index);
  }
}

/** Adds the carries. */
function folded(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

function swap16(half: number): number {
  return ((half & 0xff) << 8) | (half >>> 8);
}
