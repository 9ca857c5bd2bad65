/** The sockets that a process was started with: by systemd, or by the process whose place it takes. */

import type { Endpoint } from "../config/node.ts";
import { AF_INET6, endpointOf, SOCKADDR_IN6 } from "./endpoint.ts";
import { Linux, type SystemCalls } from "./system.ts";

/** An open socket that is bound, and of TCP listens. */
export interface InheritedSocket {
  readonly fd: number;
  readonly transport: "udp" | "tcp";
  readonly endpoint: Endpoint;
  /** Whether more sockets can be bound beside it. */
  readonly sharesPort: boolean;
}

/** What was found where sockets were promised. */
export interface Inheritance {
  readonly sockets: readonly InheritedSocket[];
  /** What is passed and cannot be served, each in words, with what would be right. */
  readonly problems: readonly string[];
}

/** Set for a process that takes another's place: who starts one cannot know its id, as `LISTEN_PID` would have it. */
export const PREDECESSOR = "MERIDIAN_PREDECESSOR";

/** The first number that sd_listen_fds(3) passes. */
export const FIRST_FD = 3;

/**
 * How many sockets the environment says are passed, from `FIRST_FD` on, by the rules of sd_listen_fds(3). It is said
 * once: the variables are removed, so that no child takes them for its own.
 */
export function inheritedCount(environment: NodeJS.ProcessEnv, pid: number): number {
  const { LISTEN_FDS: count = "", LISTEN_PID: target, [PREDECESSOR]: predecessor } = environment;
  for (const name of ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", PREDECESSOR]) delete environment[name];
  const isForUs = target === String(pid) || predecessor !== undefined;
  return isForUs && /^\d{1,6}$/.test(count) ? Number(count) : 0;
}

/** Looks at sockets that were passed. What cannot be served stays as it is, with whoever passed it. */
export function inspectInherited(calls: SystemCalls, count: number, first: number = FIRST_FD): Inheritance {
  const sockets: InheritedSocket[] = [];
  const problems: string[] = [];
  for (let fd = first; fd < first + count; fd += 1) {
    const found = inspect(calls, fd);
    if (typeof found === "string") problems.push(`passed file ${fd} ${found}`);
    else sockets.push(found);
  }
  return { sockets, problems };
}

function inspect(calls: SystemCalls, fd: number): InheritedSocket | string {
  const sockaddr = new Uint8Array(SOCKADDR_IN6);
  if (calls.getsockname(fd, sockaddr, Uint32Array.of(sockaddr.length)) < 0) return "is no socket";
  const endpoint = endpointOf(sockaddr);
  if (endpoint === null) return "is a socket of neither IPv4 nor IPv6";
  const option = (level: number, name: number): number => readOption(calls, fd, level, name);
  if (sockaddr[0] === AF_INET6 && option(Linux.IPPROTO_IPV6, Linux.IPV6_V6ONLY) === 0)
    return "is an IPv6 socket that takes IPv4 too: expected BindIPv6Only=ipv6-only";
  const sharesPort = option(Linux.SOL_SOCKET, Linux.SO_REUSEPORT) === 1;
  const type = option(Linux.SOL_SOCKET, Linux.SO_TYPE);
  if (type === Linux.SOCK_DGRAM) return { fd, transport: "udp", endpoint, sharesPort };
  if (type === Linux.SOCK_STREAM && option(Linux.SOL_SOCKET, Linux.SO_ACCEPTCONN) === 1)
    return { fd, transport: "tcp", endpoint, sharesPort };
  return "is neither a UDP socket nor a TCP socket that listens";
}

/** -1 where the socket does not have it. */
function readOption(calls: SystemCalls, fd: number, level: number, name: number): number {
  const value = new Int32Array(1);
  const length = Uint32Array.of(value.byteLength);
  return calls.getsockopt(fd, level, name, new Uint8Array(value.buffer), length) === 0
    ? (value[0] ?? -1)
    : -1;
}
