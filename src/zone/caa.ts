/** The tag of CAA rdata (RFC 8659 §4.1). */

import { u8 } from "../wire/bytes.ts";
import { type Field, pushOctets } from "./fields.ts";

const tagForm = /^[0-9a-z]{1,255}$/i;

/** A property tag: letters and digits after their count. */
export const caaTag: Field = {
  name: "tag",
  parse(words, rdata) {
    const text = words.takePlain("tag");
    if (text === null) return false;
    if (!tagForm.test(text)) {
      return words.refuse(`"${text}" is not a tag: expected letters and digits, such as issue`);
    }
    rdata.push(text.length);
    pushOctets(rdata, Buffer.from(text, "latin1"));
    return true;
  },
  format(rdata, at, texts) {
    if (at >= rdata.length) return -1;
    const end = at + 1 + u8(rdata, at);
    if (end > rdata.length) return -1;
    const text = Buffer.from(rdata.slice(at + 1, end)).toString("latin1");
    if (!tagForm.test(text)) return -1;
    texts.push(text);
    return end;
  },
};
