/** Queries in a steady stream: runs the generator of the bench, which checks every reply and counts what is lost. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeNames } from "../../bench/load.ts";
import { type Lab, type Program, RATE } from "./harness.ts";
import { type Site, VIPS } from "./site.ts";

const SOURCE = fileURLToPath(new URL("../../bench/generator.c", import.meta.url));

/** How often the generator says what came. */
const INTERVAL_MS = 100;

/** What the generator saw from first to last. */
export interface LoadResult {
  readonly sent: number;
  readonly lost: number;
  /** Replies that are not right: their RCODE, question, ECS, or an address that is none of the VIPs. */
  readonly wrong: number;
  readonly firstWrong: string;
  /** Answers by VIP. */
  readonly by: Readonly<Record<string, number>>;
}

/** What came in one interval. */
export interface Interval {
  /** When it ended, by `performance.now()`. */
  readonly endMs: number;
  readonly received: number;
  readonly by: Readonly<Record<string, number>>;
}

/** Compiles the generator into the lab. */
export async function buildGenerator(lab: Lab): Promise<string> {
  const generator = join(lab.folder, "generator");
  const compiler = lab.start("cc", "cc", ["-O2", "-o", generator, SOURCE]);
  await compiler.ended;
  if (compiler.output !== "") throw new Error(compiler.output);
  return generator;
}

/** How to ask. */
export interface LoadOptions {
  readonly names: readonly string[];
  readonly seconds: number;
  /** Queries a second; null: as many as are answered. */
  readonly rate?: number | null;
  /** Client prefixes differ from one seed to the next. */
  readonly seed?: number;
  /** Queries that are open at the same time, at most. */
  readonly window?: number;
  /** A query without a reply for so long is lost. */
  readonly lostMs?: number;
}

/** A load that runs. */
export class Load {
  readonly #program: Program;

  constructor(lab: Lab, generator: string, { port }: Site, options: LoadOptions) {
    const { names, seconds, rate = RATE, seed = 1, window = 512, lostMs = 1_000 } = options;
    const file = join(lab.folder, "names.txt");
    writeNames(file, names);
    const settings = {
      names: file,
      seconds,
      seed,
      ecs: "both",
      window,
      lost: lostMs,
      timeline: INTERVAL_MS,
      expect: Object.values(VIPS).join(","),
      ...(rate === null ? {} : { rate }),
    };
    const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
    this.#program = lab.start("generator", generator, ["127.0.0.1", String(port), ...args]);
  }

  /** What came so far. */
  intervals(): readonly Interval[] {
    return this.#lines<{ ms: number; received: number; by: Record<string, number> }>('{"ms"').map(
      ({ ms, received, by }) => ({ endMs: this.#program.startedMs + ms, received, by }),
    );
  }

  /** Waits for the end. */
  async result(): Promise<LoadResult> {
    await this.#program.ended;
    const [result] = this.#lines<LoadResult>('{"sent"');
    if (result === undefined) throw new Error(`no result: ${this.#program.output}`);
    return result;
  }

  #lines<T>(start: string): T[] {
    const whole = this.#program.output.split("\n").slice(0, -1);
    return whole.filter((line) => line.startsWith(start)).map((line) => JSON.parse(line));
  }
}
