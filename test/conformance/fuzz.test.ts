/** Mutated packets against the answer itself: nothing is thrown, read outside the packet, malformed or too long. */

import { decode } from "dns-packet";
import { expect, test } from "vitest";
import { installSecrets, newSecretMemory, SECRET_LENGTH } from "../../src/answer/cookie.ts";
import { newLimitTable } from "../../src/answer/rate-limit.ts";
import { Transport } from "../../src/answer/transport.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import { Packet } from "../../src/wire/packet.ts";
import type { Server } from "../answer/harness.ts";
import { keyOf } from "../answer/validator.ts";
import { report } from "../e2e/harness.ts";
import { randomFrom } from "../e2e/random.ts";
import { makeSeeds, PACKET_MAX, shrink, writeMutant } from "./fuzz.ts";
import { faultOf, isFenceWhole, poison } from "./judge.ts";
import { decodeMessage } from "./message.ts";
import { tortureServer } from "./torture-server.ts";

/** How many packets; `test/conformance/full.sh` sends 20,000,000. */
const PACKETS = Number(process.env["MERIDIAN_FUZZ"] ?? 200_000);
const SEED = Number(process.env["MERIDIAN_FUZZ_SEED"] ?? 1035);

/** One reply in so many is read by the strict decoder and by dns-packet as well. */
const DECODED_EVERY = 64;
/** One packet in so many comes over TCP. */
const STREAM_EVERY = 8;

/** Signatures have times, and this one is after the first of them. */
const NOW = 1_800_000_000;

const server = tortureServer();
const first = Buffer.alloc(65_535);
const second = Buffer.alloc(65_535);
const firstPacket = new Packet(first);
const secondPacket = new Packet(second);

/** With all that is switched on; the limit only counts, because what it holds back could not be judged. */
const fullServer = tortureServer(
  {
    nsid: Buffer.from("fuzz"),
    cookies: { secrets: secrets(), required: false },
    maxAmplification: 6,
    rateLimit: {
      table: newLimitTable(),
      seed: 4_711,
      answers: 5,
      denials: 4,
      referrals: 3,
      errors: 2,
      windowSeconds: 10,
      slip: 2,
      ipv4PrefixLength: 24,
      ipv6PrefixLength: 56,
      exempt: [],
      dryRun: true,
    },
  },
  { validitySeconds: 86_400, keys: [keyOf(Algorithm.Ed25519)] },
);

function secrets(): SharedArrayBuffer {
  const memory = newSecretMemory();
  installSecrets(memory, new Uint8Array(SECRET_LENGTH).fill(7), null);
  return memory;
}

test.each([
  ["an unsigned zone", server, PACKETS],
  ["a signed zone, cookies and a rate limit", fullServer, Math.ceil(PACKETS / 4)],
])("mutated packets to %s", { timeout: 3_600_000 }, (_what, server, packets) => {
  const random = randomFrom(SEED);
  const seeds = makeSeeds(random, 4_096);
  const packet = new Uint8Array(2 * PACKET_MAX);
  const rcodes = new Array<number>(16).fill(0);
  let silent = 0;
  for (let i = 0; i < packets; i += 1) {
    const length = writeMutant(packet, seeds, random);
    const transport = i % STREAM_EVERY === 0 ? Transport.Tcp : Transport.Udp;
    const fault = judge(server, packet, length, transport, NOW + i, i % DECODED_EVERY === 0);
    if (fault !== null)
      expect.unreachable(describeFault(server, packet.slice(0, length), transport, i, fault));
    const octet = first[3] ?? 0;
    if (((packet[2] ?? 0) & 0x80) !== 0 || length < 12) silent += 1;
    else rcodes[octet & 15] = (rcodes[octet & 15] ?? 0) + 1;
  }
  const counts = rcodes.flatMap((count, rcode) => (count === 0 ? [] : [`${count} of RCODE ${rcode}`]));
  report(`${packets} mutated packets (seed ${SEED}): ${counts.join(", ")}, ${silent} that ask for silence`);
  // Mutants that are all refused would show nothing.
  expect(rcodes[0]).toBeGreaterThan(packets / 10);
  expect(rcodes[1]).toBeGreaterThan(packets / 10);
});

/** What is wrong with the answer to a packet; null: nothing. The reply is left in `first`. */
function judge(
  server: Server,
  packet: Uint8Array,
  length: number,
  transport: Transport,
  moment: number,
  isDecoded: boolean,
): string | null {
  const isUdp = transport === Transport.Udp;
  const octets = packet.subarray(0, length);
  try {
    first.set(octets);
    second.set(octets);
    poison(first, length, 0x00);
    poison(second, length, 0xc1);
    const firstLength = server.answer(firstPacket, length, transport, moment);
    const secondLength = server.answer(secondPacket, length, transport, moment);
    if (firstLength !== secondLength || first.compare(second, 0, firstLength, 0, firstLength) !== 0)
      return "the reply depends on what lies behind the packet";
    if (isUdp && !isFenceWhole(second, 0xc1)) return "octets behind the largest reply were written";
    if (isDecoded && firstLength > 0) {
      decodeMessage(first.subarray(0, firstLength));
      decode(first.subarray(0, firstLength));
    }
    return faultOf(packet, length, first, firstLength, isUdp);
  } catch (error) {
    return String(error);
  }
}

function describeFault(
  server: Server,
  packet: Uint8Array,
  transport: Transport,
  i: number,
  fault: string,
): string {
  const judgeOf = (octets: Uint8Array): string | null =>
    judge(server, octets, octets.length, transport, NOW + i, true);
  const smallest = shrink(packet, (smaller) => judgeOf(smaller) !== null);
  const still = judgeOf(smallest);
  return `packet ${i} of seed ${SEED}: ${fault}; at its smallest ${Buffer.from(smallest).toString("hex")}: ${still}`;
}

test("a fault is found and shrunk to what shows it", () => {
  const query = Uint8Array.from(Buffer.from("123401000001000000000000037777770174000001000100", "hex"));
  expect(Buffer.from(shrink(query, (octets) => octets.includes(0x77))).toString("hex")).toBe("77");
});

test.each([
  ["another id", [0, 0x99]],
  ["QR, opcode or RD", [2, 0x00]],
  ["RA, Z or AD", [3, 0x80]],
  ["another question", [13, 0x41]],
] as const)("a reply that is made wrong is judged so: %s", (fault, [at, octet]) => {
  const query = Uint8Array.from(Buffer.from("12340100000100000000000003777777017400000100ff", "hex"));
  const reply = server.raw(query);
  expect(faultOf(query, query.length, reply, reply.length, true)).toBeNull();
  reply[at] = octet;
  expect(faultOf(query, query.length, reply, reply.length, true)).toBe(fault);
});
