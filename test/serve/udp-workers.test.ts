import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { defaultAnswerOptions } from "../../src/answer/options.ts";
import type { ServedBook } from "../../src/answer/responder.ts";
import type { Endpoint } from "../../src/config/node.ts";
import { SocketSet, systemCallsFor } from "../../src/serve/socket-set.ts";
import { systemCalls } from "../../src/serve/system.ts";
import { type UdpEvent, type UdpOptions, UdpWorkers, udpRows } from "../../src/serve/udp-workers.ts";
import {
  Counter,
  type CounterName,
  counterRow,
  newCounters,
  sumCounters,
} from "../../src/telemetry/counters.ts";
import { EchoForwarder } from "./echo-forwarder.ts";
import { CHILLING, Command } from "./toy-responder.ts";
import { ask, endpoint, Load, query } from "./udp-client.ts";
import { until } from "./until.ts";

const RESPONDER = new URL("./toy-responder.ts", import.meta.url);
const BATCHES_WORK = systemCalls() !== null;
const NEEDS = " (skipped: needs koffi and Linux)";

const running: UdpWorkers[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((workers) => workers.stop()));
});

interface StartOptions extends Partial<UdpOptions> {
  readonly mode?: "batch" | "datagram";
}

async function start({ mode = "batch", ...options }: StartOptions): Promise<UdpWorkers> {
  const calls = systemCallsFor(mode);
  const workers = await UdpWorkers.start({
    endpoints: [endpoint("127.0.0.1")],
    workers: 1,
    sockets: calls === null ? null : new SocketSet(calls, []),
    book: null,
    challenges: null,
    options: defaultAnswerOptions,
    counters: newCounters(8),
    firstRow: 0,
    samples: null,
    ownCounters: counterRow(newCounters(1), 0),
    onEvent: () => {},
    forwarder: new EchoForwarder(),
    responder: RESPONDER,
    ...options,
  });
  running.push(workers);
  return workers;
}

function bookWith(octet: number): ServedBook {
  const memory = new SharedArrayBuffer(1);
  new Uint8Array(memory)[0] = octet;
  return { memory, signing: null };
}

function counted(counters: SharedArrayBuffer, name: CounterName): number | undefined {
  return sumCounters(counters)[Counter[name]];
}

/** A datagram worker's successor binds the port anew, and what comes before that is lost. */
async function untilAnswered(at: Endpoint): Promise<void> {
  let tries = 0;
  while ((await ask(at, query(1, Command.Echo), 100)) === null && tries < 30) tries += 1;
  expect(tries).toBeLessThan(30);
}

function replyTo(packet: Buffer): Buffer {
  packet[2] = (packet[2] ?? 0) | 0x80;
  return packet;
}

for (const mode of ["batch", "datagram"] as const) {
  const isMissing = mode === "batch" && !BATCHES_WORK;
  describe.skipIf(isMissing)(`UDP workers by ${mode}${isMissing ? NEEDS : ""}`, () => {
    test.each(["127.0.0.1", "::1"])(
      "a query to %s is answered, and the answer knows who asks",
      async (text) => {
        const workers = await start({ mode, endpoints: [endpoint(text)] });
        const [at] = workers.addresses();
        expect(workers.mode).toBe(mode);
        expect(at!.port).toBeGreaterThan(0);
        const reply = await ask(at!, query(7, Command.Client));
        const { family, bytes } = at!.address;
        expect([...reply!.packet.subarray(0, 3)]).toEqual([0, 7, 0x80]);
        expect([...reply!.packet.subarray(13)]).toEqual([family, ...bytes]);
      },
    );

    test("several endpoints and several workers serve together", async () => {
      const workers = await start({
        mode,
        workers: 2,
        endpoints: [endpoint("127.0.0.1"), endpoint("::1"), endpoint("127.0.0.3")],
      });
      for (const at of workers.addresses()) {
        const ids = Array.from({ length: 20 }, (_, i) => i);
        const replies = await Promise.all(ids.map((id) => ask(at, query(id, Command.Echo))));
        expect(replies.map((reply) => reply?.packet.readUInt16BE(0))).toEqual(ids);
        expect(new Set(replies.map((reply) => reply?.from.address))).toEqual(new Set([at.address.text]));
      }
    });

    test("what control answers comes late, to who asked, and what follows is answered as ever", async () => {
      const forwarder = new EchoForwarder();
      const workers = await start({
        mode,
        workers: 2,
        endpoints: [endpoint("127.0.0.1"), endpoint("::1")],
        forwarder,
      });
      for (const at of workers.addresses()) {
        for (let id = 0; id < 6; id += 1) {
          const reply = await ask(at, query(id, Command.Forward, 1));
          expect([...reply!.packet]).toEqual([...replyTo(query(id, Command.Forward, 1))]);
          expect(reply!.from.port).toBe(at.port);
          expect((await ask(at, query(id, Command.Client)))?.packet.readUInt16BE(0)).toBe(id);
        }
      }
      expect(new Set(forwarder.requests.map(({ source }) => source.length))).toEqual(new Set([4, 16]));
    });

    test("what control answers comes once, and does not wait for a worker that has nothing else to do", async () => {
      const workers = await start({ mode, workers: 2 });
      const [at] = workers.addresses();
      const client = createSocket("udp4");
      let heard = 0;
      client.on("message", () => {
        heard += 1;
      });
      client.bind(0, "127.0.0.1");
      await once(client, "listening");
      const tookMs: number[] = [];
      for (let id = 1; id <= 6; id += 1) {
        const startedMs = performance.now();
        client.send(query(id, Command.Forward, 1), at!.port, "127.0.0.1");
        while (heard < id) await sleep(1);
        tookMs.push(performance.now() - startedMs);
      }
      await sleep(20);
      client.close();
      expect(heard).toBe(6);
      // A worker looks for orders every 100 ms.
      expect(Math.min(...tookMs)).toBeLessThan(50);
    });

    test("beyond what control is given in a second nothing is left to it", async () => {
      const forwarder = new EchoForwarder();
      const [at] = (await start({ mode, forwarder })).addresses();
      const socket = createSocket("udp4");
      for (let id = 0; id < 600; id += 1)
        socket.send(query(id, Command.Forward, 1), at!.port, at!.address.text);
      await until(() => forwarder.requests.length >= 100);
      expect((await ask(at!, query(1, Command.Echo)))?.packet.length).toBe(13);
      // Two seconds may have had their share of the 600.
      expect(forwarder.requests.length).toBeLessThanOrEqual(200);
      socket.close();
    });

    test("a query that gets no answer leaves its neighbours' answers in order", async () => {
      const [at] = (await start({ mode })).addresses();
      const socket = createSocket("udp4");
      const seen: number[] = [];
      socket.on("message", (packet) => seen.push(packet.readUInt16BE(0)));
      const isSilent = (id: number): boolean => id % 3 === 0 || id % 7 < 2;
      for (let id = 0; id < 150; id += 1) {
        socket.send(query(id, isSilent(id) ? Command.Silence : Command.Echo), at!.port, at!.address.text);
      }
      const expected = Array.from({ length: 150 }, (_, id) => id).filter((id) => !isSilent(id));
      await until(() => seen.length >= expected.length);
      expect(seen).toEqual(expected);
      socket.close();
    });

    test("a response may be longer or shorter than its query, and the next one is whole again", async () => {
      const [at] = (await start({ mode })).addresses();
      for (const length of [1232, 12, 300]) {
        const grown = await ask(at!, query(1, Command.Grow, length >> 8, length & 0xff));
        expect(grown?.packet.length).toBe(length);
        const echoed = await ask(at!, Buffer.concat([query(2, Command.Echo), Buffer.alloc(400, 9)]));
        expect(echoed?.packet.length).toBe(413);
      }
    });

    test("an answer that throws becomes SERVFAIL, is counted, and is told once a second", async () => {
      const counters = newCounters(udpRows(1));
      const events: UdpEvent[] = [];
      const workers = await start({ mode, counters, onEvent: (event) => events.push(event) });
      const [at] = workers.addresses();
      const packet = query(9, Command.Throw);
      packet[2] = 0x01; // RD
      for (let i = 0; i < 5; i += 1) {
        const reply = await ask(at!, packet);
        expect([...reply!.packet]).toEqual([0, 9, 0x81, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
      }
      expect(counted(counters, "crashes")).toBe(5);
      expect(events.length).toBeLessThan(3);
      expect(events[0]).toMatchObject({ kind: "crash", stack: expect.stringContaining("a bug") });
    });

    test("a book that is adopted is answered from by every worker, and by those that come later", async () => {
      const workers = await start({ mode, workers: 2, book: bookWith(1) });
      const [at] = workers.addresses();
      const books = async (): Promise<Set<number | undefined>> => {
        const replies = await Promise.all(Array.from({ length: 16 }, () => ask(at!, query(1, Command.Book))));
        return new Set(replies.map((reply) => reply?.packet[13]));
      };
      expect(await books()).toEqual(new Set([1]));
      await workers.adopt(bookWith(2));
      expect(await books()).toEqual(new Set([2]));
      await ask(at!, query(1, Command.Die), 50);
      expect(await books()).toEqual(new Set([2]));
    });

    test("a worker warms up with its first book, and with no later one", async () => {
      const cold = await start({ mode });
      const warm = await start({ mode, book: bookWith(1) });
      const warmth = async (workers: UdpWorkers): Promise<readonly number[]> => [
        ...(await ask(workers.addresses()[0]!, query(1, Command.Warmth)))!.packet.subarray(13),
      ];
      expect(await warmth(cold)).toEqual([0, 0]);
      expect(await warmth(warm)).toEqual([1, 1]);
      for (const workers of [cold, warm]) {
        await workers.adopt(bookWith(2));
        await workers.adopt(bookWith(3));
      }
      expect(await warmth(cold)).toEqual([1, 2]);
      expect(await warmth(warm)).toEqual([1, 1]);
    });

    test("a warm-up that throws is told, and the worker serves", async () => {
      const counters = newCounters(udpRows(1));
      const events: UdpEvent[] = [];
      const onEvent = (event: UdpEvent): void => void events.push(event);
      const workers = await start({ mode, counters, onEvent, book: bookWith(CHILLING) });
      const reply = await ask(workers.addresses()[0]!, query(1, Command.Book));
      expect(reply?.packet[13]).toBe(CHILLING);
      expect(counted(counters, "crashes")).toBe(udpRows(1));
      expect(events[0]).toMatchObject({ kind: "crash", stack: expect.stringContaining("a chill") });
    });

    test("the moment is Unix time in seconds", async () => {
      const [at] = (await start({ mode })).addresses();
      const reply = await ask(at!, query(1, Command.Moment));
      const late = (Math.trunc(Date.now() / 1000) - reply!.packet.readUInt16BE(13)) % 65_536;
      expect([0, 1]).toContain(late);
    });

    test("an address that is taken is refused, with its name", async () => {
      const socket = createSocket("udp4").bind(0, "127.0.0.1");
      await once(socket, "listening");
      const taken = endpoint("127.0.0.1", socket.address().port);
      await expect(start({ mode, endpoints: [taken] })).rejects.toMatchObject({ code: "EADDRINUSE" });
      const [at] = (await start({ mode })).addresses();
      await expect(start({ mode, endpoints: [at!] })).rejects.toMatchObject({ code: "EADDRINUSE" });
      socket.close();
    });

    test("a responder that cannot be loaded is told at the start", async () => {
      const responder = new URL("./no-such-responder.ts", import.meta.url);
      await expect(start({ mode, responder })).rejects.toThrow(/no-such-responder/);
    });

    test("workers stop at once, their port is free then, and stopping again does nothing", async () => {
      const workers = await start({
        mode,
        workers: 2,
        endpoints: [endpoint("127.0.0.1"), endpoint("::1")],
      });
      const startedMs = performance.now();
      await workers.stop();
      expect(performance.now() - startedMs).toBeLessThan(1_000);
      await workers.stop();
      await start({ mode, endpoints: workers.addresses() });
    });

    test("a worker that hangs is found out, and another takes its place", async () => {
      const events: UdpEvent[] = [];
      const workers = await start({ mode, onEvent: (event) => events.push(event) });
      const [at] = workers.addresses();
      await ask(at!, query(1, Command.Toil, 0xff, 0xff), 20);
      await until(() => events.length > 0);
      await untilAnswered(at!);
      const reason = "it did not go round its loop for 2 s";
      expect(events).toEqual([{ kind: "lost", reason, isHung: true, wasServing: true }]);
    });

    test("a worker that has nothing to do, or much at once, is not taken for one that hangs", async () => {
      const events: UdpEvent[] = [];
      const workers = await start({ mode, onEvent: (event) => events.push(event) });
      const [at] = workers.addresses();
      await sleep(2_500);
      expect(await ask(at!, query(1, Command.Toil, 1_500 >> 8, 1_500 & 0xff))).not.toBeNull();
      expect(events).toEqual([]);
    });

    test("a worker that dies without load is replaced, again and again", async () => {
      const events: UdpEvent[] = [];
      const workers = await start({ mode, onEvent: (event) => events.push(event) });
      const [at] = workers.addresses();
      for (let death = 1; death <= 4; death += 1) {
        await ask(at!, query(1, Command.Die), 20);
        await until(() => events.length === death);
        await untilAnswered(at!);
      }
      expect(events).toEqual(
        new Array(4).fill({ kind: "lost", reason: "it ended", isHung: false, wasServing: true }),
      );
    });

    test("a worker that is started later runs what the first has read, whatever the files are by then", async () => {
      const folder = mkdtempSync(join(tmpdir(), "meridian-udp-"));
      const responder = pathToFileURL(join(folder, "responder.ts"));
      const source = readFileSync(RESPONDER, "utf8");
      writeFileSync(
        responder,
        source.replaceAll("../..", relative(folder, join(import.meta.dirname, "../.."))),
      );
      const events: UdpEvent[] = [];
      const workers = await start({ mode, responder, onEvent: (event) => events.push(event) });
      rmSync(folder, { recursive: true });
      const [at] = workers.addresses();
      for (let death = 1; death <= udpRows(1); death += 1) {
        await ask(at!, query(1, Command.Die), 20);
        await until(() => events.length === death);
        await untilAnswered(at!);
      }
      expect(events.map(({ kind }) => kind)).toEqual(["lost", "lost"]);
    });
  });
}

describe.skipIf(!BATCHES_WORK)(`UDP sockets that outlive workers${BATCHES_WORK ? "" : NEEDS}`, () => {
  test("a worker killed under load is replaced on its socket, and at most its batch is lost", async () => {
    const events: UdpEvent[] = [];
    const workers = await start({ mode: "batch", workers: 2, onEvent: (event) => events.push(event) });
    const [at] = workers.addresses();
    // More in flight than three deaths may lose: each query is sent when another one is answered.
    const load = new Load(at!, 16, 32);
    const moreReplies = async (): Promise<void> => {
      const before = load.received;
      await until(() => load.received > before + 500);
    };
    for (let deaths = 1; deaths <= 3; deaths += 1) {
      await moreReplies();
      await ask(at!, query(1, Command.Die), 1);
      await until(() => events.length === deaths);
    }
    await moreReplies();
    const lost = await load.end();
    expect(events.map((event) => event.kind)).toEqual(["lost", "lost", "lost"]);
    expect(lost).toBeLessThanOrEqual(3 * 64);
  });

  test("workers that make room rest before each batch, where they have all cores", async () => {
    const workers = await start({ mode: "batch", workers: availableParallelism() });
    expect(await shortestMs(workers, 40)).toBeGreaterThan(39 * 0.3);
  });

  test.skipIf(availableParallelism() === 1)(
    "workers do not rest where a core is left (needs two)",
    async () => {
      const workers = await start({ mode: "batch", workers: 1 });
      expect(await shortestMs(workers, 4)).toBeLessThan(3 * 0.3);
    },
  );
});

/** Asks so many queries one after the other of workers that are to make room, 50 times; the shortest time that took. */
async function shortestMs(workers: UdpWorkers, queries: number): Promise<number> {
  const [at] = workers.addresses();
  const socket = createSocket("udp4");
  const times: number[] = [];
  for (let run = 0; run < 50; run += 1) {
    workers.makeRoom();
    const fromMs = performance.now();
    for (let i = 0; i < queries; i += 1) {
      socket.send(query(i, Command.Echo), at!.port, at!.address.text);
      await once(socket, "message");
    }
    times.push(performance.now() - fromMs);
  }
  socket.close();
  return Math.min(...times);
}
