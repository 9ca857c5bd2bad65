import { describe, expect, test } from "vitest";
import { generate, parseRange } from "../../src/zone/generate.ts";
import { readLines } from "./texts.ts";

function generated(text: string, value: number): string {
  const result = generate([{ text, quoted: false, line: 1, column: 1 }], value);
  return result.kind === "words" ? result.words.map((word) => word.text).join(" ") : result.message;
}

describe("parseRange", () => {
  test.each([
    ["1-3", { start: 1, stop: 3, step: 1 }],
    ["0-10/5", { start: 0, stop: 10, step: 5 }],
    ["7-7", { start: 7, stop: 7, step: 1 }],
    ["0-65535", { start: 0, stop: 65535, step: 1 }],
  ])("reads %s", (text, range) => {
    expect(parseRange(text)).toEqual(range);
  });

  test.each([
    ["1", "not a range"],
    ["1-", "not a range"],
    ["a-b", "not a range"],
    ["1-2/0", "not a range"],
    ["3-1", "ends before it starts"],
    ["0-65536", "has 65537 values: expected at most 65536"],
    ["2147483647-2147483648", "goes beyond 2147483647"],
  ])("refuses %s: it %s", (text, message) => {
    expect(parseRange(text)).toContain(message);
  });
});

describe("values", () => {
  test.each([
    ["host-$", 7, "host-7"],
    ["$-$", 7, "7-7"],
    ["\\$$$", 7, "\\$\\$"],
    [`\${0}`, 7, "7"],
    [`\${-5}`, 7, "2"],
    [`\${+5,3}`, 7, "012"],
    [`\${0,3,d}`, 7, "007"],
    [`\${0,4,o}`, 8, "0010"],
    [`\${0,2,x}`, 171, "ab"],
    [`\${0,4,X}`, 171, "00AB"],
    // As BIND 9 pads nibbles: the width counts dots, and may end with one.
    [`\${0,7,n}`, 0xab, "b.a.0.0"],
    [`\${0,8,n}`, 0xab, "b.a.0.0."],
    [`\${0,1,N}`, 0xab, "B.A"],
    [`\${0,0,n}`, 0, "0"],
  ])("of %s at %i: %s", (text, value, expected) => {
    expect(generated(text, value)).toBe(expected);
  });

  test.each([
    [`\${}`, "is not right"],
    [`\${x}`, "is not right"],
    [`\${0,3,q}`, "is not right"],
    [`\${0,999}`, "is not right"],
    [`\${0`, "is not right"],
    [`\${-8}`, `"\${-8}" of 7 is below zero`],
  ])("of %s are refused: %s", (text, message) => {
    expect(generated(text, 7)).toContain(message);
  });
});

describe("$GENERATE", () => {
  test("makes an RR of each value", () => {
    expect(readLines("$GENERATE 1-3/2 h$ 30 IN A 192.0.2.$", `$GENERATE 8-8 \${0,3} PTR h$`)).toEqual(
      ["h1.example. 30 A 192.0.2.1", "h3.example. 30 A 192.0.2.3", "008.example. 30 PTR h8.example."].map(
        (text) => text.replace("008.example. 30", "008.example. 60"),
      ),
    );
  });

  test("reports a problem once, at the word of the template", () => {
    expect(readLines("$GENERATE 250-300 h$ A 192.0.2.$")).toEqual([
      'zone:5:24: "192.0.2.256" is not an IPv4 address: expected one such as 192.0.2.1',
    ]);
  });

  test("needs a range and an RR", () => {
    expect(
      readLines("$GENERATE 1-2", "$GENERATE 2-1 h$ A 192.0.2.$", `$GENERATE 1-2 \${q} A 192.0.2.1`),
    ).toEqual([
      "zone:5:1: expected $GENERATE <start>-<stop>[/step] <owner> [TTL] [class] <type> <rdata>",
      "zone:6:11: the range 2-1 ends before it starts",
      `zone:7:15: "\${q}" is not right: expected \${offset,width,base} with base d, o, x, X, n or N`,
    ]);
  });
});
