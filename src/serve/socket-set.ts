/** The sockets of a process by endpoint: those that it was started with, and those that it opens beside them. */

import type { Endpoint } from "../config/node.ts";
import { formatEndpoint } from "./endpoint.ts";
import type { InheritedSocket } from "./inherited.ts";
import { adoptTcpSocket, adoptUdpSocket, openTcpSocket, openUdpSocket, type UdpSocket } from "./sockets.ts";
import { type SystemCallError, type SystemCalls, systemCalls } from "./system.ts";

/**
 * Who serves an endpoint takes its sockets here, so that whatever is served can be handed to a successor: `handOver`
 * is a list of numbers, and a socket says by itself what it is and where it is bound.
 */
export class SocketSet {
  readonly calls: SystemCalls;
  readonly #offered: Set<InheritedSocket>;
  readonly #udp: UdpSocket[] = [];
  readonly #tcp: number[] = [];

  constructor(calls: SystemCalls, inherited: readonly InheritedSocket[]) {
    this.calls = calls;
    this.#offered = new Set(inherited);
  }

  /** Whether somebody listened there already when this process was started. */
  isInherited(transport: "udp" | "tcp", endpoint: Endpoint): boolean {
    return [...this.#offered].some((offer) => isOf(offer, transport, endpoint));
  }

  /**
   * All sockets of an endpoint: every one that was inherited, because the kernel spreads clients over all that are open
   * and each must be read, and as many more as `wanted` takes. There are fewer where more cannot be bound beside them.
   */
  takeUdp(endpoint: Endpoint, wanted: number): readonly UdpSocket[] {
    const inherited = this.#claim("udp", endpoint);
    const sockets = inherited.map(({ fd }) => adoptUdpSocket(this.calls, fd, endpoint));
    this.#udp.push(...sockets);
    if (!inherited.every(({ sharesPort }) => sharesPort)) return sockets;
    while (sockets.length < wanted) {
      try {
        const socket = openUdpSocket(this.calls, endpoint);
        this.#udp.push(socket);
        sockets.push(socket);
      } catch (error) {
        // Another user's, or below 1024: what was passed must do.
        if (inherited.length > 0 && isRefusal(error)) break;
        throw error;
      }
    }
    return sockets;
  }

  /** The number of the socket that listens there; who is given it closes it. */
  takeTcp(endpoint: Endpoint): number {
    const [first] = this.#claim("tcp", endpoint);
    const fd =
      first === undefined
        ? openTcpSocket(this.calls, endpoint)
        : adoptTcpSocket(this.calls, first.fd, endpoint);
    this.#tcp.push(fd);
    return fd;
  }

  /** What a successor is to be started with. */
  handOver(): readonly number[] {
    return [...this.#udp.map(({ fd }) => fd), ...this.#tcp];
  }

  /** Closes what was inherited and is not served, and says where that was. */
  closeRest(): readonly string[] {
    const rest = [...this.#offered];
    this.#offered.clear();
    for (const { fd } of rest) this.calls.close(fd);
    return rest.map(({ transport, endpoint }) => `${transport} ${formatEndpoint(endpoint)}`);
  }

  /**
   * Closes the UDP sockets; no worker may be serving any more. Does so once: a number that is closed again may
   * already be somebody else's file, such as the event loop's own.
   */
  closeUdp(): void {
    for (const { fd } of this.#udp.splice(0)) this.calls.close(fd);
  }

  #claim(transport: "udp" | "tcp", endpoint: Endpoint): readonly InheritedSocket[] {
    const claimed = [...this.#offered].filter((offer) => isOf(offer, transport, endpoint));
    for (const offer of claimed) this.#offered.delete(offer);
    return claimed;
  }
}

/** What the config says of how UDP is read, in system calls: null where it says or must be `datagram`. */
export function systemCallsFor(mode: "auto" | "batch" | "datagram"): SystemCalls | null {
  const calls = mode === "datagram" ? null : systemCalls();
  if (mode === "batch" && calls === null) {
    throw new Error('expected koffi, and Linux on x64 or arm64, for "udp: batch"');
  }
  return calls;
}

function isOf(offer: InheritedSocket, transport: "udp" | "tcp", { address, port }: Endpoint): boolean {
  const { endpoint } = offer;
  return offer.transport === transport && endpoint.port === port && endpoint.address.text === address.text;
}

function isRefusal(error: unknown): boolean {
  const { code } = error as Partial<SystemCallError>;
  return code === "EADDRINUSE" || code === "EACCES";
}
