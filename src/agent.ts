/** The agent process: probes from one vantage, and tells every node what it saw. */

import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { ProbeSpec } from "./config/check.ts";
import type { Endpoint } from "./config/node.ts";
import { type Clock, processClock } from "./probe/clock.ts";
import { Contact } from "./probe/contact.ts";
import { icmpProblem } from "./probe/icmp.ts";
import { mergeTargets, type SharedTarget } from "./probe/merge.ts";
import { watcherHello } from "./probe/orders.ts";
import { probe } from "./probe/probe.ts";
import { checkHello, type Target } from "./probe/protocol.ts";
import { Schedule } from "./probe/schedule.ts";
import { StandingOrders } from "./probe/standing-orders.ts";
import { ReportStream } from "./probe/stream.ts";
import type { Trust } from "./probe/trust.ts";
import { Watch } from "./probe/watch.ts";
import { version } from "./version.ts";

export interface AgentOptions {
  /** URLs of the nodes, as in `https://dns1.example:8053`. */
  readonly nodes: readonly string[];
  /** What each of them must show before it gets the token. */
  readonly trust: Trust;
  readonly token: string;
  /** As declared in the nodes' config; a node refuses a vantage that it does not know. */
  readonly vantage: string;
  /** The resolver that it watches through in drills; null: there is none. */
  readonly resolver: Endpoint | null;
  readonly log: Logger;
  /** The process's own if it is not given. */
  readonly clock?: Clock;
}

/** A running agent. */
export interface Agent {
  /** Gives up the probes under way, sends the last reports, and returns when every connection is closed. */
  stop(): Promise<void>;
}

/** Runs an agent until it is stopped; throws when an option cannot be used, but never for what the network does. */
export async function runAgent(options: AgentOptions): Promise<Agent> {
  const { nodes, trust, token, resolver, log, clock = processClock } = options;
  const hello = checkHello({
    kind: "hello",
    vantage: options.vantage,
    session: randomUUID(),
    version,
    watcher: watcherHello(resolver),
  });
  if (hello.kind === "problem") throw new Error(`Cannot start an agent: ${hello.message}`);

  const stopping = new AbortController();
  const asked = new Map<ReportStream, readonly Target[]>();
  let toldOfIcmp = false;
  let shared: ReadonlyMap<string, SharedTarget<ReportStream>> = new Map();

  const orders = new StandingOrders<ReportStream>({
    clock,
    watch: ({ host, observations }, watch) => {
      log.info({ drill: watch.drill, services: watch.services.length }, "watching for a drill");
      observations.begin();
      return new Watch({
        clock,
        watch,
        resolver,
        host,
        onSeen: (route, observation) => observations.add(watch.drill, route, observation),
      });
    },
  });

  const schedule = new Schedule({
    clock,
    random: Math.random,
    probe: (target) => orders.probe(target, () => probe(target, stopping.signal)),
    onLook: (key, { outcome, endedAtMs, urgent }) => {
      const share = shared.get(key);
      if (share === undefined || orders.areSilent) return;
      const report = { vip: share.target.vip, endedAtMs, outcome };
      for (const stream of share.nodes) stream.report(report, urgent);
    },
  });

  const contact = new Contact({
    clock,
    onReturn: (lostAtMs, nowMs) => {
      log.warn(
        { seconds: Math.round((nowMs - lostAtMs) / 1_000) },
        "no node was heard; failures seen meanwhile do not count",
      );
      for (const stream of streams) stream.disown(lostAtMs, nowMs);
      schedule.forget();
    },
  });

  const streams = [...new Set(nodes)].map((node) => {
    const stream = new ReportStream({
      node,
      trust,
      token,
      hello,
      clock,
      random: Math.random,
      log,
      onHeard: () => contact.heard(),
      onTargets: (targets) => {
        asked.set(stream, targets);
        if (!toldOfIcmp && targets.some(({ probe: spec }) => needsIcmp(spec))) {
          toldOfIcmp = true;
          const problem = icmpProblem();
          if (problem !== null)
            log.error({ problem }, "cannot make ICMP probes, so this vantage has no vote by them");
        }
        shared = mergeTargets(asked);
        schedule.replace(shared);
      },
      onOrders: (given) => orders.replace(stream, given),
    });
    return stream;
  });
  for (const stream of streams) stream.start();
  log.info({ vantage: hello.vantage, nodes: streams.length }, "agent started");

  return {
    stop: async () => {
      schedule.stop();
      orders.stop();
      stopping.abort();
      await Promise.all(streams.map((stream) => stream.stop()));
      log.info("agent stopped");
    },
  };
}

function needsIcmp(spec: ProbeSpec): boolean {
  return (
    spec.kind === "icmp" || (spec.kind === "calculated" && spec.of.some((part) => needsIcmp(part.probe)))
  );
}
