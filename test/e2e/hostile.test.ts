/** Mutated packets over UDP and TCP: the server answers everybody else meanwhile, and its memory stays flat. */

import type { Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket as TcpSocket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { decodeMessage } from "../conformance/message.ts";
import { encodeQuery, Resolver, readAnswer } from "./dns.ts";
import { type Program, report, residentOctets, until, useLab } from "./harness.ts";
import { mutant, randomFrom } from "./mutants.ts";
import { EUROPEAN, layOut, type Site, startNode, VIPS } from "./site.ts";

/** How many mutated packets; `test/conformance/full.sh` sends two millions. */
const PACKETS = Number(process.env["MERIDIAN_E2E_HOSTILE"] ?? 50_000);

/** One in ten goes over TCP, which costs more. */
const OVER_TCP = PACKETS / 10;

const SEED = 9;

/** Mutants between two looks at the canary; fewer than fit the receive buffer of a socket. */
const VOLLEY = 64;

/** One reply in so many is read by dns-packet too; all are read by the strict decoder of the conformance suite. */
const PARSED_EVERY = 20;

/** What counters, caches and compiled code may come to: 20 octets for each of a million packets would show. */
const GROWTH_MAX = 16 * 1024 * 1024;

/** A small young generation, so that garbage that nobody has collected yet does not look like memory that is kept. */
const NODE_ARGS = ["--max-semi-space-size=1"];

const QNAME = "www.gslb.example";

/** The query that follows each mutant on a connection; no mutant has its id. */
const AFTERWARDS = encodeQuery(0xffff, QNAME, "A");

const lab = useLab();
let site: Site;
let node: Program;

beforeAll(async () => {
  site = await layOut(lab);
  node = await startNode(lab, site, { nodeArgs: NODE_ARGS });
});

describe("mutated packets", { timeout: 3_600_000 }, () => {
  test(`over UDP, ${PACKETS - OVER_TCP} of them, disturb nobody`, async () => {
    const socket = await lab.socket("127.0.0.1");
    const canary = new Canary(await lab.socket("127.0.0.1"));
    const replies = new Replies();
    socket.on("message", (octets) => replies.take(octets));
    const random = randomFrom(SEED);
    const memory = new Memory(node.pid);
    for (let sent = 0; sent < PACKETS - OVER_TCP; sent += VOLLEY) {
      const volley = Array.from({ length: VOLLEY }, (_, i) => mutant((sent + i) & 0xffff, random));
      replies.expect(volley);
      for (const packet of volley) socket.send(packet, site.port, "127.0.0.1");
      await canary.sing();
      // What came before the canary's own query has been answered before it, on the one worker that there is.
      memory.look(sent / (PACKETS - OVER_TCP));
    }
    await settle(replies);
    conclude("UDP", PACKETS - OVER_TCP, replies, canary, memory);
  });

  test(`over TCP, ${OVER_TCP} of them, disturb nobody`, async () => {
    const canary = new Canary(await lab.socket("127.0.0.1"));
    const random = randomFrom(SEED + 1);
    const replies = new Replies();
    const wire = new Wire(replies);
    const memory = new Memory(node.pid);
    for (let sent = 0; sent < OVER_TCP; sent += 1) {
      const packet = mutant(sent % 0xffff, random);
      replies.expect([packet]);
      await wire.send(packet, random() < 0.02 ? Math.floor(random() * 65_536) : packet.length);
      if (sent % VOLLEY === 0) await canary.sing();
      memory.look(sent / OVER_TCP);
    }
    wire.close();
    conclude(`TCP in ${wire.connections} connections`, OVER_TCP, replies, canary, memory);
    expect(await overTcp()).toBe(VIPS.us);
  });

  test("leave no trace in the log", () => {
    expect(node.output).not.toMatch(/threw|worker died|control ended/);
    expect(node.hasEnded).toBe(false);
  });
});

function conclude(over: string, sent: number, replies: Replies, canary: Canary, memory: Memory): void {
  report(
    `${sent} mutated packets over ${over}: ${replies.count} replies (${replies.parsed} read by dns-packet, ` +
      `RCODEs ${[...replies.rcodes].toSorted().join(" ")}), ${canary.sung} canaries answered, ${memory.describe()}`,
  );
  expect(replies.faults).toEqual([]);
  expect(replies.count).toBeGreaterThan(sent / 4);
  expect(memory.growth()).toBeLessThan(GROWTH_MAX);
}

/** Waits until no more replies come. */
async function settle(replies: Replies): Promise<void> {
  let last = -1;
  await until("replies have come", async () => {
    const isStill = replies.count === last;
    last = replies.count;
    await sleep(50);
    return isStill;
  });
}

/** A well-behaved client, who must be answered whatever others do. */
class Canary {
  sung = 0;
  readonly #resolver: Resolver;

  constructor(socket: UdpSocket) {
    this.#resolver = new Resolver(socket, site.port);
  }

  async sing(): Promise<void> {
    const answer = await this.#resolver.ask(QNAME, "A", { subnet: EUROPEAN });
    expect(answer).toMatchObject({ rcode: "NOERROR", data: [VIPS.eu] });
    this.sung += 1;
  }
}

/** Checks replies: each has QR and the id of a packet that was sent, and is a DNS message. */
class Replies {
  count = 0;
  parsed = 0;
  readonly faults: string[] = [];
  readonly rcodes: Set<string> = new Set();
  /** The newest packet of each id. */
  readonly #sent: Map<number, Buffer> = new Map();

  expect(packets: readonly Buffer[]): void {
    for (const packet of packets) if (packet.length >= 12) this.#sent.set(packet.readUInt16BE(0), packet);
  }

  take(octets: Buffer): void {
    this.count += 1;
    const query = octets.length < 12 ? undefined : this.#sent.get(octets.readUInt16BE(0));
    const isResponse = ((octets[2] ?? 0) & 0x80) !== 0;
    if (query === undefined || !isResponse) this.#blame("no QR, or an id that nobody used", octets, query);
    else this.#parse(octets, query);
  }

  #parse(octets: Buffer, query: Buffer): void {
    try {
      decodeMessage(octets);
      if (this.count % PARSED_EVERY !== 0) return;
      this.parsed += 1;
      this.rcodes.add(readAnswer(octets).rcode);
    } catch (error) {
      this.#blame(String(error), octets, query);
    }
  }

  #blame(fault: string, octets: Buffer, query: Buffer | undefined): void {
    if (this.faults.length > 10) return;
    this.faults.push(`${fault}: ${octets.toString("hex")} for ${query?.toString("hex")}`);
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
    const octets = residentOctets(this.#pid);
    if (done > 0.5 && this.#atFirst === 0) this.#atFirst = octets;
    this.#atLast = octets;
  }

  growth(): number {
    return this.#atLast - this.#atFirst;
  }

  describe(): string {
    const [from, to] = [this.#atFirst, this.#atLast].map((octets) => (octets / 2 ** 20).toFixed(1));
    return `${from} MiB resident in the beginning and ${to} MiB at the end`;
  }
}

/** A connection that is made again when the server has hung up, which it does on what is no DNS. */
class Wire {
  connections = 0;
  readonly #replies: Replies;
  #socket: TcpSocket | null = null;
  #unread: Buffer = Buffer.alloc(0);
  #isAnswered = false;
  #wake: () => void = () => {};

  constructor(replies: Replies) {
    this.#replies = replies;
  }

  /** Sends a packet and a query after it, and waits until the query is answered or the server hangs up. */
  async send(packet: Buffer, length: number): Promise<void> {
    const socket = await this.#open();
    this.#isAnswered = false;
    socket.write(Buffer.concat([framed(packet, length), framed(AFTERWARDS)]));
    // With a wrong length what follows is part of the packet, and the server would wait for the rest of it.
    if (length !== packet.length) socket.end();
    await new Promise<void>((resolve) => {
      this.#wake = () => {
        if (this.#isAnswered || socket.closed) resolve();
      };
      this.#wake();
    });
  }

  close(): void {
    this.#socket?.destroy();
  }

  async #open(): Promise<TcpSocket> {
    if (this.#socket?.writable === true) return this.#socket;
    this.#socket?.destroy();
    this.connections += 1;
    this.#unread = Buffer.alloc(0);
    this.#socket = await dial();
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#socket.on("close", () => this.#wake());
    return this.#socket;
  }

  #read(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    while (this.#unread.length >= 2 && this.#unread.length >= 2 + this.#unread.readUInt16BE(0)) {
      const end = 2 + this.#unread.readUInt16BE(0);
      const reply = this.#unread.subarray(2, end);
      this.#unread = this.#unread.subarray(end);
      if (reply.readUInt16BE(0) === AFTERWARDS.readUInt16BE(0)) this.#isAnswered = true;
      else this.#replies.take(reply);
    }
    this.#wake();
  }
}

/** A message with a length before it, its own or another. */
function framed(packet: Buffer, length: number = packet.length): Buffer {
  return Buffer.concat([Buffer.from([length >> 8, length & 0xff]), packet]);
}

async function dial(): Promise<TcpSocket> {
  const socket = connect(site.port, "127.0.0.1");
  socket.on("error", () => {}); // The server hangs up on what is no DNS.
  await once(socket, "connect");
  return socket;
}

/** What a well-behaved client is answered over TCP. */
async function overTcp(): Promise<string | undefined> {
  const socket = await dial();
  socket.write(framed(AFTERWARDS));
  const [reply] = await once(socket, "data");
  socket.end();
  return readAnswer(reply.subarray(2)).data[0];
}
