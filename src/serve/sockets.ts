/** Opens the sockets of a process that has the system calls, and makes those that it inherited like its own. */

import type { Endpoint } from "../config/node.ts";
import { AF_INET, AF_INET6, formatEndpoint, isWildcard, sockaddrOf } from "./endpoint.ts";
import { Linux, SystemCallError, type SystemCalls } from "./system.ts";

/** An open socket. Its number is valid in every thread of the process, so it can be passed to a worker. */
export interface UdpSocket {
  readonly fd: number;
  readonly family: 4 | 6;
  /** Whether queries come to any address, so that each one's own must be asked for and replied from. */
  readonly wildcard: boolean;
  readonly endpoint: Endpoint;
}

/** A blocked worker looks for orders this often. */
export const RECEIVE_TIMEOUT_MS = 100;

/**
 * Room for what comes while a worker is busy or replaced: the kernel books some 800 octets for a small query and
 * doubles what is asked for, so this holds about 10,000 queries, 30 ms of one worker's work.
 */
const BUFFER_OCTETS = 4 * 1024 * 1024;

/**
 * What the kernel may keep of responses that a client does not read; it doubles what is asked for. Left to itself it keeps
 * up to 4 MB of each connection, and we work for all of that in vain.
 */
const UNREAD_OCTETS = 128 * 1024;

/** Connections that may wait to be accepted; the kernel gives at most net.core.somaxconn. */
const BACKLOG = 1024;

/** Opens and binds a socket that shares its port with other workers' sockets. Throws a `SystemCallError`. */
export function openUdpSocket(calls: SystemCalls, endpoint: Endpoint): UdpSocket {
  const fd = openSocket(calls, endpoint, "UDP", Linux.SOCK_DGRAM, (options) => {
    options.require("SO_REUSEPORT", Linux.SOL_SOCKET, Linux.SO_REUSEPORT, int32(1));
    requireOwnFamily(options, endpoint);
    setUdpOptions(options, endpoint);
  });
  return udpSocket(fd, endpoint);
}

/** Makes a bound socket that somebody else opened like one of our own. Throws a `SystemCallError`. */
export function adoptUdpSocket(calls: SystemCalls, fd: number, endpoint: Endpoint): UdpSocket {
  setUdpOptions(new Options(calls, fd, endpoint), endpoint);
  return udpSocket(fd, endpoint);
}

/** Opens a socket that accepts connections, and returns its number. Throws a `SystemCallError`. */
export function openTcpSocket(calls: SystemCalls, endpoint: Endpoint): number {
  const fd = openSocket(calls, endpoint, "TCP", Linux.SOCK_STREAM, (options) => {
    options.require("SO_REUSEADDR", Linux.SOL_SOCKET, Linux.SO_REUSEADDR, int32(1));
    requireOwnFamily(options, endpoint);
    setTcpOptions(options);
  });
  if (calls.listen(fd, BACKLOG) === 0) return fd;
  const error = new SystemCallError("listen on TCP socket", formatEndpoint(endpoint), calls.errno());
  calls.close(fd);
  throw error;
}

/** Makes a listening socket that somebody else opened like one of our own, and returns its number. */
export function adoptTcpSocket(calls: SystemCalls, fd: number, endpoint: Endpoint): number {
  setTcpOptions(new Options(calls, fd, endpoint));
  return fd;
}

function udpSocket(fd: number, endpoint: Endpoint): UdpSocket {
  const { address } = endpoint;
  return { fd, family: address.family, wildcard: isWildcard(address), endpoint };
}

function openSocket(
  calls: SystemCalls,
  endpoint: Endpoint,
  kind: "UDP" | "TCP",
  type: number,
  setOptions: (options: Options) => void,
): number {
  const family = endpoint.address.family === 4 ? AF_INET : AF_INET6;
  const fd = calls.socket(family, type | Linux.SOCK_CLOEXEC, 0);
  if (fd < 0) throw new SystemCallError(`open a ${kind} socket for`, formatEndpoint(endpoint), calls.errno());
  try {
    setOptions(new Options(calls, fd, endpoint));
    const sockaddr = sockaddrOf(endpoint);
    if (calls.bind(fd, sockaddr, sockaddr.length) < 0) {
      throw new SystemCallError(`bind ${kind} socket to`, formatEndpoint(endpoint), calls.errno());
    }
  } catch (error) {
    calls.close(fd);
    throw error;
  }
  return fd;
}

/** IPv4 has sockets of its own: what comes to an IPv6 socket is IPv6. Can be said only before a socket is bound. */
function requireOwnFamily(options: Options, { address }: Endpoint): void {
  if (address.family === 4) return;
  options.require("IPV6_V6ONLY", Linux.IPPROTO_IPV6, Linux.IPV6_V6ONLY, int32(1));
}

/**
 * IP_PMTUDISC_PROBE: set DF, and ignore what ICMP says of path MTUs. Where a response comes in fragments an attacker can replace the
 * second (Herzberg and Shulman, "Fragmentation Considered Poisonous", 2013), and by a forged "fragmentation needed" make a server
 * send them. Ours fit all paths that IPv6 can take, and leave IPv4 routers no choice (RFC 9715 §3.1). IP_PMTUDISC_OMIT, which other
 * servers set, lets routers fragment, and has Linux choose an id for each packet (RFC 6864 §4.1): 2.5 % of what an answer costs.
 */
function setUdpOptions(options: Options, { address }: Endpoint): void {
  const wildcard = isWildcard(address);
  options.require("SO_RCVTIMEO", Linux.SOL_SOCKET, Linux.SO_RCVTIMEO, timeval(RECEIVE_TIMEOUT_MS));
  const octets = int32(BUFFER_OCTETS);
  // FORCE goes beyond net.core.rmem_max but needs CAP_NET_ADMIN; without it the kernel gives what it may.
  if (!options.try(Linux.SOL_SOCKET, Linux.SO_RCVBUFFORCE, octets)) {
    options.try(Linux.SOL_SOCKET, Linux.SO_RCVBUF, octets);
  }
  if (!options.try(Linux.SOL_SOCKET, Linux.SO_SNDBUFFORCE, octets)) {
    options.try(Linux.SOL_SOCKET, Linux.SO_SNDBUF, octets);
  }
  if (address.family === 4) {
    options.try(Linux.IPPROTO_IP, Linux.IP_MTU_DISCOVER, int32(Linux.IP_PMTUDISC_PROBE));
    if (wildcard) options.require("IP_PKTINFO", Linux.IPPROTO_IP, Linux.IP_PKTINFO, int32(1));
    return;
  }
  options.try(Linux.IPPROTO_IPV6, Linux.IPV6_MTU_DISCOVER, int32(Linux.IP_PMTUDISC_PROBE));
  if (wildcard) options.require("IPV6_RECVPKTINFO", Linux.IPPROTO_IPV6, Linux.IPV6_RECVPKTINFO, int32(1));
}

/** Connections inherit it from the socket that listens. */
function setTcpOptions(options: Options): void {
  options.try(Linux.SOL_SOCKET, Linux.SO_SNDBUF, int32(UNREAD_OCTETS));
}

/** Sets the options of one socket. */
class Options {
  readonly #calls: SystemCalls;
  readonly #fd: number;
  readonly #endpoint: Endpoint;

  constructor(calls: SystemCalls, fd: number, endpoint: Endpoint) {
    this.#calls = calls;
    this.#fd = fd;
    this.#endpoint = endpoint;
  }

  /** False where the kernel does not know or allow the option. */
  try(level: number, option: number, value: Uint8Array): boolean {
    return this.#calls.setsockopt(this.#fd, level, option, value, value.length) === 0;
  }

  /** Throws instead. */
  require(name: string, level: number, option: number, value: Uint8Array): void {
    if (this.try(level, option, value)) return;
    throw new SystemCallError(`set ${name} for`, formatEndpoint(this.#endpoint), this.#calls.errno());
  }
}

/** A C int, little-endian. */
function int32(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}

/** A `struct timeval` of 64-bit machines: seconds:8, microseconds:8. */
function timeval(milliseconds: number): Uint8Array {
  const seconds = Math.trunc(milliseconds / 1000);
  return new Uint8Array(BigInt64Array.of(BigInt(seconds), BigInt((milliseconds % 1000) * 1000)).buffer);
}
