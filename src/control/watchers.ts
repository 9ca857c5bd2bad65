/** The agents that watch for drills: what they are ordered, and what they saw. */

import type { VantageId } from "../config/config.ts";
import { CourseRecorder } from "../drill/course.ts";
import type { DrillOrder, Route, Run, Watcher } from "../drill/observation.ts";
import { type Observations, type Order, routesOf, type SentObservation } from "../probe/orders.ts";
import type { Hello } from "../probe/protocol.ts";

/** The latest of so many connections are remembered: half of them are seconds of the largest watch. */
const CONNECTIONS_MAX = 100_000;

/** Sessions of agents of one vantage whose courses are told apart in a drill. */
const WATCHERS_PER_VANTAGE_MAX = 50;

/** How long the runs of a report may be in JSON, so that no agent fills control's memory. */
interface RunOctets {
  readonly drill: number;
  /** Less than all, so that the agents of one vantage crowd out no others. */
  readonly vantage: number;
}

/** A run with one address has some 210 octets: a vantage keeps about 80,000. */
const OCTETS_MAX: RunOctets = { drill: 64 * 1_024 * 1_024, vantage: 16 * 1_024 * 1_024 };

export interface WatchersOptions {
  readonly nowMs: () => number;
  /** Tells all agents that understand orders theirs. */
  readonly send: () => void;
  /** The agents that are connected. */
  readonly agents: () => readonly Hello[];
  readonly octetsMax?: RunOctets;
}

/** How connections of watchers have ended. */
export interface ConnectionCount {
  readonly tried: number;
  readonly failed: number;
}

/**
 * Orders and observations of all drills under way, in memory: who orders must do so again after a restart.
 *
 * What agents send is taken only for routes that they were ordered to watch, and kept while there is room; looks beyond that are counted.
 */
export class Watchers {
  readonly #options: WatchersOptions;
  readonly #drills = new Map<string, WatchedDrill>();

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  /** Orders this for a drill from now on, in place of what it has ordered before; what was seen stays. */
  order(drill: string, orders: readonly DrillOrder[]): void {
    const watched = this.#drills.get(drill) ?? new WatchedDrill(this.#options.octetsMax ?? OCTETS_MAX);
    this.#drills.set(drill, watched);
    watched.orders = orders;
    this.#options.send();
  }

  /** Calls off what a drill has ordered, and forgets what was seen. */
  forget(drill: string): void {
    if (this.#drills.delete(drill)) this.#options.send();
  }

  /** What the agents have seen for a drill until now; those that are connected and have seen nothing are there too. */
  seen(drill: string): readonly Watcher[] {
    const watched = this.#drills.get(drill);
    const idle = this.#options.agents().filter((agent) => watched?.knows(agent) !== true);
    return [...(watched?.watchers() ?? []), ...idle.map((agent) => new WatcherRecorder(agent).watcher())];
  }

  /** How the connections have ended of which the watchers of a drill told since a moment. */
  connectionsSince(drill: string, sinceMs: number): ConnectionCount {
    return this.#drills.get(drill)?.connectionsSince(sinceMs) ?? { tried: 0, failed: 0 };
  }

  /** What agents of a vantage are to do now. */
  ordersFor(vantage: VantageId): readonly Order[] {
    const nowMs = this.#options.nowMs();
    return [...this.#drills].flatMap(([drill, { orders }]) =>
      orders
        .filter((order) => order.untilMs > nowMs && isFor(order, vantage))
        .map((order) => sentOrder(drill, order, nowMs)),
    );
  }

  /** Takes a batch that no earlier connection has brought. */
  take(hello: Hello, { observations, uncertaintyMs }: Observations): void {
    const nowMs = this.#options.nowMs();
    for (const observation of observations)
      this.#drills.get(observation.drill)?.take(hello, observation, uncertaintyMs, nowMs);
  }
}

function isFor(order: DrillOrder, vantage: VantageId): boolean {
  return order.kind === "watch" || order.vantages.includes(vantage);
}

function sentOrder(drill: string, order: DrillOrder, nowMs: number): Order {
  const forMs = order.untilMs - nowMs;
  switch (order.kind) {
    case "watch": {
      const { everyMs, services, nodes, connections } = order;
      return { kind: "watch", drill, forMs, everyMs, services, nodes, connections };
    }
    case "pretend":
      return { kind: "pretend", drill, forMs, vips: order.vips };
    case "silence":
      return { kind: "silence", drill, forMs };
  }
}

/** What one drill has ordered and got. */
class WatchedDrill {
  readonly #octetsMax: RunOctets;
  readonly #vantages = new Map<VantageId, WatchedVantage>();
  #octets = 0;
  #orders: readonly DrillOrder[] = [];
  /** The routes that were ever ordered, by their keys. */
  readonly #routes = new Map<string, Route>();
  /** How connections ended, and when, the oldest first. */
  #connections: { readonly atMs: number; readonly failed: boolean }[] = [];

  constructor(octetsMax: RunOctets) {
    this.#octetsMax = octetsMax;
  }

  get orders(): readonly DrillOrder[] {
    return this.#orders;
  }

  set orders(orders: readonly DrillOrder[]) {
    this.#orders = orders;
    for (const order of orders)
      if (order.kind === "watch") for (const route of routesOf(order)) this.#add(route);
  }

  /** Courses are found by their routes, which stay the same when they are ordered again. */
  #add(route: Route): void {
    const key = routeKey(route);
    if (!this.#routes.has(key)) this.#routes.set(key, route);
  }

  knows({ vantage, session }: Hello): boolean {
    return this.#vantages.get(vantage)?.sessions.has(session) ?? false;
  }

  watchers(): readonly Watcher[] {
    return [...this.#vantages.values()].flatMap(({ sessions, others }) =>
      [...sessions.values(), ...(others === null ? [] : [others])].map((recorder) => recorder.watcher()),
    );
  }

  take(hello: Hello, observation: SentObservation, uncertaintyMs: number, nowMs: number): void {
    const route = this.#routes.get(routeKey(observation));
    if (route === undefined) return;
    const watched = this.#vantages.get(hello.vantage) ?? new WatchedVantage();
    this.#vantages.set(hello.vantage, watched);
    const recorder = watched.recorderOf(hello, (run) => this.#hasRoomFor(run, watched));
    recorder.take(route, observation, uncertaintyMs);
    const { connection } = observation;
    if (connection !== null) this.#connections.push({ atMs: nowMs, failed: connection.problem !== null });
    if (this.#connections.length > CONNECTIONS_MAX)
      this.#connections = this.#connections.slice(CONNECTIONS_MAX / 2);
  }

  /** Whether there is room for a run; it is taken then. */
  #hasRoomFor(run: Run, watched: WatchedVantage): boolean {
    const octets = JSON.stringify(run).length;
    const { drill, vantage } = this.#octetsMax;
    if (this.#octets + octets > drill || watched.octets + octets > vantage) return false;
    this.#octets += octets;
    watched.octets += octets;
    return true;
  }

  connectionsSince(sinceMs: number): ConnectionCount {
    const counted = this.#connections.filter(({ atMs }) => atMs >= sinceMs);
    return { tried: counted.length, failed: counted.filter(({ failed }) => failed).length };
  }
}

/** What the agents of one vantage have seen for a drill. */
class WatchedVantage {
  readonly sessions = new Map<string, WatcherRecorder>();
  /** The looks of all further sessions are only counted; null: there are none. */
  others: WatcherRecorder | null = null;
  octets = 0;

  recorderOf(hello: Hello, hasRoomFor: (run: Run) => boolean): WatcherRecorder {
    const known = this.sessions.get(hello.session);
    if (known !== undefined) return known;
    if (this.sessions.size >= WATCHERS_PER_VANTAGE_MAX) {
      this.others ??= new WatcherRecorder({ ...hello, watcher: { resolver: null } });
      return this.others;
    }
    const recorder = new WatcherRecorder(hello, hasRoomFor);
    this.sessions.set(hello.session, recorder);
    return recorder;
  }
}

/** What one session of an agent has seen for a drill. */
class WatcherRecorder {
  readonly #hello: Hello;
  readonly #hasRoomFor: (run: Run) => boolean;
  readonly #courses = new Map<Route, CourseRecorder>();
  #uncertaintyMs: number | null = null;

  /** Without room all looks are only counted. */
  constructor(hello: Hello, hasRoomFor: (run: Run) => boolean = () => false) {
    this.#hello = hello;
    this.#hasRoomFor = hasRoomFor;
  }

  take(route: Route, { askedAtMs, reply, connection }: SentObservation, uncertaintyMs: number): void {
    const course = this.#courses.get(route) ?? new CourseRecorder(route, this.#hasRoomFor);
    this.#courses.set(route, course);
    course.add({ askedAtMs, reply, connection });
    this.#uncertaintyMs = Math.max(this.#uncertaintyMs ?? 0, uncertaintyMs);
  }

  watcher(): Watcher {
    const { vantage, watcher } = this.#hello;
    return {
      vantage,
      watches: watcher !== undefined,
      resolver: watcher?.resolver ?? null,
      uncertaintyMs: this.#uncertaintyMs,
      courses: [...this.#courses.values()].map(({ route, runs, dropped }) => ({
        route,
        runs: [...runs],
        dropped,
      })),
    };
  }
}

function routeKey({ label, family, node }: Route): string {
  return JSON.stringify([label, family, node]);
}
