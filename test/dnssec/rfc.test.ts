/** The examples that RFCs print, octet for octet. */

import { createPrivateKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  Algorithm,
  publicKeyFrom,
  publicKeyOctets,
  signData,
  verifyData,
} from "../../src/dnssec/algorithm.ts";
import { canonicalRdatas } from "../../src/dnssec/canonical.ts";
import { dnskeyRdata, dsRdata, keyTag } from "../../src/dnssec/dnskey.ts";
import { typeBitmap } from "../../src/dnssec/nsec.ts";
import { labelsOf, SignedSet, signedData } from "../../src/dnssec/rrsig.ts";
import { u16 } from "../../src/wire/bytes.ts";
import { RRType, rrTypeCode } from "../../src/wire/codes.ts";
import { nameOf, rdataOf } from "./zone-text.ts";

describe("keys", () => {
  test("the key tag is the sum of RFC 4034 appendix B (example of §5.4)", () => {
    const key =
      "256 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==";
    expect(keyTag(rdataOf("DNSKEY", key))).toBe(60485);
  });

  test("the DS of the Ed25519 key in RFC 8080 §6", () => {
    const octets = Buffer.from("l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=", "base64");
    const ds = dsRdata(nameOf("example.com."), dnskeyRdata(Algorithm.Ed25519, octets));
    expect(ds).toEqual(
      rdataOf("DS", "3613 15 2 3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b"),
    );
  });

  test("the DS of the P-256 key in RFC 6605 §6.1, whatever the case of the apex", () => {
    const ds = dsRdata(nameOf("eXample.NET."), dnskeyRdata(Algorithm.EcdsaP256Sha256, P256));
    expect(ds).toEqual(
      rdataOf("DS", "55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17"),
    );
  });
});

const P256 = Buffer.from(
  "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
  "base64",
);

describe("signatures", () => {
  test("an Ed25519 signature is the one in RFC 8080 §6", () => {
    const seed = Buffer.from("ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=", "base64");
    const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
    const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
    expect(Buffer.from(publicKeyOctets(key)).toString("base64")).toBe(
      "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
    );
    const set = setOf("example.com.", "example.com.", "MX", ["10 mail.example.com."]);
    const data = signedData(set, Algorithm.Ed25519, 3613, 1438207200, 1440021600);
    expect(Buffer.from(signData(Algorithm.Ed25519, key, data)).toString("base64")).toBe(
      "oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==",
    );
  });

  test("the P-256 signature in RFC 6605 §6.1 is one of our signed data, and of no other", () => {
    const set = setOf("www.example.net.", "example.net.", "A", ["192.0.2.1"]);
    const signature = Buffer.from(
      "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==",
      "base64",
    );
    const key = publicKeyFrom(Algorithm.EcdsaP256Sha256, P256);
    const [inception, expiration] = [
      Date.UTC(2010, 7, 12, 10, 4, 39) / 1000,
      Date.UTC(2010, 8, 9, 10, 4, 39) / 1000,
    ];
    const data = signedData(set, Algorithm.EcdsaP256Sha256, 55648, inception, expiration);
    expect(verifyData(Algorithm.EcdsaP256Sha256, key, data, signature)).toBe(true);
    data[data.length - 1] = 2;
    expect(verifyData(Algorithm.EcdsaP256Sha256, key, data, signature)).toBe(false);
  });
});

describe("canonical form", () => {
  test("the type bitmap of RFC 4034 §4.3", () => {
    const bitmap = typeBitmap([1234, RRType.NSEC, RRType.MX, RRType.A, RRType.RRSIG]);
    expect(Buffer.from(bitmap).toString("hex")).toBe(`0006400100000003041b${"00".repeat(26)}20`);
  });

  test.each([
    ["NS", ["NS1.Example."], ["ns1.example."]],
    ["SOA", ["Ns.Example. Host.Example. 1 2 3 4 5"], ["ns.example. host.example. 1 2 3 4 5"]],
    [
      "MX",
      ["10 B.example.", "10 a.Example.", "9 C.example."],
      ["9 c.example.", "10 a.example.", "10 b.example."],
    ],
    ["SRV", ["0 0 443 WWW.example."], ["0 0 443 www.example."]],
    ["NAPTR", ['1 2 "U" "E2U" "!X!Y!" Next.Example.'], ['1 2 "U" "E2U" "!X!Y!" next.example.']],
    ["TXT", ['"B"', '"a"', '"A"'], ['"A"', '"B"', '"a"']],
    ["RP", ["Box.Example. Text.Example."], ["box.example. text.example."]],
    ["HTTPS", ["1 Pool.Example. alpn=h2"], ["1 Pool.Example. alpn=h2"]],
    // A6 with a prefix of 64 bits, so 8 octets of address before the name "AB.".
    ["TYPE38", ["\\# 13 40000000000000000102414200"], ["\\# 13 40000000000000000102616200"]],
    ["TYPE38", ["\\# 17 0041000000000000000000000000000042"], ["\\# 17 0041000000000000000000000000000042"]],
    ["TYPE14", ["\\# 6 014100014200"], ["\\# 6 016100016200"]],
  ])("%s RDATA (RFC 4034 §6.2, §6.3)", (type, written, canonical) => {
    expect(signedRdatas(type, written)).toEqual(canonical.map((text) => rdataOf(type, text)));
  });

  test("an RR that is there twice but for its case is signed once (RFC 4034 §6.3)", () => {
    expect(signedRdatas("NS", ["ns.example.", "NS.example."])).toEqual([rdataOf("NS", "ns.example.")]);
  });

  test.each([
    [".", 0],
    ["example.", 1],
    ["www.example.", 2],
    ["*.www.example.", 2],
    ["a.*.example.", 3],
  ])("an RRSIG at %s counts %i labels (RFC 4034 §3.1.3)", (owner, labels) => {
    expect(labelsOf(nameOf(owner), 0)).toBe(labels);
  });

  test("owner and signer are signed in lower case (RFC 4034 §6.2)", () => {
    const [upper, lower] = ["WWW.Example.NET.", "www.example.net."].map((owner) =>
      signedData(setOf(owner, "example.net.", "A", ["192.0.2.1"]), 15, 1, 2, 3),
    );
    expect(upper).toEqual(lower);
  });
});

/** An RRset of TTL 3600 as an answer would point at it. */
function setOf(owner: string, apex: string, type: string, rdatas: readonly string[]): SignedSet {
  const set = new SignedSet();
  const code = rrTypeCode(type) ?? 0;
  set.names = nameOf(owner);
  set.ownerLength = set.names.length;
  set.apexLength = nameOf(apex).length;
  set.type = code;
  set.ttlSeconds = 3600;
  set.rdatas = canonicalRdatas(
    code,
    rdatas.map((text) => rdataOf(type, text)),
  );
  set.rdatasLength = set.rdatas.length;
  return set;
}

/** The RDATAs that are signed, each by itself. */
function signedRdatas(type: string, rdatas: readonly string[]): readonly Uint8Array[] {
  const octets = canonicalRdatas(
    rrTypeCode(type) ?? 0,
    rdatas.map((text) => rdataOf(type, text)),
  );
  const found: Uint8Array[] = [];
  for (let at = 0; at < octets.length; at += 2 + u16(octets, at)) {
    found.push(octets.slice(at + 2, at + 2 + u16(octets, at)));
  }
  return found;
}
