/** What a zone says of a name and a type, found the slow way of RFC 1034 §4.3.2: an oracle for answers, not for messages. */

import { RRType, rrTypeName } from "../../src/wire/codes.ts";
import { formatName, type Name, nameKey } from "../../src/wire/name.ts";
import { rdataKey } from "../../src/zone/rdata.ts";
import type { RRset, Zone } from "../../src/zone/zone.ts";

/** The truth about a question. */
export interface Truth {
  readonly rcode: "NOERROR" | "NXDOMAIN" | "YXDOMAIN";
  /** RRs as `rrText` writes them, each once, sorted. */
  readonly answers: readonly string[];
  /** Where the answer ends: in this zone, at a delegation, at a name of others, or nowhere. */
  readonly end: "here" | "delegation" | "elsewhere" | "loop";
}

/** An RR in one line, whatever the case of its names. */
export function rrText(owner: Name, ttl: number, type: number, rdata: Uint8Array): string {
  const key = Buffer.from(rdataKey(type, rdata), "latin1").toString("hex");
  return `${formatName(owner).toLowerCase()} ${ttl} ${rrTypeName(type)} ${key}`;
}

/** Names followed before it is called a loop; more than any chain of the zone has. */
const LINKS = 12;

/** Answers `qname` and `qtype` from the zone. */
export function truthOf(zone: Zone, qname: Name, qtype: number): Truth {
  const answers = new Set<string>();
  const add = (owner: Name, rrset: RRset): void => {
    for (const rdata of rrset.rdatas) answers.add(rrText(owner, rrset.ttlSeconds, rrset.type, rdata));
  };
  const end = (rcode: Truth["rcode"], where: Truth["end"]): Truth => ({
    rcode,
    answers: [...answers].toSorted(),
    end: where,
  });
  let name = qname;
  for (let links = 0; links < LINKS; links += 1) {
    const labels = labelsOf(name);
    const cut = cutAbove(zone, labels, qtype);
    if (cut === "outside") return end("NOERROR", "elsewhere");
    if (cut !== null && cut.rrset.type === RRType.NS) return end("NOERROR", "delegation");
    if (cut !== null) {
      add(join(labels.slice(cut.depth)), cut.rrset);
      const target = cut.rrset.rdatas[0] ?? new Uint8Array(1);
      const made = Uint8Array.from([...join(labels.slice(0, cut.depth)).subarray(0, -1), ...target]) as Name;
      if (made.length > 255) return end("YXDOMAIN", "here");
      answers.add(rrText(name, cut.rrset.ttlSeconds, RRType.CNAME, made));
      if (qtype === RRType.CNAME) return end("NOERROR", "here");
      name = made;
      continue;
    }
    const rrsets = rrsetsAt(zone, labels);
    if (rrsets === null) return end("NXDOMAIN", "here");
    const rrset = rrsets.get(qtype);
    const cname = rrsets.get(RRType.CNAME);
    if (rrset !== undefined) add(name, rrset);
    if (rrset !== undefined || cname === undefined) return end("NOERROR", "here");
    add(name, cname);
    name = (cname.rdatas[0] ?? new Uint8Array(1)) as Name;
  }
  return end("NOERROR", "loop");
}

/** The topmost delegation or DNAME at or above a name; a DNAME at the name itself, and DS at a cut, are below none. */
function cutAbove(
  zone: Zone,
  labels: readonly Uint8Array[],
  qtype: number,
): { readonly depth: number; readonly rrset: RRset } | "outside" | null {
  const apex = labels.length - labelsOf(zone.apex).length;
  if (apex < 0 || nameKey(join(labels.slice(apex))) !== nameKey(zone.apex)) return "outside";
  for (let depth = apex; depth >= 0; depth -= 1) {
    const rrsets = zone.nodes.get(nameKey(join(labels.slice(depth))))?.rrsets;
    const ns = depth === apex ? undefined : rrsets?.get(RRType.NS);
    if (ns !== undefined && !(depth === 0 && qtype === RRType.DS)) return { depth, rrset: ns };
    const dname = depth === 0 ? undefined : rrsets?.get(RRType.DNAME);
    if (dname !== undefined) return { depth, rrset: dname };
  }
  return null;
}

/** The RRsets of a name, or of the wildcard at its closest encloser; null: there is neither. */
function rrsetsAt(zone: Zone, labels: readonly Uint8Array[]): ReadonlyMap<number, RRset> | null {
  for (let depth = 0; depth <= labels.length; depth += 1) {
    const encloser = nameKey(join(labels.slice(depth)));
    const found = rrsetsOf(zone, encloser);
    if (found !== null) return depth === 0 ? found : rrsetsOf(zone, `\x01*${encloser}`);
  }
  return null;
}

/** The RRsets of exactly that name, none of an empty non-terminal; null: the name does not exist. */
function rrsetsOf(zone: Zone, key: string): ReadonlyMap<number, RRset> | null {
  const exists = zone.nodes.has(key) || [...zone.nodes.keys()].some((other) => isBelow(other, key));
  return exists ? (zone.nodes.get(key)?.rrsets ?? new Map()) : null;
}

/** Whether one name, as a key, is below another. */
function isBelow(key: string, above: string): boolean {
  for (let at = 0; at < key.length; at += key.charCodeAt(at) + 1) if (key.slice(at) === above) return at > 0;
  return false;
}

function labelsOf(name: Name): readonly Uint8Array[] {
  const labels: Uint8Array[] = [];
  for (let at = 0; name[at] !== 0; at += (name[at] ?? 0) + 1)
    labels.push(name.slice(at, at + (name[at] ?? 0) + 1));
  return labels;
}

function join(labels: readonly Uint8Array[]): Name {
  return Uint8Array.from([...labels.flatMap((label) => [...label]), 0]) as Name;
}
