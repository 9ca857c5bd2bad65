/** A server under measurement: one command on one core, from its first answer to its end. */

import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { SERVER_CORE } from "./cores.ts";
import { cpuNsOf, familyOf } from "./cpu.ts";
import type { Link } from "./link.ts";

/** Where programs are looked for: Debian puts servers where users' paths do not look. */
export const SERVER_PATH: string = `${process.env["PATH"]}:/usr/sbin`;
const ANSWER_MS_MAX = 60_000;
const STOP_MS_MAX = 5_000;
const STOP_LOOK_MS = 20;
/** A server is at rest when it uses less than this share of its core. */
const REST_SHARE = 0.02;
const REST_LOOK_MS = 250;
const REST_MS_MAX = 15_000;

/** One running command. */
export class Server {
  readonly #child: ChildProcess;
  readonly #command: readonly string[];
  readonly #port: number;
  readonly #link: Link | null;
  /** The process that serves; undefined: it could not be started. */
  #pid: number | undefined;
  #said = "";
  /** When it first answered, by `performance.now`. */
  upMs = 0;

  private constructor(command: readonly string[], port: number, link: Link | null) {
    this.#command = command;
    this.#port = port;
    this.#link = link;
    this.#child = spawn("taskset", ["-c", String(SERVER_CORE), ...command], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, PATH: SERVER_PATH },
    });
    this.#pid = this.#child.pid;
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk) => {
        this.#said = `${this.#said}${chunk}`.slice(-4_000);
      });
    }
  }

  /**
   * Starts a command and waits until it answers `qname` on `port`, at its end of a link or on loopback, and has done what it does
   * at its start.
   */
  static async start(
    command: readonly string[],
    port: number,
    qname: string,
    link: Link | null = null,
  ): Promise<Server> {
    const server = new Server([...(link?.server ?? []), ...command], port, link);
    try {
      await server.untilAnswers(qname);
      server.upMs = performance.now();
      await server.#untilAtRest();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Waits until a query for A gets a response without an error. Throws when none does for a minute, or the server has ended. */
  async untilAnswers(qname: string): Promise<void> {
    const giveUpAt = performance.now() + ANSWER_MS_MAX;
    while (!(await this.#answers(qname))) {
      if (this.#hasEnded() || performance.now() > giveUpAt) {
        throw new Error(`${this.#command.join(" ")}: expected an answer for ${qname}, got\n${this.#said}`);
      }
    }
  }

  /** Its process, and all below it. */
  get processes(): readonly number[] {
    return this.#pid === undefined ? [] : familyOf(this.#pid);
  }

  /** Another process has taken over from the one that served. */
  follow(pid: number): void {
    this.#pid = pid;
  }

  /** The last it printed. */
  get said(): string {
    return this.#said;
  }

  /** Has all its processes stand still, so that another can be measured. */
  pause(): void {
    for (const pid of this.processes) signal(pid, "SIGSTOP");
  }

  resume(): void {
    for (const pid of this.processes) signal(pid, "SIGCONT");
  }

  async stop(): Promise<void> {
    const pid = this.#pid;
    if (pid === undefined || !signal(pid, "SIGTERM")) return;
    const killAt = performance.now() + STOP_MS_MAX;
    while (signal(pid, 0)) {
      await sleep(STOP_LOOK_MS);
      if (performance.now() > killAt) signal(pid, "SIGKILL");
    }
  }

  #answers(qname: string): Promise<boolean> {
    return this.#link === null ? isAnswered(this.#port, qname) : this.#link.isAnswered(this.#port, qname);
  }

  #hasEnded(): boolean {
    return this.#pid === undefined || !signal(this.#pid, 0);
  }

  async #untilAtRest(): Promise<void> {
    const used = (): number => this.processes.reduce((sum, pid) => sum + cpuNsOf(pid), 0);
    const giveUpAt = performance.now() + REST_MS_MAX;
    let before = used();
    while (performance.now() < giveUpAt) {
      await sleep(REST_LOOK_MS);
      const now = used();
      if (now - before < REST_SHARE * REST_LOOK_MS * 1e6) return;
      before = now;
    }
  }
}

/** Sends a signal, of which 0 only asks; false when there is no such process. */
function signal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Whether a query for A gets a response without an error within 100 ms. */
async function isAnswered(port: number, qname: string): Promise<boolean> {
  const labels = qname.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  const query = Buffer.from([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
  const socket = createSocket("udp4");
  // Nobody listens there yet: ask again.
  socket.on("error", () => undefined);
  const isRight = new Promise<boolean>((resolve) => {
    socket.on("message", (response) => resolve((response.readUInt8(3) & 15) === 0));
  });
  try {
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.send(query);
    const late = sleep(100, false);
    // A refusal comes at once: do not ask a thousand times a second.
    return (await Promise.race([isRight, late])) || (await late);
  } finally {
    socket.close();
  }
}
