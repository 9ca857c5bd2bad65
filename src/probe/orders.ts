/**
 * The messages of the report stream that belong to drills.
 *
 *     agent                                  node
 *       | -- hello, with `watcher` -----------> |   it understands what follows
 *       | <------------------- targets -------- |
 *       | <-------------------- orders -------- |   the whole set, at once and again at each change of it
 *       | -- clock ---------------------------> |   while it watches for this node
 *       | <--------------------- clock -------- |
 *       | -- observations 1 ------------------> |   sent again like reports until they are taken
 *       | <---------------- observed 1 -------- |
 *
 * An order says how long it is still in force instead of until when, so that the agent can end it by itself and clocks need
 * not agree. Observations are the other way round: the agent has measured how its clock differs from the node's
 * (`probe/clock-offset.ts`), and gives times of the node's.
 */

import Type from "typebox";
import type { VipId } from "../config/config.ts";
import type { Endpoint } from "../config/node.ts";
import type { Observation, Route, WatchTask } from "../drill/observation.ts";
import { formatEndpoint } from "../serve/endpoint.ts";
import { tcpProbeSpec } from "./spec.ts";

/** How many observations go into one message at most; with the longest names and all addresses they still fit. */
export const OBSERVATIONS_PER_MESSAGE_MAX = 200;

/** More routes than this are no order that an agent can read. */
export const ROUTES_MAX = 256;

/** Nor does it take orders for more looks than this in a second: each is a query and a connection. A drill has at most 400. */
export const LOOKS_PER_SECOND_MAX = 2_000;

/** Addresses of one reply that are told. */
export const ADDRESSES_MAX = 32;

/** The longest reason why a connection came to nothing. */
export const PROBLEM_LENGTH_MAX = 300;

/** What an agent says of itself in its hello when it understands orders. */
export interface WatcherHello {
  /** Its own resolver, as `192.0.2.53:53`; null: it has none. */
  readonly resolver: string | null;
}

/** What an agent with this resolver says; null: it has none. */
export function watcherHello(resolver: Endpoint | null): WatcherHello {
  return { resolver: resolver === null ? null : formatEndpoint(resolver) };
}

/** All that a node orders; replaces what it ordered before. */
export interface Orders {
  readonly kind: "orders";
  readonly orders: readonly Order[];
}

/** Orders as an agent reads them. */
export interface ReadOrders extends Orders {
  /** What is wrong with those that are left out: a newer node knows orders that this agent does not. */
  readonly unreadable: readonly string[];
}

/** A `DrillOrder` on its way to one agent. */
export type Order = SentWatch | SentPretend | SentSilence;

interface Sent {
  /** The drill's id; of one drill an agent has at most one order of a kind. */
  readonly drill: string;
  /** How long it is still in force. */
  readonly forMs: number;
}

export interface SentWatch extends Sent, WatchTask {
  readonly kind: "watch";
}

/** What an agent says of the failure that it pretends. */
export const PRETENDED = "a drill pretends that it is dead";

interface SentPretend extends Sent {
  readonly kind: "pretend";
  readonly vips: readonly VipId[];
}

interface SentSilence extends Sent {
  readonly kind: "silence";
}

/** How many `routesOf` a watch are, whose list may be too long to be made. */
export function routeCount({ services, nodes }: WatchTask): number {
  return services.reduce((sum, { families }) => sum + families.length, 0) * (1 + nodes.length);
}

export function looksPerSecond(watch: WatchTask): number {
  return (routeCount(watch) * 1_000) / watch.everyMs;
}

/** What a watch asks for: of each node, and of the agent's resolver, each family of each service. */
export function routesOf({ services, nodes }: WatchTask): readonly Route[] {
  const asked = [null, ...nodes.map(({ node }) => node)];
  return services.flatMap(({ label, families }) =>
    families.flatMap((family) => asked.map((node) => ({ label, family, node }))),
  );
}

/** The agent asks for the node's time (RFC 5905 §8). */
export interface ClockRequest {
  readonly kind: "clock";
  /** By the agent's clock. */
  readonly sentAtMs: number;
}

export interface ClockReply extends ClockRequest {
  /** By the node's clock. */
  readonly receivedAtMs: number;
  readonly repliedAtMs: number;
}

/** A batch of observations. */
export interface Observations {
  readonly kind: "observations";
  /** From 1, rising, within the session; not the numbers of reports. */
  readonly sequence: number;
  /** By how much their times may be off at most. */
  readonly uncertaintyMs: number;
  readonly observations: readonly SentObservation[];
}

/** An observation on its way. */
export interface SentObservation extends Observation, Route {
  readonly drill: string;
}

/** The node has taken every batch of observations of the session up to and including this one. */
export interface Observed {
  readonly kind: "observed";
  readonly sequence: number;
}

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const orNull = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const family = Type.Union([Type.Literal(4), Type.Literal(6)]);
const port = Type.Integer({ minimum: 1, maximum: 65_535 });
const sequence = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const time = Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const sent = { drill: text(64), forMs: Type.Number({ minimum: 0, maximum: 86_400_000 }) };

/** One order; an agent reads each by itself. */
export const orderSchema: Type.TUnsafe<Order> = Type.Unsafe<Order>(
  Type.Union([
    Type.Object({
      ...sent,
      kind: Type.Literal("watch"),
      everyMs: Type.Number({ minimum: 20, maximum: 60_000 }),
      services: Type.Array(
        Type.Object({ label: text(1_100), families: Type.Array(family, { maxItems: 2 }) }),
        { maxItems: ROUTES_MAX },
      ),
      nodes: Type.Array(Type.Object({ node: text(255), address: orNull(text(64)), port }), {
        maxItems: ROUTES_MAX,
      }),
      connections: Type.Array(Type.Object({ address: text(64), probe: tcpProbeSpec }), { maxItems: 10_000 }),
    }),
    Type.Object({
      ...sent,
      kind: Type.Literal("pretend"),
      vips: Type.Array(Type.Unsafe<VipId>(text(512)), { maxItems: 10_000 }),
    }),
    Type.Object({ ...sent, kind: Type.Literal("silence") }),
  ]),
);

const observation = Type.Object({
  drill: sent.drill,
  label: text(1_100),
  family,
  node: orNull(text(255)),
  askedAtMs: time,
  reply: orNull(
    Type.Object({
      atMs: time,
      rcode: Type.Integer({ minimum: 0, maximum: 4_095 }),
      addresses: Type.Array(text(64), { maxItems: ADDRESSES_MAX }),
      ttlSeconds: orNull(Type.Integer({ minimum: 0, maximum: 0xffffffff })),
    }),
  ),
  connection: orNull(
    Type.Object({
      endedAtMs: time,
      problem: orNull(Type.String({ maxLength: PROBLEM_LENGTH_MAX })),
    }),
  ),
});

export const observationsSchema: Type.TUnsafe<Observations> = Type.Unsafe<Observations>(
  Type.Object({
    kind: Type.Literal("observations"),
    sequence,
    uncertaintyMs: Type.Number({ minimum: 0, maximum: 86_400_000 }),
    observations: Type.Array(observation, { minItems: 1, maxItems: OBSERVATIONS_PER_MESSAGE_MAX }),
  }),
);

export const observedSchema: Type.TUnsafe<Observed> = Type.Unsafe<Observed>(
  Type.Object({ kind: Type.Literal("observed"), sequence }),
);

export const clockRequestSchema: Type.TUnsafe<ClockRequest> = Type.Unsafe<ClockRequest>(
  Type.Object({ kind: Type.Literal("clock"), sentAtMs: time }),
);

export const clockReplySchema: Type.TUnsafe<ClockReply> = Type.Unsafe<ClockReply>(
  Type.Object({ kind: Type.Literal("clock"), sentAtMs: time, receivedAtMs: time, repliedAtMs: time }),
);

export const watcherSchema: Type.TUnsafe<WatcherHello> = Type.Unsafe<WatcherHello>(
  Type.Object({ resolver: orNull(text(64)) }),
);
