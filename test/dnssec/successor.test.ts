import { describe, expect, test } from "vitest";
import { putSuccessor, successorLengthMax } from "../../src/dnssec/successor.ts";
import { formatName, type Name, nameLengthMax } from "../../src/wire/name.ts";
import { nameOf } from "./zone-text.ts";

const apex = "example.";

function successorOf(text: string): string {
  const name = nameOf(text);
  const target = new Uint8Array(nameLengthMax + 1);
  const length = putSuccessor(name, 0, name.length, nameOf(apex).length, target, 1);
  expect(length).toBeLessThanOrEqual(successorLengthMax(name.length));
  return formatName(target.slice(1, 1 + length) as Name);
}

/** Names of 255 octets below the apex whose first label is `first` and 63 octets long, or less to make others longer. */
const label = (octet: string, count: number): string => octet.repeat(count);
const tail = `${label("b", 63)}.${label("c", 63)}.${label("d", 53)}.${apex}`;

describe("the next name in canonical order", () => {
  test.each([
    ["www.example.", "\\000.www.example."],
    ["WWW.Example.", "\\000.www.example."],
    ["example.", "\\000.example."],
  ])("after %s has one more label (RFC 9824 §3.1)", (name, next) => {
    expect(successorOf(name)).toBe(next);
  });

  test.each([
    [`${label("a", 62)}.${tail}`, `${label("a", 62)}\\000.${tail}`],
    [`${label("A", 63)}.${tail}`, `${label("a", 62)}b.${tail}`],
    [`${label("a", 62)}@.${tail}`, `${label("a", 62)}[.${tail}`],
    [`${label("a", 61)}\\254\\255.${tail}`, `${label("a", 61)}\\255.${tail}`],
    [`${label("\\255", 63)}.${tail}`, `${label("b", 62)}c.${tail.slice(64)}`],
  ])("after the long %s has no more labels (RFC 4471 §3.1.2)", (name, next) => {
    expect(nameOf(name).length).toBeGreaterThan(253);
    expect(successorOf(name)).toBe(next);
  });

  test("after the last name of all is the apex", () => {
    const last = [63, 63, 63, 53].map((count) => label("\\255", count)).join(".");
    expect(successorOf(`${last}.${apex}`)).toBe(apex);
  });
});
