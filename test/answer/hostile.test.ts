/** What a stranger's octets can do to the answer: nothing. */

import { expect, test } from "vitest";
import { fc } from "../fast-check.ts";
import { planOf, queryOf, readReply, Server, serviceOf, vipOf, zoneOf } from "./harness.ts";

const zone = zoneOf(`
$ORIGIN example.
@ 60 SOA ns h 1 2 3 4 5
@ 60 NS ns
ns 60 A 192.0.2.53
alias 60 CNAME www
loop 60 CNAME loop
sub 60 NS ns.sub
ns.sub 60 A 192.0.2.60
old 60 DNAME new
*.wild 60 TXT "${"x".repeat(255)}" "${"y".repeat(255)}" "${"z".repeat(255)}" "${"w".repeat(255)}" "${"v".repeat(255)}"
`);
const plans = [{ ipv4: planOf({ "192.0.2.1": 1 }), ipv6: planOf({ "2001:db8::1": 1 }) }];
const service = serviceOf("www.example.", plans, null, { alpn: ["h2"], port: null });
const server = new Server([zone], [service], ["192.0.2.1", "2001:db8::1"].map(vipOf));

const names = [
  "www.example",
  "alias.example",
  "loop.example",
  "x.sub.example",
  "a.old.example",
  "b.wild.example",
  "example",
  "no.example",
  "test",
];
const types = ["A", "AAAA", "HTTPS", "TXT", "NS", "ANY", "CNAME", "SOA"];
const query = fc
  .tuple(
    fc.constantFrom(...names),
    fc.constantFrom(...types),
    fc.constantFrom(undefined, "192.0.2.0/24", "2001:db8::/56", "0.0.0.0/0"),
  )
  .map(([name, type, subnet]) => queryOf(name, type, subnet === undefined ? {} : { subnet }));
const edits = fc.array(
  fc.tuple(fc.constantFrom("set", "flip", "insert", "remove", "double", "cut"), fc.nat(), fc.nat(255)),
  {
    maxLength: 6,
  },
);
const mutated = fc.tuple(query, edits).map(([octets, changes]) => changes.reduce(mutate, octets));

test("any octets: no throw, and a reply that is a response to that id, parses, and is not too long", () => {
  fc.assert(
    fc.property(fc.oneof({ weight: 9, arbitrary: mutated }, fc.uint8Array({ maxLength: 600 })), (octets) => {
      const reply = server.raw(octets);
      if (reply.length === 0) return;
      expect(reply.length).toBeLessThanOrEqual(1232);
      expect([reply[0], reply[1]]).toEqual([octets[0], octets[1]]);
      expect((reply[2] ?? 0) & 0x80).toBe(0x80);
      readReply(reply);
    }),
    { numRuns: 5_000, seed: 9619 },
  );
});

test("a reply without EDNS is never longer than 512 octets", () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.constantFrom(...types), (name, type) => {
      expect(server.raw(queryOf(name, type)).length).toBeLessThanOrEqual(512);
    }),
    { seed: 512 },
  );
});

function mutate(octets: Uint8Array, [how, where, value]: readonly [string, number, number]): Uint8Array {
  const at = octets.length === 0 ? 0 : where % octets.length;
  const [head, tail] = [octets.subarray(0, at), octets.subarray(at)];
  switch (how) {
    case "set":
      return Uint8Array.from([...head, value, ...tail.subarray(1)]);
    case "flip":
      return Uint8Array.from([...head, (tail[0] ?? 0) ^ (1 << (value & 7)), ...tail.subarray(1)]);
    case "insert":
      return Uint8Array.from([...head, value, ...tail]);
    case "remove":
      return Uint8Array.from([...head, ...tail.subarray(1)]);
    case "double":
      return Uint8Array.from([...octets, ...tail]);
    default:
      return head.slice();
  }
}
