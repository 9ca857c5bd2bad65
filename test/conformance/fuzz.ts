/** Packets that are nearly queries, made fast and the same on every run, and what makes one smaller that shows a fault. */

import { below, pick, type Random } from "../e2e/random.ts";
import { encodeQuestion, wireName } from "./message.ts";
import { FOREIGN, QNAMES, STEERED_QNAMES } from "./torture.ts";

/** The longest packet; what comes over UDP is cut to 1,232 octets before it is answered. */
export const PACKET_MAX: number = 1_232;

const OPTIONS: readonly (readonly [code: number, data: Uint8Array])[] = [
  // Client subnets: IPv4, IPv6, withheld, with bits beyond the prefix, of an unknown family (RFC 7871 §6).
  ...[
    "00011800c00002",
    "0001200008080808",
    "000238002001 0db8000000",
    "00010000",
    "00000000",
    "00011700c00003",
  ].map((hex) => [8, octets(hex)] as const),
  [8, octets("0003180a0a0a")],
  // Cookies: of a client, of both, and too short (RFC 7873 §4); NSID; keepalive; padding; nobody's.
  ...["0011223344556677", "00112233445566770100000067452301aabbccddeeff0011", "001122"].map(
    (hex) => [10, octets(hex)] as const,
  ),
  [3, octets("")],
  [11, octets("")],
  [11, octets("0064")],
  [12, new Uint8Array(40)],
  [65_001, octets("cafe")],
];

function octets(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

/** Queries of every sort, from which mutants are made. */
export function makeSeeds(random: Random, count: number): readonly Uint8Array[] {
  const names = [...QNAMES, ...STEERED_QNAMES, ...FOREIGN].map(wireName);
  return Array.from({ length: count }, () => {
    const hasEdns = random() < 0.7;
    const query = encodeQuestion(
      pick(names, random),
      pick([1, 28, 2, 5, 6, 15, 16, 33, 39, 43, 65, 251, 252, 255], random),
      {
        flags:
          random() < 0.95 ? pick([0, 0x100, 0x110, 0x30], random) : pick([0x2000, 0x2800, 0x3000], random),
        qclass: random() < 0.95 ? 1 : pick([0, 3, 254, 255], random),
        size: hasEdns ? pick([0, 512, 600, 1_232, 4_096, 65_535], random) : null,
        dnssecOk: random() < 0.3,
        ednsVersion: random() < 0.97 ? 0 : 1,
        options: Array.from({ length: hasEdns ? below(4, random) : 0 }, () => pick(OPTIONS, random)),
      },
    );
    return random() < 0.9 ? query : signed(query, pick(KEYS, random));
  });
}

/** The name of a key, and one that ends in a pointer to the qname. */
const KEYS = ["03786672076578616d706c6500", "0378667200", "0378c00c"].map(octets);
/** hmac-sha256, time, fudge, a MAC, original ID, error, other (RFC 8945 §4.2). */
const TSIG = octets(`0b686d61632d73686132353600 00006553f100 012c 0020 ${"5a".repeat(32)} 0000 0000 0000`);

/** The query with a TSIG of that key; that it is wrong does not matter before control sees it. */
function signed(query: Uint8Array, key: Uint8Array): Uint8Array {
  const fixed = [0, 250, 0, 255, 0, 0, 0, 0, 0, TSIG.length];
  const packet = Uint8Array.from([...query, ...key, ...fixed, ...TSIG]);
  packet[11] = (packet[11] ?? 0) + 1;
  return packet;
}

/** Octets that programs are often wrong about. */
const EDGES = [0, 1, 2, 11, 12, 41, 63, 64, 127, 128, 191, 192, 193, 250, 254, 255];

/** Writes a seed with up to five mutations into `packet`, and returns its length; from 0 to PACKET_MAX. */
export function writeMutant(packet: Uint8Array, seeds: readonly Uint8Array[], random: Random): number {
  const seed = pick(seeds, random);
  packet.set(seed);
  let length = seed.length;
  for (let left = below(1 + below(6, random), random); left > 0; left -= 1)
    length = mutate(packet, length, random);
  return length;
}

function mutate(packet: Uint8Array, length: number, random: Random): number {
  const at = below(length, random);
  switch (below(9, random)) {
    case 0:
      packet[at] = (packet[at] ?? 0) ^ (1 << below(8, random));
      return length;
    case 1:
      packet[at] = pick(EDGES, random);
      return length;
    case 2: {
      // Flags, or a count that promises something else than what follows.
      const word = 2 + 2 * below(5, random);
      packet[word] = random() < 0.8 ? 0 : below(256, random);
      packet[word + 1] = below(random() < 0.9 ? 4 : 256, random);
      return Math.max(length, word + 2);
    }
    case 3: {
      // A compression pointer: forwards, backwards, to itself, beyond the end.
      const target = pick([at, at + 1, 12, 0, 0x3fff, below(length, random)], random);
      packet[at] = 0xc0 | (target >> 8);
      packet[at + 1] = target;
      return Math.max(length, at + 2);
    }
    case 4:
      return moved(packet, length, at, at + 1 + below(8, random), random);
    case 5:
      return moved(packet, length, at, Math.max(0, at - 1 - below(8, random)), random);
    case 6:
      // Something twice: a label, an option, the OPT.
      return moved(packet, length, Math.max(0, length - below(60, random)), length, random);
    case 7:
      return at;
    default: {
      const end = Math.min(PACKET_MAX, length + below(random() < 0.05 ? 1_200 : 24, random));
      packet.fill(pick(EDGES, random), length, end);
      return end;
    }
  }
}

/** Moves what begins at `from` to `to`: towards the end it leaves a copy behind, towards the start it covers something. */
function moved(packet: Uint8Array, length: number, from: number, to: number, random: Random): number {
  const end = Math.min(PACKET_MAX, length + to - from);
  if (end <= to) return length;
  packet.copyWithin(to, from, from + end - to);
  if (to > from && random() < 0.5) packet.fill(pick(EDGES, random), from, to);
  return Math.max(end, 0);
}

/** The smallest packet that still has a fault. */
export function shrink(packet: Uint8Array, hasFault: (packet: Uint8Array) => boolean): Uint8Array {
  const steps = shrinking(packet);
  for (let step = steps.next(); ; step = steps.next(hasFault(step.value)))
    if (step.done === true) return step.value;
}

/** Yields packets that leave out or zero some octets, is told which have the fault, and returns the smallest that has. */
export function* shrinking(packet: Uint8Array): Generator<Uint8Array, Uint8Array, boolean> {
  let smallest = packet;
  for (let chunk = packet.length; chunk >= 1; chunk = Math.floor(chunk / 2)) {
    for (let at = 0; at + chunk <= smallest.length; ) {
      const shorter = Uint8Array.from([...smallest.subarray(0, at), ...smallest.subarray(at + chunk)]);
      const zeroed = Uint8Array.from(smallest).fill(0, at, at + chunk);
      if (yield shorter) smallest = shorter;
      else {
        if (Buffer.compare(zeroed, smallest) !== 0 && (yield zeroed)) smallest = zeroed;
        at += chunk;
      }
    }
  }
  return smallest;
}
