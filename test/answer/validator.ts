/** Checks every signature of a reply against a zone's key, from what an independent decoder read. */

import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import type { Answer } from "dns-packet";
import * as dnsPacket from "dns-packet";
import { Algorithm, publicKeyOctets, verifyData } from "../../src/dnssec/algorithm.ts";
import { canonicalRdatas } from "../../src/dnssec/canonical.ts";
import { dnskeyRdata, dsRdata, keyTag } from "../../src/dnssec/dnskey.ts";
import { Duty } from "../../src/dnssec/key-duty.ts";
import { SignedSet, signedData } from "../../src/dnssec/rrsig.ts";
import type { Signing, SigningKey } from "../../src/dnssec/signer.ts";
import { rrTypeCode } from "../../src/wire/codes.ts";
import { nameKey } from "../../src/wire/name.ts";
import { withNode } from "../../src/zone/with-node.ts";
import type { RRset, Zone } from "../../src/zone/zone.ts";
import { nameOf } from "../dnssec/zone-text.ts";
import type { Reply } from "./harness.ts";

/** A key made for a test. */
export function keyOf(algorithm: Algorithm): SigningKey {
  const { privateKey } =
    algorithm === Algorithm.Ed25519
      ? generateKeyPairSync("ed25519")
      : generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return { algorithm, tag: keyTag(dnskeyOf(algorithm, privateKey)), privateKey, duties: Duty.All };
}

/** A zone with the RRsets of its keys in it, as control puts them there. */
export function withKeys(zone: Zone, { keys }: Signing): Zone {
  const apex = zone.nodes.get(nameKey(zone.apex))!;
  const dnskeys = keys.map(({ algorithm, privateKey }) => dnskeyOf(algorithm, privateKey));
  const place = { file: "test.key", line: 1, column: 1 };
  const rrsets = new Map<number, RRset>(apex.rrsets);
  for (const [type, rdatas] of [
    [48, dnskeys],
    [59, dnskeys.map((dnskey) => dsRdata(zone.apex, dnskey))],
    [60, dnskeys],
  ] as const)
    rrsets.set(type, { type, ttlSeconds: 3600, rdatas, place });
  return { ...zone, nodes: withNode(zone.nodes, { ...apex, rrsets }) };
}

interface SignatureData {
  readonly typeCovered: string;
  readonly algorithm: number;
  readonly labels: number;
  readonly originalTTL: number;
  readonly expiration: number;
  readonly inception: number;
  readonly keyTag: number;
  readonly signersName: string;
  readonly signature: Buffer;
}

/** One RRset of a reply, and whether a valid signature covers it. */
export interface Verified {
  /** `www.example A`. */
  readonly what: string;
  readonly isSigned: boolean;
}

/**
 * The RRsets of answer and authority in order. Throws where a signature is wrong, covers nothing that is there, has another
 * TTL than what it covers, or does not hold at `moment`.
 */
export function verify(reply: Reply, keys: readonly SigningKey[], moment: number): readonly Verified[] {
  return [reply.answers ?? [], reply.authorities ?? []].flatMap((section) => {
    const sets = Map.groupBy(
      section.filter(({ type }) => type !== "RRSIG"),
      (rr) => `${rr.name} ${rr.type}`,
    );
    const signed = new Set<string>();
    for (const rrsig of section.filter(({ type }) => type === "RRSIG")) {
      const data = Reflect.get(rrsig, "data") as SignatureData;
      const what = `${rrsig.name} ${data.typeCovered}`;
      const rrs = sets.get(what);
      if (rrs === undefined) throw new Error(`an RRSIG covers ${what}, which is not there`);
      const key = keys.find(({ tag, algorithm }) => tag === data.keyTag && algorithm === data.algorithm);
      if (key === undefined) throw new Error(`an RRSIG of ${what} is by another key`);
      if (rrs.some((rr) => ttlOf(rr) !== ttlOf(rrsig)))
        throw new Error(`the RRSIG of ${what} has another TTL`);
      if (data.inception > moment || data.expiration <= moment) throw new Error(`${what} does not hold now`);
      if (!holds(rrsig.name, rrs, data, key)) throw new Error(`the signature of ${what} is wrong`);
      signed.add(what);
    }
    return Array.from(sets.keys(), (what) => ({ what, isSigned: signed.has(what) }));
  });
}

function holds(owner: string, rrs: readonly Answer[], data: SignatureData, key: SigningKey): boolean {
  const type = rrTypeCode(data.typeCovered.replace("UNKNOWN_", "TYPE")) ?? 0;
  const set = new SignedSet();
  const name = nameOf(`${owner === "." ? "" : owner}.`);
  const labels = owner.split(".").filter((label) => label !== "" && label !== "*").length;
  if (data.labels !== labels) throw new Error(`the RRSIG of ${owner} counts ${data.labels} labels`);
  set.names = name;
  set.ownerLength = name.length;
  set.apexLength = nameOf(`${data.signersName}.`).length;
  set.type = type;
  set.ttlSeconds = data.originalTTL;
  set.rdatas = canonicalRdatas(type, rrs.map(rdataOf));
  set.rdatasLength = set.rdatas.length;
  const octets = signedData(set, data.algorithm, data.keyTag, data.inception, data.expiration);
  return verifyData(key.algorithm, createPublicKey(key.privateKey), octets, data.signature);
}

/** RDATA as the decoder's own encoder writes it: without compression. */
function rdataOf(rr: Answer): Uint8Array {
  // The package's types do not know of it.
  const record = Reflect.get(dnsPacket, "record") as (type: string) => { encode(data: unknown): Uint8Array };
  return record(rr.type).encode(Reflect.get(rr, "data")).subarray(2);
}

function ttlOf(rr: Answer): number {
  return Number(Reflect.get(rr, "ttl"));
}

function dnskeyOf(algorithm: Algorithm, key: KeyObject): Uint8Array {
  return dnskeyRdata(algorithm, publicKeyOctets(key));
}
