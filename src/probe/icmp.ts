/** An ICMP probe: one echo and its reply (RFC 792, RFC 4443 §4.1), on a socket that needs no privilege. */

import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { isIP } from "node:net";
import type { Outcome } from "../health/report.ts";
import { AF_INET, AF_INET6 } from "../serve/endpoint.ts";
import { Linux, SystemCallError, type SystemCalls, systemCalls } from "../serve/system.ts";
import { Attempt } from "./attempt.ts";

const HEADER_OCTETS = 8;
const TOKEN_OCTETS = 16;
/** ICMP has no ports, but a datagram socket of Node must name one. */
const NO_PORT = 1;

/** What an address family calls an echo, its reply and its sockets. */
interface Family {
  readonly name: "udp4" | "udp6";
  readonly addressFamily: number;
  readonly protocol: number;
  readonly echo: number;
  readonly reply: number;
}

const IPV4: Family = {
  name: "udp4",
  addressFamily: AF_INET,
  protocol: Linux.IPPROTO_ICMP,
  echo: 8,
  reply: 0,
};
const IPV6: Family = {
  name: "udp6",
  addressFamily: AF_INET6,
  protocol: Linux.IPPROTO_ICMPV6,
  echo: 128,
  reply: 129,
};

/**
 * Sends one echo; null when the probe was given up, or this system does not let us (see `icmpProblem`).
 *
 * Linux has datagram sockets for echoes: it writes identifier and checksum, and gives each socket the replies to its own
 * alone. Node reads and writes them like any datagram socket, once they are open.
 */
export function probeIcmp(address: string, timeoutMs: number, signal: AbortSignal): Promise<Outcome | null> {
  const family = isIP(address) === 6 ? IPV6 : IPV4;
  const calls = systemCalls();
  const fd = calls === null ? -1 : openEchoSocket(calls, family);
  if (fd < 0) return Promise.resolve(null);
  const attempt = new Attempt("the echo reply", timeoutMs, signal);
  const token = randomBytes(TOKEN_OCTETS);
  const header = Buffer.alloc(HEADER_OCTETS);
  header[0] = family.echo;
  const socket = createSocket(family.name);
  socket.on("error", (error) => attempt.failBy(error));
  socket.on("message", (octets) => {
    if (octets[0] !== family.reply || !octets.subarray(HEADER_OCTETS).equals(token)) return;
    attempt.reached("connectMs", "nothing");
    attempt.succeed();
  });
  socket.once("connect", () => socket.send(Buffer.concat([header, token])));
  // Connected, so that nobody else's datagrams come in, and an address that cannot be reached is told.
  socket.bind({ fd }, () => socket.connect(NO_PORT, address));
  attempt.onEnd(() => socket.close());
  return attempt.outcome;
}

/** Why this process cannot send echoes; null: it can. */
export function icmpProblem(): string | null {
  const calls = systemCalls();
  if (calls === null)
    return "Cannot open an ICMP socket: expected Linux on x64 or arm64, and the package koffi";
  const fd = openEchoSocket(calls, IPV4);
  if (fd >= 0) {
    calls.close(fd);
    return null;
  }
  const { message } = new SystemCallError("open", "an ICMP socket", calls.errno());
  return `${message}, expected a group of this process in net.ipv4.ping_group_range`;
}

function openEchoSocket(calls: SystemCalls, { addressFamily, protocol }: Family): number {
  return calls.socket(addressFamily, Linux.SOCK_DGRAM | Linux.SOCK_CLOEXEC, protocol);
}
