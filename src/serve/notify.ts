/** Tells the service manager how this process is, as sd_notify(3) does. */

import { Linux, type SystemCalls } from "./system.ts";

/** What a service manager says to a process by its environment. */
export interface ManagerEnvironment {
  /** Path of a unix datagram socket; with `@` for its first octet, a name without a file. */
  readonly NOTIFY_SOCKET?: string | undefined;
  /** The process counts as hung when it has been silent for so many microseconds. */
  readonly WATCHDOG_USEC?: string | undefined;
  /** Which process is meant; absent: this one. */
  readonly WATCHDOG_PID?: string | undefined;
}

/** Address family of Linux. */
const AF_UNIX = 1;
/** `sockaddr_un`: family:2, path:108. */
const PATH_OCTETS_MAX = 108;

/** The service manager; without one, whatever it is told is dropped. */
export class ServiceManager {
  readonly #calls: SystemCalls | null;
  readonly #sockaddr: Uint8Array | null;
  readonly #watchdog: NodeJS.Timeout | null;

  constructor(calls: SystemCalls | null, environment: ManagerEnvironment, pid: number) {
    this.#calls = calls;
    this.#sockaddr = sockaddrOf(environment.NOTIFY_SOCKET ?? "");
    this.#watchdog = this.#watch(environment, pid);
  }

  /** Whether somebody is there to be told. */
  get isPresent(): boolean {
    return this.#calls !== null && this.#sockaddr !== null;
  }

  /** It answers, from a book of this version. */
  ready(version: number): void {
    this.#tell("READY=1", `STATUS=answers from book ${version}`);
  }

  /** A successor is being started; `ready` ends that, said by whoever serves then. */
  reloading(): void {
    const nowUs = process.hrtime.bigint() / 1_000n;
    this.#tell("RELOADING=1", `MONOTONIC_USEC=${nowUs}`, "STATUS=a new process is started to take over");
  }

  /** Another process is the one to watch from now on. */
  handOver(successorPid: number): void {
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
    this.#tell(`MAINPID=${successorPid}`);
  }

  stopping(): void {
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
    this.#tell("STOPPING=1");
  }

  /** Says twice in the time allowed that the event loop goes round. */
  #watch({ WATCHDOG_USEC, WATCHDOG_PID }: ManagerEnvironment, pid: number): NodeJS.Timeout | null {
    const everyMs = Number(WATCHDOG_USEC) / 2_000;
    const isForUs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(pid);
    if (!isForUs || !(everyMs >= 1)) return null;
    return setInterval(() => this.#tell("WATCHDOG=1"), everyMs).unref();
  }

  /** One datagram of lines. A manager that does not take it is not waited for. */
  #tell(...lines: readonly string[]): void {
    if (this.#calls === null || this.#sockaddr === null) return;
    const message = new TextEncoder().encode(lines.join("\n"));
    const fd = this.#calls.socket(AF_UNIX, Linux.SOCK_DGRAM | Linux.SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    const { length } = this.#sockaddr;
    this.#calls.sendto(fd, message, message.length, Linux.MSG_DONTWAIT, this.#sockaddr, length);
    this.#calls.close(fd);
  }
}

/** null: it names no socket. The length of a name without a file counts, so it is not padded. */
function sockaddrOf(path: string): Uint8Array | null {
  const octets = new TextEncoder().encode(path);
  if (!/^[@/]./.test(path) || octets.length >= PATH_OCTETS_MAX) return null;
  if (octets[0] === 0x40) octets[0] = 0;
  return Uint8Array.of(AF_UNIX, 0, ...octets);
}
