/** What the watches of an agent tell one node: observations in the node's time, kept until it has them. */

import type { Observation, Route } from "../drill/observation.ts";
import type { Clock } from "./clock.ts";
import { ClockOffset, type Estimate } from "./clock-offset.ts";
import {
  type ClockReply,
  type ClockRequest,
  OBSERVATIONS_PER_MESSAGE_MAX,
  type Observations,
  type SentObservation,
} from "./orders.ts";
import { Outbox } from "./outbox.ts";

/** How often the node's clock is asked for, and how long observations wait for company. */
const EVERY_MS = 500;

/** About 10 MB, and a minute of the largest watch. */
const OBSERVATIONS_MAX = 50_000;

/** An observation in the agent's time. */
interface TimedObservation extends Observation, Route {
  readonly drill: string;
  readonly endedAtMs: number;
}

/** For one report stream. */
export class ObservationSender {
  readonly #clock: Clock;
  readonly #send: (message: ClockRequest | Observations) => void;
  readonly #offset = new ClockOffset();
  readonly #outbox = new Outbox<TimedObservation, Observations>({
    itemsMax: OBSERVATIONS_MAX,
    perMessageMax: OBSERVATIONS_PER_MESSAGE_MAX,
    messageOf: (sequence, items, nowMs) => observationsOf(sequence, items, this.#offset.estimate(nowMs)),
  });
  /** The next turn; null: nothing is watched for this node, and it has all that was seen. */
  #cancel: (() => void) | null = null;

  /** `send` may lose what it is given. */
  constructor(clock: Clock, send: (message: ClockRequest | Observations) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Begins to learn the node's time, for as long as observations come. */
  begin(): void {
    if (this.#cancel === null) this.#turn(true);
  }

  /** Takes a look whose times are of the agent's clock. */
  add(drill: string, route: Route, observation: Observation): void {
    this.#outbox.add({ drill, ...route, ...observation, endedAtMs: this.#clock.now() });
    this.begin();
  }

  /** There is a new connection. */
  resend(): void {
    for (const batch of this.#outbox.resend(this.#clock.now())) this.#send(batch);
  }

  /** Takes what the node says of its time. */
  learn(reply: ClockReply): void {
    this.#offset.add({ ...reply, returnedAtMs: this.#clock.now() });
  }

  acknowledge(sequence: number): void {
    this.#outbox.acknowledge(sequence);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #turn(goesOn: boolean): void {
    const nowMs = this.#clock.now();
    this.#send({ kind: "clock", sentAtMs: nowMs });
    if (this.#offset.estimate(nowMs) !== null)
      for (const batch of this.#outbox.seal(nowMs)) this.#send(batch);
    const next = !this.#outbox.isEmpty;
    this.#cancel = goesOn || next ? this.#clock.after(EVERY_MS, () => this.#turn(next)) : null;
  }
}

/** Nothing is sealed before the node's time is known. */
function observationsOf(
  sequence: number,
  items: readonly TimedObservation[],
  estimate: Estimate | null,
): Observations {
  const { offsetMs, uncertaintyMs } = estimate ?? { offsetMs: 0, uncertaintyMs: 0 };
  return {
    kind: "observations",
    sequence,
    uncertaintyMs: round(uncertaintyMs),
    observations: items.map(({ endedAtMs: _, ...item }) => inNodesTime(item, offsetMs)),
  };
}

function inNodesTime(
  { askedAtMs, reply, connection, ...where }: SentObservation,
  offsetMs: number,
): SentObservation {
  return {
    ...where,
    askedAtMs: round(askedAtMs + offsetMs),
    reply: reply === null ? null : { ...reply, atMs: round(reply.atMs + offsetMs) },
    connection:
      connection === null ? null : { ...connection, endedAtMs: round(connection.endedAtMs + offsetMs) },
  };
}

/** To the tenth of a millisecond. */
function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
