import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseLabels } from "../../src/geo/labels.ts";
import { formatProblem } from "../../src/problem.ts";

function parsed(text: string): readonly string[] {
  const { value, problems } = parseLabels("labels.csv", text);
  expect(problems).toEqual([]);
  return value!.map(({ prefix, label }) => `${prefix.text} ${label}`);
}

function problems(text: string): readonly string[] {
  const checked = parseLabels("labels.csv", text);
  expect(checked.value).toBe(null);
  return checked.problems.map(formatProblem);
}

describe("accepted are", () => {
  test.each<[string, string, readonly string[]]>([
    ["an empty file", "", []],
    [
      "comments and empty lines",
      "# office\n\n   \n\t# more\n198.51.100.0/24,office # head office\n",
      ["198.51.100.0/24 office"],
    ],
    [
      "both families",
      "198.51.100.0/24,office\n2001:DB8:0::/32,lab\n",
      ["198.51.100.0/24 office", "2001:db8::/32 lab"],
    ],
    ["a bare address", "198.51.100.7,printer", ["198.51.100.7/32 printer"]],
    ["quotes and blanks", ' "198.51.100.0/24" ,\t"office" \n', ["198.51.100.0/24 office"]],
    [
      "Windows line ends and a byte order mark",
      "\uFEFF198.51.100.0/24,a\r\n203.0.113.0/24,b\r\n",
      ["198.51.100.0/24 a", "203.0.113.0/24 b"],
    ],
    ["a prefix inside another", "10.0.0.0/8,corp\n10.1.0.0/16,lab", ["10.0.0.0/8 corp", "10.1.0.0/16 lab"]],
    ["a line that is there twice", "10.0.0.0/8,corp\n10.0.0.0/8,corp", ["10.0.0.0/8 corp"]],
    ["the longest label", `10.0.0.0/8,${"x".repeat(63)}`, [`10.0.0.0/8 ${"x".repeat(63)}`]],
  ])("%s", (_, text, labels) => {
    expect(parsed(text)).toEqual(labels);
  });

  test("the example in geo-data", () => {
    expect(parsed(readFileSync("geo-data/labels.csv", "utf8"))).toContain("198.51.100.0/24 office");
  });
});

describe("refused are", () => {
  test.each([
    [
      "a bad address",
      "198.51.100/24,office",
      '1:1: Cannot parse prefix "198.51.100/24": expected an address and a length, as in 198.51.100.0/24 or 2001:db8::/32',
    ],
    [
      "two lengths",
      "10.0.0.0/8/9,office",
      '1:1: Cannot parse prefix "10.0.0.0/8/9": expected an address and a length, as in 198.51.100.0/24 or 2001:db8::/32',
    ],
    [
      "a length with a leading zero",
      "10.0.0.0/08,office",
      '1:1: Cannot parse prefix "10.0.0.0/08": expected an address and a length, as in 198.51.100.0/24 or 2001:db8::/32',
    ],
    [
      "a bad length",
      "\n  198.51.100.0/33,office",
      '2:3: Cannot parse prefix "198.51.100.0/33": expected an address and a length, as in 198.51.100.0/24 or 2001:db8::/32',
    ],
    [
      "host bits",
      "198.51.100.7/24,office",
      '1:1: Prefix "198.51.100.7/24" has bits set behind its length: expected 198.51.100.0/24',
    ],
    [
      "host bits within an octet",
      "198.51.103.0/22,office",
      '1:1: Prefix "198.51.103.0/22" has bits set behind its length: expected 198.51.100.0/22',
    ],
    [
      "IPv6 host bits",
      "2001:db8::1/32,office",
      '1:1: Prefix "2001:db8::1/32" has bits set behind its length: expected 2001:db8::/32',
    ],
    [
      "any host bits under /0",
      "10.0.0.0/0,all",
      '1:1: Prefix "10.0.0.0/0" has bits set behind its length: expected 0.0.0.0/0',
    ],
    ["no label", "10.0.0.0/8", '1:1: Cannot parse "10.0.0.0/8": expected prefix,label'],
    ["a third field", "10.0.0.0/8,a,b", '1:1: Cannot parse "10.0.0.0/8,a,b": expected prefix,label'],
    ["an open quote", '10.0.0.0/8,"a', '1:1: Cannot parse "10.0.0.0/8,"a": expected prefix,label'],
    [
      "an empty label",
      "10.0.0.0/8,",
      '1:12: Cannot parse label "": expected 1 to 63 letters, digits, ".", "_" or "-", starting with a letter or digit',
    ],
    [
      "a label with a blank",
      "10.0.0.0/8, head office",
      '1:13: Cannot parse label "head office": expected 1 to 63 letters, digits, ".", "_" or "-", starting with a letter or digit',
    ],
    [
      "two labels for one prefix",
      "10.0.0.0/8,a\n10.0.0.0/8,b",
      '2:1: 10.0.0.0/8 is already labelled "a" in line 1: expected one label',
    ],
    [
      "a prefix in two spellings",
      "2001:db8::/32,a\n2001:0DB8::/32,b",
      '2:1: 2001:db8::/32 is already labelled "a" in line 1: expected one label',
    ],
  ])("%s", (_, text, problem) => {
    expect(problems(text)).toEqual([`labels.csv:${problem}`]);
  });

  test("all of them at once", () => {
    expect(problems("nonsense\n10.0.0.0/8,ok\n10.0.0.1/8,!\n")).toHaveLength(3);
  });
});
