/** The service manager's end of sd_notify(3): a unix datagram socket, which Node itself has not. */

import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { Linux, type SystemCalls } from "../../src/serve/system.ts";

const AF_UNIX = 1;
const MESSAGE_OCTETS_MAX = 4096;

/** Receives what processes say. */
export class ManagerSocket {
  /** As in `NOTIFY_SOCKET`. */
  readonly path: string;
  /** What came, one entry for each datagram. */
  readonly said: string[] = [];
  readonly #calls: SystemCalls;
  readonly #fd: number;
  readonly #receive: (fd: number, room: Uint8Array, length: number, flags: number) => number;

  constructor(calls: SystemCalls, path: string) {
    const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
    this.path = path;
    this.#calls = calls;
    this.#receive = koffi.load(null).func("recv", "long", ["int", "void *", "ulong", "int"]);
    this.#fd = calls.socket(AF_UNIX, Linux.SOCK_DGRAM | Linux.SOCK_CLOEXEC, 0);
    const sockaddr = Uint8Array.of(AF_UNIX, 0, ...Buffer.from(path.replace(/^@/, "\0")));
    if (calls.bind(this.#fd, sockaddr, sockaddr.length) !== 0) throw new Error(`cannot bind ${path}`);
  }

  /** Waits for a datagram that matches; throws when none comes. */
  async hears(pattern: RegExp, withinMs = 20_000): Promise<string> {
    const endMs = performance.now() + withinMs;
    for (;;) {
      this.#read();
      const found = this.said.find((message) => pattern.test(message));
      if (found !== undefined) return found;
      if (performance.now() > endMs)
        throw new Error(`not said: ${pattern}; said: ${JSON.stringify(this.said)}`);
      await sleep(5);
    }
  }

  close(): void {
    this.#calls.close(this.#fd);
  }

  #read(): void {
    const room = new Uint8Array(MESSAGE_OCTETS_MAX);
    for (;;) {
      const length = this.#receive(this.#fd, room, room.length, Linux.MSG_DONTWAIT);
      if (length < 0) return;
      this.said.push(Buffer.from(room.subarray(0, length)).toString());
    }
  }
}
