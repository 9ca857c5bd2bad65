/** A zone with everything that makes name servers differ. Its apex has one letter, so that 127 labels fit. */

/** Texts of 100 octets each. */
function texts(count: number, letter: string): string {
  return Array.from({ length: count }, (_, i) => `"${`${i}`.padStart(3, "0")}${letter.repeat(97)}"`).join(
    " ",
  );
}

const label63 = (letter: string): string => letter.repeat(63);
/** 3 * 64 + 60 + `t.` are the 255 octets that a name may have. */
export const LONGEST: string = `${label63("a")}.${label63("b")}.${label63("c")}.${"d".repeat(59)}.t.`;
/** 126 labels and `t.` are 255 octets. */
export const DEEPEST: string = `${"x.".repeat(126)}t.`;

/** What every server serves. */
export const TORTURE: string = `$ORIGIN t.
$TTL 300
@ SOA ns1 host\\.master 2026112100 3600 900 604800 60
@ NS ns1
@ NS ns2.elsewhere.test.
@ MX 10 mail
@ MX 20 mail
@ MX 30 mx.elsewhere.test.
@ TXT "v=spf1 -all" "second string"
@ CAA 0 issue "ca.example.net; policy=ev"
@ HTTPS 1 . alpn=h2,h3
ns1 A 192.0.2.53
ns1 AAAA 2001:db8::53
mail A 192.0.2.25
mail AAAA 2001:db8::25

; Empty non-terminals (RFC 4592 2.2.2).
leaf.ent3.ent2.ent1 A 192.0.2.1
; Wildcards, with explicit names, empty non-terminals and other wildcards among what they match (RFC 4592).
*.wild A 192.0.2.2
*.wild TXT "wildcard"
explicit.wild TXT "no address"
leaf.ent.wild A 192.0.2.3
*.deep.wild A 192.0.2.4
*.wcname CNAME target
*.wmx MX 10 mail
*.wself CNAME x.wself
*.*.double A 192.0.2.5
below.*.star A 192.0.2.6
*.star A 192.0.2.7
; CNAMEs: chains, loops, and what they may lead to.
target A 192.0.2.10
target AAAA 2001:db8::10
target TXT "target"
c1 CNAME c2
c2 CNAME c3
c3 CNAME c4
c4 CNAME c5
c5 CNAME target
loop1 CNAME loop2
loop2 CNAME loop3
loop3 CNAME loop1
self CNAME self
cmissing CNAME missing.target
cwild CNAME any.wild
cwcname CNAME any.wcname
cent CNAME ent2.ent1
ccut CNAME host.cut
cdname CNAME x.dname
cout CNAME www.elsewhere.test.
; DNAMEs (RFC 6672).
dname DNAME dtarget
dname TXT "beside the DNAME"
x.dtarget A 192.0.2.20
*.w.dtarget A 192.0.2.21
c.dtarget CNAME target
d.dtarget CNAME y.dname
dout DNAME elsewhere.test.
droot DNAME .
dlong DNAME ${label63("l")}.${label63("m")}.${label63("n")}.t.
dinto DNAME cut
dloop DNAME deeper.dloop
; Delegations: glue, none, a sibling's, and a wildcard that the cut hides.
cut NS ns.cut
cut NS ns1
cut DS 12345 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.cut A 192.0.2.60
ns.cut AAAA 2001:db8::60
*.cut A 192.0.2.61
bare NS ns.elsewhere.test.
sibling NS ns.older
older NS ns.older
ns.older A 192.0.2.62
deep.below.ent4 NS ns1
many NS a.many
many NS b.many
${Array.from({ length: 20 }, (_, i) => `many NS n${i}.many\nn${i}.many A 192.0.2.${i}\nn${i}.many AAAA 2001:db8::${i}`).join("\n")}
a.many A 192.0.2.63
b.many A 192.0.2.64
; Names at the limits, and octets that are not letters (RFC 1035 2.3.4, RFC 2181 11, RFC 4343).
${LONGEST} A 192.0.2.30
${DEEPEST} A 192.0.2.31
\\000\\255.octets A 192.0.2.32
a\\.b.octets A 192.0.2.33
sp\\032ace.octets TXT "space"
\\@\\;\\".octets TXT "marks"
MiXeD.Case A 192.0.2.34
x.MiXeD.Case CNAME TARGET
_under_.score A 192.0.2.35
xn--mnchen-3ya A 192.0.2.36
; RRsets that need more room than 512, than 1232, and than any UDP.
many-strings TXT ${texts(5, "s")}
r600 TXT ${texts(6, "m")}
${Array.from({ length: 14 }, (_, i) => `r1400 TXT ${texts(1, String.fromCharCode(97 + i))}`).join("\n")}
${Array.from({ length: 200 }, (_, i) => `huge TXT "${i}" ${texts(1, "h")}`).join("\n")}
${Array.from({ length: 100 }, (_, i) => `addresses A 198.51.100.${i}`).join("\n")}
; TTLs.
zero 0 A 192.0.2.40
most 2147483647 A 192.0.2.41
; Types.
types A 192.0.2.50
types AAAA 2001:db8::50
types HINFO "PDP-11" "UNIX"
types MX 0 .
types RP host.t. txt.t.
types AFSDB 1 target
types SRV 0 0 0 .
types NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@t!" .
types SSHFP 4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
types TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
types CAA 128 iodef "mailto:caa@t"
types TYPE65280 \\# 5 0001020304
types TYPE65281 \\# 0
types PTR target
_sip._tcp SRV 10 60 5060 target
_sip._tcp SRV 20 60 5061 target
_sip._tcp SRV 30 0 5060 sip.elsewhere.test.
svc HTTPS 1 target alpn=h2 port=8443 ipv4hint=192.0.2.10
svc SVCB 2 mail mandatory=alpn alpn=h3
alias HTTPS 0 svc
arpa-like PTR target
`;

/** Names to ask for: owners of the zone, names that wildcards and DNAMEs answer, and names that do not exist. */
export const QNAMES: readonly string[] = [
  ...new Set(
    TORTURE.split("\n")
      .map((line) => /^([^\s;$]+) /.exec(line)?.[1] ?? "")
      .filter((owner) => owner !== "" && !/^n[1-9]\d*\.many$/.test(owner))
      .map((owner) => (owner === "@" ? "t." : owner.endsWith(".") ? owner : `${owner}.t.`)),
  ),
  ...["ent1", "ent2.ent1", "ent3.ent2.ent1", "x.ent1", "x.ent3.ent2.ent1", "ent.wild", "x.ent.wild"],
  ...["any.wild", "a.b.c.wild", "below.explicit.wild", "deep.wild", "any.deep.wild", "*.any.wild"],
  ...["any.wcname", "a.b.wcname", "any.wmx", "any.wself", "x.wself", "wild", "wself"],
  ...["*.double", "x.double", "a.b.double", "x.*.double", "*.star", "x.star", "x.*.star", "y.x.star"],
  ...["x.dname", "w.dname", "a.w.dname", "c.dname", "d.dname", "missing.dname", "x.y.dname"],
  ...[
    "www.dout",
    "www.droot",
    "x.dlong",
    `${label63("p")}.dlong`,
    "host.dinto",
    "dinto",
    "x.dloop",
    "a.b.dloop",
  ],
  ...[
    "host.cut",
    "a.b.cut",
    "ns.cut",
    "x.ns.cut",
    "host.bare",
    "host.sibling",
    "host.older",
    "x.deep.below.ent4",
  ],
  ...["below.ent4", "ent4", "x.ent4", "host.many", "missing", "a.b.missing", "x.mail", "*", "x.c1", "octets"],
  ...[
    "b.octets",
    "a.b.octets",
    "case",
    "X.mixed.CASE",
    "y.mixed.case",
    "score",
    "_tcp",
    "x._sip._tcp",
    "x.svc",
  ],
].map((name) => (name.endsWith(".") ? name : `${name}.t.`));

/** Names that are not in the zone at all. */
export const FOREIGN: readonly string[] = [".", "elsewhere.test.", "tt.", "x.tt.", `${"f.".repeat(127)}`];

/** Appended for Meridian alone: names that are steered as the service `www` is. */
export const STEERED: string = `shop STEER www
*.shops STEER www
below.shop TXT "beside a steered name"
toshop CNAME shop
`;

/** Names of the services `www.t.`, `several.t.` and `v4only.t.`, and of those that are answered like them. */
export const STEERED_QNAMES: readonly string[] = [
  "www",
  "several",
  "v4only",
  "shop",
  "x.shops",
  "toshop",
  "x.shop",
].map((name) => `${name}.t.`);

/** Appended where the zone is signed: a zone below that is signed too (its DS comes with its key), and one that is not. */
export const DELEGATED: string = `signed NS ns1
plain NS ns1
`;

/** The two zones below, by their apexes. */
export const CHILDREN: Readonly<Record<string, string>> = {
  "signed.t.": childOf("signed.t."),
  "plain.t.": childOf("plain.t."),
};

function childOf(apex: string): string {
  return `$ORIGIN ${apex}
$TTL 300
@ SOA ns1.t. host.t. 1 3600 900 604800 60
@ NS ns1.t.
www A 192.0.2.70
alias CNAME www
*.wild TXT "below the cut"
up CNAME target.t.
`;
}

/** Names in each of the zones below, their apexes too. */
export const CHILD_QNAMES: readonly string[] = Object.keys(CHILDREN).flatMap((apex) => [
  apex,
  ...["www", "alias", "any.wild", "wild", "up", "missing"].map((name) => `${name}.${apex}`),
]);
