/** A node that serves: does what its control says, hands its work over, and stops. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { FromClient, ToDns } from "../book/messages.ts";
import type { NodeConfig } from "../config/node.ts";
import { sumCounters } from "../telemetry/counters.ts";
import { drainSamples, NO_SAMPLES } from "../telemetry/samples.ts";
import type { BookHost } from "./book-host.ts";
import type { ChallengeHost } from "./challenge-host.ts";
import { ControlProcess } from "./control-process.ts";
import type { DuePlansHost } from "./due-plans.ts";
import type { Forwarder } from "./forwarder.ts";
import type { ServiceManager } from "./notify.ts";
import type { SigningHost } from "./signing-host.ts";
import type { SocketSet } from "./socket-set.ts";
import type { StreamServer } from "./stream-server.ts";
import type { Outcome } from "./successor.ts";
import type { UdpWorkers } from "./udp-workers.ts";
import { Upgrade } from "./upgrade.ts";

/** What serves, all of it running. */
export interface ServingParts {
  readonly host: BookHost;
  readonly challenges: ChallengeHost;
  readonly due: DuePlansHost;
  readonly counters: SharedArrayBuffer;
  /** null: traffic is not sampled. */
  readonly samples: SharedArrayBuffer | null;
  /** null: there are none that could be handed over. */
  readonly sockets: SocketSet | null;
  readonly udp: UdpWorkers;
  readonly streams: StreamServer;
  readonly manager: ServiceManager;
  readonly forwarder: Forwarder;
  readonly signing: SigningHost;
  readonly configFolder: string;
  readonly node: NodeConfig;
  readonly log: Logger;
}

/** Control brings the book on disk up to date in less. */
const SAVE_MS = 5_000;
/** Connections that are open when a successor takes over may go on for so long. */
const DRAIN_MS = 10_000;

/** The parts of a dns process, and how they end. */
export class Serving {
  readonly retired: Promise<void>;
  readonly #parts: ServingParts;
  readonly #control: ControlProcess;
  readonly #upgrade: Upgrade;
  readonly #retirement: PromiseWithResolvers<void> = Promise.withResolvers();
  /** The book that is being taken over, if any. */
  #adopting: Promise<void> = Promise.resolve();
  /** Whether this control has changed what is served, so that the book on disk may lag behind. */
  #isBookStale = false;
  #onSaved: () => void = () => undefined;

  constructor(parts: ServingParts) {
    const { host, log, configFolder, node, sockets } = parts;
    this.#parts = parts;
    this.retired = this.#retirement.promise;
    this.#control = new ControlProcess([configFolder, node.stateFolder], log, {
      started: () => {
        this.#isBookStale = false;
        this.#control.send({ kind: "hello", version: host.version });
      },
      message: (message) => this.#obey(message),
      ended: () => {
        parts.forwarder.close();
        parts.due.control(false);
      },
    });
    this.#upgrade = new Upgrade({
      sockets: () => sockets?.handOver() ?? [],
      links: () => parts.udp.links(),
      saveBook: () => this.#saveBook(),
      retire: (successorPid) => this.#retire(successorPid),
    });
  }

  /** Tells control something of a client's; without control nobody hears it. */
  send(message: FromClient): void {
    this.#control.send(message);
  }

  /** Starts control; from now on this process is the node. */
  begin(): void {
    this.#announce();
    this.#control.start();
  }

  /** Has a new process take over; null: one is doing so already. */
  async upgrade(): Promise<Outcome | null> {
    const { sockets, log } = this.#parts;
    if (this.#upgrade.isUnderWay) return null;
    if (sockets === null)
      return { kind: "failed", reason: "a node that reads datagrams one by one cannot hand over" };
    if (process.connected === true)
      return { kind: "failed", reason: "this node belongs to the process that started it, and ends with it" };
    log.info("a new process is started to take over");
    this.#parts.manager.reloading();
    const outcome = await this.#upgrade.run();
    if (outcome.kind === "serving") log.info({ successor: outcome.pid }, "the new process has taken over");
    else {
      log.error({ reason: outcome.reason }, "the new process did not take over; this one goes on");
      this.#announce();
    }
    return outcome;
  }

  /** Has control read its files now. */
  reload(): void {
    this.#control.send({ kind: "reload" });
  }

  async stop(): Promise<void> {
    if (!this.#upgrade.isUnderWay) this.#parts.manager.stopping();
    this.#upgrade.abandon();
    const { signing, streams, udp } = this.#parts;
    await Promise.all([this.#control.stop(), streams.stop(), udp.stop(), signing.stop()]);
  }

  /** The successor reads the same sockets: nothing that is in them is lost. */
  async #retire(successorPid: number): Promise<void> {
    const { streams, udp, signing, manager } = this.#parts;
    manager.handOver(successorPid);
    void streams.drain(DRAIN_MS).then(() => this.#retirement.resolve());
    await Promise.all([udp.stop(), signing.stop(), this.#control.stop()]);
  }

  /** A node without a book has only SERVFAIL to give: it is not ready. */
  #announce(): void {
    const { host, manager } = this.#parts;
    if (host.version > 0) manager.ready(host.version);
  }

  async #saveBook(): Promise<number> {
    await this.#adopting;
    if (this.#isBookStale && this.#control.pid !== null) {
      const saved = new Promise<void>((resolve) => {
        this.#onSaved = resolve;
      });
      this.#control.send({ kind: "save" });
      await Promise.race([saved, sleep(SAVE_MS)]);
    }
    return this.#parts.host.version;
  }

  #obey(message: ToDns): void {
    const { host, counters, log } = this.#parts;
    switch (message.kind) {
      case "ready":
        this.#control.promote();
        this.#parts.forwarder.open();
        this.#parts.due.control(true);
        return;
      case "room":
        this.#parts.udp.makeRoom();
        return;
      case "adopt":
        this.#adopting = this.#adopt(message.version, message.path);
        return;
      case "patch":
        this.#isBookStale = true;
        this.#upgrade.pass(message);
        if (!host.patch(message.version, message.packed))
          log.warn({ version: message.version, served: host.version }, "dropped plans for another book");
        return;
      case "due":
        this.#parts.due.take(message.due);
        return;
      case "counters":
        this.#control.send({ kind: "counters", request: message.request, values: sumCounters(counters) });
        return;
      case "samples": {
        const { samples } = this.#parts;
        const drained = samples === null ? NO_SAMPLES : drainSamples(samples);
        this.#control.send({ kind: "samples", request: message.request, ...drained });
        return;
      }
      case "saved":
        this.#onSaved();
        return;
      case "challenges":
        this.#upgrade.pass(message);
        this.#parts.challenges.take(message.challenges);
        return;
      case "reply":
        // Not before what control has said earlier is in the answers.
        void this.#parts.challenges.settled.then(() => this.#parts.forwarder.receive(message));
        return;
      case "explanation":
        this.#parts.forwarder.explain(message);
        return;
    }
  }

  async #adopt(version: number, path: string): Promise<void> {
    await this.#upgrade.over;
    const adoption = await this.#parts.host.adopt(path);
    if (adoption.kind === "refused") {
      this.#parts.log.error({ reason: adoption.reason }, "kept the book that is served");
      this.#control.send({ kind: "refused", version, reason: adoption.reason });
    } else {
      this.#isBookStale = true;
      this.#announce();
      this.#control.send({ kind: "adopted", version: adoption.version });
    }
  }
}
