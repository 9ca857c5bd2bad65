import { describe, expect, test } from "vitest";
import { hashName } from "../../src/wire/name-hash.ts";
import { viewOf } from "../../src/wire/packet.ts";
import { wireName } from "../conformance/message.ts";
import { Server, texts, zoneOf } from "./harness.ts";

/** Two names of one hash: the first pair among names of numbers in base 36, which differ in several words, whose lengths are as `wanted` says. */
function collision(wanted: (a: string, b: string) => boolean): readonly [string, string] {
  const byHash = new Map<number, string>();
  for (let i = 0; ; i += 1) {
    const name = `${(Math.imul(i, 0x9e3779b1) >>> 0).toString(36)}-${i.toString(36)}.example`;
    const wire = wireName(`${name}.`);
    const hash = hashName(viewOf(wire), 0, wire.length);
    const other = byHash.get(hash);
    if (other !== undefined && wanted(other, name)) return [other, name];
    byHash.set(hash, name);
  }
}

describe("names that have one hash", () => {
  test.each([
    ["of one length", collision((a, b) => a.length === b.length)],
    ["of two lengths", collision((a, b) => a.length !== b.length)],
  ])("%s are two names", (_, [mine, other]) => {
    const zone = (names: readonly string[]): string =>
      `$ORIGIN example.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n${names
        .map((name, i) => `${name}. A 192.0.2.${i}\n`)
        .join("")}`;
    const one = new Server([zoneOf(zone([mine]))]);
    expect(texts(one.ask(mine, "A").answers)).toEqual([`${mine} A 192.0.2.0`]);
    expect(one.ask(other, "A").rcode).toBe("NXDOMAIN");
    const both = new Server([zoneOf(zone([mine, other]))]);
    expect(texts(both.ask(mine, "A").answers)).toEqual([`${mine} A 192.0.2.0`]);
    expect(texts(both.ask(other, "A").answers)).toEqual([`${other} A 192.0.2.1`]);
  });
});
