import { describe, expect, test } from "vitest";
import { putU16, u16 } from "../../src/wire/bytes.ts";
import { RRClass, RRType, TsigError } from "../../src/wire/codes.ts";
import { MessageWriter, readMessage } from "../../src/wire/message.ts";
import { type Name, parseName } from "../../src/wire/name.ts";
import {
  findTsig,
  macOctets,
  signError,
  type Tsig,
  type TsigKey,
  TsigSigner,
  tsigAlgorithms,
  tsigOctets,
  unsigned,
  verifyTsig,
} from "../../src/wire/tsig.ts";
import { fc } from "../fast-check.ts";

function name(text: string): Name {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

const KEY: TsigKey = { name: name("Key.example."), algorithm: "hmac-sha256", secret: Buffer.alloc(32, 7) };
const NOW = 1_800_000_000;

function request(id = 77): Uint8Array {
  const question = { qname: name("zone.example."), qtype: RRType.AXFR, qclass: RRClass.IN };
  return new MessageWriter(id, 0, 512).question(question).octets;
}

function tsigOf(octets: Uint8Array): Tsig {
  const message = readMessage(octets);
  const found = message === null ? null : findTsig(message);
  if (found?.kind !== "signed") throw new Error(`expected a TSIG, found ${found?.kind}`);
  return found.tsig;
}

const signed = (key = KEY, at = NOW): Uint8Array => new TsigSigner(key, null).sign(request(), at);
const error = (code: number) => ({ kind: "error", error: code });

/** The same with another number of octets of MAC. */
function withMac(octets: Uint8Array, length: number): Uint8Array {
  const tsig = tsigOf(octets);
  const macAt = octets.length - 6 - tsig.mac.length;
  const mac = new Uint8Array(length);
  mac.set(tsig.mac.subarray(0, length));
  const changed = Uint8Array.from([
    ...octets.subarray(0, macAt),
    ...mac,
    ...octets.subarray(octets.length - 6),
  ]);
  putU16(changed, macAt - 2, length);
  const rdataLengthAt = tsig.at + tsig.keyName.length + 8;
  putU16(changed, rdataLengthAt, u16(changed, rdataLengthAt) + length - tsig.mac.length);
  return changed;
}

describe("a TSIG", () => {
  test("is a MAC over the message, the key's name in lower case and its fields (RFC 8945 §4.3.3)", () => {
    const octets = signed();
    expect(octets.length).toBe(request().length + 13 + 10 + 13 + 10 + 32 + 6);
    expect(unsigned(octets, tsigOf(octets))).toEqual(request());
  });

  test.each(tsigAlgorithms)("of %s is valid for who has the key", (algorithm) => {
    const key = { ...KEY, algorithm };
    const octets = signed(key);
    expect(tsigOf(octets).mac).toHaveLength(macOctets[algorithm]);
    expect(octets.length - request().length).toBe(tsigOctets(key));
    expect(verifyTsig(octets, tsigOf(octets), key, NOW)).toEqual({ kind: "valid" });
  });

  test("is checked under the original id, because a forwarder changes the id (RFC 8945 §4.2)", () => {
    const octets = signed();
    putU16(octets, 0, 4242);
    expect(verifyTsig(octets, tsigOf(octets), KEY, NOW)).toEqual({ kind: "valid" });
  });

  test("of an unknown key, or of a known one with another algorithm, is BADKEY (RFC 8945 §5.2.1)", () => {
    const octets = signed();
    expect(verifyTsig(octets, tsigOf(octets), null, NOW)).toEqual(error(TsigError.BadKey));
    const other = { ...KEY, algorithm: "hmac-sha512" } as const;
    expect(verifyTsig(octets, tsigOf(octets), other, NOW)).toEqual(error(TsigError.BadKey));
  });

  test("of another secret is BADSIG (RFC 8945 §5.2.2)", () => {
    const octets = signed();
    const other = { ...KEY, secret: Buffer.alloc(32, 8) };
    expect(verifyTsig(octets, tsigOf(octets), other, NOW)).toEqual(error(TsigError.BadSig));
  });

  test("is BADSIG after any change of the message (RFC 8945 §5.2.2)", () => {
    const length = request().length;
    fc.assert(
      fc.property(fc.integer({ min: 2, max: length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const octets = signed();
        const tsig = tsigOf(octets);
        octets[at] = (octets[at] ?? 0) ^ flip;
        expect(verifyTsig(octets, tsig, KEY, NOW)).toEqual(error(TsigError.BadSig));
      }),
    );
  });

  test.each([
    [-301, error(TsigError.BadTime)],
    [-300, { kind: "valid" }],
    [300, { kind: "valid" }],
    [301, error(TsigError.BadTime)],
  ])("checked %i seconds from its time is %j (RFC 8945 §5.2.3)", (apart, outcome) => {
    const octets = signed(KEY, NOW + apart);
    expect(verifyTsig(octets, tsigOf(octets), KEY, NOW)).toEqual(outcome);
  });

  test("with a wrong MAC and a wrong time is BADSIG: the time is checked last (RFC 8945 §5.2)", () => {
    const octets = signed({ ...KEY, secret: Buffer.alloc(32, 8) }, NOW - 9_999);
    expect(verifyTsig(octets, tsigOf(octets), KEY, NOW)).toEqual(error(TsigError.BadSig));
  });

  test.each([
    [33, { kind: "malformed" }],
    [31, error(TsigError.BadTrunc)],
    [16, error(TsigError.BadTrunc)],
    [15, { kind: "malformed" }],
    [0, { kind: "malformed" }],
  ])("with %i of 32 octets of MAC is %j (RFC 8945 §5.2.2.1)", (length, outcome) => {
    const octets = withMac(signed(), length);
    expect(verifyTsig(octets, tsigOf(octets), KEY, NOW)).toEqual(outcome);
  });

  test("that is not the last RR, stands twice, or in another section makes FORMERR (RFC 8945 §5.1)", () => {
    const message = readMessage(signed());
    if (message === null) throw new Error("unread");
    const [tsig] = message.additionals;
    if (tsig === undefined) throw new Error("no TSIG");
    const malformed = { kind: "malformed" };
    expect(findTsig({ ...message, additionals: [tsig, { ...tsig, type: RRType.OPT }] })).toEqual(malformed);
    expect(findTsig({ ...message, additionals: [tsig, tsig] })).toEqual(malformed);
    expect(findTsig({ ...message, answers: [tsig], additionals: [] })).toEqual(malformed);
    expect(findTsig({ ...message, additionals: [{ ...tsig, rrClass: RRClass.IN }] })).toEqual(malformed);
    expect(findTsig({ ...message, additionals: [{ ...tsig, ttlSeconds: 1 }] })).toEqual(malformed);
    for (let length = 0; length < tsig.rdata.length; length += 1) {
      const short = { ...tsig, rdata: tsig.rdata.slice(0, length) };
      expect(findTsig({ ...message, additionals: [short] })).toEqual(malformed);
    }
    const long = { ...tsig, rdata: Uint8Array.from([...tsig.rdata, 0]) };
    expect(findTsig({ ...message, additionals: [long] })).toEqual(malformed);
    expect(findTsig({ ...message, additionals: [] })).toEqual({ kind: "unsigned" });
  });
});

describe("a reply", () => {
  const requestMac = tsigOf(signed()).mac;

  test("is signed together with the request's MAC (RFC 8945 §5.3)", () => {
    const reply = new TsigSigner(KEY, requestMac).sign(request(), NOW);
    expect(verifyTsig(reply, tsigOf(reply), KEY, NOW, requestMac)).toEqual({ kind: "valid" });
    expect(verifyTsig(reply, tsigOf(reply), KEY, NOW)).toEqual(error(TsigError.BadSig));
  });

  test("to BADKEY and BADSIG has no MAC (RFC 8945 §5.2.1, §5.2.2)", () => {
    for (const code of [TsigError.BadKey, TsigError.BadSig]) {
      const reply = tsigOf(signError(request(), tsigOf(signed()), code, KEY, NOW));
      expect(reply).toMatchObject({ error: code, timeSigned: NOW });
      expect(reply.mac).toHaveLength(0);
    }
    expect(tsigOf(signError(request(), tsigOf(signed()), TsigError.BadTime, null, NOW)).mac).toHaveLength(0);
  });

  test("to BADTIME is signed, at the requestor's time, and tells ours (RFC 8945 §5.2.3)", () => {
    const late = 2 ** 33 + NOW;
    const reply = signError(request(), tsigOf(signed()), TsigError.BadTime, KEY, late);
    const tsig = tsigOf(reply);
    expect(tsig).toMatchObject({ error: TsigError.BadTime, timeSigned: NOW });
    expect(Buffer.from(tsig.other).readUIntBE(0, 6)).toBe(late);
    expect(verifyTsig(reply, tsig, KEY, NOW, requestMac)).toEqual({ kind: "valid" });
  });

  test("to BADTRUNC is signed (RFC 8945 §5.2.4)", () => {
    const reply = signError(request(), tsigOf(signed()), TsigError.BadTrunc, KEY, NOW);
    expect(verifyTsig(reply, tsigOf(reply), KEY, NOW, requestMac)).toEqual({ kind: "valid" });
  });

  test("of several messages is signed in a chain, so that none can be left out (RFC 8945 §5.3.1)", () => {
    const signer = new TsigSigner(KEY, requestMac);
    const first = tsigOf(signer.sign(request(), NOW)).mac;
    const second = tsigOf(signer.sign(request(), NOW)).mac;
    expect(signer.mac).toEqual(Buffer.from(second));
    expect(second).not.toEqual(first);
    const skipping = new TsigSigner(KEY, requestMac);
    expect(tsigOf(skipping.sign(request(), NOW)).mac).toEqual(first);
    expect(tsigOf(new TsigSigner(KEY, first).sign(request(), NOW)).mac).not.toEqual(second);
  });
});
