/** What several nodes want probed, as one list of probes. */

import type { Target } from "./protocol.ts";

/** One target, and every node that asked for it. */
export interface SharedTarget<Node> {
  readonly target: Target;
  readonly nodes: ReadonlySet<Node>;
}

/**
 * Joins equal targets, so that a VIP is probed once however many nodes ask; by a key that stays the same as long as the
 * target does. Targets that differ in anything are probed apart: while nodes have different configs, each gets the
 * reports that its own config counts on.
 */
export function mergeTargets<Node>(
  asked: ReadonlyMap<Node, readonly Target[]>,
): ReadonlyMap<string, SharedTarget<Node>> {
  const shared = new Map<string, { readonly target: Target; readonly nodes: Set<Node> }>();
  for (const [node, targets] of asked) {
    for (const target of targets) {
      const key = JSON.stringify(target);
      const known = shared.get(key);
      if (known === undefined) shared.set(key, { target, nodes: new Set([node]) });
      else known.nodes.add(node);
    }
  }
  return shared;
}
