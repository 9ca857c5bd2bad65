/** What real clients are asked about a zone: every name with the types that it has, and with others. */

import { RRType, rrTypeName } from "../../src/wire/codes.ts";
import { formatName, type Name, nameKey } from "../../src/wire/name.ts";
import type { Zone } from "../../src/zone/zone.ts";
import { wireName } from "./message.ts";
import { type Truth, truthOf } from "./oracle.ts";

/** One question, and what is to be heard. */
export interface Question {
  readonly qname: Name;
  readonly qtype: number;
  readonly name: string;
  readonly type: string;
  readonly truth: Truth;
}

/** A question in the words of its parts. */
export function questionOf(qname: Name, qtype: number, truth: Truth): Question {
  return { qname, qtype, name: formatName(qname), type: rrTypeName(qtype), truth };
}

/** Every name with each type that it has and with A, AAAA and TXT, and at a cut with DS. */
export function questionsOf(zone: Zone, qnames: readonly string[]): readonly Question[] {
  return qnames.flatMap((text) => {
    const qname = wireName(text) as Name;
    const own = [...(zone.nodes.get(nameKey(qname))?.rrsets.keys() ?? [])];
    const isCut = own.includes(RRType.NS) && nameKey(qname) !== nameKey(zone.apex);
    const types = new Set([RRType.A, RRType.AAAA, RRType.TXT, ...own, ...(isCut ? [RRType.DS] : [])]);
    return [...types].map((qtype) => questionOf(qname, qtype, truthOf(zone, qname, qtype)));
  });
}

/** What a resolver can find out: not what is delegated to servers that there are not, nor names of others, nor YXDOMAIN. */
export function isResolvable({ truth: { end, rcode } }: Question): boolean {
  return end === "here" && rcode !== "YXDOMAIN";
}
