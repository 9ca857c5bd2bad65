/** The same policies, data and clients in gdnsd and in Meridian: the same choices, over the same scopes. */

import { beforeAll, describe, expect, test } from "vitest";
import { ADDRESSES, NAMES, startPair, VIPS, type Vip, vipOf } from "./gdnsd.ts";
import { has, report, useLab } from "./harness.ts";
import type { Pair } from "./pair.ts";
import { below, pick, type Random, randomFrom } from "./random.ts";

/** How many clients; `docs/proofs.md` says what 100,000 came to. */
const CLIENTS = Number(process.env["MERIDIAN_GDNSD"] ?? 2_000);
const SEED = Number(process.env["MERIDIAN_GDNSD_SEED"] ?? 38);
const LONG = { timeout: 3_600_000 };

/** How many queries are on their way at a time. */
const AT_ONCE = 50;

/** Who is down, one after the other. */
const OUTAGES: readonly (readonly Vip[])[] = [[], ["us1", "us2", "eu1"], VIPS];

describe.skipIf(!has("gdnsd"))("beside gdnsd (needs gdnsd)", () => {
  const lab = useLab();
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair(lab);
  });

  test(`${CLIENTS} clients get the same VIP, over the same scope`, LONG, async () => {
    const random = randomFrom(SEED);
    const faults: string[] = [];
    let compared = 0;
    let embedded = 0;
    for (const down of OUTAGES) {
      await pair.force(down.map((vip) => ADDRESSES[vip]));
      for (let i = 0; i < CLIENTS / OUTAGES.length; i += AT_ONCE) {
        const asked = Array.from({ length: AT_ONCE }, async () => {
          const name = pick([NAMES.geo, NAMES.nested], random);
          const subnet = randomClient(random);
          const [theirs, ours] = await pair.ask(name, "A", subnet);
          // gdnsd looks for the IPv4 address in those of 6to4 and Teredo, which RFC 7526 has ended; we do not.
          if (/^(2002:|2001:0000:)/.test(subnet)) embedded += 1;
          else {
            compared += 1;
            if (vipOf(theirs) !== vipOf(ours) || theirs.scope !== ours.scope)
              faults.push(`${name} for ${subnet}, down ${down}: ${JSON.stringify({ theirs, ours })}`);
          }
        });
        await Promise.all(asked);
      }
    }
    report(
      `${compared} clients beside gdnsd: ${faults.length} wrong (${embedded} of 6to4 and Teredo left out)`,
    );
    expect(faults).toEqual([]);
    expect(compared).toBeGreaterThan(0.9 * CLIENTS);
  });

  test.each([
    ["of one service with its largest down", NAMES.split, ["us1"]],
    ["within regions of which one has all", NAMES.shares, ["us1"]],
  ] as const)("shares are equal: %s", LONG, async (_, name, down) => {
    const random = randomFrom(SEED);
    const counts = { theirs: new Map<string, number>(), ours: new Map<string, number>() };
    const count = (map: Map<string, number>, vip: string) => map.set(vip, (map.get(vip) ?? 0) + 1);
    await pair.force(down.map((vip) => ADDRESSES[vip]));
    for (let i = 0; i < CLIENTS; i += AT_ONCE) {
      const asked = Array.from({ length: AT_ONCE }, () => pair.ask(name, "A", randomClient(random)));
      for (const [theirs, ours] of await Promise.all(asked)) {
        count(counts.theirs, vipOf(theirs));
        count(counts.ours, vipOf(ours));
      }
    }
    expect([...counts.ours.keys()].sort()).toEqual([...counts.theirs.keys()].sort());
    for (const [vip, theirs] of counts.theirs) {
      const ours = counts.ours.get(vip) ?? 0;
      expect(down).not.toContain(vip);
      // Both are drawn, so each has its own noise: five standard deviations of the difference.
      expect(Math.abs(ours - theirs), `${vip}: ${ours} and ${theirs}`).toBeLessThan(
        5 * Math.sqrt(ours + theirs),
      );
    }
    const words = [...counts.theirs].map(([vip, theirs]) => `${vip} ${theirs} and ${counts.ours.get(vip)}`);
    report(`${name}, ${down.join(" and ")} down: ${words.sort().join(", ")}`);
  });
});

/** What resolvers send most, /24 and /56, and now and then any other length. */
function randomClient(random: Random): string {
  const isIpv4 = random() < 0.6;
  const source = random() < 0.7 ? (isIpv4 ? 24 : 56) : 8 + below(isIpv4 ? 25 : 121, random);
  const octets = Uint8Array.from({ length: isIpv4 ? 4 : 16 }, () => below(256, random));
  if (isIpv4) octets[0] = 1 + below(223, random);
  else {
    // The blocks that registries give out.
    const block = pick([0x20_01, 0x24_00, 0x26_00, 0x28_00, 0x2a_00, 0x2c_00], random) + below(16, random);
    octets.set([block >> 8, block & 0xff]);
  }
  for (let bit = source; bit < 8 * octets.length; bit += 1) octets[bit >> 3]! &= ~(0x80 >> (bit & 7));
  const text = isIpv4 ? octets.join(".") : Buffer.from(octets).toString("hex").match(/.{4}/g)!.join(":");
  return `${text}/${source}`;
}
