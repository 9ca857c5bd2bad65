/** The octets of strings in master files, and strings for octets (RFC 1035 §5.1). */

import { readEscape } from "../wire/name.ts";

/**
 * The octets that a string stands for: `\DDD` and `\X` escapes resolved, characters beyond ASCII in UTF-8. Null where
 * an escape is not one, or the file was not UTF-8 at this place.
 */
export function decodeText(text: string): readonly number[] | null {
  const octets: number[] = [];
  for (let i = 0; i < text.length; i += 1) {
    const character = text.charCodeAt(i);
    if (character === backslash) {
      const escaped = readEscape(text, i);
      if (escaped === null) return null;
      octets.push(escaped.octet);
      i += escaped.length - 1;
    } else if (character < 0x80) {
      octets.push(character);
    } else {
      const point = text.codePointAt(i) ?? replacementCharacter;
      if (point === replacementCharacter) return null;
      octets.push(...Buffer.from(String.fromCodePoint(point)));
      if (point > 0xffff) i += 1;
    }
  }
  return octets;
}

/** A quoted string that `decodeText` turns into these octets. */
export function quoteText(octets: Iterable<number>): string {
  let text = "";
  for (const octet of octets) {
    if (octet === quote || octet === backslash) text += `\\${String.fromCharCode(octet)}`;
    else if (octet >= 0x20 && octet <= 0x7e) text += String.fromCharCode(octet);
    else text += `\\${String(octet).padStart(3, "0")}`;
  }
  return `"${text}"`;
}

const quote = 0x22;
const backslash = 0x5c;
/** What a decoder of UTF-8 puts in place of what it cannot read. */
const replacementCharacter = 0xfffd;
