import { describe, expect, test } from "vitest";
import { Scanner } from "../../src/zone/scan.ts";
import { fc } from "../fast-check.ts";

/** Entries as text: `.` for a line that starts blank, `!` for one that is not sound, then `column:word`. */
function scan(text: string): { readonly entries: readonly string[]; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const scanner = new Scanner(text, (line, column, message) => problems.push(`${line}:${column} ${message}`));
  const entries: string[] = [];
  for (let entry = scanner.next(); entry !== null; entry = scanner.next()) {
    const words = entry.words.map(
      (word) => `${word.line}:${word.column}:${word.quoted ? `"${word.text}"` : word.text}`,
    );
    entries.push(`${entry.startsBlank ? "." : ""}${entry.sound ? "" : "!"} ${words.join(" ")}`);
  }
  return { entries, problems };
}

describe("entries", () => {
  test.each([
    ["words with their places", "www  A 192.0.2.1\nx\tB", [" 1:1:www 1:6:A 1:8:192.0.2.1", " 2:1:x 2:3:B"]],
    ["a line that starts with a blank", " A b\n\tC d\n", [". 1:2:A 1:4:b", ". 2:2:C 2:4:d"]],
    ["blank lines and comments alone", '\n ; a\n;b\na ; c ( " \nb', [" 4:1:a", " 5:1:b"]],
    ["carriage returns", "a b\r\nc\r\n", [" 1:1:a 1:3:b", " 2:1:c"]],
    ["a byte order mark", "\ufeffa b", [" 1:1:a 1:3:b"]],
    ["parentheses over lines", "a ( b ; c )\n  d\n) e\nf", [" 1:1:a 1:5:b 2:3:d 3:3:e", " 4:1:f"]],
    ["parentheses without blanks", "a(b)c(d)", [" 1:1:a 1:3:b 1:5:c 1:7:d"]],
    ["quoted strings", 'a "b ;(c" "" "d\\"e"', [' 1:1:a 1:3:"b ;(c" 1:11:"" 1:14:"d\\"e"']],
    ["a quoted value after =", 'a key="b ;c" d', [" 1:1:a 1:3:key=b ;c 1:14:d"]],
    ["escapes, which end no word", 'a\\;b \\( c\\ d e\\"', [' 1:1:a\\;b 1:6:\\( 1:9:c\\ d 1:14:e\\"']],
    ["a backslash at the end of a line", "a\\\nb\\", [" 1:1:a\\", " 2:1:b\\"]],
  ])("are read with %s", (_, text, entries) => {
    expect(scan(text)).toEqual({ entries, problems: [] });
  });

  test.each([
    ["a quote that is not closed", 'a "b c\nd', ["1:3 this quote is not closed on its line"]],
    ["a quote before the end of the file", 'a "b\\', ["1:3 this quote is not closed on its line"]],
    ["a value's quote that is not closed", 'a k="b\nd', ["1:5 this quote is not closed on its line"]],
    [
      "a quote inside a word",
      'a b"c" d',
      ['1:4 a quote inside a word: write \\" for the character, or a space before a string'],
    ],
    ["a closing parenthesis alone", "a ) b\nc", ["1:3 a closing parenthesis without an opening one"]],
    [
      "a parenthesis in parentheses",
      "a ( b ( c )\nd",
      ["1:7 a parenthesis inside parentheses: close the first one before"],
    ],
    ["a parenthesis that is never closed", "a\nb ( c\nd\n", ["2:3 this parenthesis is never closed"]],
  ])("with %s are not sound", (_, text, problems) => {
    const scanned = scan(text);
    expect(scanned.problems).toEqual(problems);
    expect(scanned.entries.filter((entry) => /^\.?!/.test(entry))).toHaveLength(1);
  });
});

test("any text is scanned to its end, each word at its place", () => {
  const parts = fc.constantFrom("a", "$", " ", "\t", "\n", "\r\n", '"', "(", ")", ";", "\\", "=", "é", "1");
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 30 }), (texts) => {
      const text = texts.join("");
      const lines = text.split("\n");
      const scanner = new Scanner(text, () => undefined);
      for (let entry = scanner.next(); entry !== null; entry = scanner.next()) {
        expect(entry.words.length).toBeGreaterThan(0);
        for (const word of entry.words) {
          const rest = lines[word.line - 1]!.slice(word.column - 1);
          if (word.quoted) expect(rest.startsWith(`"${word.text}`)).toBe(true);
          else if (!word.text.includes("=")) expect(rest.startsWith(word.text)).toBe(true);
        }
      }
    }),
  );
});
