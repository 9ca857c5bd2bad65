/** What agents are ordered to do in a drill, and what they see of the services that are watched. */

import type { TcpProbeSpec } from "../config/check.ts";
import type { VantageId, VipId } from "../config/config.ts";

/** An order of a drill to agents. */
export type DrillOrder = WatchOrder | PretendOrder | SilenceOrder;

interface Standing {
  /** Agents end it by themselves at this time of the node's clock, even if they hear no more of the node. */
  readonly untilMs: number;
}

/** Every agent that can asks nodes and its own resolver for these services, and connects to what the resolver gave. */
export interface WatchOrder extends Standing, WatchTask {
  readonly kind: "watch";
}

/** What is watched. */
export interface WatchTask {
  /** From one look at a route to the next. */
  readonly everyMs: number;
  readonly services: readonly WatchedService[];
  readonly nodes: readonly WatchedNode[];
  /** How to connect to addresses; to others nobody connects. */
  readonly connections: readonly WatchedConnection[];
}

interface WatchedService {
  /** Its name as in the config. */
  readonly label: string;
  readonly families: readonly (4 | 6)[];
}

/** A node that agents ask. */
export interface WatchedNode {
  readonly node: string;
  /** null: where the agent reaches this node's API, because it listens on every address. */
  readonly address: string | null;
  readonly port: number;
}

export interface WatchedConnection {
  readonly address: string;
  readonly probe: TcpProbeSpec;
}

/** What these vantages' probes see of these VIPs is told as a timeout. */
interface PretendOrder extends Standing {
  readonly kind: "pretend";
  readonly vantages: readonly VantageId[];
  readonly vips: readonly VipId[];
}

/** These vantages report nothing; they still watch. */
interface SilenceOrder extends Standing {
  readonly kind: "silence";
  readonly vantages: readonly VantageId[];
}

/** Whom an agent asks for what. */
export interface Route {
  /** Of the service. */
  readonly label: string;
  readonly family: 4 | 6;
  /** null: the agent's own resolver. */
  readonly node: string | null;
}

/** One look at a route. Times are of the node's clock. */
export interface Observation {
  readonly askedAtMs: number;
  readonly reply: Reply | null;
  /** To the first address of the reply; null: there was none to try. */
  readonly connection: Connection | null;
}

/** What was answered; an observation has none when nothing came in time. */
interface Reply {
  readonly atMs: number;
  readonly rcode: number;
  /** In the order of the answer. */
  readonly addresses: readonly string[];
  /** The least of the answer; null: it had no addresses. */
  readonly ttlSeconds: number | null;
}

interface Connection {
  readonly endedAtMs: number;
  /** Why it came to nothing; null: it did not. */
  readonly problem: string | null;
}

/** Looks at one route in a row that saw the same. */
export interface Run {
  /** null: nothing came. */
  readonly rcode: number | null;
  /** Sorted. */
  readonly addresses: readonly string[];
  readonly connection: "none" | "made" | "failed";
  readonly looks: number;
  readonly firstAskedAtMs: number;
  /** When the first look ended: with its reply, or with its patience. */
  readonly firstSeenAtMs: number;
  readonly lastAskedAtMs: number;
  /** When the first connection ended; null: there was none. */
  readonly connectedAtMs: number | null;
  /** The longest TTL that was answered; null: no addresses were. */
  readonly ttlSecondsMax: number | null;
}

/** All that was seen of a route, in the order of time. */
export interface Course {
  readonly route: Route;
  readonly runs: readonly Run[];
  /** Looks that are not in the runs, because there are more runs than are kept. */
  readonly dropped: number;
}

/** All that one agent saw. */
export interface Watcher {
  readonly vantage: VantageId;
  /** False: its release knows no orders. */
  readonly watches: boolean;
  /** Where its own resolver is; null: it has none. */
  readonly resolver: string | null;
  /** By how much its times may be off at most; null: it saw nothing. */
  readonly uncertaintyMs: number | null;
  readonly courses: readonly Course[];
}
