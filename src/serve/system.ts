/**
 * The system calls of Linux that Node does not offer, called through koffi.
 *
 * A call costs about 0.1 µs more than from C, whatever its arguments are passed as, so it pays where one call
 * moves many packets. Pointers are plain numbers here: an address has at most 48 bits.
 */

import { createRequire } from "node:module";
import { getSystemErrorName } from "node:util";

/** Each returns what the C function returns: -1 for an error, whose number `errno` then gives. */
export interface SystemCalls {
  readonly socket: (family: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, sockaddr: Uint8Array, length: number) => number;
  readonly setsockopt: (
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: number,
  ) => number;
  readonly listen: (fd: number, backlog: number) => number;
  /** Fills in `value`, and how much of it counts in `length`. */
  readonly getsockopt: (
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: Uint32Array,
  ) => number;
  /** Fills in `sockaddr`, and how much of it counts in `length`. */
  readonly getsockname: (fd: number, sockaddr: Uint8Array, length: Uint32Array) => number;
  readonly sendto: (
    fd: number,
    message: Uint8Array,
    length: number,
    flags: number,
    sockaddr: Uint8Array,
    sockaddrLength: number,
  ) => number;
  /** Makes `to` a second number of what `fd` is, closing what it was before. */
  readonly dup2: (fd: number, to: number) => number;
  readonly close: (fd: number) => number;
  /** `messages` is the address of `count` mmsghdr; waits as long as the socket's SO_RCVTIMEO says. */
  readonly recvmmsg: (fd: number, messages: number, count: number, flags: number, timeout: 0) => number;
  readonly sendmmsg: (fd: number, messages: number, count: number, flags: number) => number;
  /** `entries` is the address of `count` pollfd. */
  readonly poll: (entries: number, count: number, timeoutMs: number) => number;
  /** Sets how the calling thread is scheduled; `attributes` is a sched_attr. */
  readonly sched_setattr: (attributes: Uint8Array) => number;
  /** Makes and uses programs and maps of eBPF; `attributes` is a bpf_attr. */
  readonly bpf: (command: number, attributes: Uint8Array) => number;
  /** Memory that is shared with the kernel, or with nobody where `fd` is -1; returns its address. */
  readonly mmap: (fd: number, flags: number, length: number, offset: number) => number;
  readonly munmap: (address: number, length: number) => number;
  /** Why the calling thread's last call did not work. */
  readonly errno: () => number;
  /** Where a buffer begins. Whoever passes the number on keeps the buffer alive: the collector cannot see it. */
  readonly addressOf: (buffer: ArrayBuffer) => number;
  /** What is at an address. It must stay there as long as this is used. */
  readonly memoryAt: (address: number, length: number) => ArrayBuffer;
}

/** Numbers of Linux, the same on x64 and arm64. */
export const Linux = {
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_CLOEXEC: 0o2000000,
  SOL_SOCKET: 1,
  SO_REUSEADDR: 2,
  SO_TYPE: 3,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_REUSEPORT: 15,
  SO_RCVTIMEO: 20,
  SO_ACCEPTCONN: 30,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  IPPROTO_IP: 0,
  IPPROTO_ICMP: 1,
  IP_PKTINFO: 8,
  IP_MTU_DISCOVER: 10,
  IP_PMTUDISC_PROBE: 3,
  IPPROTO_IPV6: 41,
  IPPROTO_ICMPV6: 58,
  IPV6_MTU_DISCOVER: 23,
  IPV6_V6ONLY: 26,
  IPV6_RECVPKTINFO: 49,
  IPV6_PKTINFO: 50,
  MSG_DONTWAIT: 0x40,
  MSG_WAITFORONE: 0x10000,
  POLLIN: 1,
  PROT_READ: 1,
  PROT_WRITE: 2,
  MAP_SHARED: 1,
  MAP_PRIVATE: 2,
  MAP_ANONYMOUS: 0x20,
  MAP_POPULATE: 0x8000,
  EPERM: 1,
  EINTR: 4,
  EAGAIN: 11,
  EBUSY: 16,
} as const;

/** A system call that did not work. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  /** As in `EADDRINUSE`. */
  readonly code: string;

  constructor(call: string, subject: string, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`Cannot ${call} ${subject}: ${code}`);
    this.code = code;
  }
}

let loaded: SystemCalls | null | undefined;

/** The system calls; null where koffi is missing or the machine is not a Linux whose structures we know. */
export function systemCalls(): SystemCalls | null {
  if (loaded === undefined) loaded = isKnownMachine() ? load() : null;
  return loaded;
}

function isKnownMachine(): boolean {
  return process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64");
}

/** koffi is optional and prebuilt for few machines, so any way that it does not load means it is missing. */
function load(): SystemCalls | null {
  try {
    const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
    const libc = koffi.load(null);
    // The C library has no function for the one before glibc 2.41, and none for the other.
    const setattr = process.arch === "x64" ? 314 : 274;
    const bpf = process.arch === "x64" ? 321 : 280;
    const syscall = libc.func("long syscall(long number, int which, void *attributes, uint flagsOrLength)");
    const mmap = libc.func("mmap", "intptr_t", ["uintptr_t", "ulong", "int", "int", "int", "long"]);
    return {
      socket: libc.func("socket", "int", ["int", "int", "int"]),
      bind: libc.func("bind", "int", ["int", "void *", "uint32"]),
      setsockopt: libc.func("setsockopt", "int", ["int", "int", "int", "void *", "uint32"]),
      listen: libc.func("listen", "int", ["int", "int"]),
      getsockopt: libc.func("getsockopt", "int", ["int", "int", "int", "void *", "void *"]),
      getsockname: libc.func("getsockname", "int", ["int", "void *", "void *"]),
      sendto: libc.func("sendto", "long", ["int", "void *", "ulong", "int", "void *", "uint32"]),
      dup2: libc.func("dup2", "int", ["int", "int"]),
      close: libc.func("close", "int", ["int"]),
      recvmmsg: libc.func("recvmmsg", "int", ["int", "uintptr_t", "uint32", "int", "uintptr_t"]),
      sendmmsg: libc.func("sendmmsg", "int", ["int", "uintptr_t", "uint32", "int"]),
      poll: libc.func("poll", "int", ["uintptr_t", "ulong", "int"]),
      sched_setattr: (attributes) => syscall(setattr, 0, attributes, 0),
      bpf: (command, attributes) => syscall(bpf, command, attributes, attributes.length),
      mmap: (fd, flags, length, offset) =>
        mmap(0, length, Linux.PROT_READ | Linux.PROT_WRITE, flags, fd, offset),
      munmap: libc.func("munmap", "int", ["uintptr_t", "ulong"]),
      errno: () => koffi.errno(),
      addressOf: (buffer) => Number(koffi.address(buffer)),
      memoryAt: (address, length) => koffi.view(address, length),
    };
  } catch {
    return null;
  }
}
