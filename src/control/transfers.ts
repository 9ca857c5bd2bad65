/** Transfers of zones to those who may have them: AXFR (RFC 5936), and IXFR in its form (RFC 1995 §4). */

import type { Logger } from "pino";
import { type IpAddress, isInPrefix, type Prefix } from "../wire/address.ts";
import { Rcode, RRClass, RRType } from "../wire/codes.ts";
import type { Message } from "../wire/message.ts";
import { formatName, nameKey, sameName } from "../wire/name.ts";
import { isAfter, serialIn } from "../wire/serial.ts";
import type { TsigKey } from "../wire/tsig.ts";
import type { Zone } from "../zone/zone.ts";
import { serialOf, soaMessage, zoneMessages } from "./axfr.ts";
import { headerOnly } from "./response.ts";
import type { Snapshot } from "./snapshot.ts";

/** A request whose signature is right. */
export interface SignedRequest {
  readonly message: Message;
  /** Without its TSIG. */
  readonly octets: Uint8Array;
  readonly source: IpAddress;
  readonly key: TsigKey;
  /** Whether the reply may have several messages. */
  readonly isStream: boolean;
  /** The version of TLS that it came by, as in `TLSv1.3`; null: without TLS. */
  readonly tls: string | null;
}

export interface TransfersOptions {
  readonly snapshot: () => Snapshot;
  readonly nowMs: () => number;
  readonly log: Logger;
}

/** How requests for a zone have ended: all of it sent, only its SOA because that is all there was to say, not at all, or in the middle. */
export type TransferOutcome = "done" | "current" | "refused" | "broken";

/** Each holds a zone that may not be in force any more; a secondary that is told to wait asks again. */
const UNDER_WAY_MAX = 16;

/** What a request comes to. */
type Verdict =
  | { readonly kind: "refused"; readonly rcode: Rcode; readonly detail: string }
  /** The SOA alone. */
  | { readonly kind: "current"; readonly zone: Zone }
  | { readonly kind: "zone"; readonly zone: Zone };

/** All transfers of a node. */
export class Transfers {
  readonly #options: TransfersOptions;
  readonly #outcomes: Record<TransferOutcome, number> = { done: 0, current: 0, refused: 0, broken: 0 };
  #underWay = 0;

  constructor(options: TransfersOptions) {
    this.#options = options;
  }

  /** How many requests have ended how. */
  get outcomes(): Readonly<Record<TransferOutcome, number>> {
    return this.#outcomes;
  }

  /**
   * The messages of the reply, each made when it is asked for. They are of the zone as it was at the first, whatever is
   * loaded meanwhile.
   */
  *reply(request: SignedRequest): Generator<Uint8Array> {
    const { octets, message, source, key } = request;
    const verdict = this.#judge(request);
    switch (verdict.kind) {
      case "refused": {
        const by = { key: labelOf(key), source: source.text, rcode: verdict.rcode };
        this.#options.log.warn(by, `transfer refused: ${verdict.detail}`);
        this.#outcomes.refused += 1;
        yield headerOnly(octets, message, verdict.rcode);
        return;
      }
      case "current":
        this.#outcomes.current += 1;
        yield soaMessage(verdict.zone, octets, message);
        return;
      case "zone":
        yield* this.#send(verdict.zone, request);
        return;
    }
  }

  #judge({ message, source, key, isStream, tls }: SignedRequest): Verdict {
    const [question] = message.questions;
    if (question === undefined || question.qclass !== RRClass.IN)
      return refused(Rcode.NotAuth, "the question is for no zone");
    const { zones, config } = this.#options.snapshot();
    const zone = zones.find(({ apex }) => sameName(apex, question.qname));
    const name = formatName(question.qname);
    if (zone === undefined) return refused(Rcode.NotAuth, `${name} is no zone of ours`);
    const peer = config.transfer
      .get(nameKey(zone.apex))
      ?.peers.find((candidate) => candidate.key === nameKey(key.name) && isFrom(source, candidate.from));
    if (peer === undefined) return refused(Rcode.Refused, `${name} is not for this key from there`);
    // What TLS hides of a zone, 1.2 hides less well; queries may come by it (RFC 7858), transfers may not (RFC 9103 §7.2).
    if (tls !== null && tls !== "TLSv1.3")
      return refused(Rcode.Refused, `${name} came by ${tls}, and goes by TLS 1.3 or later alone`);
    if (question.qtype === RRType.IXFR) {
      const theirs = serialOfClient(message);
      if (theirs === null) return refused(Rcode.FormErr, `an IXFR of ${name} without the client's SOA`);
      // Over UDP there is room for no zone (RFC 1995 §2).
      if (!isStream || !isAfter(serialOf(zone), theirs)) return { kind: "current", zone };
    }
    if (this.#underWay >= UNDER_WAY_MAX)
      return refused(Rcode.ServFail, `${UNDER_WAY_MAX} transfers are under way, the most there can be`);
    return { kind: "zone", zone };
  }

  *#send(zone: Zone, { octets, message, source, key }: SignedRequest): Generator<Uint8Array> {
    const { log, nowMs } = this.#options;
    const startedMs = nowMs();
    let messages = 0;
    let sent = 0;
    let outcome: TransferOutcome = "broken";
    this.#underWay += 1;
    try {
      for (const part of zoneMessages(zone, octets, message)) {
        messages += 1;
        sent += part.length;
        yield part;
      }
      outcome = "done";
    } finally {
      this.#underWay -= 1;
      this.#outcomes[outcome] += 1;
      const serial = serialOf(zone);
      const about = { key: labelOf(key), source: source.text, serial, messages, octets: sent };
      const end = outcome === "done" ? "transferred" : "not transferred to the end";
      log.info({ ...about, ms: Math.round(nowMs() - startedMs) }, `${formatName(zone.apex)} ${end}`);
    }
  }
}

/** The serial of the version that a client has, from the authority section of its IXFR (RFC 1995 §3). */
function serialOfClient({ questions, authorities }: Message): number | null {
  const [soa, ...others] = authorities;
  const [question] = questions;
  if (soa === undefined || question === undefined || others.length > 0) return null;
  return soa.type === RRType.SOA && sameName(soa.owner, question.qname) ? serialIn(soa.rdata) : null;
}

/** Whether an address lies in one of the prefixes. */
export function isFrom(address: IpAddress, prefixes: readonly Prefix[]): boolean {
  return prefixes.some((prefix) => isInPrefix(address, prefix));
}

/** A key as people write it. */
export function labelOf({ name }: TsigKey): string {
  return formatName(name).slice(0, -1);
}

function refused(rcode: Rcode, detail: string): Verdict {
  return { kind: "refused", rcode, detail };
}
