/**
 * What the RFCs ask of an authoritative server, each asked of a real node over its sockets. The titles are named in
 * docs/conformance.md.
 */

import { decode } from "dns-packet";
import { beforeAll, describe, expect, test } from "vitest";
import { RRType, rrTypeCode, rrTypeName } from "../../src/wire/codes.ts";
import { formatName, type Name } from "../../src/wire/name.ts";
import { formatRdata } from "../../src/zone/rdata.ts";
import { useLab } from "../e2e/harness.ts";
import {
  decodeMessage,
  encodeQuestion,
  Flag,
  type Message,
  type QuestionOptions,
  type RR,
  wireName,
} from "./message.ts";
import { askOverTcp, Client } from "./peers.ts";
import { DEEPEST, LONGEST } from "./torture.ts";
import { startTortureNode } from "./torture-node.ts";

const lab = useLab();
let client: Client;
let port: number;
beforeAll(async () => {
  ({ port } = await startTortureNode(lab));
  client = new Client(port);
  return () => client.close();
});

const RCODES: Readonly<Record<number, string>> = {
  0: "NOERROR",
  1: "FORMERR",
  3: "NXDOMAIN",
  4: "NOTIMP",
  5: "REFUSED",
  6: "YXDOMAIN",
  16: "BADVERS",
};

/** The SOA as negative answers have it: TTL 60, the MINIMUM. */
const SOA = "auth t. 60 SOA ns1.t. host\\.master.t. 2026112100 3600 900 604800 60";
const TARGET = "target.t. 300 A 192.0.2.10";
const MAIL = ["add mail.t. 300 A 192.0.2.25", "add mail.t. 300 AAAA 2001:db8::25"];
const CUT = [
  "auth cut.t. 300 NS ns.cut.t.",
  "auth cut.t. 300 NS ns1.t.",
  "add ns.cut.t. 300 A 192.0.2.60",
  "add ns.cut.t. 300 AAAA 2001:db8::60",
  "add ns1.t. 300 A 192.0.2.53",
  "add ns1.t. 300 AAAA 2001:db8::53",
];

/** Sends octets, and reads the reply with both decoders; null: there was none. */
async function exchange(query: Uint8Array, isStream = false): Promise<Message | null> {
  const [reply] = isStream ? await askOverTcp(port, [query]) : await client.exchange([query], 300);
  if (reply === undefined || reply === null) return null;
  decode(reply);
  return decodeMessage(reply);
}

/** Asks `name TYPE`. */
async function ask(question: string, options: QuestionOptions = {}, isStream = false): Promise<Message> {
  const [name = "", type = ""] = question.split(" ");
  const query = encodeQuestion(wireName(name), rrTypeCode(type) ?? Number.NaN, options);
  const reply = await exchange(query, isStream);
  if (reply === null) throw new Error(`no reply to ${question}`);
  return reply;
}

/** A reply as `RCODE flags`, then its RRs with their section, unless it is the answer. */
function summary({ rcode, flags, answers, authorities, additionals }: Message): readonly string[] {
  const set = (["AA", "TC", "RD", "RA", "AD", "CD"] as const).filter((flag) => (flags & Flag[flag]) !== 0);
  return [
    [RCODES[rcode] ?? `RCODE${rcode}`, ...set.map((flag) => flag.toLowerCase())].join(" "),
    ...answers.map(textOf),
    ...authorities.map((rr) => `auth ${textOf(rr)}`),
    ...additionals.map((rr) => `add ${textOf(rr)}`),
  ];
}

function textOf({ owner, type, ttl, rdata }: RR): string {
  const name = formatName(Uint8Array.from(Buffer.from(owner, "hex")) as Name);
  return `${name} ${ttl} ${rrTypeName(type)} ${formatRdata(type, Uint8Array.from(Buffer.from(rdata, "hex")))}`;
}

/** The requirement, the question, and the whole reply. */
type Row = readonly [title: string, question: string, reply: readonly string[]];

const ROWS: readonly Row[] = [
  ["RFC 1034 §4.3.2: an RRset is answered with AA", "target.t. A", ["NOERROR aa", TARGET]],
  [
    "RFC 1034 §3.6.2: a CNAME is answered with what it leads to",
    "x.mixed.case.t. A",
    ["NOERROR aa", "x.mixed.case.t. 300 CNAME target.t.", TARGET],
  ],
  [
    "RFC 1034 §3.6.2: a chain of CNAMEs is followed to its end",
    "c1.t. AAAA",
    [
      "NOERROR aa",
      ...[1, 2, 3, 4].map((i) => `c${i}.t. 300 CNAME c${i + 1}.t.`),
      "c5.t. 300 CNAME target.t.",
      "target.t. 300 AAAA 2001:db8::10",
    ],
  ],
  [
    "RFC 1034 §3.6.2: a CNAME is not followed when it is asked for",
    "c1.t. CNAME",
    ["NOERROR aa", "c1.t. 300 CNAME c2.t."],
  ],
  [
    "RFC 1034 §3.6.2: a loop of CNAMEs ends",
    "loop1.t. A",
    [
      "NOERROR aa",
      "loop1.t. 300 CNAME loop2.t.",
      "loop2.t. 300 CNAME loop3.t.",
      "loop3.t. 300 CNAME loop1.t.",
    ],
  ],
  [
    "RFC 1034 §4.3.2: a CNAME to a name of others is answered alone",
    "cout.t. A",
    ["NOERROR aa", "cout.t. 300 CNAME www.elsewhere.test."],
  ],
  [
    "RFC 1034 §4.3.2: a CNAME to a delegated name is answered with the referral",
    "ccut.t. A",
    ["NOERROR aa", "ccut.t. 300 CNAME host.cut.t.", ...CUT],
  ],
  ["RFC 1034 §4.3.2: a name below a cut is referred, without AA", "host.cut.t. A", ["NOERROR", ...CUT]],
  ["RFC 1034 §4.2.1: glue is referred to, not answered", "ns.cut.t. A", ["NOERROR", ...CUT]],
  ["RFC 1034 §4.2.1: the NS RRset at a cut belongs to the child", "cut.t. NS", ["NOERROR", ...CUT]],
  [
    "RFC 1034 §4.3.2: a referral whose servers stand elsewhere has no glue",
    "x.bare.t. A",
    ["NOERROR", "auth bare.t. 300 NS ns.elsewhere.test."],
  ],
  [
    "RFC 9471 §3.2: a referral brings the glue of a sibling",
    "x.sibling.t. A",
    ["NOERROR", "auth sibling.t. 300 NS ns.older.t.", "add ns.older.t. 300 A 192.0.2.62"],
  ],
  [
    "RFC 1034 §4.2.1: a cut below empty non-terminals is a cut",
    "a.deep.below.ent4.t. TXT",
    [
      "NOERROR",
      "auth deep.below.ent4.t. 300 NS ns1.t.",
      "add ns1.t. 300 A 192.0.2.53",
      "add ns1.t. 300 AAAA 2001:db8::53",
    ],
  ],
  ["RFC 1034 §4.3.4: NXDOMAIN has the SOA in its authority section", "missing.t. A", ["NXDOMAIN aa", SOA]],
  ["RFC 1034 §6.2.4: NODATA has no answer and is no error", "mail.t. TXT", ["NOERROR aa", SOA]],
  [
    "RFC 1035 §3.3.9: MX brings the addresses of its exchange, once",
    "t. MX",
    [
      "NOERROR aa",
      "t. 300 MX 10 mail.t.",
      "t. 300 MX 20 mail.t.",
      "t. 300 MX 30 mx.elsewhere.test.",
      ...MAIL,
    ],
  ],
  [
    "RFC 1035 §3.3.11: NS at the apex is answered, with addresses",
    "t. NS",
    [
      "NOERROR aa",
      "t. 300 NS ns1.t.",
      "t. 300 NS ns2.elsewhere.test.",
      "add ns1.t. 300 A 192.0.2.53",
      "add ns1.t. 300 AAAA 2001:db8::53",
    ],
  ],
  [
    "RFC 1035 §3.3.13: the SOA is answered with its own TTL",
    "t. SOA",
    ["NOERROR aa", SOA.replace("auth t. 60", "t. 300")],
  ],
  [
    "RFC 1035 §3.3.14: the strings of a TXT keep their number and order",
    "t. TXT",
    ["NOERROR aa", 't. 300 TXT "v=spf1 -all" "second string"'],
  ],
  ["RFC 1035 §3.2.1: a TTL of zero is served as zero", "zero.t. A", ["NOERROR aa", "zero.t. 0 A 192.0.2.40"]],
  [
    "RFC 2181 §8: the largest TTL is 2147483647",
    "most.t. A",
    ["NOERROR aa", "most.t. 2147483647 A 192.0.2.41"],
  ],
  [
    "RFC 1035 §2.3.4: a name of 255 octets and labels of 63",
    `${LONGEST} A`,
    ["NOERROR aa", `${LONGEST} 300 A 192.0.2.30`],
  ],
  ["RFC 1035 §2.3.4: a name of 127 labels", `${DEEPEST} A`, ["NOERROR aa", `${DEEPEST} 300 A 192.0.2.31`]],
  [
    "RFC 2181 §11: any octet may be in a label",
    "\\000\\255.octets.t. A",
    ["NOERROR aa", "\\000\\255.octets.t. 300 A 192.0.2.32"],
  ],
  [
    "RFC 1035 §5.1: an escaped dot is part of its label",
    "a\\.b.octets.t. A",
    ["NOERROR aa", "a\\.b.octets.t. 300 A 192.0.2.33"],
  ],
  ["RFC 1035 §5.1: two labels are not one with an escaped dot", "a.b.octets.t. A", ["NXDOMAIN aa", SOA]],
  [
    "RFC 4343 §3: names are one in any case",
    "mIxEd.cAsE.T. A",
    ["NOERROR aa", "mixed.case.t. 300 A 192.0.2.34"],
  ],
  ["RFC 1035 §3.2.3: MAILB is a type that nobody has", "t. TYPE253", ["NOERROR aa", SOA]],
  [
    "RFC 2782: SRV brings the addresses of its target",
    "_sip._tcp.t. SRV",
    [
      "NOERROR aa",
      "_sip._tcp.t. 300 SRV 10 60 5060 target.t.",
      "_sip._tcp.t. 300 SRV 20 60 5061 target.t.",
      "_sip._tcp.t. 300 SRV 30 0 5060 sip.elsewhere.test.",
      `add ${TARGET}`,
      "add target.t. 300 AAAA 2001:db8::10",
    ],
  ],
  [
    "RFC 2782: the target . of an SRV brings nothing along",
    "types.t. SRV",
    ["NOERROR aa", "types.t. 300 SRV 0 0 0 ."],
  ],
  ["RFC 7505 §3: a null MX is served as it is", "types.t. MX", ["NOERROR aa", "types.t. 300 MX 0 ."]],
  [
    "RFC 8659 §4.1: CAA is served with its flags",
    "types.t. CAA",
    ["NOERROR aa", 'types.t. 300 CAA 128 iodef "mailto:caa@t"'],
  ],
  [
    "RFC 2308 §2.1: NXDOMAIN has the SOA, its TTL the MINIMUM (§3, §5)",
    "a.b.missing.t. AAAA",
    ["NXDOMAIN aa", SOA],
  ],
  ["RFC 2308 §2.2: NODATA has the SOA, its TTL the MINIMUM (§3, §5)", "target.t. MX", ["NOERROR aa", SOA]],
  [
    "RFC 2308 §2.1: NXDOMAIN behind a CNAME (RFC 6604 §3)",
    "cmissing.t. A",
    ["NXDOMAIN aa", "cmissing.t. 300 CNAME missing.target.t.", SOA],
  ],
  ["RFC 2308 §2.2: NODATA behind a CNAME", "c5.t. MX", ["NOERROR aa", "c5.t. 300 CNAME target.t.", SOA]],
  [
    "RFC 3597 §3: an unknown type is served as its octets",
    "types.t. TYPE65280",
    ["NOERROR aa", "types.t. 300 TYPE65280 \\# 5 0001020304"],
  ],
  [
    "RFC 3597 §5: RDATA may have no octets",
    "types.t. TYPE65281",
    ["NOERROR aa", "types.t. 300 TYPE65281 \\# 0"],
  ],
  ["RFC 3597 §3: a type that nobody knows may be asked for", "types.t. TYPE65282", ["NOERROR aa", SOA]],
  [
    "RFC 3597 §4: names in RP are not compressed",
    "types.t. RP",
    ["NOERROR aa", "types.t. 300 RP host.t. txt.t."],
  ],
  [
    "RFC 3597 §4: names in AFSDB are not compressed",
    "types.t. AFSDB",
    ["NOERROR aa", "types.t. 300 AFSDB 1 target.t."],
  ],
  [
    "RFC 3597 §4: names in NAPTR are not compressed",
    "types.t. NAPTR",
    ["NOERROR aa", 'types.t. 300 NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@t!" .'],
  ],
  [
    "RFC 4592 §2.1.1: a wildcard answers for names that do not exist",
    "any.wild.t. A",
    ["NOERROR aa", "any.wild.t. 300 A 192.0.2.2"],
  ],
  [
    "RFC 4592 §2.1.1: a wildcard answers however deep the name is",
    "a.b.c.wild.t. TXT",
    ["NOERROR aa", 'a.b.c.wild.t. 300 TXT "wildcard"'],
  ],
  [
    "RFC 4592 §2.1.1: an asterisk label in the question is like any other",
    "*.any.wild.t. A",
    ["NOERROR aa", "*.any.wild.t. 300 A 192.0.2.2"],
  ],
  ["RFC 4592 §2.1.2: an asterisk that is not leftmost is no wildcard", "x.*.star.t. A", ["NXDOMAIN aa", SOA]],
  [
    "RFC 4592 §2.3: the wildcard itself may be asked for",
    "*.wild.t. A",
    ["NOERROR aa", "*.wild.t. 300 A 192.0.2.2"],
  ],
  [
    "RFC 4592 §2.2.1: a name that exists is not answered by the wildcard",
    "explicit.wild.t. A",
    ["NOERROR aa", SOA],
  ],
  ["RFC 4592 §2.2.1: nor is one below a name that exists", "below.explicit.wild.t. A", ["NXDOMAIN aa", SOA]],
  ["RFC 4592 §2.2.2: an empty non-terminal exists", "ent2.ent1.t. A", ["NOERROR aa", SOA]],
  [
    "RFC 4592 §2.2.2: an empty non-terminal is not answered by the wildcard",
    "ent.wild.t. A",
    ["NOERROR aa", SOA],
  ],
  ["RFC 4592 §3.3.1: an empty non-terminal is a closest encloser", "x.ent.wild.t. A", ["NXDOMAIN aa", SOA]],
  [
    "RFC 4592 §3.3.1: the wildcard of the closest encloser answers, not one above",
    "any.deep.wild.t. A",
    ["NOERROR aa", "any.deep.wild.t. 300 A 192.0.2.4"],
  ],
  [
    "RFC 4592 §3.3.3: a type that only the wildcard above has is NODATA",
    "any.deep.wild.t. TXT",
    ["NOERROR aa", SOA],
  ],
  ["RFC 4592 §3.3.3: NODATA from a wildcard that has other types", "any.wild.t. MX", ["NOERROR aa", SOA]],
  [
    "RFC 4592 §4.3: a CNAME at a wildcard is followed",
    "any.wcname.t. A",
    ["NOERROR aa", "any.wcname.t. 300 CNAME target.t.", TARGET],
  ],
  [
    "RFC 4592 §4.3: a CNAME leads to a name that a wildcard answers",
    "cwild.t. A",
    ["NOERROR aa", "cwild.t. 300 CNAME any.wild.t.", "any.wild.t. 300 A 192.0.2.2"],
  ],
  ["RFC 4592 §3.2: a wildcard below a cut answers nothing", "any.cut.t. A", ["NOERROR", ...CUT]],
  [
    "RFC 6672 §3.1: a name below a DNAME gets it, a CNAME and the target",
    "x.dname.t. A",
    [
      "NOERROR aa",
      "dname.t. 300 DNAME dtarget.t.",
      "x.dname.t. 300 CNAME x.dtarget.t.",
      "x.dtarget.t. 300 A 192.0.2.20",
    ],
  ],
  [
    "RFC 6672 §2.3: the owner of a DNAME is not redirected",
    "dname.t. TXT",
    ["NOERROR aa", 'dname.t. 300 TXT "beside the DNAME"'],
  ],
  ["RFC 6672 §2.3: nor has it what its target has", "dname.t. A", ["NOERROR aa", SOA]],
  [
    "RFC 6672 §3.2: the DNAME itself may be asked for",
    "dname.t. DNAME",
    ["NOERROR aa", "dname.t. 300 DNAME dtarget.t."],
  ],
  [
    "RFC 6672 §3.2: a query for the CNAME ends with the one that is made",
    "x.dname.t. CNAME",
    ["NOERROR aa", "dname.t. 300 DNAME dtarget.t.", "x.dname.t. 300 CNAME x.dtarget.t."],
  ],
  [
    "RFC 6672 §3.2: NXDOMAIN behind a DNAME",
    "missing.dname.t. A",
    ["NXDOMAIN aa", "dname.t. 300 DNAME dtarget.t.", "missing.dname.t. 300 CNAME missing.dtarget.t.", SOA],
  ],
  [
    "RFC 6672 §2.2: a DNAME may lead to names of others",
    "www.dout.t. A",
    ["NOERROR aa", "dout.t. 300 DNAME elsewhere.test.", "www.dout.t. 300 CNAME www.elsewhere.test."],
  ],
  [
    "RFC 6672 §2.2: a DNAME may lead to the root",
    "www.droot.t. A",
    ["NOERROR aa", "droot.t. 300 DNAME .", "www.droot.t. 300 CNAME www."],
  ],
  [
    "RFC 6672 §2.2: several labels are put before the target",
    "a.w.dname.t. A",
    [
      "NOERROR aa",
      "dname.t. 300 DNAME dtarget.t.",
      "a.w.dname.t. 300 CNAME a.w.dtarget.t.",
      "a.w.dtarget.t. 300 A 192.0.2.21",
    ],
  ],
  [
    "RFC 6672 §3.2: a DNAME may lead below a cut",
    "host.dinto.t. A",
    ["NOERROR aa", "dinto.t. 300 DNAME cut.t.", "host.dinto.t. 300 CNAME host.cut.t.", ...CUT],
  ],
  [
    "RFC 4035 §3.1.4.1: DS at a cut is answered by the parent",
    "cut.t. DS",
    ["NOERROR aa", `cut.t. 300 DS 12345 13 2 ${"0".repeat(64)}`],
  ],
  ["RFC 4035 §3.1.4.1: no DS at a cut is NODATA of the parent", "bare.t. DS", ["NOERROR aa", SOA]],
  ["RFC 4035 §3.1.4.1: DS below a cut is referred", "x.cut.t. DS", ["NOERROR", ...CUT]],
  ["RFC 8020 §2: a name with names below it is never NXDOMAIN", "ent1.t. TXT", ["NOERROR aa", SOA]],
  ["RFC 8020 §2: below a name that does not exist there is none", "x.y.missing.t. TXT", ["NXDOMAIN aa", SOA]],
  ["RFC 8482 §4.2: ANY gets one HINFO", "types.t. ANY", ["NOERROR aa", 'types.t. 3600 HINFO "RFC8482" ""']],
  ["RFC 8482 §4.2: ANY gets the CNAME that is there", "c1.t. ANY", ["NOERROR aa", "c1.t. 300 CNAME c2.t."]],
  ["RFC 8482 §4: ANY does not hide that there is no such name", "missing.t. ANY", ["NXDOMAIN aa", SOA]],
  ["RFC 8482 §4: ANY at an empty non-terminal is NODATA", "ent1.t. ANY", ["NOERROR aa", SOA]],
  ["RFC 8482 §4: ANY below a cut is referred", "x.cut.t. ANY", ["NOERROR", ...CUT]],
  [
    "RFC 9460 §4.1: HTTPS brings the addresses of its target",
    "svc.t. HTTPS",
    [
      "NOERROR aa",
      'svc.t. 300 HTTPS 1 target.t. alpn="h2" port=8443 ipv4hint=192.0.2.10',
      `add ${TARGET}`,
      "add target.t. 300 AAAA 2001:db8::10",
    ],
  ],
  [
    "RFC 9460 §4.1: an alias brings the HTTPS RR of its target",
    "alias.t. HTTPS",
    [
      "NOERROR aa",
      "alias.t. 300 HTTPS 0 svc.t.",
      'add svc.t. 300 HTTPS 1 target.t. alpn="h2" port=8443 ipv4hint=192.0.2.10',
    ],
  ],
  [
    "RFC 9460 §4.1: SVCB brings the addresses of its target",
    "svc.t. SVCB",
    ["NOERROR aa", 'svc.t. 300 SVCB 2 mail.t. mandatory=alpn alpn="h3"', ...MAIL],
  ],
  [
    "RFC 9460 §7.3: a service's HTTPS has the addresses of A and AAAA as hints",
    "www.t. HTTPS",
    ["NOERROR aa", 'www.t. 5 HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.101 ipv6hint=2001:db8::101'],
  ],
  [
    "RFC 1034 §4.3.2: a steered name is answered with AA and its own TTL",
    "www.t. A",
    ["NOERROR aa", "www.t. 5 A 192.0.2.101"],
  ],
  ["RFC 2308 §2.2: a steered name without an IPv6 address has NODATA", "v4only.t. AAAA", ["NOERROR aa", SOA]],
  [
    "RFC 1034 §3.6.2: a CNAME leads to a steered name",
    "toshop.t. A",
    ["NOERROR aa", "toshop.t. 300 CNAME shop.t.", "shop.t. 5 A 192.0.2.101"],
  ],
  [
    "RFC 4592 §3.3: a wildcard may be steered",
    "x.shops.t. AAAA",
    ["NOERROR aa", "x.shops.t. 5 AAAA 2001:db8::101"],
  ],
  ["RFC 1035 §4.1.1: a name of others is REFUSED", "www.elsewhere.test. A", ["REFUSED"]],
  ["RFC 1035 §4.1.1: the root is REFUSED where it is not served", ". NS", ["REFUSED"]],
];

describe("names and types", () => {
  test.each(ROWS)("%s", async (_title, question, reply) => {
    const over = await Promise.all([false, true].map((isStream) => ask(question, {}, isStream)));
    for (const message of over) expect(summary(message)).toEqual(reply);
  });

  test("RFC 6672 §2.2: a target that would be too long is YXDOMAIN", async () => {
    const reply = await ask(`${"p".repeat(63)}.dlong.t. A`, { size: 1_232 });
    expect(summary(reply)[0]).toBe("YXDOMAIN aa");
    expect(reply.answers.map(({ type }) => type)).toEqual([RRType.DNAME]);
  });

  test("RFC 6672 §2.2: a DNAME that leads below itself ends", async () => {
    const reply = await ask("x.dloop.t. A", {}, true);
    expect(reply.answers.filter(({ type }) => type === RRType.DNAME)).toHaveLength(1);
    expect(reply.answers.length).toBeLessThan(12);
  });
});

describe("the header (RFC 1035 §4.1.1)", () => {
  test("RFC 1035 §4.1.1: the id is copied", async () => {
    for (const id of [0, 1, 0x1234, 0xffff]) expect((await ask("t. A", { id }, true)).id).toBe(id);
  });

  test("RFC 1035 §4.1.1: QR is set, RD is copied, RA is not claimed", async () => {
    for (const flags of [0, Flag.RD]) {
      const reply = await ask("target.t. A", { flags });
      expect(reply.flags & (Flag.QR | Flag.RD | Flag.RA)).toBe(Flag.QR | flags);
    }
  });

  test("RFC 1035 §4.1.1: what a query sets of AA, TC, RA and Z does not come back", async () => {
    const reply = await ask("missing.elsewhere.test. A", { flags: Flag.AA | Flag.TC | Flag.RA | 0x40 });
    expect(summary(reply)).toEqual(["REFUSED"]);
    expect(reply.flags & 0x40).toBe(0);
  });

  test("RFC 4035 §3.1.6: AD and CD are clear, whatever the query has", async () => {
    const reply = await ask("target.t. A", { flags: Flag.AD | Flag.CD, size: 1_232, dnssecOk: true });
    expect(reply.flags & (Flag.AD | Flag.CD)).toBe(0);
  });

  test("RFC 4343 §4.1: the question comes back octet by octet", async () => {
    const query = encodeQuestion(wireName("TaRgEt.T."), RRType.A);
    const reply = await exchange(query);
    expect(reply?.question).toBe(Buffer.from(query.subarray(12)).toString("hex"));
  });

  test.each([1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15])(
    "RFC 1035 §4.1.1: opcode %i is NOTIMP",
    async (opcode) => {
      const reply = await ask("target.t. A", { flags: opcode << 11 });
      expect(summary(reply)).toEqual(["NOTIMP"]);
      expect((reply.flags >> 11) & 15).toBe(opcode);
    },
  );

  test("RFC 8490 §5.1.1: a server without DSO answers NOTIMP", async () => {
    // A DSO message has no question; its keepalive TLV follows the header.
    const dso = Buffer.from("abcd30000000000000000000000100080000ea600000ea60", "hex");
    for (const isStream of [false, true]) {
      const reply = await exchange(dso, isStream);
      expect([reply?.id, reply?.rcode, reply?.question]).toEqual([0xabcd, 4, null]);
    }
  });

  test("RFC 1035 §4.1.1: a response is met with silence", async () => {
    expect(await exchange(encodeQuestion(wireName("t."), RRType.SOA, { flags: Flag.QR }))).toBeNull();
  });

  test.each([3, 4, 254, 255])(
    "RFC 1035 §3.2.4: class %i, which is not served, is REFUSED",
    async (qclass) => {
      expect(summary(await ask("target.t. A", { qclass }))).toEqual(["REFUSED"]);
    },
  );

  test("RFC 5936 §5: AXFR is REFUSED to who is not allowed", async () => {
    expect(summary(await ask("t. AXFR", {}, true))[0]).toMatch(/^REFUSED/);
  });

  test("RFC 5936 §5: IXFR, too, is REFUSED to who is not allowed", async () => {
    expect(summary(await ask("t. IXFR", {}, true))[0]).toMatch(/^REFUSED/);
  });
});

describe("what is malformed", () => {
  const whole = encodeQuestion(wireName("target.t."), RRType.A, { size: 1_232 });
  const changed = (at: number, octet: number): Uint8Array => {
    const query = Uint8Array.from(whole);
    query[at] = octet;
    return query;
  };

  test.each([
    ["RFC 9619 §4: two questions are FORMERR", changed(5, 2)],
    ["RFC 9619 §4: no question is FORMERR", changed(5, 0)],
    ["RFC 1035 §4.1.1: a query with an answer is FORMERR", changed(7, 1)],
    ["RFC 1035 §4.1.1: a count that promises more RRs than there are is FORMERR", changed(11, 2)],
    ["RFC 1035 §4.1.4: a qname that is a pointer is FORMERR", changed(12, 0xc0)],
    ["RFC 6891 §5: a label type that is reserved is FORMERR", changed(12, 0x80)],
    ["RFC 1035 §4.1.2: a question that is cut off is FORMERR", whole.subarray(0, 20)],
    ["RFC 6891 §6.1.2: an OPT whose owner is not the root is FORMERR", withOwnedOpt()],
    ["RFC 6891 §6.1.1: two OPTs are FORMERR", withTwoOpts()],
    ["RFC 6891 §6.1.2: an option that runs past its OPT is FORMERR", withLongOption()],
    ["RFC 1035 §4.1: octets behind the message are FORMERR", Uint8Array.from([...whole, 0])],
  ])("%s", async (_title, query) => {
    for (const isStream of [false, true]) {
      const reply = await exchange(query, isStream);
      expect([reply?.id, reply?.rcode, reply?.answers.length]).toEqual([0x1234, 1, 0]);
    }
  });

  test("RFC 1035 §4.1.1: less than a header is met with silence", async () => {
    expect(await exchange(whole.subarray(0, 11))).toBeNull();
  });

  test("RFC 6891 §6.1.1: FORMERR to a query with an OPT that could be read has an OPT", async () => {
    expect((await exchange(withTwoOpts()))?.opt?.version).toBe(0);
  });

  function withOwnedOpt(): Uint8Array {
    const bare = encodeQuestion(wireName("target.t."), RRType.A);
    bare[11] = 1;
    return Uint8Array.from([...bare, 1, 0x61, 0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0]);
  }

  function withTwoOpts(): Uint8Array {
    const query = Uint8Array.from([...whole, ...whole.subarray(-11)]);
    query[11] = 2;
    return query;
  }

  function withLongOption(): Uint8Array {
    const query = encodeQuestion(wireName("target.t."), RRType.A, {
      size: 1_232,
      options: [[65_001, Uint8Array.of(1, 2)]],
    });
    query[query.length - 3] = 3;
    return query;
  }
});

describe("EDNS (RFC 6891)", () => {
  test("RFC 6891 §6.1.1: a reply has an OPT if the query has one, and only then", async () => {
    expect((await ask("target.t. A")).opt).toBeNull();
    expect((await ask("target.t. A", { size: 1_232 })).opt).not.toBeNull();
    expect((await ask("www.elsewhere.test. A", { size: 1_232 })).opt).not.toBeNull();
    expect((await ask("missing.t. A", { size: 1_232 })).opt).not.toBeNull();
  });

  test("RFC 6891 §6.1.3: another version is BADVERS, with version 0 and no answer", async () => {
    const reply = await ask("target.t. A", { size: 1_232, ednsVersion: 1 });
    expect([reply.rcode, reply.opt?.version, reply.answers]).toEqual([16, 0, []]);
  });

  test("RFC 6891 §6.1.2: an option that nobody knows is ignored and not sent back", async () => {
    const reply = await ask("target.t. A", { size: 1_232, options: [[65_001, Uint8Array.of(1)]] });
    expect(summary(reply)).toEqual(["NOERROR aa", TARGET]);
    expect(reply.opt?.options.map(([code]) => code)).not.toContain(65_001);
  });

  test("RFC 3225 §3: DO is copied", async () => {
    for (const dnssecOk of [false, true])
      expect((await ask("target.t. A", { size: 1_232, dnssecOk })).opt?.dnssecOk).toBe(dnssecOk);
  });

  test("RFC 6891 §6.1.4: the other flags of an OPT are zero in the reply", async () => {
    const query = encodeQuestion(wireName("target.t."), RRType.A, { size: 1_232 });
    query[query.length - 3] = 0x01;
    query[query.length - 4] = 0x3f;
    const [reply] = await client.exchange([query]);
    expect([...(reply?.subarray(-4) ?? [])]).toEqual([0, 0, 0, 0]);
  });

  test("RFC 9715 §3.1: the payload size we announce is 1232", async () => {
    expect((await ask("target.t. A", { size: 4_096 })).opt?.udpPayloadSize).toBe(1_232);
  });
});

describe("sizes", () => {
  test("RFC 1035 §4.2.1: without EDNS a reply over UDP has at most 512 octets, else TC", async () => {
    expect(summary(await ask("r600.t. TXT"))).toEqual(["NOERROR aa tc"]);
    const whole = await ask("many-strings.t. TXT", { size: 700 });
    expect([whole.length > 512, whole.flags & Flag.TC]).toEqual([true, 0]);
  });

  test("RFC 6891 §6.2.3: a payload size below 512 means 512", async () => {
    const reply = await ask("t. MX", { size: 100 });
    expect([reply.length > 100, reply.flags & Flag.TC]).toEqual([true, 0]);
  });

  test("RFC 6891 §6.2.3: a reply is no larger than the payload size of the query", async () => {
    expect((await ask("r600.t. TXT", { size: 660 })).flags & Flag.TC).toBe(0);
    expect((await ask("r600.t. TXT", { size: 600 })).flags & Flag.TC).toBe(Flag.TC);
  });

  test("RFC 9715 §3.1: nothing over UDP is larger than 1232 octets", async () => {
    expect((await ask("r1400.t. TXT", { size: 4_096 })).flags & Flag.TC).toBe(Flag.TC);
    expect((await ask("huge.t. TXT", { size: 65_535 })).length).toBeLessThanOrEqual(1_232);
  });

  test("RFC 2181 §9: a reply that is truncated has no part of an RRset", async () => {
    const reply = await ask("addresses.t. A", { size: 1_232 });
    expect([reply.flags & Flag.TC, reply.answers, reply.authorities]).toEqual([Flag.TC, [], []]);
  });

  test("RFC 7766 §5: what does not fit over UDP is answered over TCP", async () => {
    expect((await ask("addresses.t. A", {}, true)).answers).toHaveLength(100);
    expect((await ask("huge.t. TXT", {}, true)).answers).toHaveLength(200);
  });

  test("RFC 9471 §3.1: glue that does not fit sets TC, and over TCP it is all there", async () => {
    expect(summary(await ask("x.many.t. A", { size: 1_232 }))).toEqual(["NOERROR tc"]);
    const whole = await ask("x.many.t. A", {}, true);
    expect([whole.authorities.length, whole.additionals.length]).toEqual([22, 42]);
  });

  test("RFC 7766 §6.2.1.1: queries on one connection are answered on it", async () => {
    const queries = ["target.t.", "missing.t.", "c1.t."].map((name, id) =>
      encodeQuestion(wireName(name), RRType.A, { id }),
    );
    const replies = await askOverTcp(port, queries);
    expect(replies.map((reply) => reply?.readUInt16BE(0))).toEqual([0, 1, 2]);
  });
});
