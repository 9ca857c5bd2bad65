/** One server under measurement: its cost at full load, its latency at half of it. */

import { mkdirSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuNsOf } from "./cpu.ts";
import { type Load, type LoadResult, runLoad, startLoad } from "./load.ts";
import { namesOf, type Peer, type Place } from "./peers.ts";
import { Server } from "./server.ts";
import { type Undisturbed, undisturbed } from "./undisturbed.ts";

/** What one run showed. */
export interface Figures {
  /** CPU of the process that answers, in user and kernel mode, for each answer at full load. */
  readonly cpuUs: number;
  /** The same with all processes that the server runs. */
  readonly cpuOfAllUs: number;
  /** Share of its core that the server used at full load; well below 1, the generator was what limited it. */
  readonly busy: number;
  readonly qps: number;
  /** Of the run at full load and the one at half of it together. */
  readonly sent: number;
  readonly lost: number;
  readonly wrong: number;
  readonly firstWrong: string;
  /** Latencies at half load. */
  readonly p50us: number;
  readonly p99us: number;
  readonly p999us: number;
  /** Answers by address at full load. */
  readonly by: Readonly<Record<string, number>>;
  /** The share of the cores' time that the host of this virtual machine took meanwhile. */
  readonly stolen: number;
}

/** How long caches get to warm up again, and what runs by the clock to catch up, after a server has stood still. */
const CATCH_UP_SECONDS = 0.3;

/** How long it is loaded to see its peak, where that is all that is asked. */
const PEAK_SECONDS = 0.5;

/** A server that runs when it is measured, and stands still while others are. */
export class Measured {
  readonly peer: Peer;
  readonly #place: Place;
  readonly #server: Server;
  readonly #load: Load;
  #namesAdded = 0;
  #lastAdded: string | null = null;

  private constructor(peer: Peer, place: Place, names: string, server: Server) {
    this.peer = peer;
    this.#place = place;
    this.#server = server;
    this.#load = {
      port: place.port,
      link: place.link,
      names,
      ecs: peer.ecs,
      signed: peer.signed ?? false,
      cookies: peer.cookies ?? false,
      sockets: peer.sockets ?? 1,
      expect: peer.answers,
      seconds: CATCH_UP_SECONDS,
      rate: null,
    };
  }

  /** Starts a peer, and loads it for so long, so that compilers and caches warm up. */
  static async start(peer: Peer, place: Place, names: string, seconds: number): Promise<Measured> {
    mkdirSync(place.folder, { recursive: true });
    const server = await Server.start(peer.command(place), place.port, namesOf(peer)[0] ?? "", place.link);
    const measured = new Measured(peer, place, names, server);
    try {
      await measured.#run({ seconds });
    } catch (error) {
      await measured.stop();
      throw error;
    }
    server.pause();
    return measured;
  }

  /** Its cost at full load and its latencies at half of it, each for so long. */
  async run(seconds: number): Promise<Figures> {
    return this.#awake(async () => {
      const { result: cost, stolen } = await undisturbed(() =>
        costOf(this.#server, () => this.#run({ seconds })),
      );
      const full = cost.result;
      const { result: half, stolen: stolenAtHalf } = await undisturbed(() =>
        this.#run({ seconds, rate: full.qps / 2 }),
      );
      return {
        cpuUs: cost.cpuUs,
        cpuOfAllUs: cost.cpuOfAllUs,
        busy: (cost.cpuUs * full.qps) / 1e6,
        qps: full.qps,
        sent: full.sent + half.sent,
        lost: full.lost + half.lost,
        wrong: full.wrong + half.wrong,
        firstWrong: full.firstWrong || half.firstWrong,
        p50us: half.p50us,
        p99us: half.p99us,
        p999us: half.p999us,
        by: full.by,
        stolen: Math.max(stolen, stolenAtHalf),
      };
    });
  }

  /** What it shows at half of its peak for so long. */
  halfFor(seconds: number): Promise<Undisturbed<LoadResult>> {
    return this.#half(seconds, () => sleep(seconds * 1e3));
  }

  /**
   * The same while so many names are added, one so long after the other. A name need not have been read when the next one comes, but
   * the last one is, in the end.
   */
  halfWhileNamesAreAdded(names: number, everyMs: number): Promise<Undisturbed<LoadResult>> {
    return this.#half((names * everyMs) / 1e3, async () => {
      for (let i = 0; i < names; i += 1) await Promise.all([this.#addName(), sleep(everyMs)]);
    });
  }

  async stop(): Promise<void> {
    this.#server.resume();
    await this.#server.stop();
    rmSync(this.#place.folder, { recursive: true, force: true });
  }

  async #half(seconds: number, meanwhile: () => Promise<void>): Promise<Undisturbed<LoadResult>> {
    return this.#awake(async () => {
      const { qps } = await this.#run({ seconds: PEAK_SECONDS });
      const load = { ...this.#load, seconds: 2 * seconds, rate: qps / 2 };
      return undisturbed(async () => {
        const running = startLoad(this.#place.programs.generator, load);
        await meanwhile();
        running.stop();
        const result = await running.result;
        if (this.#lastAdded !== null) await this.#server.untilAnswers(this.#lastAdded);
        return result;
      });
    });
  }

  /** Has it go on, and catch up, for as long as something is done. */
  async #awake<T>(work: () => Promise<T>): Promise<T> {
    this.#server.resume();
    try {
      await this.#run({});
      return await work();
    } finally {
      this.#server.pause();
    }
  }

  async #addName(): Promise<void> {
    this.#namesAdded += 1;
    this.#lastAdded = (await this.peer.addName?.(this.#place, `added-${this.#namesAdded}`)) ?? null;
  }

  #run(change: Partial<Load>): Promise<LoadResult> {
    return runLoad(this.#place.programs.generator, { ...this.#load, ...change });
  }
}

/** What answers cost. */
export interface Cost<T> {
  readonly result: T;
  /** Of the process that did most, and of all that the server runs. */
  readonly cpuUs: number;
  readonly cpuOfAllUs: number;
}

/** Runs a load, and says what the kernel charged the server for each answer. */
export async function costOf<T extends { readonly received: number }>(
  server: Server,
  run: () => Promise<T>,
): Promise<Cost<T>> {
  const before = new Map(server.processes.map((pid) => [pid, cpuNsOf(pid)]));
  const result = await run();
  const used = server.processes.map((pid) => cpuNsOf(pid) - (before.get(pid) ?? 0));
  const all = used.reduce((sum, ns) => sum + ns, 0);
  return {
    result,
    cpuUs: Math.max(...used) / 1e3 / result.received,
    cpuOfAllUs: all / 1e3 / result.received,
  };
}
