/**
 * The messages of the report stream between an agent and a node.
 *
 * JSON over a WebSocket that the agent opens at `STREAM_PATH`, with its bearer token in the Authorization header:
 *
 *     agent                                  node
 *       | -- hello ---------------------------> |   first, once for each connection
 *       | <------------------- targets -------- |   the whole set, at once and again at each change of it
 *       | -- reports 1 -----------------------> |
 *       | -- reports 2 -----------------------> |
 *       | <---------------------- ack 2 ------- |   everything up to 2 has been taken
 *
 * 1. An agent keeps its reports until they are acknowledged and sends them again after a reconnect, so a node drops
 *    every sequence number that is not above the last one it took from the same vantage and session.
 * 2. Sequence numbers rise, and may leave gaps: reports that are too old to matter are never sent again.
 * 3. A report carries its age at the moment of sending instead of a time. The node takes the age off its own clock,
 *    so the clocks of agents and nodes need not agree; the error is the time the message travelled.
 * 4. Either side pings every `PING_INTERVAL_MS` and gives the other up after `SILENCE_MS_MAX` without a sign of life.
 * 5. Unknown keys are ignored, and targets that the agent cannot read left out, so that agents and nodes of different versions
 *    can talk during an upgrade.
 * 6. What belongs to drills is in `probe/orders.ts`, and goes only to agents whose hello says that they understand it.
 */

import { isIP } from "node:net";
import Type from "typebox";
import { Compile, type Validator } from "typebox/compile";
import type { ProbeSpec } from "../config/check.ts";
import type { VantageId, VipId } from "../config/config.ts";
import { type ErrorClass, LOAD_MAX, type Outcome } from "../health/report.ts";
import {
  type ClockReply,
  type ClockRequest,
  clockReplySchema,
  clockRequestSchema,
  LOOKS_PER_SECOND_MAX,
  looksPerSecond,
  type Observations,
  type Observed,
  type Order,
  type Orders,
  observationsSchema,
  observedSchema,
  orderSchema,
  type ReadOrders,
  ROUTES_MAX,
  routeCount,
  type SentWatch,
  type WatcherHello,
  watcherSchema,
} from "./orders.ts";
import { probeSpec } from "./spec.ts";

/** Where a node's API takes report streams. */
export const STREAM_PATH = "/v1/agents/stream";

/** How often each side sends a WebSocket ping. */
export const PING_INTERVAL_MS = 1_000;

/** A peer that has sent nothing at all for this long is gone. */
export const SILENCE_MS_MAX = 4_000;

/** The longest message an agent may send, in UTF-16 units; also right as `maxPayload` of the socket. */
export const AGENT_MESSAGE_LENGTH_MAX: number = 1024 * 1024;

/** The longest message a node may send: room for about 50,000 targets. */
export const NODE_MESSAGE_LENGTH_MAX: number = 32 * 1024 * 1024;

/** How many reports go into one message at most; with the longest names and details they still fit. */
export const REPORTS_PER_MESSAGE_MAX = 500;

/** The longest `detail` of a failure. */
export const DETAIL_LENGTH_MAX = 300;

export type AgentMessage = Hello | Reports | ClockRequest | Observations;
export type NodeMessage = Targets | Ack | Refused | Orders | ClockReply | Observed;

/** What an agent reads of a node. */
export type ReadNodeMessage = ReadTargets | Ack | Refused | ReadOrders | ClockReply | Observed;

/** Who the agent is; its first message. */
export interface Hello {
  readonly kind: "hello";
  readonly vantage: VantageId;
  /** Made at random at each start of the agent; sequence numbers belong to it. */
  readonly session: string;
  /** The agent's release. */
  readonly version: string;
  /** Not there: an agent of a release that knows no orders. */
  readonly watcher?: WatcherHello;
}

/** A batch of reports. */
export interface Reports {
  readonly kind: "reports";
  /** From 1, rising, within the session. */
  readonly sequence: number;
  readonly reports: readonly SentReport[];
}

/** A report on its way: the vantage is the stream's, the time is relative. */
interface SentReport {
  readonly vip: VipId;
  /** How long before the message was sent the probe ended. */
  readonly agoMs: number;
  readonly outcome: Outcome;
}

/** All that the agent is to probe for this node; replaces what the node said before. */
interface Targets {
  readonly kind: "targets";
  /** The version of the snapshot they are from, for the agent's log. */
  readonly version: number;
  readonly targets: readonly Target[];
}

/** Targets as an agent reads them. */
export interface ReadTargets extends Targets {
  /** What is wrong with those that are left out: a newer node knows checks that this agent does not. */
  readonly unreadable: readonly string[];
}

/** One VIP to probe, and when; the times are those of its check. */
export interface Target {
  readonly vip: VipId;
  /** An IPv4 or IPv6 address in text. */
  readonly address: string;
  /** Its port is already the VIP's own where the VIP has one. */
  readonly probe: ProbeSpec;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly recheckMs: number;
  readonly jitterMs: number;
  readonly rise: number;
  readonly fall: number;
}

/** The node has taken every batch of the session up to and including this one. */
interface Ack {
  readonly kind: "ack";
  readonly sequence: number;
}

/** The node will not have this agent, and closes. */
interface Refused {
  readonly kind: "refused";
  /** For the agent's log: `no vantage "dublin" in meridian.yaml`. */
  readonly reason: string;
}

/** A message that breaks the protocol. */
export interface MessageProblem {
  readonly kind: "problem";
  /** What was found and what would be right. */
  readonly message: string;
}

/** The hello of an agent, when what its operator gave can stand in one. */
export function checkHello(
  hello: Readonly<Record<Exclude<keyof Hello, "watcher">, string>> & Pick<Hello, "watcher">,
): Hello | MessageProblem {
  return helloValidator.Check(hello) ? hello : explain(hello, { hello: helloValidator });
}

/** The text of a message. */
export function formatMessage(message: AgentMessage | NodeMessage): string {
  return JSON.stringify(message);
}

/** Reads what an agent sent; anything at all may come in. */
export function parseAgentMessage(text: string): AgentMessage | MessageProblem {
  const read = readObject(text, AGENT_MESSAGE_LENGTH_MAX);
  if (read.kind === "problem") return read;
  const { value } = read;
  if (helloValidator.Check(value)) return value;
  if (reportsValidator.Check(value)) return value;
  if (observationsValidator.Check(value)) return value;
  if (clockRequestValidator.Check(value)) return value;
  return explain(value, {
    hello: helloValidator,
    reports: reportsValidator,
    observations: observationsValidator,
    clock: clockRequestValidator,
  });
}

/** Reads what a node sent. */
export function parseNodeMessage(text: string): ReadNodeMessage | MessageProblem {
  const read = readObject(text, NODE_MESSAGE_LENGTH_MAX);
  if (read.kind === "problem") return read;
  const { value } = read;
  if (ackValidator.Check(value)) return value;
  if (refusedValidator.Check(value)) return value;
  if (targetsValidator.Check(value)) return readTargets(value.version, value.targets);
  if (ordersValidator.Check(value)) return readOrders(value.orders);
  if (observedValidator.Check(value)) return value;
  if (clockReplyValidator.Check(value)) return value;
  return explain(value, {
    targets: targetsValidator,
    ack: ackValidator,
    refused: refusedValidator,
    orders: ordersValidator,
    observed: observedValidator,
    clock: clockReplyValidator,
  });
}

function readTargets(version: number, sent: readonly unknown[]): ReadTargets {
  const targets: Target[] = [];
  const unreadable: string[] = [];
  for (const [i, target] of sent.entries()) {
    if (!targetValidator.Check(target)) unreadable.push(`targets/${i}${flawOf(targetValidator, target)}`);
    else if (isIP(target.address) === 0)
      unreadable.push(`${target.vip}: expected an address, got "${target.address}"`);
    else targets.push(target);
  }
  return { kind: "targets", version, targets, unreadable };
}

function readOrders(sent: readonly unknown[]): ReadOrders {
  const orders: Order[] = [];
  const unreadable: string[] = [];
  let looksSoFar = 0;
  for (const [i, order] of sent.entries()) {
    if (!orderValidator.Check(order)) unreadable.push(`orders/${i}${flawOf(orderValidator, order)}`);
    else {
      const looks = order.kind === "watch" ? looksPerSecond(order) : 0;
      const excess = order.kind === "watch" ? excessOf(order, looksSoFar + looks) : null;
      if (excess !== null) unreadable.push(`orders/${i}: ${excess}`);
      else {
        looksSoFar += looks;
        orders.push(order);
      }
    }
  }
  return { kind: "orders", orders, unreadable };
}

/** Why an order asks for too much, with which there would be so many looks a second; null: it does not. */
function excessOf(order: SentWatch, looks: number): string | null {
  const routes = routeCount(order);
  if (routes > ROUTES_MAX) return `expected at most ${ROUTES_MAX} routes, got ${routes}`;
  return looks > LOOKS_PER_SECOND_MAX
    ? `expected at most ${LOOKS_PER_SECOND_MAX} looks a second of all orders, got ${Math.ceil(looks)}`
    : null;
}

/** Where a value is not as expected, and what would be. */
function flawOf(validator: Validator, value: unknown): string {
  const [first] = validator.Errors(value);
  return `${first?.instancePath ?? ""}: ${first?.message ?? "cannot be read"}`;
}

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const milliseconds = (minimum: number) => Type.Number({ minimum, maximum: 86_400_000 });
const reached = Type.Union([milliseconds(0), Type.Null()]);
const threshold = Type.Integer({ minimum: 1, maximum: 1_000 });
const sequence = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const vip = Type.Unsafe<VipId>(text(512));

const errorClasses = [
  "refused",
  "unreachable",
  "timeout",
  "reset",
  "tls",
  "certificate",
  "status",
  "header",
  "body",
  "protocol",
  "slow",
  "inverted",
] as const satisfies readonly ErrorClass[];

const load = Type.Union([Type.Number({ minimum: 0, maximum: LOAD_MAX }), Type.Null()]);

const timings = Type.Object({
  connectMs: reached,
  tlsMs: reached,
  firstByteMs: reached,
  totalMs: Type.Optional(milliseconds(0)),
});

const outcome = Type.Union([
  Type.Object({ kind: Type.Literal("success"), timings, load: Type.Optional(load) }),
  Type.Object({
    kind: Type.Literal("failure"),
    error: Type.Union(errorClasses.map((name) => Type.Literal(name))),
    detail: Type.String({ maxLength: DETAIL_LENGTH_MAX }),
    timings,
  }),
]);

const helloValidator = Compile(
  Type.Object({
    kind: Type.Literal("hello"),
    vantage: Type.Unsafe<VantageId>(text(255)),
    session: text(64),
    version: text(64),
    watcher: Type.Optional(watcherSchema),
  }),
);

const reportsValidator = Compile(
  Type.Object({
    kind: Type.Literal("reports"),
    sequence,
    reports: Type.Array(Type.Object({ vip, agoMs: milliseconds(0), outcome }), {
      minItems: 1,
      maxItems: REPORTS_PER_MESSAGE_MAX,
    }),
  }),
);

const targetsValidator = Compile(
  Type.Object({
    kind: Type.Literal("targets"),
    version: Type.Integer({ minimum: 0 }),
    targets: Type.Array(Type.Unknown(), { maxItems: 100_000 }),
  }),
);

const targetValidator = Compile(
  Type.Object({
    vip,
    address: text(64),
    probe: probeSpec,
    intervalMs: milliseconds(10),
    timeoutMs: milliseconds(1),
    recheckMs: milliseconds(1),
    jitterMs: milliseconds(0),
    rise: threshold,
    fall: threshold,
  }),
);

const orderValidator = Compile(orderSchema);

const ordersValidator = Compile(
  Type.Object({ kind: Type.Literal("orders"), orders: Type.Array(Type.Unknown(), { maxItems: 1_000 }) }),
);

const observationsValidator = Compile(observationsSchema);
const observedValidator = Compile(observedSchema);
const clockRequestValidator = Compile(clockRequestSchema);
const clockReplyValidator = Compile(clockReplySchema);

const ackValidator = Compile(Type.Object({ kind: Type.Literal("ack"), sequence }));

const refusedValidator = Compile(
  Type.Object({ kind: Type.Literal("refused"), reason: Type.String({ maxLength: 1_000 }) }),
);

function readObject(
  source: string,
  lengthMax: number,
): { readonly kind: "object"; readonly value: object } | MessageProblem {
  if (source.length > lengthMax) {
    return problem(`expected at most ${lengthMax} characters, got ${source.length}`);
  }
  try {
    const value: unknown = JSON.parse(source);
    if (typeof value === "object" && value !== null) return { kind: "object", value };
    return problem("expected an object");
  } catch {
    return problem("expected JSON");
  }
}

/** Says what is wrong, once no validator has accepted a message. */
function explain(value: object, validators: Readonly<Record<string, Validator>>): MessageProblem {
  const kind = "kind" in value && typeof value.kind === "string" ? value.kind : "";
  const validator = Object.hasOwn(validators, kind) ? validators[kind] : undefined;
  if (validator === undefined) {
    return problem(
      `expected a message of kind ${Object.keys(validators).join(" or ")}, got "${kind.slice(0, 40)}"`,
    );
  }
  return problem(kind + flawOf(validator, value));
}

function problem(message: string): MessageProblem {
  return { kind: "problem", message };
}
