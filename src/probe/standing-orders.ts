/** The orders that nodes have given this agent for drills, each until its end. */

import { isDeepStrictEqual } from "node:util";
import type { VipId } from "../config/config.ts";
import type { Outcome } from "../health/report.ts";
import type { Clock } from "./clock.ts";
import { type Order, PRETENDED, type SentWatch } from "./orders.ts";
import type { Target } from "./protocol.ts";

export interface StandingOrdersOptions<Node> {
  readonly clock: Clock;
  /** Begins a watch for a node. */
  readonly watch: (node: Node, watch: SentWatch) => { stop(): void };
}

/** An order in force. */
interface Standing {
  readonly order: Order;
  /** Takes back that it ends by itself. */
  readonly cancelEnd: () => void;
  /** What it has begun; null: nothing needs to be stopped. */
  readonly begun: { stop(): void } | null;
}

/**
 * Follows orders. Each ends by itself, whether its node is heard or not; what a node does not order any more ends at once.
 *
 * What is pretended holds for what every node is told: a drill tries the detection of all of them.
 */
export class StandingOrders<Node> {
  readonly #options: StandingOrdersOptions<Node>;
  /** By node, then by drill and kind. */
  readonly #standing = new Map<Node, Map<string, Standing>>();

  constructor(options: StandingOrdersOptions<Node>) {
    this.#options = options;
  }

  /** Follows these orders of a node from now on, and no others of it; one that only gets another end goes on. */
  replace(node: Node, orders: readonly Order[]): void {
    const before = this.#standing.get(node) ?? new Map<string, Standing>();
    const after = new Map<string, Standing>();
    this.#standing.set(node, after);
    for (const order of orders) {
      const key = JSON.stringify([order.drill, order.kind]);
      const known = before.get(key);
      const goesOn = known !== undefined && isDeepStrictEqual({ ...known.order, forMs: order.forMs }, order);
      if (known !== undefined) known.cancelEnd();
      if (goesOn) before.delete(key);
      after.set(key, {
        order,
        cancelEnd: this.#options.clock.after(order.forMs, () => this.#end(after, key)),
        begun: goesOn ? known.begun : this.#begin(node, order),
      });
    }
    for (const { begun, cancelEnd } of before.values()) {
      cancelEnd();
      begun?.stop();
    }
  }

  /** Whether a drill pretends that this VIP is dead. */
  pretendsDead(vip: VipId): boolean {
    return this.#some((order) => order.kind === "pretend" && order.vips.includes(vip));
  }

  /** Whether a drill wants that nothing is reported. */
  get areSilent(): boolean {
    return this.#some(({ kind }) => kind === "silence");
  }

  /** Follows no order any more. */
  stop(): void {
    for (const node of this.#standing.keys()) this.replace(node, []);
  }

  /**
   * Makes a probe, whose VIP a drill may pretend to be dead: then it is a timeout when its time is up, as it would be of a VIP
   * that has lost its power, which takes the longest to find out.
   */
  async probe(target: Target, look: () => Promise<Outcome | null>): Promise<Outcome | null> {
    const { clock } = this.#options;
    const startedAtMs = clock.now();
    const seen = await look();
    if (seen === null || !this.pretendsDead(target.vip)) return seen;
    const restMs = startedAtMs + target.timeoutMs - clock.now();
    if (restMs > 0) await new Promise<void>((resolve) => clock.after(restMs, resolve));
    // What was seen is the truth, if it is told a little late.
    return this.pretendsDead(target.vip) ? pretended(clock.now() - startedAtMs) : seen;
  }

  #begin(node: Node, order: Order): { stop(): void } | null {
    return order.kind === "watch" ? this.#options.watch(node, order) : null;
  }

  #end(standing: Map<string, Standing>, key: string): void {
    standing.get(key)?.begun?.stop();
    standing.delete(key);
  }

  #some(isSo: (order: Order) => boolean): boolean {
    for (const orders of this.#standing.values())
      for (const { order } of orders.values()) if (isSo(order)) return true;
    return false;
  }
}

function pretended(totalMs: number): Outcome {
  return {
    kind: "failure",
    error: "timeout",
    detail: PRETENDED,
    timings: { connectMs: null, tlsMs: null, firstByteMs: null, totalMs },
  };
}
