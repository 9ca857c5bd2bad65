/** What a probe that asks a DNS server does. */

import { isTransfer, Rcode, RRType, rrTypeCode } from "../wire/codes.ts";
import { formatName } from "../wire/name.ts";
import type { DnsProbeSpec } from "./check.ts";
import { type CheckFields, type ExpectFields, parsePort } from "./check-fields.ts";
import type { Reader } from "./read.ts";

/** What RCODEs are called in presentation form, as dig shows them. */
const rcodes: ReadonlyMap<string, number> = new Map(
  Object.entries(Rcode).map(([name, code]) => [name.toUpperCase(), code]),
);

/** Reads what a check of type `dns` says beyond what all do. */
export function parseDns(
  check: CheckFields,
  expect: ExpectFields | null,
): Omit<DnsProbeSpec, "latencyMs" | "inverted"> {
  const qname = check.required("qname")?.domainName() ?? null;
  const qtype = parseQtype(check.optional("qtype"));
  const codes = expect?.optional("rcodes") ?? null;
  const answers = expect?.optional("answers") ?? null;
  return {
    kind: "dns",
    port: parsePort(check, 53),
    transport: check.optional("transport")?.oneOf(["udp", "tcp"]) ?? "udp",
    qname: qname === null ? "." : formatName(qname),
    qtype,
    rcodes: codes === null ? [Rcode.NoError] : parseRcodes(codes),
    answers: answers === null ? [] : parseAnswers(answers, qtype),
  };
}

function parseQtype(reader: Reader | null): number {
  const text = reader?.text("an RR type") ?? "A";
  const code = rrTypeCode(text);
  // Neither a zone nor everything there is makes one small response.
  const single = code !== null && code !== RRType.ANY && code !== RRType.OPT && !isTransfer(code);
  if (!single) reader?.expected("an RR type such as A or SOA");
  return code ?? RRType.A;
}

function parseRcodes(reader: Reader): readonly number[] {
  return reader.items("a list of RCODEs", "RCODE").flatMap((item) => {
    const name = item.oneOf([...rcodes.keys()].filter((rcode) => (rcodes.get(rcode) ?? 0) <= 10));
    const code = name === null ? undefined : rcodes.get(name);
    return code === undefined ? [] : [code];
  });
}

function parseAnswers(reader: Reader, qtype: number): readonly string[] {
  if (qtype !== RRType.A && qtype !== RRType.AAAA) {
    reader.problemAtKey("expected only with the qtype A or AAAA");
    return [];
  }
  const family = qtype === RRType.A ? 4 : 6;
  return reader.items("a list of addresses", "address").flatMap((item) => item.address(family)?.text ?? []);
}
