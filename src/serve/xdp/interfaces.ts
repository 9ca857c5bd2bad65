/** Interfaces whose queries come to the workers before the kernel's network stack has seen them (XDP). */

import { readdirSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Endpoint } from "../../config/node.ts";
import { type IpAddress, parseAddress } from "../../wire/address.ts";
import { isWildcard } from "../endpoint.ts";
import type { SystemCalls } from "../system.ts";
import {
  attachProgram,
  createQueueMap,
  loadProgram,
  putQueue,
  removeQueue,
  replaceProgram,
  type XdpLink,
  type XdpMode,
} from "./bpf.ts";
import { assembleProgram } from "./program.ts";
import { closeQueue, openQueue, type XdpQueue } from "./queue.ts";

/** What the kernel shows of interfaces, those of the process's own network namespace. */
const SYSTEM = "/sys/class/net";
/** What IPv6 asks of any link (RFC 8200 §5): no response is longer. */
const MTU_MIN = 1280;

/** An interface whose queries come to queues of ours. What is not for these queues, and all when it ends, goes to the sockets. */
export class XdpInterface {
  readonly name: string;
  readonly #calls: SystemCalls;
  readonly #index: number;
  readonly #queues: XdpQueue[] = [];
  readonly #map: number;
  readonly #program: number;
  #link: XdpLink | null;

  /**
   * Opens the queues of an interface; nothing comes to them yet. `link` keeps a predecessor's program there. Throws where that cannot be,
   * and then all is as it was.
   */
  constructor(calls: SystemCalls, name: string, endpoints: readonly Endpoint[], link: XdpLink | null) {
    const { index, mac, queueCount } = inspectInterface(name);
    this.name = name;
    this.#calls = calls;
    this.#index = index;
    this.#link = link;
    this.#map = createQueueMap(calls, queueCount);
    let program = -1;
    try {
      program = loadProgram(calls, assembleProgram(mac, concrete(endpoints), this.#map));
      for (let i = 0; i < queueCount; i += 1) {
        const queue = openQueue(calls, index, i);
        this.#queues.push(queue);
        putQueue(calls, this.#map, i, queue.fd);
      }
    } catch (error) {
      for (const queue of this.#queues) closeQueue(calls, queue);
      for (const file of [program, this.#map]) if (file >= 0) calls.close(file);
      throw error;
    }
    this.#program = program;
  }

  /** One for each of the interface. */
  get queues(): readonly XdpQueue[] {
    return this.#queues;
  }

  /** What keeps a program there; null: nothing does. A successor is to get it, for drivers may lose packets when a program comes or goes. */
  get link(): XdpLink | null {
    return this.#link;
  }

  /** Takes queries from now on. Throws where that cannot be, as when another program does so. */
  attach(): XdpMode {
    if (this.#link === null) this.#link = attachProgram(this.#calls, this.#program, this.#index, this.name);
    else replaceProgram(this.#calls, this.#link.fd, this.#program, this.name);
    return this.#link.mode;
  }

  /** Nothing more comes to the queues, after some milliseconds; what is in them can still be answered. */
  divert(): void {
    for (const i of this.#queues.keys()) removeQueue(this.#calls, this.#map, i);
  }

  /** Ends the queues; no worker may read them any more. The program goes unless a successor has the link too. */
  close(): void {
    for (const queue of this.#queues.splice(0)) closeQueue(this.#calls, queue);
    for (const file of [this.#program, this.#map]) this.#calls.close(file);
    if (this.#link !== null) this.#calls.close(this.#link.fd);
    this.#link = null;
  }
}

interface Inspected {
  readonly index: number;
  readonly mac: Uint8Array;
  readonly queueCount: number;
}

function inspectInterface(name: string): Inspected {
  const read = (file: string): string => readFileSync(join(SYSTEM, name, file), "utf8").trim();
  let index: number;
  try {
    index = Number(read("ifindex"));
  } catch {
    throw new Error(`expected one of ${readdirSync(SYSTEM).join(", ")}`);
  }
  const mtu = Number(read("mtu"));
  if (mtu < MTU_MIN) throw new Error(`expected an MTU of at least ${MTU_MIN}, found ${mtu}`);
  const mac = Uint8Array.from(read("address").split(":"), (octet) => Number.parseInt(octet, 16));
  if (mac.length !== 6) throw new Error("expected an Ethernet interface");
  const queueCount = readdirSync(join(SYSTEM, name, "queues")).filter((queue) =>
    queue.startsWith("rx-"),
  ).length;
  return { index, mac, queueCount };
}

/** Endpoints with the machine's addresses, as they are now, in the place of wildcards. What only the machine itself can ask does not come by. */
function concrete(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ address }) => !/^(?:127\.|::1$)/.test(address))
    .map(({ address }) => parseAddress(address))
    .filter((address): address is IpAddress => address !== null);
  return endpoints.flatMap((endpoint) =>
    isWildcard(endpoint.address)
      ? own
          .filter(({ family }) => family === endpoint.address.family)
          .map((address) => ({ address, port: endpoint.port }))
      : [endpoint],
  );
}
