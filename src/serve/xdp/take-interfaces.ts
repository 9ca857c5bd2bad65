/** Has workers answer at interfaces, as far as that can be; what cannot leaves its queries to the sockets. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { Endpoint } from "../../config/node.ts";
import type { SystemCallError, SystemCalls } from "../system.ts";
import type { UdpWorkers } from "../udp-workers.ts";
import type { XdpLink } from "./bpf.ts";
import { XdpInterface } from "./interfaces.ts";
import { MEMORY_OCTETS } from "./queue.ts";

/** Who has just ended, a predecessor too, leaves an interface's queues busy for a moment. */
const TRIES = 20;
const BETWEEN_TRIES_MS = 100;

/** What it takes to answer at interfaces. */
export interface TakeOptions {
  readonly calls: SystemCalls;
  /** Of a predecessor, by the names of interfaces; those that are not named any more lose their program. */
  readonly links: ReadonlyMap<string, XdpLink>;
  /** Where queries may come to. */
  readonly endpoints: readonly Endpoint[];
  readonly udp: Pick<UdpWorkers, "takeInterfaces">;
  readonly log: Pick<Logger, "info" | "error">;
}

/** Resolves when all that can be taken are. */
export async function takeInterfaces(
  names: readonly string[],
  { calls, links, endpoints, udp, log }: TakeOptions,
): Promise<void> {
  for (const [name, { fd }] of links) if (!names.includes(name)) calls.close(fd);
  const interfaces: XdpInterface[] = [];
  const leave = (name: string, cause: unknown): void =>
    log.error(
      { interface: name, reason: reasonOf(cause) },
      "queries at this interface are left to the sockets",
    );
  for (const name of names) {
    const link = links.get(name) ?? null;
    try {
      interfaces.push(await patiently(() => new XdpInterface(calls, name, endpoints, link)));
    } catch (error) {
      leave(name, error);
      if (link !== null) calls.close(link.fd);
    }
  }
  if (interfaces.length === 0) return;
  await udp.takeInterfaces(interfaces);
  for (const one of interfaces) {
    try {
      const mode = await patiently(() => one.attach());
      log.info({ interface: one.name, mode, queues: one.queues.length }, "queries are taken by XDP");
    } catch (error) {
      leave(one.name, error);
    }
  }
}

/** What would be right, by what went wrong. */
const EXPECTED: Readonly<Record<string, string>> = {
  EPERM: "CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF",
  ENOBUFS: `${Math.ceil(MEMORY_OCTETS / 2 ** 20)} MiB that may be locked in memory for each queue (LimitMEMLOCK)`,
  EBUSY: "no other program at the interface",
};

function reasonOf(cause: unknown): string {
  const expected = EXPECTED[(cause as Partial<SystemCallError>).code ?? ""];
  return expected === undefined ? String(cause) : `${cause}, expected ${expected}`;
}

async function patiently<T>(take: () => T): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return take();
    } catch (error) {
      if ((error as Partial<SystemCallError>).code !== "EBUSY" || tries === TRIES) throw error;
    }
    await sleep(BETWEEN_TRIES_MS);
  }
}
