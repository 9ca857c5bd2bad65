/** The type bitmaps of a node: what its NSEC says is there. */

import { typeBitmap } from "../dnssec/nsec.ts";
import { putU16 } from "../wire/bytes.ts";
import { RRType } from "../wire/codes.ts";

/** What of a service decides the types that it may answer. */
interface SteeredTypes {
  readonly service: { readonly https: object | null };
  readonly capacity4: number;
  readonly capacity6: number;
}

/** One bitmap, or, at a service, four, each behind its length in two octets (see `Node.types`). */
export function typeBitmaps(
  types: Iterable<number>,
  isDelegation: boolean,
  service: SteeredTypes | null,
): Uint8Array {
  const all = new Set(types);
  if (service !== null) {
    if (service.capacity4 > 0) all.add(RRType.A);
    if (service.capacity6 > 0) all.add(RRType.AAAA);
    if (service.service.https !== null) all.add(RRType.HTTPS);
  }
  // The zone's own side of a cut alone: glue is the child's (RFC 4035 §2.3).
  if (isDelegation) for (const type of all) if (type !== RRType.NS && type !== RRType.DS) all.delete(type);
  all.add(RRType.RRSIG).add(RRType.NSEC);
  const missing = service === null ? [] : [RRType.A, RRType.AAAA, RRType.HTTPS];
  const sets = [all, ...missing.map((type) => new Set(all).difference(new Set([type])))];
  return Buffer.concat(sets.flatMap((types) => withLength(typeBitmap(types))));
}

function withLength(bitmap: Uint8Array): readonly Uint8Array[] {
  const length = new Uint8Array(2);
  putU16(length, 0, bitmap.length);
  return [length, bitmap];
}
