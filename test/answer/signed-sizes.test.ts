/** A signed answer is whole or truncated, whatever size a client takes. */

import { expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import type { Signing } from "../../src/dnssec/signer.ts";
import { RRType } from "../../src/wire/codes.ts";
import { nameKey } from "../../src/wire/name.ts";
import { listed } from "../conformance/differential.ts";
import { decodeMessage, encodeQuestion, Flag, wireName } from "../conformance/message.ts";
import { Server, zoneOf } from "./harness.ts";
import { keyOf, withKeys } from "./validator.ts";

const NOW = 1_800_000_000;
const long = [60, 60, 60].map((length) => "x".repeat(length)).join(".");
const servers = Array.from({ length: 14 }, (_, i) => `n${i}.${"y".repeat(10)}.elsewhere.test.`);
const zone = zoneOf(`
$ORIGIN example.
$TTL 300
@ SOA ns h 1 3600 900 604800 60
@ NS ns
ns A 192.0.2.53
alias CNAME nobody.${long}
old DNAME new.${long}
${servers.map((name) => `wide NS ${name}\nopen NS ${name}`).join("\n")}
wide DS 1 13 2 ${"00".repeat(32)}
`);
const signing: Signing = {
  validitySeconds: 14 * 86_400,
  keys: [keyOf(Algorithm.EcdsaP256Sha256), keyOf(Algorithm.Ed25519)],
};
const signings = new Map([[nameKey(zone.apex), signing]]);
const server = new Server([withKeys(zone, signing)], [], [], {}, signings);

test.each([
  ["NXDOMAIN", `${long}.example.`, RRType.A],
  ["NODATA", "ns.example.", RRType.MX],
  ["NXDOMAIN behind a CNAME", "alias.example.", RRType.A],
  ["a name behind a DNAME", "x.old.example.", RRType.A],
  ["a secure referral", `${"z".repeat(50)}.wide.example.`, RRType.A],
  ["an insecure referral", `${"z".repeat(50)}.open.example.`, RRType.A],
  ["the keys", "example.", RRType.DNSKEY],
  ["an NSEC", `ns.example.`, RRType.NSEC],
  ["the RRSIG of a name", `ns.example.`, RRType.RRSIG],
])("%s fits or is truncated, at any size", (_, name, qtype) => {
  const ask = (size: number, transport: Transport): ReturnType<typeof decodeMessage> =>
    decodeMessage(
      server.raw(encodeQuestion(wireName(name), qtype, { size, dnssecOk: true }), transport, NOW),
    );
  const whole = ask(1_232, Transport.Tcp);
  for (let size = 512; size <= 1_232; size += 1) {
    const reply = ask(size, Transport.Udp);
    expect(reply.length).toBeLessThanOrEqual(size);
    const isTruncated = (reply.flags & Flag.TC) !== 0;
    expect(isTruncated).toBe(whole.length > size);
    expect(listed(reply.answers)).toBe(isTruncated ? "" : listed(whole.answers));
    expect(listed(reply.authorities)).toBe(isTruncated ? "" : listed(whole.authorities));
  }
});
