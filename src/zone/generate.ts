/** `$GENERATE`: one line of a master file that stands for many RRs. */

import type { Word } from "./scan.ts";

/** A larger range is taken for a typo: it would be most of an IPv4 /8 in one line. */
const generateCountMax = 65_536;

/** The values of a `$GENERATE`. */
export interface Range {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
}

/** Words with their values put in, or why that cannot be. */
export type Generated =
  | { readonly kind: "words"; readonly words: readonly Word[] }
  | { readonly kind: "problem"; readonly word: Word; readonly message: string };

/** The range of `start-stop` or `start-stop/step`, or what is wrong with it. */
export function parseRange(text: string): Range | string {
  const [, startText, stopText, stepText = "1"] = /^(\d{1,10})-(\d{1,10})(?:\/(\d{1,10}))?$/.exec(text) ?? [];
  const range = { start: Number(startText), stop: Number(stopText), step: Number(stepText) };
  if (startText === undefined || range.step === 0) {
    return `"${text}" is not a range: expected start-stop or start-stop/step`;
  }
  if (range.start > range.stop) return `the range ${text} ends before it starts`;
  if (range.stop > 2 ** 31 - 1) return `the range ${text} goes beyond ${2 ** 31 - 1}`;
  const count = Math.floor((range.stop - range.start) / range.step) + 1;
  if (count > generateCountMax)
    return `the range ${text} has ${count} values: expected at most ${generateCountMax}`;
  return range;
}

/**
 * The words with each `$` replaced by `value`, and each `${offset,width,base}` by it plus `offset`, padded with
 * zeros to `width`, in decimal (d), octal (o), hex (x, X) or reversed nibbles with dots between them (n, N).
 * `\$` and `$$` stay a dollar sign.
 */
export function generate(words: readonly Word[], value: number): Generated {
  const generated: Word[] = [];
  for (const word of words) {
    let message: string | null = null;
    const text = word.text.replace(
      /\\.|\$\$|\$\{([^}]*)\}|\$\{|\$/gs,
      (match, options: string | undefined) => {
        if (match.startsWith("\\")) return match;
        if (match === "$$") return "\\$";
        if (match === "$") return String(value);
        const replaced = options === undefined ? null : formatValue(value, options);
        if (replaced === null)
          message = `"${match}" is not right: expected \${offset,width,base} with base d, o, x, X, n or N`;
        else if (replaced === "") message = `"${match}" of ${value} is below zero`;
        return replaced ?? "";
      },
    );
    if (message !== null) return { kind: "problem", word, message };
    generated.push({ ...word, text });
  }
  return { kind: "words", words: generated };
}

/** Wider texts fit in no name. */
const widthMax = 255;

/** The value in the form that `offset,width,base` says; null where that says nothing, "" where it is below zero. */
function formatValue(value: number, options: string): string | null {
  const [, offset, widthText = "0", base = "d"] =
    /^([+-]?\d{1,10})(?:,(\d{1,3})(?:,([doxXnN]))?)?$/.exec(options) ?? [];
  const width = Number(widthText);
  if (offset === undefined || width > widthMax) return null;
  const number = value + Number(offset);
  if (number < 0) return "";
  switch (base) {
    case "o":
      return number.toString(8).padStart(width, "0");
    case "x":
      return number.toString(16).padStart(width, "0");
    case "X":
      return number.toString(16).toUpperCase().padStart(width, "0");
    case "n":
      return nibbles(number.toString(16), width);
    case "N":
      return nibbles(number.toString(16).toUpperCase(), width);
    default:
      return String(number).padStart(width, "0");
  }
}

/** Hex digits, the lowest first, as labels of ip6.arpa; the width counts the dots too. */
function nibbles(digits: string, width: number): string {
  let text = [...digits].reverse().join(".");
  while (text.length < width) text += text.length % 2 === 0 ? "0" : ".";
  return text;
}
