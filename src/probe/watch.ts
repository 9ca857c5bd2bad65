/** A watch: what a drill's services are answered with, straight and through this agent's resolver, time and again. */

import type { Endpoint } from "../config/node.ts";
import type { Observation, Route } from "../drill/observation.ts";
import { addressOf } from "../wire/address.ts";
import { RRClass, RRType } from "../wire/codes.ts";
import type { Message } from "../wire/message.ts";
import { parseName, rootName } from "../wire/name.ts";
import { Attempt } from "./attempt.ts";
import type { Clock } from "./clock.ts";
import { type DnsPeer, exchange, rcodeOf } from "./exchange.ts";
import { ADDRESSES_MAX, PROBLEM_LENGTH_MAX, routesOf, type SentWatch } from "./orders.ts";
import { probeTcp } from "./tcp.ts";

/** So long a watcher waits for a response, and as long again for the connection. */
const PATIENCE_MS = 1_000;

/** Looks of one route that may be under way: as many as begin, 200 ms apart, while one takes all the time that it has. */
const LOOKS_MAX = 10;

export interface WatchOptions {
  readonly clock: Clock;
  readonly watch: SentWatch;
  /** This agent's own resolver; null: it has none. */
  readonly resolver: Endpoint | null;
  /** The address of the node that ordered it, for nodes that listen on every address. */
  readonly host: string;
  /** Called with each look, those of a route in the order in which they began. Times are of the clock. */
  readonly onSeen: (route: Route, observation: Observation) => void;
}

/**
 * Looks at each route every `everyMs`, until it is stopped.
 *
 * 1. The first looks are spread over that time, and so are all that follow: an agent that sends everything at once would measure
 *    itself, and hold up its probes.
 * 2. Nothing is cached, and each look has sockets of its own, so that it sees what a new client would see.
 * 3. A route that has `LOOKS_MAX` looks under way is left out of one time.
 */
export class Watch {
  readonly #options: WatchOptions;
  readonly #stopping = new AbortController();
  readonly #connections: ReadonlyMap<string, SentWatch["connections"][number]["probe"]>;
  #cancels: (() => void)[] = [];

  constructor(options: WatchOptions) {
    this.#options = options;
    const { clock, watch } = options;
    this.#connections = new Map(watch.connections.map(({ address, probe }) => [address, probe]));
    const routes = routesOf(watch).filter((route) => this.#peerOf(route) !== null);
    this.#cancels = routes.map((route, i) =>
      repeat(clock, (watch.everyMs * i) / routes.length, watch.everyMs, this.#looker(route)),
    );
  }

  /** Gives up the looks under way. */
  stop(): void {
    for (const cancel of this.#cancels) cancel();
    this.#stopping.abort();
  }

  /** What begins a look at a route, and tells of each when those before it are told. */
  #looker(route: Route): () => void {
    let underWay = 0;
    let told: Promise<void> = Promise.resolve();
    return () => {
      if (underWay >= LOOKS_MAX) return;
      underWay += 1;
      const looking = this.#look(route);
      told = told.then(async () => {
        const observation = await looking;
        underWay -= 1;
        if (observation !== null) this.#options.onSeen(route, observation);
      });
    };
  }

  /** null: it was given up. */
  async #look(route: Route): Promise<Observation | null> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    const peer = this.#peerOf(route);
    if (peer === null) return null;
    const askedAtMs = clock.now();
    const reply = await ask(clock, peer, route, signal);
    const address = route.node === null ? reply?.addresses[0] : undefined;
    const probe = address === undefined ? undefined : this.#connections.get(address);
    const outcome =
      address === undefined || probe === undefined
        ? null
        : await probeTcp(address, probe, PATIENCE_MS, signal);
    if (signal.aborted) return null;
    const problem = outcome?.kind === "failure" ? outcome.detail.slice(0, PROBLEM_LENGTH_MAX) : null;
    const connection = outcome === null ? null : { endedAtMs: clock.now(), problem };
    return { askedAtMs, reply, connection };
  }

  /** null: there is nobody to ask. */
  #peerOf({ node }: Route): DnsPeer | null {
    const { host, resolver, watch } = this.#options;
    if (node !== null) {
      const known = watch.nodes.find((one) => one.node === node);
      return known === undefined
        ? null
        : { address: known.address ?? host, port: known.port, transport: "udp" };
    }
    return resolver === null
      ? null
      : { address: resolver.address.text, port: resolver.port, transport: "udp" };
  }
}

/** Calls `run` after `firstMs`, and from then on every `everyMs`, without drifting away. */
function repeat(clock: Clock, firstMs: number, everyMs: number, run: () => void): () => void {
  let dueMs = clock.now() + firstMs;
  const next = (): (() => void) => clock.after(Math.max(0, dueMs - clock.now()), turn);
  const turn = (): void => {
    run();
    // What a machine that was suspended has missed is not made up for.
    dueMs = Math.max(dueMs + everyMs, clock.now());
    cancel = next();
  };
  let cancel = next();
  return () => cancel();
}

/** null: no response came in time, or the look was given up. */
async function ask(
  clock: Clock,
  peer: DnsPeer,
  { label, family }: Route,
  signal: AbortSignal,
): Promise<Observation["reply"]> {
  const parsed = parseName(label, rootName);
  if (parsed.kind !== "name") return null;
  const attempt = new Attempt("the response", PATIENCE_MS, signal);
  const qtype = family === 4 ? RRType.A : RRType.AAAA;
  let reply: Observation["reply"] = null;
  exchange(attempt, peer, { qname: parsed.name, qtype, qclass: RRClass.IN }, (response) => {
    reply = { atMs: clock.now(), ...read(response, qtype) };
    attempt.succeed();
  });
  await attempt.outcome;
  return reply;
}

function read(response: Message, qtype: number): Omit<NonNullable<Observation["reply"]>, "atMs"> {
  const rrs = response.answers.filter(({ type }) => type === qtype).slice(0, ADDRESSES_MAX);
  return {
    rcode: rcodeOf(response),
    addresses: rrs.map(({ rdata }) => addressOf(rdata).text),
    ttlSeconds: rrs.length === 0 ? null : Math.min(...rrs.map(({ ttlSeconds }) => ttlSeconds)),
  };
}
