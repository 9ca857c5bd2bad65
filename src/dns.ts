/** PROCESS dns: answers queries whatever else happens, and keeps control running beside itself. */

import { mkdirSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import { answerOptionsOf } from "./answer/options.ts";
import { createResponder } from "./answer/responder.ts";
import type { ToDns } from "./book/messages.ts";
import type { Endpoint, NodeConfig } from "./config/config.ts";
import { BookHost } from "./serve/book-host.ts";
import { ControlProcess } from "./serve/control-process.ts";
import { CookieKeeper } from "./serve/cookie-keeper.ts";
import { formatEndpoint } from "./serve/endpoint.ts";
import { inheritedCount, inspectInherited } from "./serve/inherited.ts";
import { putHelpersBack } from "./serve/priority.ts";
import { SocketSet, systemCallsFor } from "./serve/socket-set.ts";
import { StreamServer } from "./serve/stream-server.ts";
import { type UdpEvent, UdpWorkers, udpRows } from "./serve/udp-workers.ts";
import { counterRow, newCounters, sumCounters } from "./telemetry/counters.ts";

/** What dns is started with. */
export interface DnsOptions {
  readonly node: NodeConfig;
  /** Folder of `meridian.yaml`, for control. */
  readonly configFolder: string;
  readonly log: Logger;
}

/** A dns process at work. */
export interface RunningDns {
  /** Where it answers, over UDP and TCP. */
  readonly endpoints: readonly string[];
  stop(): Promise<void>;
}

/** The row of counters of the parent's own thread; the UDP workers' follow. */
const STREAM_ROW = 0;

/**
 * Serves the last book on disk if there is one, opens the sockets, then starts control.
 *
 * Throws when a socket cannot be opened.
 */
export async function runDns({ node, configFolder, log }: DnsOptions): Promise<RunningDns> {
  putHelpersBack();
  mkdirSync(node.stateFolder, { recursive: true, mode: 0o700 });
  const counters = newCounters(1 + udpRows(node.workers));
  const streamCounters = counterRow(counters, STREAM_ROW);
  const cookies = new CookieKeeper({
    path: node.cookies.secrets ?? join(node.stateFolder, "cookie-secrets"),
    isOwn: node.cookies.secrets === null,
    onProblem: (message) => log.error(message),
  });
  const options = answerOptionsOf(node, cookies.memory);
  const streams = createResponder(null, streamCounters, options);
  let udp: UdpWorkers | null = null;
  const host = new BookHost((memory) => {
    streams.adopt(memory);
    udp?.adopt(memory);
  });
  await serveLastBook(host, node.stateFolder, log);

  const { usable, unusable } = splitByFamily(node.listen);
  for (const endpoint of unusable)
    log.warn(
      `not listening on ${formatEndpoint(endpoint)}: this machine has no IPv${endpoint.address.family}`,
    );
  const sockets = socketsFor(node, log);
  udp = await UdpWorkers.start({
    endpoints: usable,
    workers: node.workers,
    sockets,
    book: host.memory,
    options,
    counters,
    firstRow: STREAM_ROW + 1,
    onEvent: (event) => logUdpEvent(event, log),
  });
  const endpoints = udp.addresses();
  const streamServer = await StreamServer.start({
    endpoints,
    sockets,
    limits: node.tcp,
    proxies: node.proxyProtocol,
    answer: streams.answer,
    respondLater: null,
    counters: streamCounters,
    onCrash: (stack) => log.error({ stack }, "an answer on a connection threw; the client got SERVFAIL"),
  });
  const rest = sockets?.closeRest() ?? [];
  if (rest.length > 0)
    log.warn({ sockets: rest }, "node.listen names none of these, so nobody answers there");

  const control = new ControlProcess([configFolder, node.stateFolder], log, {
    started: () => control.send({ kind: "hello", version: host.version }),
    message: (message) => void obey(message, host, control, counters, log),
  });
  control.start();
  const listening = endpoints.map(formatEndpoint);
  log.info({ endpoints: listening, udp: udp.mode, workers: node.workers, book: host.version }, "dns answers");
  return {
    endpoints: listening,
    stop: async () => {
      cookies.stop();
      await Promise.all([control.stop(), streamServer.stop(), udp.stop()]);
    },
  };
}

/**
 * A machine without IPv6 cannot serve the IPv6 half of a config that is meant for all, and need not fail for it. An
 * address of a family that it has, but not that address, is a mistake, and an error.
 */
function splitByFamily(listen: readonly Endpoint[]): {
  readonly usable: readonly Endpoint[];
  readonly unusable: readonly Endpoint[];
} {
  const families = new Set(
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .map(({ family }) => family),
  );
  const isUsable = ({ address }: Endpoint): boolean => families.has(`IPv${address.family}`);
  return {
    usable: listen.filter(isUsable),
    unusable: listen.filter((endpoint) => !isUsable(endpoint)),
  };
}

/** The sockets to serve from: null where each worker must bind its own. */
function socketsFor({ udp }: NodeConfig, log: Logger): SocketSet | null {
  const calls = systemCallsFor(udp);
  const count = inheritedCount(process.env, process.pid, process.ppid);
  if (calls === null) {
    if (count > 0)
      throw new Error(`Cannot serve the ${count} sockets that were passed: expected node.udp batch`);
    return null;
  }
  const { sockets, problems } = inspectInherited(calls, count);
  for (const problem of problems) log.warn(problem);
  return new SocketSet(calls, sockets);
}

/** Answers start from what was served last, before control is up: nobody waits for it. */
async function serveLastBook(host: BookHost, folder: string, log: Logger): Promise<void> {
  const last = await host.adopt(join(folder, "book"));
  if (last.kind === "adopted") log.info({ version: last.version }, "serving the last book on disk");
  else log.warn({ reason: last.reason }, "no book on disk; queries get SERVFAIL until control makes one");
}

async function obey(
  message: ToDns,
  host: BookHost,
  control: ControlProcess,
  counters: SharedArrayBuffer,
  log: Logger,
): Promise<void> {
  switch (message.kind) {
    case "ready":
      control.promote();
      return;
    case "adopt": {
      const { version } = message;
      const adoption = await host.adopt(message.path);
      if (adoption.kind === "refused") {
        log.error({ reason: adoption.reason }, "kept the book that is served");
        control.send({ kind: "refused", version, reason: adoption.reason });
      } else {
        control.send({ kind: "adopted", version: adoption.version });
      }
      return;
    }
    case "patch":
      if (!host.patch(message.version, message.packed))
        log.warn({ version: message.version, served: host.version }, "dropped plans for another book");
      return;
    case "counters":
      control.send({ kind: "counters", request: message.request, values: sumCounters(counters) });
      return;
  }
}

function logUdpEvent(event: UdpEvent, log: Logger): void {
  switch (event.kind) {
    case "lost":
      log.error({ reason: event.reason, wasServing: event.wasServing }, "a UDP worker died and was replaced");
      return;
    case "crash":
      log.error({ stack: event.stack }, "an answer over UDP threw; the client got SERVFAIL");
      return;
  }
}
