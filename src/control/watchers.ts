/** The agents that watch for drills: what they are ordered, and what they saw. */

import type { VantageId } from "../config/config.ts";
import { CourseRecorder } from "../drill/course.ts";
import type { DrillOrder, Route, Watcher } from "../drill/observation.ts";
import { type Observations, type Order, routesOf, type SentObservation } from "../probe/orders.ts";
import type { Hello } from "../probe/protocol.ts";

/** The latest of so many connections are remembered: half of them are seconds of the largest watch. */
const CONNECTIONS_MAX = 100_000;

/** Sessions of agents that are remembered in a drill. */
const WATCHERS_MAX = 1_000;

export interface WatchersOptions {
  readonly nowMs: () => number;
  /** Tells all agents that understand orders theirs. */
  readonly send: () => void;
  /** The agents that are connected. */
  readonly agents: () => readonly Hello[];
}

/** How connections of watchers have ended. */
export interface ConnectionCount {
  readonly tried: number;
  readonly failed: number;
}

/**
 * Orders and observations of all drills under way, in memory: who orders must do so again after a restart.
 *
 * What agents send is taken only for routes that they were ordered to watch, so that it is bounded by the orders.
 */
export class Watchers {
  readonly #options: WatchersOptions;
  readonly #drills = new Map<string, WatchedDrill>();

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  /** Orders this for a drill from now on, in place of what it has ordered before; what was seen stays. */
  order(drill: string, orders: readonly DrillOrder[]): void {
    const watched = this.#drills.get(drill) ?? new WatchedDrill();
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
    const recorders = this.#drills.get(drill)?.recorders ?? new Map<string, WatcherRecorder>();
    const idle = this.#options.agents().filter((agent) => !recorders.has(keyOf(agent)));
    return [...recorders.values(), ...idle.map((agent) => new WatcherRecorder(agent))].map((recorder) =>
      recorder.watcher(),
    );
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
  readonly recorders = new Map<string, WatcherRecorder>();
  #orders: readonly DrillOrder[] = [];
  /** Keys of the routes that were ever ordered. */
  readonly #routes = new Set<string>();
  /** How connections ended, and when, the oldest first. */
  #connections: { readonly atMs: number; readonly failed: boolean }[] = [];

  get orders(): readonly DrillOrder[] {
    return this.#orders;
  }

  set orders(orders: readonly DrillOrder[]) {
    this.#orders = orders;
    for (const order of orders)
      if (order.kind === "watch") for (const route of routesOf(order)) this.#routes.add(routeKey(route));
  }

  take(hello: Hello, observation: SentObservation, uncertaintyMs: number, nowMs: number): void {
    if (!this.#routes.has(routeKey(observation))) return;
    const known = this.recorders.get(keyOf(hello));
    if (known === undefined && this.recorders.size >= WATCHERS_MAX) return;
    const recorder = known ?? new WatcherRecorder(hello);
    this.recorders.set(keyOf(hello), recorder);
    recorder.take(observation, uncertaintyMs);
    const { connection } = observation;
    if (connection !== null) this.#connections.push({ atMs: nowMs, failed: connection.problem !== null });
    if (this.#connections.length > CONNECTIONS_MAX)
      this.#connections = this.#connections.slice(CONNECTIONS_MAX / 2);
  }

  connectionsSince(sinceMs: number): ConnectionCount {
    const counted = this.#connections.filter(({ atMs }) => atMs >= sinceMs);
    return { tried: counted.length, failed: counted.filter(({ failed }) => failed).length };
  }
}

/** What one session of an agent has seen for a drill. */
class WatcherRecorder {
  readonly #hello: Hello;
  readonly #courses = new Map<string, CourseRecorder>();
  #uncertaintyMs: number | null = null;

  constructor(hello: Hello) {
    this.#hello = hello;
  }

  take({ label, family, node, ...observation }: SentObservation, uncertaintyMs: number): void {
    const route = { label, family, node };
    const key = routeKey(route);
    const course = this.#courses.get(key) ?? new CourseRecorder(route);
    this.#courses.set(key, course);
    course.add(observation);
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

function keyOf({ vantage, session }: Hello): string {
  return `${vantage} ${session}`;
}

function routeKey({ label, family, node }: Route): string {
  return JSON.stringify([label, family, node]);
}
