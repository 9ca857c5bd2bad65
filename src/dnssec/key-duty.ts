/** What each key of a zone signs: all of it, or in a rollover a part (RFC 6781 §4.1). */

import { RRType } from "../wire/codes.ts";
import type { KeyRef } from "./key-name.ts";

/** Each a bit. */
export const Duty = {
  /** The DNSKEY RRset. */
  Keys: 1,
  /** Everything else but CDS and CDNSKEY, which every key signs: the parent goes by the key that its DS has (RFC 7344 §4.1). */
  Data: 2,
  All: 3,
  /** Signatures of everything else are made ahead, and not given yet: a key that comes finds them there. */
  Ahead: 4,
} as const;

/** A key with what it signs: the sum of its duties, none of which may be there. */
export interface KeyDuty extends KeyRef {
  readonly duties: number;
}

/** Whether signatures of RRsets of this type are made ahead by a key with these duties. */
export function preparesType(duties: number, type: number): boolean {
  return signsType((duties & Duty.Ahead) === 0 ? duties : duties | Duty.Data, type);
}

/** Whether a key with these duties signs RRsets of this type. */
export function signsType(duties: number, type: number): boolean {
  if (type === RRType.DNSKEY) return (duties & Duty.Keys) !== 0;
  return (duties & Duty.Data) !== 0 || type === RRType.CDS || type === RRType.CDNSKEY;
}
