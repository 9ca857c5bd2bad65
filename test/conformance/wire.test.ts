/** Mutated packets over the wire: every reply is judged, everybody else is answered meanwhile, and memory stays flat. */

import { decode } from "dns-packet";
import { beforeAll, describe, expect, test } from "vitest";
import { freePort, report, residentOctets, useLab } from "../e2e/harness.ts";
import { below, type Random, randomFrom } from "../e2e/random.ts";
import { HAS_OPENSSL, makeCertificate } from "../serve/certificates.ts";
import {
  type Carrier,
  dialTcp,
  dialTls,
  framed,
  overHttps,
  overUdp,
  StreamCarrier,
  withId,
} from "./carriers.ts";
import { makeSeeds, PACKET_MAX, shrinking, writeMutant } from "./fuzz.ts";
import { faultOf } from "./judge.ts";
import { decodeMessage, encodeQuestion, wireName } from "./message.ts";
import { startTortureNode, type TortureNode } from "./torture-node.ts";

/** How many packets; `test/conformance/full.sh` sends two millions. */
const PACKETS = Number(process.env["MERIDIAN_FUZZ_WIRE"] ?? 50_000);
const SEED = Number(process.env["MERIDIAN_FUZZ_SEED"] ?? 7766);
/** The share that goes over each transport. */
const SHARES = { UDP: 0.8, TCP: 0.1, TLS: 0.05, HTTPS: 0.05 } as const;

/** Packets that are under way at a time; fewer than fit the receive buffer of a socket. */
const VOLLEY = 64;
/** One reply in so many is read by the strict decoder and by dns-packet as well. */
const DECODED_EVERY = 16;

/** What counters, caches and compiled code may come to: 25 octets for each of a million packets would show. */
const GROWTH_MAX = 24 * 1024 * 1024;
/** A small young generation, so that garbage that nobody has collected yet does not look like memory that is kept. */
const NODE_ARGS = ["--max-semi-space-size=1"];

/** One client ends connection after connection by a wrong length here. */
const WASTEFUL = "tcp: { maxWastedPerClient: 1000000 }";

/** What a well-behaved client asks after each volley, and is answered. */
const LAST = Buffer.from(encodeQuestion(wireName("mail.t."), 1));

const lab = useLab();
let torture: TortureNode;
let tlsPort: number;
let httpsPort: number;

beforeAll(async () => {
  tlsPort = await freePort();
  httpsPort = await freePort();
  const lines = [WASTEFUL, ...(HAS_OPENSSL ? encrypted() : [])];
  torture = await startTortureNode(lab, { lines, nodeArgs: NODE_ARGS });
});

/** TLS and HTTPS in the config. */
function encrypted(): readonly string[] {
  const { certificate, key } = makeCertificate();
  const files = `certificate: ${certificate}, key: ${key}`;
  return [
    `tls: { listen: ["127.0.0.1:${tlsPort}"], ${files} }`,
    `https: { listen: ["127.0.0.1:${httpsPort}"], ${files} }`,
  ];
}

describe(`mutated packets, ${PACKETS} of them`, { timeout: 3_600_000 }, () => {
  test("over UDP disturb nobody", async () => {
    await run("UDP", overUdp(await lab.socket("127.0.0.1"), torture.port, LAST));
  });

  test("over TCP disturb nobody, with wrong lengths now and then", async () => {
    const carrier = new StreamCarrier(() => dialTcp(torture.port), LAST);
    await run("TCP", carrier, (packet, random) => carrier.disturb(framed(packet, below(65_536, random))));
    expect(carrier.connections).toBeGreaterThan(PACKETS * SHARES.TCP * 0.001);
    carrier.close();
  });

  test.skipIf(!HAS_OPENSSL)("over TLS disturb nobody (needs openssl)", async () => {
    const carrier = new StreamCarrier(() => dialTls(tlsPort), LAST);
    await run("TLS", carrier);
    carrier.close();
  });

  test.skipIf(!HAS_OPENSSL)("over HTTPS disturb nobody (needs openssl)", async () => {
    const carrier = overHttps(httpsPort, "/dns-query");
    await run("HTTPS", carrier);
    carrier.close();
  });

  test("leave no trace in the log", () => {
    expect(torture.node.output).not.toMatch(/threw|worker died|control ended/);
    expect(torture.node.hasEnded).toBe(false);
  });
});

/** Sends this transport's share of the packets, and judges the replies. `disturb` is called once for each volley. */
async function run(
  over: keyof typeof SHARES,
  carrier: Carrier,
  disturb?: (packet: Uint8Array, random: Random) => Promise<void>,
): Promise<void> {
  const random = randomFrom(SEED + Object.keys(SHARES).indexOf(over));
  const seeds = makeSeeds(random, 4_096);
  const memory = new Memory(torture.node.pid);
  const packets = PACKETS * SHARES[over];
  const rcodes = new Array<number>(16).fill(0);
  let silent = 0;
  for (let sent = 0; sent < packets; sent += VOLLEY) {
    const volley = Array.from({ length: VOLLEY }, (_, i) => mutant(seeds, i, random));
    const replies = await carrier.ask(volley);
    for (const [i, reply] of replies.entries()) {
      const fault = judge(volley[i]!, reply, over, i % DECODED_EVERY === 0);
      if (fault !== null)
        expect.unreachable(await describeFault(carrier, over, volley[i]!, `packet ${sent + i}: ${fault}`));
      if (reply === null) silent += 1;
      else rcodes[reply[3]! & 15]! += 1;
    }
    await disturb?.(volley[0]!, random);
    memory.look(sent / packets);
  }
  const counts = rcodes.flatMap((count, rcode) => (count === 0 ? [] : [`${count} of RCODE ${rcode}`]));
  report(
    `${packets} mutated packets over ${over} (seed ${SEED}): ${counts.join(", ")}, ${silent} rightly without reply; ${memory.describe()}`,
  );
  // Mutants that are all refused would show nothing.
  expect(rcodes[0]).toBeGreaterThan(packets / 10);
  expect(rcodes[1]).toBeGreaterThan(packets / 10);
  expect(memory.growth()).toBeLessThan(GROWTH_MAX);
}

const octets = new Uint8Array(2 * PACKET_MAX);

function mutant(seeds: readonly Uint8Array[], id: number, random: Random): Buffer {
  const length = writeMutant(octets, seeds, random);
  return withId(octets.subarray(0, length), id);
}

/** What is wrong with the reply to a packet; null: nothing. */
function judge(
  packet: Uint8Array,
  reply: Uint8Array | null,
  over: string,
  isDecoded: boolean,
): string | null {
  try {
    if (reply !== null && isDecoded) {
      decodeMessage(reply);
      decode(Buffer.from(reply));
    }
    return faultOf(packet, packet.length, reply ?? new Uint8Array(0), reply?.length ?? 0, over === "UDP");
  } catch (error) {
    return String(error);
  }
}

async function describeFault(
  carrier: Carrier,
  over: string,
  packet: Uint8Array,
  fault: string,
): Promise<string> {
  const steps = shrinking(packet);
  const faultNow = async (smaller: Uint8Array): Promise<string | null> => {
    const [reply] = await carrier.ask([withId(smaller, 0)]);
    return judge(withId(smaller, 0), reply ?? null, over, true);
  };
  for (let step = steps.next(); ; step = steps.next((await faultNow(step.value)) !== null)) {
    if (step.done !== true) continue;
    const smallest = Buffer.from(step.value).toString("hex");
    return `seed ${SEED} over ${over}, ${fault}; at its smallest ${smallest}: ${await faultNow(step.value)}`;
  }
}

/** Resident memory of a process, from when it has warmed up to the end. */
class Memory {
  readonly #pid: number;
  #atFirst = 0;
  #atLast = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** `done` is the share of the work that is done: after half of it buffers and compiled code are there. */
  look(done: number): void {
    if (this.#atFirst !== 0 && done < 0.98) return;
    const resident = residentOctets(this.#pid);
    if (done > 0.5 && this.#atFirst === 0) this.#atFirst = resident;
    this.#atLast = resident;
  }

  growth(): number {
    return this.#atLast - this.#atFirst;
  }

  describe(): string {
    const [from, to] = [this.#atFirst, this.#atLast].map((resident) => (resident / 2 ** 20).toFixed(1));
    return `${from} MiB resident half-way and ${to} MiB at the end`;
  }
}
