import { describe, expect, test } from "vitest";
import { inspectBook, plansChecksum, plansOf } from "../../src/book/book.ts";
import { compileBook } from "../../src/book/compile.ts";
import type { BookContent } from "../../src/book/content.ts";
import { FORMAT, HEADER_WORDS, Header, PLAN_SERVFAIL } from "../../src/book/layout.ts";
import { applyPatches, PatchWriter, planWords } from "../../src/book/patch.ts";
import type { MemberId, VipId } from "../../src/config/config.ts";
import type { Plan } from "../../src/steering/plan.ts";
import { planOf, serviceOf, vipOf, zoneOf } from "../answer/harness.ts";
import { fc } from "../fast-check.ts";

const zone = zoneOf("$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n");
const vips = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"].map(vipOf);
const numbers = new Map(vips.map(({ id }, number) => [id, number]));
const plans = [{ ipv4: planOf({ "192.0.2.1": 1 }), ipv6: planOf({ "2001:db8::1": 1 }) }];
const content: BookContent = {
  version: 2 ** 33 + 5,
  zones: [zone],
  signing: new Map(),
  vips,
  admissions: [],
  regionOf: () => 0,
  services: [serviceOf("www.example.", plans)],
};

describe("a book from disk", () => {
  const sound = compileBook(content).bytes;

  test("is sound as it was compiled, and keeps its version beyond 32 bits", () => {
    expect(inspectBook(sound)).toEqual({ kind: "sound", version: 2 ** 33 + 5 });
  });

  test.each<[string, (words: Uint32Array) => void, RegExp]>([
    ["of another magic", (words) => words.fill(0x4d52444e, 0, 1), /not a book/],
    [
      "of another format",
      (words) => words.fill(99, Header.format, Header.format + 1),
      new RegExp(`format is 99, expected ${FORMAT}`),
    ],
    [
      "whose plans lie outside",
      (words) => words.fill(1 << 30, Header.plansAt, Header.plansAt + 1),
      /plans lie outside/,
    ],
    ["of no zone", (words) => words.fill(0, Header.zoneCount, Header.zoneCount + 1), /no zone/],
  ])("%s is refused", (_, spoil, message) => {
    const bytes = sound.slice();
    spoil(new Uint32Array(bytes.buffer));
    expect(inspectBook(bytes)).toEqual({ kind: "problem", message: expect.stringMatching(message) });
  });

  test("cut short, anywhere, is refused", () => {
    for (let length = 0; length < sound.length; length += 4)
      expect(inspectBook(sound.slice(0, length)).kind).toBe("problem");
  });

  test("with any octet changed behind the header is refused", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: HEADER_WORDS * 4, max: sound.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const bytes = sound.slice();
          bytes[at] = (bytes[at] ?? 0) ^ flip;
          expect(inspectBook(bytes).kind).toBe("problem");
        },
      ),
      { numRuns: 300, seed: 1 },
    );
  });

  test("that was patched is sound again with the plans and their checksum in it", () => {
    const { bytes, directory } = compileBook(content);
    const { packed } = new PatchWriter(directory).put(0, 0, 4, planOf({ "192.0.2.2": 1 }), 5);
    const plans = plansOf(bytes);
    expect(plans.version).toBe(content.version);
    applyPatches(plans.words, packed, plans.at);
    const words = new Uint32Array(bytes.buffer);
    words.set(plans.words, plans.at);
    expect(inspectBook(bytes).kind).toBe("problem");
    words[Header.plansChecksum] = plansChecksum(plans.words);
    expect(inspectBook(bytes).kind).toBe("sound");
    const whole = compileBook(content).bytes;
    applyPatches(new Uint32Array(whole.buffer), packed);
    expect(plansOf(whole)).toEqual(plans);
  });
});

describe("a plan in words", () => {
  test("has cumulative shares that end at 2^32 - 1", () => {
    expect([...planWords(planOf({ "192.0.2.1": 0.25, "192.0.2.2": 0.75 }), 30, numbers, 3, 0, 0)]).toEqual([
      30,
      2,
      0,
      2 ** 30 - 1,
      1,
      2 ** 32 - 1,
      0,
      0,
    ]);
  });

  test("is empty for NODATA and marked for SERVFAIL", () => {
    expect([...planWords(planOf({}), 30, numbers, 1, 0, 0)]).toEqual([30, 0, 0, 0]);
    expect([...planWords({ kind: "servfail" }, 30, numbers, 1, 0, 0)]).toEqual([30, PLAN_SERVFAIL, 0, 0]);
  });

  test("gives each VIP its share of 2^32 within one part in a billion, in order", () => {
    const weights = fc.array(fc.double({ min: 1e-6, max: 1, noNaN: true }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(weights, (given) => {
        const sum = given.reduce((a, b) => a + b);
        const shares = given.map((weight, i) => ({ vip: vips[i]?.id ?? ("" as VipId), share: weight / sum }));
        const words = planWords(
          { kind: "answer", shares, spreads: null, sticky: null, lastResort: false },
          30,
          numbers,
          3,
          0,
          0,
        );
        let before = -1;
        for (const [i, { share }] of shares.entries()) {
          const cumulative = words[3 + 2 * i] ?? 0;
          expect(Math.abs((cumulative - before) / 2 ** 32 - share)).toBeLessThan(1e-9);
          before = cumulative;
        }
        expect(before).toBe(2 ** 32 - 1);
      }),
      { numRuns: 500, seed: 2 },
    );
  });

  test("has a table behind its shares where clients are put into buckets", () => {
    const claim = { wanted: 0.25, share: 0.25 };
    const sticky = {
      drawn: [{ vip: vips[2]!.id, share: 0.5 }],
      claims: [
        { ...claim, member: "web/a" as MemberId, vip: vips[0]!.id },
        { ...claim, member: "web/b" as MemberId, vip: vips[2]!.id },
      ],
    };
    const shares = [
      { vip: vips[0]!.id, share: 0.25 },
      { vip: vips[2]!.id, share: 0.75 },
    ];
    const plan: Plan = { kind: "answer", shares, spreads: null, sticky, lastResort: false };
    const words = planWords(plan, 30, numbers, 3, 251, 0);
    expect(words).toHaveLength(8 + 126);
    // Half is drawn, of VIP 2. VIP 0 stands behind, for the table alone, and has half of the other half.
    expect([...words.slice(0, 8)]).toEqual([30, 1, 2, 2 ** 31 - 1, 0, 0, 0, 0]);
    const places = [...words.slice(8)].flatMap((two) => [two & 0xffff, two >>> 16]);
    expect(places.filter((place) => place === 1).length).toBeGreaterThanOrEqual(125);
    expect(places.filter((place) => place === 2).length).toBeGreaterThanOrEqual(125);
    expect(places[251]).toBe(0);
    expect([...planWords(planOf({}), 0, numbers, 3, 251, 0)]).toEqual(Array<number>(134).fill(0));
  });

  test("that does not fit, or names a VIP that is not in the book, is our own mistake", () => {
    expect(() => planWords(planOf({ "192.0.2.1": 0.5, "192.0.2.2": 0.5 }), 30, numbers, 1, 0, 0)).toThrow(
      /2 VIPs in a slot for 1/,
    );
    expect(() => planWords(planOf({ "192.0.2.9": 1 }), 30, numbers, 1, 0, 0)).toThrow(/no VIP 192.0.2.9/);
    const writer = new PatchWriter(compileBook(content).directory);
    expect(() => writer.put(7, 0, 4, planOf({}), 5)).toThrow(/no service 7/);
  });
});

test("a patch writes the idle buffer only, so that whoever still reads the other is not disturbed", () => {
  const { bytes, directory } = compileBook(content);
  const words = new Uint32Array(bytes.buffer);
  const { packed } = new PatchWriter(directory).put(0, 0, 4, planOf({ "192.0.2.2": 1 }), 5);
  const [slot = 0, length = 0, ...buffer] = packed;
  const first = words.slice(slot + 1, slot + 1 + length);
  applyPatches(words, packed);
  expect(words[slot]).toBe(1);
  expect(words.slice(slot + 1, slot + 1 + length)).toEqual(first);
  expect([...words.slice(slot + 1 + length, slot + 1 + 2 * length)]).toEqual(buffer);
});

test("services with one array of plans share their slots", () => {
  const other = serviceOf("shop.example.", plans);
  const own = serviceOf("own.example.", [...plans]);
  const { directory } = compileBook({ ...content, services: [...content.services, other, own] });
  const [first, second, third] = directory.services.map(({ slots }) => slots);
  expect(second).toBe(first);
  expect(third).not.toBe(first);
});

test("any number of plans is packed, and each is put into its own slot", () => {
  const { bytes, directory } = compileBook(content);
  const words = new Uint32Array(bytes.buffer);
  const writer = new PatchWriter(directory);
  for (let i = 0; i < 1000; i += 1)
    writer.put(0, 0, 4, planOf({ "192.0.2.2": 1 }), 5).put(0, 0, 6, { kind: "servfail" }, 5);
  const [slot4 = 0, length4 = 0] = writer.packed;
  const [slot6 = 0] = writer.packed.slice(2 + length4);
  applyPatches(words, writer.packed);
  expect([words[slot4], words[slot6]]).toEqual([1000, 1000]);
  expect([words[slot6 + 1], words[slot6 + 2]]).toEqual([5, PLAN_SERVFAIL]);
});
