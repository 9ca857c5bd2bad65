/** A DNS probe: one query and its response, over UDP or TCP. */

import type { DnsProbeSpec } from "../config/check.ts";
import type { Outcome } from "../health/report.ts";
import { addressOf } from "../wire/address.ts";
import { Rcode, RRClass, RRType, rrTypeName } from "../wire/codes.ts";
import type { Message } from "../wire/message.ts";
import { parseName, rootName } from "../wire/name.ts";
import { Attempt } from "./attempt.ts";
import { exchange, rcodeOf } from "./exchange.ts";

/** Asks the VIP; null when the probe was given up (see `Attempt.outcome`). */
export function probeDns(
  address: string,
  spec: DnsProbeSpec,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Outcome | null> {
  const attempt = new Attempt("the response", timeoutMs, signal);
  const parsed = parseName(spec.qname, rootName);
  const qname = parsed.kind === "name" ? parsed.name : rootName;
  const question = { qname, qtype: spec.qtype, qclass: RRClass.IN };
  exchange(attempt, { address, port: spec.port, transport: spec.transport }, question, (response) =>
    judge(attempt, response, spec),
  );
  return attempt.outcome;
}

function judge(attempt: Attempt, response: Message, spec: DnsProbeSpec): void {
  const rcode = rcodeOf(response);
  if (!spec.rcodes.includes(rcode)) {
    attempt.fail("status", `expected ${spec.rcodes.map(rcodeName).join(" or ")}, got ${rcodeName(rcode)}`);
    return;
  }
  const rrs = response.answers.filter(({ type }) => type === spec.qtype);
  if (rcode === Rcode.NoError && rrs.length === 0) {
    attempt.fail("body", `expected an answer of type ${rrTypeName(spec.qtype)}, got none`);
    return;
  }
  const addresses = isAddressType(spec.qtype) ? rrs.map(({ rdata }) => addressOf(rdata).text) : [];
  const missing = spec.answers.find((answer) => !addresses.includes(answer));
  if (missing === undefined) attempt.succeed();
  else attempt.fail("body", `expected ${missing} among the answers, got ${addresses.join(", ") || "none"}`);
}

function isAddressType(qtype: number): boolean {
  return qtype === RRType.A || qtype === RRType.AAAA;
}

/** As dig writes it. */
function rcodeName(rcode: number): string {
  const [name] = Object.entries(Rcode).find(([, code]) => code === rcode) ?? [`RCODE ${rcode}`];
  return name.toUpperCase();
}
