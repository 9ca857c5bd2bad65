/** A lab for end-to-end tests: a temp folder, the real processes that are started in it, and what they said. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, vi } from "vitest";

/** The command `meridian`. */
const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

/** Queries a second in suites under load; the issue asks for 20,000, a busy machine in CI survives 5,000. */
export const RATE: number = Number(process.env["MERIDIAN_E2E_RATE"] ?? 5_000);

/**
 * What time limits are multiplied by: they are promises for a quiet machine, and `full.sh` holds them to the letter. What
 * may be lost, and the failover bound, are never stretched.
 */
export const PATIENCE: number = Number(process.env["MERIDIAN_E2E_PATIENCE"] ?? 3);

// A dozen processes start before some of the tests, and other tests run meanwhile.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** Whether a program is on the PATH. */
export function has(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

/** Whether the loopback interface has an IPv6 address. */
export function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((of) => of?.some(({ address }) => address === "::1"));
}

/** Waits until `condition` holds and returns how long it took; throws when it never does. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 30_000,
): Promise<number> {
  const startedMs = performance.now();
  while (!(await condition())) {
    const elapsedMs = performance.now() - startedMs;
    if (elapsedMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(5);
  }
  return performance.now() - startedMs;
}

/** Prints a measured figure beside what was promised, where the reader of a test run sees it. */
export function report(line: string): void {
  process.stdout.write(`    ${line}\n`);
}

/** A process in a group of its own, with everything it said. */
export class Program {
  readonly name: string;
  readonly startedMs: number = performance.now();
  /** Standard output and error, line by line as they came. */
  output = "";
  /** Standard output alone. */
  stdout = "";
  /** Resolves when the process has ended and all that it said is here. */
  readonly ended: Promise<void>;
  /** Nobody writes to its output any more; a process that took over from it writes there too. */
  #isSilent = false;
  readonly #child: ChildProcess;

  constructor(
    name: string,
    command: string,
    args: readonly string[],
    cwd: string,
    env: NodeJS.ProcessEnv,
    files: readonly number[],
  ) {
    this.name = name;
    const stdio = ["ignore", "pipe", "pipe", ...files] as const;
    this.#child = spawn(command, args, { cwd, env, detached: true, stdio: [...stdio] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      // Only whole lines, as what one stream says in the middle of a line of the other would spoil both.
      let begun = "";
      const tell = (text: string): void => {
        this.output += text;
        if (stream === this.#child.stdout) this.stdout += text;
      };
      stream.setEncoding("utf8").on("data", (text: string) => {
        begun += text;
        const end = begun.lastIndexOf("\n") + 1;
        tell(begun.slice(0, end));
        begun = begun.slice(end);
      });
      stream.on("end", () => tell(begun));
    }
    this.ended = once(this.#child, "close").then(() => {
      this.#isSilent = true;
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} could not be started`);
    return this.#child.pid;
  }

  /** With which it ended; null: by a signal, or not yet. */
  get status(): number | null {
    return this.#child.exitCode;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Sends a signal to this process alone, and waits for its end. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.hasEnded) return;
    process.kill(this.pid, signal);
    await this.ended;
  }

  /** Sends a signal to the whole group, as Ctrl-C does. */
  signalGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // There is nobody left in it.
    }
  }

  /** Waits for a line that matches, and returns the match. A line counts from `from`, an earlier length of the output. */
  async said(pattern: RegExp, withinMs = 30_000, from = 0): Promise<RegExpExecArray> {
    const find = (): RegExpExecArray | null => pattern.exec(this.output.slice(from));
    await until(`${this.name} says ${pattern}`, () => find() !== null || this.#isSilent, withinMs);
    const found = find();
    if (found === null) throw new Error(`${this.name} ended before it said ${pattern}`);
    return found;
  }
}

/** Where one test file works: made before its tests, and taken down after them whatever happened. */
export class Lab {
  readonly #programs: Program[] = [];
  readonly #sockets: Socket[] = [];
  #folder = "";

  /** Holds everything that the processes write. */
  get folder(): string {
    return this.#folder;
  }

  open(): void {
    this.#folder = mkdtempSync(join(tmpdir(), "meridian-e2e-"));
  }

  /** Starts any program; `files` are passed to it, from number 3 on. */
  start(
    name: string,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    files: readonly number[] = [],
  ): Program {
    const program = new Program(name, command, args, this.#folder, { ...process.env, ...env }, files);
    this.#programs.push(program);
    return program;
  }

  /** Starts `meridian` with arguments; `nodeArgs` are for Node itself, which `by` starts, if given. */
  meridian(
    name: string,
    args: readonly string[],
    nodeArgs: readonly string[] = [],
    by: readonly string[] = [],
  ): Program {
    const [command = "", ...rest] = [...by, process.execPath, ...nodeArgs, CLI, ...args];
    return this.start(name, command, rest);
  }

  /** Runs `meridian` to its end and returns what it said. */
  async run(...args: readonly string[]): Promise<string> {
    const program = this.meridian(`meridian ${args[0]}`, args);
    await program.ended;
    return program.output;
  }

  /** A UDP socket that is closed with the lab. */
  async socket(address: string): Promise<Socket> {
    const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4", recvBufferSize: 1 << 20 });
    this.#sockets.push(socket);
    socket.bind(0, address);
    await once(socket, "listening");
    return socket;
  }

  /** The last lines of every process, for the message of a test that failed. */
  logs(): string {
    return this.#programs
      .map(({ name, output }) => `--- ${name}\n${output.split("\n").slice(-40).join("\n")}`)
      .join("\n");
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.close();
    for (const program of this.#programs) program.signalGroup("SIGKILL");
    await Promise.all(this.#programs.map((program) => program.ended));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  kill(): void {
    for (const program of this.#programs) program.signalGroup("SIGKILL");
  }
}

/** The lab of a test file or describe block: its hooks open and close it, and print the logs of tests that fail. */
export function useLab(): Lab {
  const lab = new Lab();
  const kill = (): void => lab.kill();
  beforeAll(() => {
    lab.open();
    // Vitest ends a worker that hangs; nothing that it started may outlive it.
    process.once("exit", kill);
  });
  afterEach(({ task }) => {
    if (task.result?.state === "fail") process.stdout.write(`${lab.logs()}\n`);
  });
  afterAll(async () => {
    await lab.close();
    process.off("exit", kill);
  });
  return lab;
}

/**
 * Ports below those that the kernel gives to outgoing connections. Files that run at a time have ranges apart, by the number of their
 * worker; those that run one after the other begin apart.
 */
const PORTS = 2_500;
const firstPort = 10_000 + (Number(process.env["VITEST_POOL_ID"] ?? 0) % 9) * PORTS;
let portsTried = (process.pid % 25) * 100;

/** A port that is free on every IPv4 loopback address, for UDP and TCP. */
export async function freePort(): Promise<number> {
  for (;;) {
    portsTried += 1;
    // Others may ask for one meanwhile.
    const port = firstPort + (portsTried % PORTS);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const socket = createSocket("udp4");
  try {
    server.listen(port, "0.0.0.0");
    await once(server, "listening");
    socket.bind(port, "0.0.0.0");
    await once(socket, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
    socket.close();
  }
}

/** The process ids of a process's children. */
export function childrenOf(pid: number): readonly number[] {
  return statuses()
    .filter(({ parent }) => parent === pid)
    .map((status) => status.pid);
}

/** The process ids in a process group. */
export function membersOf(group: number): readonly number[] {
  return statuses()
    .filter((status) => status.group === group)
    .map(({ pid }) => pid);
}

/** All processes that live; proc(5) has the fields of `stat`, of which the name may hold spaces. */
function statuses(): readonly { readonly pid: number; readonly parent: number; readonly group: number }[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) return [];
    const [state, parent, group] = readIfThere(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, "")
      .split(" ");
    return state === undefined || state === "" || state === "Z"
      ? []
      : [{ pid, parent: Number(parent), group: Number(group) }];
  });
}

/** What the open files of a process are, as in `socket:[4711]`. */
export function openFilesOf(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}

/** Resident memory of a process in octets. */
export function residentOctets(pid: number): number {
  return 1024 * Number(/VmRSS:\s+(\d+) kB/.exec(readIfThere(`/proc/${pid}/status`))?.[1]);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
