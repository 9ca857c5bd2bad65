/** PROCESS of a test: clients that ask politely, and say how long each of them waited. Arguments: port, port of TLS or 0, seconds, name, address. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { encodeQuery, readAnswer } from "./dns.ts";

/** How long the clients of one sort waited for their answers. */
export interface Waits {
  /** How they ask: over UDP, TCP and TLS on a connection that is kept, and over TCP with a new one for each query. */
  readonly over: string;
  readonly answers: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
}

/** How long a client pauses after each answer. */
const PAUSE_MS = 2;
/** A machine that stood still meanwhile gets more time. */
const ANSWERS_MIN = 50;
/** What has not come by then never will. */
const LOST_MS = 10_000;
/** Before anything is measured: compilers warm up on both sides. */
const WARM_UP_MS = 500;

const [port, tlsPort, seconds] = process.argv.slice(2, 5).map(Number) as [number, number, number];
const [name = "", address = ""] = process.argv.slice(5);
const query = encodeQuery(1, name, "A");
const framed = Buffer.concat([Buffer.of(0, query.length), query]);

const startedMs = performance.now();
const waits = await Promise.all([
  waitsOf("UDP", overUdp()),
  waitsOf("TCP", over(await connected(connect(port, "127.0.0.1"), "connect"))),
  ...(tlsPort === 0 ? [] : [waitsOf("TLS", over(await connected(tls(), "secureConnect")))]),
  waitsOf("TCP anew", anew),
]);
process.stdout.write(`${JSON.stringify(waits)}\n`);
process.exit();

/** Asks until the time is over; throws when an answer is wrong or does not come. */
async function waitsOf(over: string, ask: () => Promise<Buffer>): Promise<Waits> {
  const found: number[] = [];
  const endMs = startedMs + WARM_UP_MS + seconds * 1_000;
  while (performance.now() < endMs || found.length < ANSWERS_MIN) {
    const askedMs = performance.now();
    const answer = await ask();
    const receivedMs = performance.now();
    if (readAnswer(answer).data[0] !== address) throw new Error(`${over}: ${answer.toString("hex")}`);
    if (receivedMs > startedMs + WARM_UP_MS) found.push(receivedMs - askedMs);
    await sleep(PAUSE_MS);
  }
  found.sort((a, b) => a - b);
  const at = (share: number): number => found[Math.floor((found.length - 1) * share)] ?? Number.NaN;
  return { over, answers: found.length, p50Ms: at(0.5), p99Ms: at(0.99), mostMs: at(1) };
}

function overUdp(): () => Promise<Buffer> {
  const socket = createSocket("udp4");
  return async () => {
    socket.send(query, port, "127.0.0.1");
    const [reply] = await once(socket, "message", { signal: AbortSignal.timeout(LOST_MS) });
    return reply;
  };
}

function over(socket: Socket): () => Promise<Buffer> {
  return async () => {
    socket.write(framed);
    const [reply] = await once(socket, "data", { signal: AbortSignal.timeout(LOST_MS) });
    return reply.subarray(2);
  };
}

async function anew(): Promise<Buffer> {
  const socket = await connected(connect(port, "127.0.0.1"), "connect");
  const reply = await over(socket)();
  socket.destroy();
  return reply;
}

function tls(): Socket {
  return connectTls({ host: "127.0.0.1", port: tlsPort, rejectUnauthorized: false });
}

async function connected(socket: Socket, event: string): Promise<Socket> {
  socket.setNoDelay(true);
  await once(socket, event, { signal: AbortSignal.timeout(LOST_MS) });
  return socket;
}
