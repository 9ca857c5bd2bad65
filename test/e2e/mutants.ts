/** Packets that a hostile or broken client might send: valid queries, and what chance makes of them. */

import { encodeQuery } from "./dns.ts";

/** Uniform in [0, 1). */
export type Random = () => number;

/** Mulberry32: the same numbers on every run. */
export function randomFrom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let hash = Math.imul(state ^ (state >>> 15), 1 | state);
    hash = (hash + Math.imul(hash ^ (hash >>> 7), 61 | hash)) ^ hash;
    return ((hash ^ (hash >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Queries with every sort of name, type and EDNS option that the demo answers, refuses or denies. */
const SEEDS: readonly Buffer[] = [
  encodeQuery(0, "www.gslb.example", "A"),
  encodeQuery(0, "www.gslb.example", "A", { subnet: "81.2.69.0/24" }),
  encodeQuery(0, "www.gslb.example", "AAAA", { subnet: "2001:db8::/56" }),
  encodeQuery(0, "www.gslb.example", "HTTPS", { subnet: "8.8.8.8/32" }),
  encodeQuery(0, "deep.below.a.apps.gslb.example", "A", { subnet: "0.0.0.0/0" }),
  encodeQuery(0, "gslb.example", "ANY"),
  encodeQuery(0, "gslb.example", "SOA"),
  encodeQuery(0, "nobody.gslb.example", "TXT"),
  encodeQuery(0, "www.elsewhere.example", "MX"),
  encodeQuery(0, `${`${"x".repeat(63)}.`.repeat(3)}${"y".repeat(48)}.gslb.example`, "A"),
  ...[
    "20290000000000fffe00000000000100",
    "2029100000008000000c000a0008aabbccddeeff0011",
    "2029ffff00010000000000",
    "0029000000000000",
  ].map((opt) => withAdditional(encodeQuery(0, "mail.gslb.example", "A"), Buffer.from(opt, "hex"))),
];

/** Chance's tools; each may make a packet longer by a few octets. */
const MUTATIONS: readonly ((packet: Buffer, random: Random) => Buffer)[] = [
  flipBit,
  setOctet,
  setCount,
  setPointer,
  insert,
  remove,
  duplicate,
  truncate,
  growTail,
];

/** Values that programs are often wrong about. */
const EDGES = [0, 1, 12, 63, 64, 127, 128, 191, 192, 254, 255];

/** A query with one to six mutations, or now and then octets without any sense; `id` is in its first two octets. */
export function mutant(id: number, random: Random): Buffer {
  let packet = random() < 0.05 ? noise(random) : Buffer.from(pick(SEEDS, random));
  for (let left = 1 + below(6, random); left > 0; left -= 1) packet = pick(MUTATIONS, random)(packet, random);
  if (packet.length >= 2) packet.writeUInt16BE(id, 0);
  return packet;
}

function withAdditional(query: Buffer, rest: Buffer): Buffer {
  const packet = Buffer.concat([query, Buffer.from([0]), rest]);
  packet.writeUInt16BE(1, 10);
  return packet;
}

function noise(random: Random): Buffer {
  return Buffer.from(Array.from({ length: below(600, random) }, () => below(256, random)));
}

function flipBit(packet: Buffer, random: Random): Buffer {
  const at = below(packet.length, random);
  if (at < packet.length) packet[at] = (packet[at] ?? 0) ^ (1 << below(8, random));
  return packet;
}

function setOctet(packet: Buffer, random: Random): Buffer {
  const at = below(packet.length, random);
  if (at < packet.length) packet[at] = pick(EDGES, random);
  return packet;
}

/** Flags, or the count of a section, that promise something else than what follows. */
function setCount(packet: Buffer, random: Random): Buffer {
  const at = 2 + 2 * below(5, random);
  if (at + 2 <= packet.length) packet.writeUInt16BE(pick([0, 1, 2, 5, 255, 65_535], random), at);
  return packet;
}

/** A compression pointer: forwards, backwards, to itself, beyond the end. */
function setPointer(packet: Buffer, random: Random): Buffer {
  const at = 12 + below(packet.length - 12, random);
  const target = pick([at, at + 1, 12, 0, 0x3fff, below(Math.max(1, packet.length), random)], random);
  if (at + 2 <= packet.length) packet.writeUInt16BE(0xc000 | (target & 0x3fff), at);
  return packet;
}

function insert(packet: Buffer, random: Random): Buffer {
  const at = below(packet.length + 1, random);
  const octets = Buffer.alloc(1 + below(8, random), pick(EDGES, random));
  return Buffer.concat([packet.subarray(0, at), octets, packet.subarray(at)]);
}

function remove(packet: Buffer, random: Random): Buffer {
  const at = below(packet.length, random);
  return Buffer.concat([packet.subarray(0, at), packet.subarray(at + 1 + below(8, random))]);
}

function duplicate(packet: Buffer, random: Random): Buffer {
  const at = below(packet.length, random);
  const end = Math.min(packet.length, at + 1 + below(40, random));
  return Buffer.concat([packet.subarray(0, end), packet.subarray(at, end), packet.subarray(end)]);
}

function truncate(packet: Buffer, random: Random): Buffer {
  return packet.subarray(0, below(packet.length + 1, random));
}

/** Octets after the end, up to more than fits a reply over UDP. */
function growTail(packet: Buffer, random: Random): Buffer {
  return Buffer.concat([
    packet,
    Buffer.alloc(below(random() < 0.1 ? 2_000 : 40, random), pick(EDGES, random)),
  ]);
}

/** One of the choices. */
export function pick<T>(choices: readonly T[], random: Random): T {
  return choices[below(choices.length, random)]!;
}

/** A whole number from 0 to below `end`; 0 where there is none. */
export function below(end: number, random: Random): number {
  return end <= 0 ? 0 : Math.floor(random() * end);
}
