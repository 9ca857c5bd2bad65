/** The two algorithms we sign with, and their keys as DNSSEC writes them. */

import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";

/** Numbers of IANA's "DNS Security Algorithm Numbers". */
export const Algorithm = { EcdsaP256Sha256: 13, Ed25519: 15 } as const;
export type Algorithm = (typeof Algorithm)[keyof typeof Algorithm];

/** The mnemonics that config and commands use, as IANA has them but for the case. */
type AlgorithmName = "ecdsap256sha256" | "ed25519";

/** The algorithm of each mnemonic. */
export const ALGORITHMS: Readonly<Record<AlgorithmName, Algorithm>> = {
  ecdsap256sha256: Algorithm.EcdsaP256Sha256,
  ed25519: Algorithm.Ed25519,
};

/** Octets of a signature, the same for both (RFC 6605 §4, RFC 8080 §4). */
export const SIGNATURE_LENGTH = 64;

/** The mnemonic of an algorithm. */
export function algorithmName(algorithm: Algorithm): AlgorithmName {
  return algorithm === Algorithm.Ed25519 ? "ed25519" : "ecdsap256sha256";
}

/** Whether a text is a mnemonic of ours. */
export function isAlgorithmName(text: string): text is AlgorithmName {
  return Object.hasOwn(ALGORITHMS, text);
}

/** The algorithm of that number; null: it is none of ours. */
export function algorithmOf(number: number): Algorithm | null {
  return Object.values(ALGORITHMS).find((algorithm) => algorithm === number) ?? null;
}

/** The signature of `data` as an RRSIG holds it: R and S of ECDSA one after the other (RFC 6605 §4). */
export function signData(algorithm: Algorithm, privateKey: KeyObject, data: Uint8Array): Uint8Array {
  return algorithm === Algorithm.Ed25519
    ? sign(null, data, privateKey)
    : sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
}

/** Whether `signature` is the one of `data` by the owner of that public key. */
export function verifyData(
  algorithm: Algorithm,
  publicKey: KeyObject,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  return algorithm === Algorithm.Ed25519
    ? verify(null, data, publicKey, signature)
    : verify("sha256", data, { key: publicKey, dsaEncoding: "ieee-p1363" }, signature);
}

/** The public key as a DNSKEY holds it: X and Y of P-256 (RFC 6605 §4), or the 32 octets of Ed25519 (RFC 8080 §3). */
export function publicKeyOctets(key: KeyObject): Uint8Array {
  const { x = "", y = "" } = createPublicKey(key).export({ format: "jwk" });
  return Buffer.concat([Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
}

/** The key that a DNSKEY holds; throws where the octets are no point of the curve. */
export function publicKeyFrom(algorithm: Algorithm, octets: Uint8Array): KeyObject {
  const text = (from: number, to: number): string =>
    Buffer.from(octets.subarray(from, to)).toString("base64url");
  const jwk =
    algorithm === Algorithm.Ed25519
      ? { kty: "OKP", crv: "Ed25519", x: text(0, 32) }
      : { kty: "EC", crv: "P-256", x: text(0, 32), y: text(32, 64) };
  return createPublicKey({ key: jwk, format: "jwk" });
}

/** The algorithm that a private key is for; null: another kind of key. */
export function algorithmOfKey(key: KeyObject): Algorithm | null {
  if (key.asymmetricKeyType === "ed25519") return Algorithm.Ed25519;
  const isP256 = key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1";
  return isP256 ? Algorithm.EcdsaP256Sha256 : null;
}
