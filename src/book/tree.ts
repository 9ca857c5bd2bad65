/** The owner names of all zones as one tree: which node hides which, and which service answers where. */

import { RRType } from "../wire/codes.ts";
import { isWithin, labelCount, type Name, nameKey, parentOf } from "../wire/name.ts";
import type { RRset, Zone } from "../zone/zone.ts";
import { NodeKind } from "./layout.ts";

/** An owner name on its way into the book. */
export interface TreeNode {
  readonly name: Name;
  readonly zone: number;
  readonly rrsets: ReadonlyMap<number, RRset>;
  readonly kind: number;
  /** Number of its service, or null. */
  service: number | null;
  /** The topmost delegation or DNAME above. */
  cut: TreeNode | null;
  /** The node of `*` directly below. */
  wildcard: TreeNode | null;
  /** At the apex of a zone inside another that is served: the outer zone's delegation, which owns the DS. */
  parentSide: TreeNode | null;
}

const NO_RRSETS: ReadonlyMap<number, RRset> = new Map();

/**
 * Builds the tree of all zones. Where one zone lies below another that is served too, the names below the inner
 * apex are the inner zone's alone. `services` gives the service number of a name's key; a `STEER` owner takes the
 * number of the service it names.
 */
export function buildTree(
  zones: readonly Zone[],
  services: ReadonlyMap<string, { readonly number: number; readonly name: Name }>,
): ReadonlyMap<string, TreeNode> {
  const apexes = new Map(zones.map((zone, number) => [nameKey(zone.apex), number]));
  const tree = new Map<string, TreeNode>();
  const parentSides = new Map<string, TreeNode>();
  for (const [number, zone] of zones.entries()) {
    for (const [key, { name, rrsets, steered }] of zone.nodes) {
      if (zoneOf(key, apexes) !== number) {
        const isParent = apexes.has(key) && zoneOf(parentKey(key), apexes) === number;
        if (isParent) parentSides.set(key, newNode(name, number, rrsets, null, false));
        continue;
      }
      const service = steered === null ? null : (services.get(nameKey(steered.as))?.number ?? null);
      tree.set(key, newNode(name, number, rrsets, service, key === nameKey(zone.apex)));
    }
  }
  for (const [key, { number, name }] of services) {
    const zone = zoneOf(key, apexes);
    if (zone === null) continue;
    const node = tree.get(key);
    if (node === undefined) tree.set(key, newNode(name, zone, NO_RRSETS, number, false));
    else node.service = number;
  }
  addEmptyNonTerminals(tree, zones);
  for (const [key, node] of parentSides) {
    const apex = tree.get(key);
    if (apex !== undefined && node.kind === NodeKind.Delegation) apex.parentSide = node;
  }
  for (const [key, node] of tree) {
    node.cut = topmostCut(key, node, tree, apexes);
    if (key.startsWith("\x01*")) {
      const parent = tree.get(parentKey(key));
      if (parent !== undefined) parent.wildcard = node;
    }
  }
  return tree;
}

/** The most labels an owner name has. */
export function labelsMax(tree: ReadonlyMap<string, TreeNode>): number {
  let most = 0;
  for (const { name } of tree.values()) most = Math.max(most, labelCount(name));
  return most;
}

/** Number of the zone a name belongs to: the one with the longest apex at or above it; null: none. */
function zoneOf(key: string, apexes: ReadonlyMap<string, number>): number | null {
  for (let at = key; ; at = parentKey(at)) {
    const zone = apexes.get(at);
    if (zone !== undefined) return zone;
    if (at.length === 1) return null;
  }
}

/** The key of the name one label up. */
function parentKey(key: string): string {
  return key.slice(key.charCodeAt(0) + 1);
}

function newNode(
  name: Name,
  zone: number,
  rrsets: ReadonlyMap<number, RRset>,
  service: number | null,
  isApex: boolean,
): TreeNode {
  let kind: number = NodeKind.Plain;
  if (rrsets.has(RRType.CNAME)) kind = NodeKind.Cname;
  if (rrsets.has(RRType.DNAME)) kind = NodeKind.Dname;
  if (rrsets.has(RRType.NS) && !isApex) kind = NodeKind.Delegation;
  return { name, zone, rrsets, kind, service, cut: null, wildcard: null, parentSide: null };
}

/** Names that own nothing but have names below them exist too (RFC 4592 §2.2.2). */
function addEmptyNonTerminals(tree: Map<string, TreeNode>, zones: readonly Zone[]): void {
  for (const node of [...tree.values()]) {
    const apex = zones[node.zone]?.apex;
    for (let name = parentOf(node.name); name !== null; name = parentOf(name)) {
      const key = nameKey(name);
      if (apex === undefined || tree.has(key) || !isWithin(name, apex)) break;
      tree.set(key, newNode(name, node.zone, NO_RRSETS, null, false));
    }
  }
}

function topmostCut(
  key: string,
  node: TreeNode,
  tree: ReadonlyMap<string, TreeNode>,
  apexes: ReadonlyMap<string, number>,
): TreeNode | null {
  let cut: TreeNode | null = null;
  for (let at = key; !apexes.has(at); ) {
    at = parentKey(at);
    const above = tree.get(at);
    if (above === undefined || above.zone !== node.zone) break;
    if (above.kind === NodeKind.Delegation || above.kind === NodeKind.Dname) cut = above;
  }
  return cut;
}
