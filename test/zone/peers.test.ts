import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readZone } from "./texts.ts";

const folder = mkdtempSync(join(tmpdir(), "meridian-zone-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Of NSD: reads a master file, and with -p prints it. */
const checkZone = "nsd-checkzone";
const hasNsd = spawnSync(checkZone, ["-h"]).error === undefined;

/** The zone as nsd-checkzone of NSD reads it and prints it. */
function printedByNsd(text: string): string {
  const file = join(folder, "zone");
  writeFileSync(file, text);
  return execFileSync(checkZone, ["-p", "example.", file], { encoding: "utf8", stdio: "pipe" });
}

/** A zone with every way of writing that NSD knows too: it has no $GENERATE. */
const text = `$ORIGIN example.
$TTL 1h
@ SOA ns host ( 1 2h 3m 1w 5 ) ; comment
  NS ns
  NS ns2
ns A 192.0.2.1
ns2 AAAA 2001:db8::1
$ORIGIN sub.example.
t TXT "a b" c "\\000\\"\\\\;\\255" "é" ""
m 1h30m IN MX 10 m2
m2 IN 30 A 192.0.2.5
* A 192.0.2.6
$ORIGIN example.
h HTTPS 1 . mandatory=alpn alpn="h2,h3" port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1 key667="x\\210"
s SVCB 0 h
c CAA 0 issue "ca.example; x=y"
n NAPTR 1 2 "u" "E2U+sip" "!^.*$!sip:x@y!" .
srv SRV 1 2 3 h
d NS ns.d
d DS 1 8 2 ( 0123456789abcdef0123456789abcdef
  0123456789abcdef0123456789ABCDEF )
ns.d A 192.0.2.9
tl TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ssh SSHFP 4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
dn DNAME elsewhere.test.
cn CNAME @
u TYPE65280 \\# 3 01 0203
gen A \\# 4 c0000207
p PTR a\\.b\\032c
hi HINFO "x y" z
k DNSKEY 257 3 13 AQIDBA==
`;

test.skipIf(!hasNsd)("NSD reads the same RRs from a master file (needs nsd-checkzone)", () => {
  const rrs = readZone(text);
  expect(rrs).toHaveLength(26);
  expect(readZone(printedByNsd(text)).toSorted()).toEqual(rrs.toSorted());
});

test.skipIf(!hasNsd)("NSD reads the same RRs from the text we give them (needs nsd-checkzone)", () => {
  const rrs = readZone(text);
  expect(readZone(printedByNsd(`${rrs.join("\n")}\n`)).toSorted()).toEqual(rrs.toSorted());
});
