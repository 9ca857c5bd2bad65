/** Runs the load generator. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { GENERATOR_CORE, putFirst } from "./cores.ts";
import { addressOf, type Link } from "./link.ts";

/** What to ask, how fast and for how long. */
export interface Load {
  readonly port: number;
  /** By which the server is asked; left out: over loopback. */
  readonly link?: Link | null;
  /** File of the qnames, asked by turns. */
  readonly names: string;
  /** Whether queries carry ECS, and replies must echo it. */
  readonly ecs: boolean;
  /** Whether queries ask for signatures, and answers must have one; only with `ecs`. */
  readonly signed?: boolean;
  /** Whether queries carry a DNS cookie, and replies must too; only with `ecs`. */
  readonly cookies?: boolean;
  /** From how many sockets they come; left out: one. A kernel gives all from one socket to one worker. */
  readonly sockets?: number;
  /** Addresses of right answers; null: the query itself must come back, with QR set. */
  readonly expect: readonly string[] | null;
  readonly seconds: number;
  /** Queries a second on a clock, latency counting from when each was due; null: as many as are answered. */
  readonly rate: number | null;
  /** What replies are told apart by, reported each `everyMs`. */
  readonly timeline?: { readonly everyMs: number; readonly onInterval: (interval: Interval) => void };
}

/** What the generator saw; latencies in microseconds. */
export interface LoadResult {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly wrong: number;
  readonly firstWrong: string;
  readonly qps: number;
  readonly p50us: number;
  readonly p99us: number;
  readonly p999us: number;
  readonly maxus: number;
  /** Answers by address. */
  readonly by: Readonly<Record<string, number>>;
}

/** What came in one interval. */
export interface Interval {
  /** When it ended, on the clock of `process.hrtime`. */
  readonly endedNs: number;
  /** Answers by address. */
  readonly by: Readonly<Record<string, number>>;
}

/**
 * Queries that are open at the same time, at most. The default receive buffer of a socket holds 220 small packets, less
 * the quarter that the kernel gives back late: with 256 open, servers that do not ask for more lost 0.02 to 0.1 %.
 */
const WINDOW = 160;

/** A load under way. */
export interface RunningLoad {
  readonly result: Promise<LoadResult>;
  /** Ends it before its time. */
  stop(): void;
}

/** Writes the file of the qnames. */
export function writeNames(file: string, names: readonly string[]): void {
  writeFileSync(file, names.map((name) => `${name}\n`).join(""));
}

/** Runs a load to its end. */
export function runLoad(generator: string, load: Load): Promise<LoadResult> {
  return startLoad(generator, load).result;
}

/** Starts a load. */
export function startLoad(generator: string, load: Load): RunningLoad {
  const command = [...(load.link?.client ?? []), generator, ...argumentsFor(load)];
  const child = spawn("taskset", ["-c", String(GENERATOR_CORE), ...command], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  putFirst(child);
  return { result: resultOf(child, load), stop: () => child.kill("SIGTERM") };
}

async function resultOf(child: ChildProcessByStdio<null, Readable, null>, load: Load): Promise<LoadResult> {
  let result: LoadResult | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const said: LoadResult | Interval = JSON.parse(line);
    if ("sent" in said) result = said;
    else load.timeline?.onInterval(said);
  }
  if (result === null)
    throw new Error(`the load generator ended without a result: ${child.spawnargs.join(" ")}`);
  return result;
}

function argumentsFor({
  port,
  link = null,
  names,
  ecs,
  signed,
  cookies,
  sockets,
  expect,
  seconds,
  rate,
  timeline,
}: Load): readonly string[] {
  const options: Record<string, string> = {
    names,
    ecs: ecs ? "both" : "none",
    seconds: String(seconds),
    window: String(WINDOW),
    ...(expect === null ? { echo: "1" } : { expect: expect.join(",") }),
    ...(signed === true ? { do: "1" } : {}),
    ...(cookies === true ? { cookie: "1" } : {}),
    ...(sockets === undefined ? {} : { sockets: String(sockets) }),
    ...(rate === null ? {} : { rate: String(Math.round(rate)) }),
    ...(timeline === undefined ? {} : { timeline: String(timeline.everyMs) }),
  };
  return [
    addressOf(link),
    String(port),
    ...Object.entries(options).flatMap(([key, value]) => [`--${key}`, value]),
  ];
}
