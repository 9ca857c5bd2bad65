/** A zone with another node in place of one of its own. */

import { nameKey } from "../wire/name.ts";
import type { ZoneNode, ZoneNodes } from "./zone.ts";

/** The same nodes but for that one, whose owner must be among them. The others are not copied. */
export function withNode(nodes: ZoneNodes, node: ZoneNode): ZoneNodes {
  return new Replaced(nodes, nameKey(node.name), node);
}

class Replaced implements ZoneNodes {
  readonly #nodes: ZoneNodes;
  readonly #key: string;
  readonly #node: ZoneNode;

  constructor(nodes: ZoneNodes, key: string, node: ZoneNode) {
    this.#nodes = nodes;
    this.#key = key;
    this.#node = node;
  }

  get size(): number {
    return this.#nodes.size;
  }

  has(key: string): boolean {
    return this.#nodes.has(key);
  }

  get(key: string): ZoneNode | undefined {
    return key === this.#key ? this.#node : this.#nodes.get(key);
  }

  keys(): MapIterator<string> {
    return this.#nodes.keys();
  }

  *values(): Generator<ZoneNode, undefined> {
    for (const [, node] of this) yield node;
  }

  *[Symbol.iterator](): Generator<[string, ZoneNode], undefined> {
    for (const [key, node] of this.#nodes) yield [key, key === this.#key ? this.#node : node];
  }
}
