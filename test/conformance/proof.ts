/** Checks the signatures of a reply and what it proves, from what the strict decoder read: nothing here is the server's own code. */

import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { Message, RR } from "./message.ts";

const NS = 2;
const CNAME = 5;
const DNAME = 39;
const DS = 43;
const RRSIG = 46;
const NSEC = 47;
const NXNAME = 128;
const ECDSA_P256 = 13;
const AA = 0x0400;

/** The public keys of a zone, by key tag. */
export type ZoneKeys = ReadonlyMap<number, KeyObject>;

/** The keys of a DNSKEY RRset. */
export function keysIn(dnskeys: readonly RR[]): ZoneKeys {
  return new Map(
    dnskeys.map(({ rdata }) => {
      const octets = Buffer.from(rdata, "hex");
      const tag = octets.reduce((sum, octet, i) => sum + (i % 2 === 0 ? octet << 8 : octet), 0);
      return [(tag + (tag >>> 16)) & 0xffff, keyIn(octets)];
    }),
  );
}

function keyIn(dnskey: Buffer): KeyObject {
  const text = (from: number, to: number): string => dnskey.subarray(from, to).toString("base64url");
  const jwk =
    dnskey[3] === ECDSA_P256
      ? { kty: "EC", crv: "P-256", x: text(4, 36), y: text(36, 68) }
      : { kty: "OKP", crv: "Ed25519", x: text(4, 36) };
  return createPublicKey({ key: jwk, format: "jwk" });
}

/**
 * What is wrong with a reply to a query with DO; `zones` has the keys of each signed zone by its apex, `cuts` are the
 * delegations, all in hex.
 */
export function faultsIn(
  message: Message,
  zones: ReadonlyMap<string, ZoneKeys>,
  cuts: readonly string[],
): readonly string[] {
  const sections = [message.answers, message.authorities];
  // Behind a cut an address is glue; any other would have to be signed, and none of them is.
  const isGlue = ({ owner }: RR): boolean => cuts.some((cut) => owner.endsWith(cut));
  return [
    ...sections.flatMap((section) => signatureFaults(section, message, zones)),
    ...referralFaults(message),
    ...message.additionals.flatMap((rr) => (isGlue(rr) ? [] : [`${rr.owner} ${rr.type} is no glue`])),
  ];
}

/** Signatures that are wrong, and RRsets without one that must have one (RFC 4035 §2.2, §3.1.1). */
function signatureFaults(
  section: readonly RR[],
  { answers }: Message,
  zones: ReadonlyMap<string, ZoneKeys>,
): readonly string[] {
  const sets = Map.groupBy(
    section.filter(({ type }) => type !== RRSIG),
    ({ owner, type }) => `${owner} ${type}`,
  );
  const faults: string[] = [];
  const signed = new Set<string>();
  for (const rrsig of section.filter(({ type }) => type === RRSIG)) {
    const data = Buffer.from(rrsig.rdata, "hex");
    const what = `${rrsig.owner} ${data.readUInt16BE(0)}`;
    const rrs = sets.get(what);
    // Who asks for RRSIG gets one without what it signs.
    if (rrs === undefined && section === answers) continue;
    const fault = rrs === undefined ? "covers nothing" : signatureFault(rrsig, data, rrs, zones);
    if (fault === null) signed.add(what);
    else faults.push(`the RRSIG of ${what} ${fault}`);
  }
  const isAtCut = (owner: string): boolean => !zones.has(owner);
  const isMade = (owner: string): boolean =>
    answers.some(({ type, owner: above }) => type === DNAME && owner !== above && owner.endsWith(above));
  for (const [what, [rr]] of sets) {
    if (signed.has(what) || rr === undefined || !isInSigned(rr.owner, zones)) continue;
    if (rr.type === NS && isAtCut(rr.owner)) continue;
    // The CNAME of a DNAME is the resolver's to make again (RFC 6672 §5.3.1).
    if (rr.type === CNAME && isMade(rr.owner)) continue;
    faults.push(`${what} is not signed`);
  }
  return faults;
}

/** Whether a name is in a zone that is signed, and not in one below it that is not. */
function isInSigned(owner: string, zones: ReadonlyMap<string, ZoneKeys>): boolean {
  return [...zones.keys()].some((apex) => owner.endsWith(apex)) && !owner.endsWith(PLAIN);
}

/** `plain.t.` */
const PLAIN = `05${Buffer.from("plain").toString("hex")}017400`;

/** What is wrong with a signature (RFC 4034 §3.1.8.1); null: nothing. */
function signatureFault(
  { owner, ttl }: RR,
  data: Buffer,
  rrs: readonly RR[],
  zones: ReadonlyMap<string, ZoneKeys>,
): string | null {
  const labels = labelsIn(owner);
  let signer = 18;
  while (data[signer] !== 0) signer += (data[signer] ?? 0) + 1;
  const apex = data.toString("hex", 18, signer + 1);
  const key = zones.get(apex)?.get(data.readUInt16BE(16));
  if (key === undefined || !owner.endsWith(apex)) return `is by another key, of ${apex}`;
  if (data[3] !== labels) return `counts ${data[3]} labels, not ${labels}`;
  if (rrs.some((rr) => rr.ttl !== ttl || rr.ttl > data.readUInt32BE(4))) return "has another TTL";
  const now = Date.now() / 1000;
  if (data.readUInt32BE(12) > now || data.readUInt32BE(8) < now) return "does not hold now";
  const header = `${owner}${data.toString("hex", 0, 2)}0001${data.toString("hex", 4, 8)}`;
  const rdatas = [...new Set(rrs.map(({ rdata }) => rdata))].sort();
  const signed = rdatas.map((rdata) => header + (rdata.length / 2).toString(16).padStart(4, "0") + rdata);
  const octets = Buffer.from(data.toString("hex", 0, signer + 1) + signed.join(""), "hex");
  const isEcdsa = data[2] === ECDSA_P256;
  const by = isEcdsa ? { key, dsaEncoding: "ieee-p1363" as const } : key;
  return verify(isEcdsa ? "sha256" : null, octets, by, data.subarray(signer + 1)) ? null : "is wrong";
}

/** The labels of a name in hex, without an asterisk before the others (RFC 4034 §3.1.3). */
function labelsIn(owner: string): number {
  let labels = 0;
  for (
    let at = 0;
    owner.slice(at, at + 2) !== "00";
    at += 2 + 2 * Number.parseInt(owner.slice(at, at + 2), 16)
  )
    labels += 1;
  return owner.startsWith("012a") ? labels - 1 : labels;
}

/** A referral has a DS, or the proof that there is none (RFC 4035 §3.1.4, §3.1.4.1). */
function referralFaults({ flags, answers, authorities }: Message): readonly string[] {
  const cut = authorities.find(({ type }) => type === NS)?.owner;
  if (cut === undefined || answers.length > 0 || (flags & AA) !== 0) return [];
  const ofCut = authorities.filter(({ owner }) => owner === cut);
  const proof = ofCut.find(({ type }) => type === NSEC);
  if (ofCut.some(({ type }) => type === DS)) return [];
  if (proof === undefined) return ["a referral without DS, and without proof of it"];
  const types = typesIn(proof);
  return types.has(NS) && !types.has(DS) ? [] : [`an NSEC at a cut with ${[...types]}`];
}

/** Whether a reply proves that its name does not exist (RFC 9824 §3.2). */
export function deniesName({ authorities }: Message): boolean {
  return authorities.some((rr) => rr.type === NSEC && typesIn(rr).has(NXNAME));
}

/** The types in an NSEC (RFC 4034 §4.1.2). */
function typesIn({ rdata }: RR): ReadonlySet<number> {
  const octets = Buffer.from(rdata, "hex");
  let at = 0;
  while (octets[at] !== 0) at += (octets[at] ?? 0) + 1;
  const types = new Set<number>();
  for (at += 1; at < octets.length; at += 2 + (octets[at + 1] ?? 0))
    for (let bit = 0; bit < 8 * (octets[at + 1] ?? 0); bit += 1)
      if (((octets[at + 2 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0)
        types.add(256 * (octets[at] ?? 0) + bit);
  return types;
}
