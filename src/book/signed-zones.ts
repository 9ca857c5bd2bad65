/** Which zones of a book are signed, and how: what dns has to know before it serves it. */

import { algorithmOf } from "../dnssec/algorithm.ts";
import type { KeyDuty } from "../dnssec/key-duty.ts";
import { word } from "../wire/bytes.ts";
import { type Name, readName } from "../wire/name.ts";
import type { Book } from "./book.ts";
import { Signing, ZONE_WORDS, ZoneRecord } from "./layout.ts";

/** A zone that is signed. */
export interface SignedZone {
  readonly apex: Name;
  readonly validitySeconds: number;
  readonly keys: readonly KeyDuty[];
}

/** By zone number; null: the zone is not signed. */
export function signedZones(book: Book): readonly (SignedZone | null)[] {
  return Array.from({ length: book.zoneCount }, (_, number) => signedZone(book, number));
}

function signedZone({ words, octets, octetsAt, zonesAt }: Book, number: number): SignedZone | null {
  const zone = zonesAt + number * ZONE_WORDS;
  const signing = word(words, zone + ZoneRecord.signing);
  const apexAt = octetsAt + word(words, zone + ZoneRecord.apex);
  const apex = readName(octets, apexAt, apexAt + word(words, zone + ZoneRecord.apexLength));
  if (signing === 0 || apex === null) return null;
  const keys = Array.from({ length: word(words, signing + Signing.keyCount) }, (_, i) => {
    const key = word(words, signing + Signing.keys + i);
    return { duties: key >>> 24, algorithm: algorithmOf((key >>> 16) & 0xff), tag: key & 0xffff };
  });
  return {
    apex,
    validitySeconds: word(words, signing + Signing.validitySeconds),
    keys: keys.flatMap(({ algorithm, ...key }) => (algorithm === null ? [] : [{ algorithm, ...key }])),
  };
}
