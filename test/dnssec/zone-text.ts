/** Names and RDATA from their texts; a problem in one is the test's mistake. */

import { rrTypeCode } from "../../src/wire/codes.ts";
import { type Name, parseName } from "../../src/wire/name.ts";
import { RdataWords } from "../../src/zone/fields.ts";
import { parseRdata } from "../../src/zone/rdata.ts";
import type { Word } from "../../src/zone/scan.ts";

/** An absolute name. */
export function nameOf(text: string): Name {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

/** RDATA in wire form. */
export function rdataOf(type: string, text: string): Uint8Array {
  const texts = [type, ...(text.match(/"[^"]*"|\S+/g) ?? [])];
  const words: readonly Word[] = texts.map((word, i) => ({
    text: word.replaceAll('"', ""),
    quoted: word.startsWith('"'),
    line: 1,
    column: i,
  }));
  const rdata = parseRdata(rrTypeCode(type) ?? 0, new RdataWords(words, 0, null));
  if (rdata === null) throw new Error(`cannot read ${type} ${text}`);
  return rdata;
}
