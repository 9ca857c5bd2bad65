/** Every kind of answer that does not fit is marked as truncated, and empty (RFC 2181 §9). */

import { describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import { EdnsOption, RRType } from "../../src/wire/codes.ts";
import { decodeMessage, encodeQuestion, Flag, wireName } from "../conformance/message.ts";
import { planOf, queryOf, Server, serviceOf, texts, vipOf, zoneOf } from "./harness.ts";

/** Labels that make a name of about 190 octets. */
const long = (letter: string): string => [letter, letter, letter].map((text) => text.repeat(60)).join(".");
const glue = Array.from({ length: 30 }, (_, i) => `ns${i}.sub A 192.0.2.${i}\nsub NS ns${i}.sub`).join("\n");
const zone = zoneOf(
  `
$ORIGIN example.
$TTL 60
@ SOA ns h 1 2 3 4 5
@ NS ns
ns A 192.0.2.53
${long("a")} CNAME ${long("b")}
${long("b")} CNAME ${long("c")}
${long("h")} CNAME ${long("g")}.old
c1 CNAME ${long("d")}
${long("d")} CNAME ${long("f")}
${long("f")} CNAME d2.${"x".repeat(40)}.www
*.www STEER www
old DNAME ${long("e")}
sub NS ns0.sub
`.replace("sub NS ns0.sub\n", `${glue}\n`),
);
const plans = [{ ipv4: planOf({ "192.0.2.1": 1 }), ipv6: planOf({ "2001:db8::1": 1 }) }];
const vips = ["192.0.2.1", "2001:db8::1"].map(vipOf);
const https = { alpn: ["h2", "h3", "x".repeat(120)], port: 8443 };
const only4 = serviceOf(
  "only4.example.",
  [{ ipv4: planOf({ "192.0.2.1": 1 }), ipv6: planOf({}) }],
  null,
  https,
);
const only6 = serviceOf(
  "only6.example.",
  [{ ipv4: planOf({}), ipv6: planOf({ "2001:db8::1": 1 }) }],
  null,
  https,
);
const half = serviceOf(
  "half.example.",
  [{ ipv4: planOf({ "192.0.2.1": 1 }), ipv6: { kind: "servfail" } }],
  null,
  https,
);
const server = new Server([zone], [serviceOf("www.example.", plans, null, https), only4, only6, half], vips);

describe("what does not fit into 512 octets is truncated", () => {
  test.each([
    ["a chain of CNAMEs", `${long("a")}.example`, "A"],
    ["a DNAME behind a CNAME", `${long("h")}.example`, "A"],
    ["the CNAME made from a DNAME", `${"p".repeat(40)}.old.example`, "A"],
    ["a steered A behind CNAMEs", "c1.example", "A"],
    ["a steered HTTPS behind CNAMEs", "c1.example", "HTTPS"],
    ["the glue of a referral, which must come along (RFC 9471 §3.1)", "x.sub.example", "A"],
  ])("%s", (_, name, type) => {
    const size = type === "HTTPS" || name.startsWith("c1") ? sizeThatCutsTheLast(name, type) : 512;
    const reply = server.ask(name, type, { size });
    expect([reply.flag_tc, reply.answers, reply.authorities]).toEqual([true, [], []]);
    expect(server.ask(name, type, { transport: Transport.Tcp }).flag_tc).toBe(false);
  });

  /** A payload size at which all fits but the last RR. */
  function sizeThatCutsTheLast(name: string, type: string): number {
    const whole = server.raw(queryOf(name, type, { size: 1232 }), Transport.Tcp).length;
    expect(whole).toBeGreaterThan(512);
    return whole - 1;
  }
});

test("addresses that the client could do without are left out rather than truncating", () => {
  const mx = zoneOf(
    `$ORIGIN example.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n@ MX 1 m\n${Array.from({ length: 40 }, (_, i) => `m A 192.0.2.${i}`).join("\n")}\n`,
  );
  const reply = new Server([mx]).ask("example", "MX");
  expect(texts(reply.answers)).toHaveLength(1);
  expect(texts(reply.additionals)).toEqual([]);
  expect(reply.flag_tc).toBe(false);
});

test.each([
  ["only4.example", "00040004c0000201", "00060010"],
  ["only6.example", "0006001020010db8000000000000000000000001", "00040004"],
])("%s: an HTTPS RR has the hints of the families it is answered in, and no other", (name, there, absent) => {
  const hex = Buffer.from(server.raw(queryOf(name, "HTTPS"))).toString("hex");
  expect(hex).toContain(there);
  expect(hex).not.toContain(absent);
});

test("HTTPS is SERVFAIL when a family of its hints is", () => {
  expect(server.ask("half.example", "HTTPS").rcode).toBe("SERVFAIL");
});

test("the HINFO that answers ANY is truncated when the OPT leaves no room for it", () => {
  const name = [...["x", "y", "z"].map((letter) => letter.repeat(63)), "w".repeat(53), "example"].join(".");
  const all = zoneOf(
    "$ORIGIN example.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n* A 192.0.2.1\n",
  );
  const wordy = new Server([all], [], [], { nsid: new Uint8Array(255) });
  const query = encodeQuestion(wireName(`${name}.`), RRType.ANY, {
    size: 512,
    options: [[EdnsOption.NSID, new Uint8Array()]],
  });
  const reply = decodeMessage(wordy.raw(query));
  expect([reply.flags & Flag.TC, reply.answers]).toEqual([Flag.TC, []]);
});
