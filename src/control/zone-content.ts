/** Whether two versions of a zone say the same, whatever the order and the places of what they say. */

import { ITEMS_OF_STEP, type Steps } from "../steps.ts";
import type { RRset, Zone, ZoneNode } from "../zone/zone.ts";

/** Whether all RRs of the zones are equal. */
export function* isSameContent(a: Zone, b: Zone): Steps<boolean> {
  if (a.nodes.size !== b.nodes.size) return false;
  let compared = 0;
  for (const [key, node] of a.nodes) {
    if (!isSameNode(node, b.nodes.get(key))) return false;
    compared += 1;
    if (compared % ITEMS_OF_STEP === 0) yield;
  }
  return true;
}

function isSameNode(a: ZoneNode, b: ZoneNode | undefined): boolean {
  if (b === undefined || a.rrsets.size !== b.rrsets.size) return false;
  return a.rrsets.values().every((rrset) => isSameRRset(rrset, b.rrsets.get(rrset.type)));
}

function isSameRRset(a: RRset, b: RRset | undefined): boolean {
  if (b === undefined || a.ttlSeconds !== b.ttlSeconds || a.rdatas.length !== b.rdatas.length) return false;
  return a.rdatas.every((rdata) => b.rdatas.some((other) => Buffer.compare(rdata, other) === 0));
}
