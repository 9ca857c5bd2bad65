/** Mutated packets against the answer itself: nothing is thrown, read outside the packet, malformed or too long. */

import { decode } from "dns-packet";
import { expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
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

const server = tortureServer();
const first = new Uint8Array(65_535);
const second = new Uint8Array(65_535);
const firstOctets = Buffer.from(first.buffer);

test(`${PACKETS} mutated packets`, { timeout: 3_600_000 }, () => {
  const random = randomFrom(SEED);
  const seeds = makeSeeds(random, 4_096);
  const packet = new Uint8Array(2 * PACKET_MAX);
  const rcodes = new Array<number>(16).fill(0);
  let silent = 0;
  for (let i = 0; i < PACKETS; i += 1) {
    const length = writeMutant(packet, seeds, random);
    const transport = i % STREAM_EVERY === 0 ? Transport.Tcp : Transport.Udp;
    const fault = judge(packet, length, transport, i, i % DECODED_EVERY === 0);
    if (fault !== null) expect.unreachable(describeFault(packet.slice(0, length), transport, i, fault));
    const octet = first[3] ?? 0;
    if (((packet[2] ?? 0) & 0x80) !== 0 || length < 12) silent += 1;
    else rcodes[octet & 15] = (rcodes[octet & 15] ?? 0) + 1;
  }
  const counts = rcodes.flatMap((count, rcode) => (count === 0 ? [] : [`${count} of RCODE ${rcode}`]));
  report(`${PACKETS} mutated packets (seed ${SEED}): ${counts.join(", ")}, ${silent} that ask for silence`);
  // Mutants that are all refused would show nothing.
  expect(rcodes[0]).toBeGreaterThan(PACKETS / 10);
  expect(rcodes[1]).toBeGreaterThan(PACKETS / 10);
});

/** What is wrong with the answer to a packet; null: nothing. The reply is left in `first`. */
function judge(
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
    const firstLength = server.answer(first, length, transport, moment);
    const secondLength = server.answer(second, length, transport, moment);
    if (firstLength !== secondLength || firstOctets.compare(second, 0, firstLength, 0, firstLength) !== 0)
      return "the reply depends on what lies behind the packet";
    if (isUdp && !isFenceWhole(second, 0xc1)) return "octets behind the largest reply were written";
    if (isDecoded && firstLength > 0) {
      decodeMessage(first.subarray(0, firstLength));
      decode(firstOctets.subarray(0, firstLength));
    }
    return faultOf(packet, length, first, firstLength, isUdp);
  } catch (error) {
    return String(error);
  }
}

function describeFault(packet: Uint8Array, transport: Transport, i: number, fault: string): string {
  const smallest = shrink(packet, (smaller) => judge(smaller, smaller.length, transport, i, true) !== null);
  const still = judge(smallest, smallest.length, transport, i, true);
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
