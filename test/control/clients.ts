/** What clients of each country get, and how many of them get something else after a change: a count without any of ours. */

import { parseAddress } from "../../src/wire/address.ts";
import { parseName, rootName } from "../../src/wire/name.ts";
import { GB, JP, type Node, US } from "./test-node.ts";

/** For each service and country the shares of its clients by VIP. */
export type Answers = readonly ReadonlyMap<string, number>[];

export function answersTo(node: Node, services: readonly string[]): Answers {
  return services.flatMap((service) =>
    [GB, JP, US].map((address) => {
      const [qname, client] = [parseName(service, rootName), parseAddress(address)];
      if (qname.kind !== "name" || client === null) throw new Error("no question");
      const outcome = node.desk.explain({ qname: qname.name, client, family: 4, supposed: [] });
      if (outcome.kind !== "explained" || outcome.explanation.plan.kind !== "answer") return new Map();
      return new Map(outcome.explanation.plan.shares.map(({ vip, share }) => [vip, share]));
    }),
  );
}

/** The part of all clients, 0 to 1. */
export function movedBetween(before: Answers, after: Answers): number {
  const lost = before.flatMap((shares, i) =>
    Array.from(shares, ([vip, share]) => Math.max(0, share - (after[i]?.get(vip) ?? 0))),
  );
  return lost.reduce((sum, part) => sum + part, 0) / before.length;
}
