/** PROCESS dns: answers queries whatever else happens, and keeps control running beside itself. */

import { randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { answerOptionsOf } from "./answer/options.ts";
import { newLimitTable } from "./answer/rate-limit.ts";
import { createResponder } from "./answer/responder.ts";
import { Transport } from "./answer/transport.ts";
import type { Endpoint, NodeConfig } from "./config/node.ts";
import { BookHost } from "./serve/book-host.ts";
import { logCertificate } from "./serve/certificate.ts";
import { ChallengeHost } from "./serve/challenge-host.ts";
import { inlineHotPath, keepCollectionsShort } from "./serve/compiler.ts";
import { CookieKeeper } from "./serve/cookie-keeper.ts";
import { DuePlansHost } from "./serve/due-plans.ts";
import { formatEndpoint } from "./serve/endpoint.ts";
import { Forwarder } from "./serve/forwarder.ts";
import { inheritedCount, inspectInherited, PREDECESSOR } from "./serve/inherited.ts";
import { logLimits } from "./serve/limit-log.ts";
import { ServiceManager } from "./serve/notify.ts";
import { Predecessor } from "./serve/predecessor.ts";
import { putHelpersBack, shortenSlice } from "./serve/priority.ts";
import { Serving } from "./serve/serving.ts";
import { SigningHost } from "./serve/signing-host.ts";
import { SigningLog } from "./serve/signing-log.ts";
import { SocketSet, systemCallsFor } from "./serve/socket-set.ts";
import { StreamServer, type StreamServerOptions } from "./serve/stream-server.ts";
import { keptErrorOf, type Outcome } from "./serve/successor.ts";
import { systemCalls } from "./serve/system.ts";
import { type UdpEvent, UdpWorkers, udpRows } from "./serve/udp-workers.ts";
import { passedLinks } from "./serve/xdp/passed-links.ts";
import { takeInterfaces } from "./serve/xdp/take-interfaces.ts";
import { Counter, count, counterRow, newCounters } from "./telemetry/counters.ts";
import { newSampleRings, sampleRing } from "./telemetry/samples.ts";

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
  /** Settles when a successor has all the work, and the last stream has ended. */
  readonly retired: Promise<void>;
  /** Has a new process, from the code that is on disk now, take over; null: one is doing so already. */
  upgrade(): Promise<Outcome | null>;
  /** Has control read its files now, whether they have changed or not. */
  reload(): void;
  stop(): Promise<void>;
}

/** Whether this process was started to take another's place. True until `runDns` has begun. */
export function takesOver(): boolean {
  return process.env[PREDECESSOR] !== undefined;
}

/** A successor takes over after so long at the latest, and signs the rest as it is asked for: some 500,000 signatures. */
const SIGNED_MS = 20_000;
/**
 * What has just begun to answer waits for V8's helpers to compile it; and a thread whose garbage they collect asks again and again, at
 * its own priority, whether they are done. Put back from the start, beside 50,000 queries a second on one core they made
 * a successor wait for more than a second.
 */
const HELPERS_LATER_MS = 3_000;
/** The row of counters, and the ring of samples, of the parent's own thread; the UDP workers' follow. */
const STREAM_ROW = 0;

/**
 * Serves the last book on disk if there is one, takes or opens the sockets, then starts control.
 *
 * Throws when a socket cannot be opened, or when it would take over with an older book.
 */
export async function runDns({ node, configFolder, log }: DnsOptions): Promise<RunningDns> {
  inlineHotPath();
  keepCollectionsShort();
  const calls = systemCalls();
  if (calls !== null) shortenSlice(calls, "parent");
  mkdirSync(node.stateFolder, { recursive: true, mode: 0o700 });
  const rows = 1 + udpRows(node.workers);
  const counters = newCounters(rows);
  const samples = node.profile === null ? null : newSampleRings(rows);
  const streamCounters = counterRow(counters, STREAM_ROW);
  const cookies = new CookieKeeper({
    path: node.cookies.secrets ?? join(node.stateFolder, "cookie-secrets"),
    isOwn: node.cookies.secrets === null,
    onProblem: (message) => log.error(message),
  });
  const options = answerOptionsOf(node, {
    secrets: cookies.memory,
    table: newLimitTable(),
    seed: randomInt(2 ** 32),
  });
  const stopLimitLog = logLimits(counters, log);
  const signingLog = new SigningLog(streamCounters, log);
  const streamSamples = samples === null ? null : sampleRing(samples, STREAM_ROW);
  const streams = createResponder(null, streamCounters, options, streamSamples);
  let udp: UdpWorkers | null = null;
  const signing = new SigningHost(node.stateFolder);
  const host = new BookHost(signing, {
    book: async (book) => {
      streams.adopt(book);
      await udp?.adopt(book);
    },
    challenges: (book) => {
      streams.adoptChallenges(book);
      udp?.adoptChallenges(book);
    },
  });
  const predecessor = takesOver() ? new Predecessor() : null;
  const passed = inheritedCount(process.env, process.pid);
  const links = passedLinks(process.env);
  const sockets = socketsFor(node, passed, log);
  const least = (await predecessor?.book) ?? 0;
  await serveLastBook(host, node.stateFolder, log);
  if (host.version < least) throw new Error(`expected book ${least}, which is served, found ${host.version}`);
  const challenges = new ChallengeHost({
    path: join(node.stateFolder, "challenges"),
    host,
    nowMs: Date.now,
    onError: (message, cause) => log.error({ cause: String(cause) }, message),
  });
  await challenges.load();
  const due = new DuePlansHost({
    path: join(node.stateFolder, "due"),
    host,
    nowMs: Date.now,
    onDue: () => log.warn("an override has ended while control was away; answers are without it"),
    onError: (message, cause) => log.error({ cause: String(cause) }, message),
  });
  await due.load();
  predecessor?.follow((change) => {
    if (change.kind === "patch") host.patch(change.version, change.packed);
    else void challenges.answer(change.challenges);
  });
  const forwarder = new Forwarder((message) => serving.send(message), streams);

  const signed = signing.begin({
    table: (table) => host.retable(table),
    round: (round) => signingLog.note(round),
    lost: (reason) =>
      log.error({ reason }, "the signer thread died and is started again; answers are signed as they go"),
  });
  // A successor is in no hurry, because its predecessor answers: it begins with its signatures ready.
  if (predecessor !== null) await Promise.race([signed, sleep(SIGNED_MS, undefined, { ref: false })]);

  const { book } = host;
  udp = await UdpWorkers.start({
    endpoints: usableOf(node.listen, log),
    workers: node.workers,
    sockets,
    book,
    challenges: host.challenges,
    options,
    counters,
    samples,
    firstRow: STREAM_ROW + 1,
    ownCounters: streamCounters,
    forwarder,
    onEvent: (event) => noteUdpEvent(event, streamCounters, log),
  });
  setTimeout(putHelpersBack, HELPERS_LATER_MS).unref();
  // Another table of signatures may have come meanwhile.
  if (host.book !== null && host.book !== book) {
    void udp.adopt(host.book);
    udp.adoptChallenges(host.challenges);
  }
  const workers = udp;
  const endpoints = udp.addresses();
  const streamServer = await startStreams(udp, {
    endpoints,
    sockets,
    tls: node.tls && { ...node.tls, endpoints: usableOf(node.tls.listen, log) },
    https: node.https && { ...node.https, endpoints: usableOf(node.https.listen, log) },
    limits: node.tcp,
    proxies: node.proxyProtocol,
    answer: streams.answer,
    respondLater: (octets, client, carrier) => forwarder.respond(octets, client, carrier),
    counters: streamCounters,
    onCrash: (stack) => log.error({ stack }, "an answer on a connection threw; the client got SERVFAIL"),
    onCertificate: (event) => logCertificate(event, log),
  });
  const rest = sockets?.closeRest() ?? [];
  if (rest.length > 0) log.warn({ sockets: rest }, "not listening on sockets that the config does not name");

  const manager = new ServiceManager(calls, process.env, process.pid);
  if (process.env["NOTIFY_SOCKET"] !== undefined && !manager.isPresent)
    log.warn(
      "cannot tell the service manager when this node is ready: it takes koffi, and Linux on x64 or arm64",
    );
  const serving = new Serving({
    host,
    challenges,
    due,
    counters,
    samples,
    sockets,
    udp,
    forwarder,
    streams: streamServer,
    manager,
    configFolder,
    signing,
    node,
    log,
  });
  if (predecessor !== null && sockets !== null) predecessor.succeed(sockets.calls, keptErrorOf(passed));
  const begin = (): void => {
    serving.begin();
    if (sockets !== null)
      void takeInterfaces(node.xdp, { calls: sockets.calls, links, endpoints, udp: workers, log });
  };
  // One control at a time: the store and the address of the API are its own; and so are the queues of interfaces.
  if (predecessor === null) begin();
  else void predecessor.gone.then(begin);
  const listening = endpoints.map(formatEndpoint);
  const tls = streamServer.addresses(Transport.Tls).map(formatEndpoint);
  const https = streamServer.addresses(Transport.Https).map(formatEndpoint);
  log.info(
    { endpoints: listening, tls, https, udp: udp.mode, workers: node.workers, book: host.version },
    "dns answers",
  );
  return {
    endpoints: listening,
    retired: serving.retired,
    upgrade: () => serving.upgrade(),
    reload: () => serving.reload(),
    stop: async () => {
      cookies.stop();
      challenges.stop();
      due.stop();
      stopLimitLog();
      signingLog.stop();
      await serving.stop();
    },
  };
}

/** A process that cannot listen ends; what has come to its UDP sockets, a predecessor's too, is answered first. */
async function startStreams(udp: UdpWorkers, options: StreamServerOptions): Promise<StreamServer> {
  try {
    return await StreamServer.start(options);
  } catch (error) {
    await udp.stop();
    throw error;
  }
}

/**
 * A machine without IPv6 cannot serve the IPv6 half of a config that is meant for all, and need not fail for it. An
 * address of a family that it has, but not that address, is a mistake, and an error.
 */
function usableOf(listen: readonly Endpoint[], log: Logger): readonly Endpoint[] {
  const families = new Set(
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .map(({ family }) => family),
  );
  return listen.filter((endpoint) => {
    const { family } = endpoint.address;
    if (families.has(`IPv${family}`)) return true;
    log.warn(`not listening on ${formatEndpoint(endpoint)}: this machine has no IPv${family}`);
    return false;
  });
}

/** The sockets to serve from: null where each worker must bind its own. */
function socketsFor({ udp }: NodeConfig, passed: number, log: Logger): SocketSet | null {
  const calls = systemCallsFor(udp);
  if (calls === null) {
    if (passed > 0)
      throw new Error(
        `expected "udp: auto" or "batch" for the ${passed} sockets that were passed, found no way to batches; a restart serves without them`,
      );
    return null;
  }
  const { sockets, problems } = inspectInherited(calls, passed);
  for (const problem of problems) log.warn(problem);
  return new SocketSet(calls, sockets);
}

/** Answers start from what was served last, before control is up: nobody waits for it. */
async function serveLastBook(host: BookHost, folder: string, log: Logger): Promise<void> {
  const last = await host.adopt(join(folder, "book"));
  if (last.kind === "adopted")
    for (const reason of last.problems)
      log.error({ reason }, "a zone cannot be signed; queries that want signatures get SERVFAIL");
  if (last.kind === "adopted") log.info({ version: last.version }, "serving the last book on disk");
  else log.warn({ reason: last.reason }, "no book on disk; queries get SERVFAIL until control makes one");
}

function noteUdpEvent(event: UdpEvent, counters: Float64Array, log: Logger): void {
  switch (event.kind) {
    case "lost":
      count(counters, event.isHung ? Counter.workersHung : Counter.workersDied);
      log.error({ reason: event.reason, wasServing: event.wasServing }, "a UDP worker died and was replaced");
      return;
    case "crash":
      log.error({ stack: event.stack }, "an answer over UDP threw; the client got SERVFAIL");
      return;
  }
}
