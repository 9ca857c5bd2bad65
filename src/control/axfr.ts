/** A zone as the messages of a transfer (RFC 5936 §2.2): its SOA, all other RRs, and its SOA again. */

import assert from "node:assert/strict";
import { RRClass, RRType } from "../wire/codes.ts";
import { fixedRRLength, HeaderBits, headerLength } from "../wire/format.ts";
import type { Message, MessageWriter } from "../wire/message.ts";
import { type Name, nameKey } from "../wire/name.ts";
import { serialIn } from "../wire/serial.ts";
import type { RRset, Zone } from "../zone/zone.ts";
import { beginResponse, endResponse } from "./response.ts";

/** As far as a pointer reaches (RFC 1035 §4.1.4), so that every name of a message can be compressed. */
const MESSAGE_OCTETS = 16_384;
/** A header, and what stands between an owner name and its RDATA. */
const AROUND_RR = headerLength + fixedRRLength;

interface RR {
  readonly owner: Name;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly rdata: Uint8Array;
}

/** The SOA of a zone. */
export function soaOf({ apex, nodes }: Zone): RRset {
  const soa = nodes.get(nameKey(apex))?.rrsets.get(RRType.SOA);
  assert(soa !== undefined, "a zone that was checked has an SOA");
  return soa;
}

/** The serial of a zone. */
export function serialOf(zone: Zone): number {
  const [rdata] = soaOf(zone).rdatas;
  const serial = rdata === undefined ? null : serialIn(rdata);
  assert(serial !== null, "an SOA that was parsed has a serial");
  return serial;
}

/**
 * The messages of the response, each made when it is asked for. Glue comes along (RFC 5936 §3.3), names keep their case
 * (§3.4), the question stands in the first message alone (§2.2.2). What is steered is not in a zone's RRsets. No RRset
 * is longer than half of what a message may have (`rrsetLengthMax`), so that each RR has room in one, with any TSIG.
 */
export function* zoneMessages(zone: Zone, octets: Uint8Array, message: Message): Generator<Uint8Array> {
  let writer = beginResponse(octets, message, HeaderBits.AA, MESSAGE_OCTETS);
  let request: Message | null = message;
  for (const rr of rrsOf(zone)) {
    if (add(writer, rr)) continue;
    yield endResponse(writer, request);
    request = null;
    const sizeMax = Math.max(MESSAGE_OCTETS, AROUND_RR + rr.owner.length + rr.rdata.length);
    writer = beginResponse(octets, null, HeaderBits.AA, sizeMax);
    assert(add(writer, rr), "an RR fits into a message of its own");
  }
  yield endResponse(writer, request);
}

/** A response that has the SOA alone: who asks has this version already, or is to ask over TCP (RFC 1995 §2, §4). */
export function soaMessage(zone: Zone, octets: Uint8Array, message: Message): Uint8Array {
  const writer = beginResponse(octets, message, HeaderBits.AA);
  for (const rr of rrsIn(zone.apex, soaOf(zone))) add(writer, rr);
  return endResponse(writer, message);
}

function add(writer: MessageWriter, { owner, type, ttlSeconds, rdata }: RR): boolean {
  return writer.answer(owner, type, RRClass.IN, ttlSeconds, rdata);
}

function* rrsOf(zone: Zone): Generator<RR> {
  const soa = soaOf(zone);
  yield* rrsIn(zone.apex, soa);
  for (const { name, rrsets } of zone.nodes.values()) {
    for (const rrset of rrsets.values()) if (rrset.type !== RRType.SOA) yield* rrsIn(name, rrset);
  }
  yield* rrsIn(zone.apex, soa);
}

function* rrsIn(owner: Name, { type, ttlSeconds, rdatas }: RRset): Generator<RR> {
  for (const rdata of rdatas) yield { owner, type, ttlSeconds, rdata };
}
