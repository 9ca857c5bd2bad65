/** What of bpf(2) it takes to have a program at an interface. All that is made is a file, and ends with it. */

import { SystemCallError, type SystemCalls } from "../system.ts";

export type BpfCalls = Pick<SystemCalls, "bpf" | "addressOf" | "errno">;

/** Numbers of linux/bpf.h. */
const Command = { createMap: 0, update: 2, remove: 3, load: 5, attach: 28, replace: 29 } as const;
const MAP_OF_XDP_SOCKETS = 17;
const PROGRAM_XDP = 6;
const ATTACH_XDP = 37;

/** How a program is attached: by the driver, or by the kernel behind any driver (linux/if_link.h). */
const Mode = { native: 4, generic: 2 } as const;

/** How frames get to a program; `native` costs less. */
export type XdpMode = keyof typeof Mode;

/** A map from the number of an interface's queue to the socket that is to have what comes there. Returns its file. */
export function createQueueMap(calls: BpfCalls, queues: number): number {
  const attributes = new Uint32Array([MAP_OF_XDP_SOCKETS, 4, 4, queues]);
  return made(calls, "create a map of", `${queues} queues`, Command.createMap, attributes);
}

/** Has what comes to a queue go to a socket from now on. */
export function putQueue(calls: BpfCalls, map: number, queue: number, socket: number): void {
  const key = new Uint32Array([queue]);
  const value = new Uint32Array([socket]);
  const attributes = new BigUint64Array([BigInt(map), pointer(calls, key), pointer(calls, value), 0n]);
  made(calls, "direct to a socket", `queue ${queue}`, Command.update, attributes);
}

/** Has what comes to a queue go on to the kernel from now on, if it does not already. */
export function removeQueue(calls: BpfCalls, map: number, queue: number): void {
  const key = new Uint32Array([queue]);
  const attributes = new BigUint64Array([BigInt(map), pointer(calls, key)]);
  calls.bpf(Command.remove, new Uint8Array(attributes.buffer));
}

/** Has the kernel check and take a program. Returns its file. */
export function loadProgram(calls: BpfCalls, instructions: Uint8Array<ArrayBuffer>): number {
  const license = new TextEncoder().encode("Dual MIT/GPL\0");
  const attributes = new BigUint64Array(15);
  attributes[0] = BigInt(PROGRAM_XDP) | (BigInt(instructions.length / 8) << 32n);
  attributes[1] = pointer(calls, instructions);
  attributes[2] = pointer(calls, license);
  return made(calls, "load", "the program for queries", Command.load, attributes);
}

/** What keeps a program at an interface: a file, and how it was done. */
export interface XdpLink {
  readonly fd: number;
  readonly mode: XdpMode;
}

/** Puts a program at an interface, natively where its driver can. Throws where another program is there. */
export function attachProgram(calls: BpfCalls, program: number, index: number, name: string): XdpLink {
  const attach = (mode: XdpMode): number =>
    made(
      calls,
      "attach a program to",
      name,
      Command.attach,
      new Uint32Array([program, index, ATTACH_XDP, Mode[mode], 0, 0, 0, 0]),
    );
  try {
    return { fd: attach("native"), mode: "native" };
  } catch (error) {
    const { code } = error as SystemCallError;
    if (code === "EBUSY" || code === "EPERM") throw error;
    return { fd: attach("generic"), mode: "generic" };
  }
}

/** Puts a program in the place of the one that a link keeps at its interface; no packet is without one. */
export function replaceProgram(calls: BpfCalls, link: number, program: number, name: string): void {
  made(calls, "replace the program at", name, Command.replace, new Uint32Array([link, program, 0, 0]));
}

function made(
  calls: BpfCalls,
  verb: string,
  subject: string,
  command: number,
  attributes: Uint32Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>,
): number {
  const result = calls.bpf(command, new Uint8Array(attributes.buffer));
  if (result >= 0) return result;
  throw new SystemCallError(verb, subject, calls.errno());
}

function pointer(calls: BpfCalls, array: { readonly buffer: ArrayBuffer }): bigint {
  return BigInt(calls.addressOf(array.buffer));
}
