/** A sample that is answered again gets the VIP that its query got. */

import { describe, expect, test } from "vitest";
import { Replay } from "../../src/answer/replay.ts";
import { buildAtlas } from "../../src/geo/atlas.ts";
import { compileClasses } from "../../src/geo/trie.ts";
import { SAMPLE_WORDS, SampleWord } from "../../src/telemetry/samples.ts";
import { parsePrefix } from "../../src/wire/address.ts";
import { planOf, queryOf, readReply, samplingServer, serviceOf, texts, vipOf, zoneOf } from "./harness.ts";

const zone = zoneOf("$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n");
const addresses = ["192.0.2.10", "192.0.2.11", "2001:db8::10", "2001:db8::11"];
const v4 = planOf({ "192.0.2.10": 0.6, "192.0.2.11": 0.4 });
const v6 = planOf({ "2001:db8::10": 0.6, "2001:db8::11": 0.4 });
const none = planOf({});
const prefixes = ["10.0.0.0/8", "2001:db8:8000::/33"].flatMap((text) => parsePrefix(text) ?? []);
const atlas = buildAtlas({ databases: [], labels: [], prefixes });
const trie = compileClasses(
  atlas,
  Uint16Array.from(atlas.locations, ({ prefixes: [longest] }) => (longest === undefined ? 0 : 1)),
);
const https = { alpn: ["h2"], port: null };
const services = [
  serviceOf(
    "www.example.",
    [
      { ipv4: v4, ipv6: v6 },
      { ipv4: planOf({ "192.0.2.11": 1 }), ipv6: planOf({ "2001:db8::11": 1 }) },
    ],
    trie,
    https,
  ),
  serviceOf("v6.example.", [{ ipv4: none, ipv6: v6 }], null, https),
  serviceOf("dead.example.", [{ ipv4: { kind: "servfail" }, ipv6: { kind: "servfail" } }]),
];

describe("a replay", () => {
  test("gives the address that was answered, of all types, prefixes and seconds", () => {
    const { server, drain } = samplingServer([zone], services, addresses.map(vipOf), {}, 1);
    const replay = new Replay(server.memory);
    const seen = new Set<string>();
    for (let i = 0; i < 1_000; i += 1) {
      const subnet = [
        undefined,
        `${i % 200}.7.${i % 256}.0/24`,
        `10.${i % 256}.0.0/16`,
        `2001:db8:${i}00::/48`,
      ][i % 4];
      const name = ["www", "v6", "dead"][i % 3] ?? "";
      const type = ["A", "AAAA", "HTTPS"][i % 5] ?? "A";
      server.client.address.set([198, 51, i % 256, i % 7]);
      const reply = server.raw(
        queryOf(`${name}.example`, type, subnet === undefined ? {} : { subnet }),
        undefined,
        1_000 + i,
      );
      const { words } = drain();
      expect(words).toHaveLength(SAMPLE_WORDS);
      const what = words[SampleWord.what]!;
      const number = replay.vipFor(words[SampleWord.service]!, {
        moment: words[SampleWord.moment]!,
        qnameHash: words[SampleWord.qnameHash]!,
        qtype: what >>> 16,
        isIpv6: (what & 0x80) !== 0,
        prefixLength: what & 0x7f,
        high: words[SampleWord.high]!,
        low: words[SampleWord.low]!,
      });
      const answered =
        type === "HTTPS" ? hintIn(reply) : (texts(readReply(reply).answers)[0]?.split(" ")[2] ?? null);
      const replayed = addresses[number] ?? null;
      expect([name, type, subnet, replayed]).toEqual([name, type, subnet, answered]);
      seen.add(`${type} ${replayed}`);
    }
    expect(seen.size).toBe(11);
  });
});

/** The address of a hint, the IPv4 one where there is one: it stands at the end, or before the 20 octets of an IPv6 hint. */
function hintIn(reply: Uint8Array): string | null {
  const text = Buffer.from(reply).toString("hex");
  const found = /00040004c00002(..)/.exec(text) ?? /0006001020010db8(?:0{22})(..)/.exec(text);
  if (found === null) return null;
  return found[0].startsWith("0004") ? `192.0.2.${Number.parseInt(found[1]!, 16)}` : `2001:db8::${found[1]}`;
}
