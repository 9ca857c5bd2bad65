/** Answers sampled queries again, by the code that answers, from any book. */

import { Book } from "../book/book.ts";
import { SERVICE_WORDS, VIP_WORDS } from "../book/layout.ts";
import { counterRow, newCounters } from "../telemetry/counters.ts";
import { headerLength } from "../wire/format.ts";
import { Packet } from "../wire/packet.ts";
import { Query } from "../wire/query.ts";
import { Client } from "./client.ts";
import { Reply } from "./reply.ts";
import { steer } from "./steer.ts";

/** What the answer to a steered query depends on. */
export interface Replayed {
  /** In seconds since 1970. */
  readonly moment: number;
  readonly qnameHash: number;
  readonly qtype: number;
  readonly isIpv6: boolean;
  /** Above 0. */
  readonly prefixLength: number;
  /** The first 32 bits of the address, and of IPv6 the next 32, with zeros behind the prefix. */
  readonly high: number;
  readonly low: number;
}

/** Room for the RRs of a steered answer. */
const PACKET_OCTETS = 4096;

/** A book, and what it takes to answer from it. */
export class Replay {
  readonly #book: Book;
  readonly #query = new Query();
  readonly #reply = new Reply();
  readonly #packet = new Packet(new Uint8Array(PACKET_OCTETS));
  readonly #client = new Client();
  readonly #counters = counterRow(newCounters(1), 0);

  /** `memory` holds a compiled book; of its zones nothing is needed. */
  constructor(memory: ArrayBufferLike) {
    this.#book = new Book(memory);
  }

  /** The number of the VIP that a query for service number `service` gets, of HTTPS the one it is counted by; -1: none. */
  vipFor(service: number, { moment, qnameHash, qtype, isIpv6, prefixLength, high, low }: Replayed): number {
    const [query, reply] = [this.#query, this.#reply];
    query.qtype = qtype;
    query.qnameHash = qnameHash;
    query.qnameLength = 1;
    query.questionEnd = headerLength;
    query.hasSubnet = true;
    query.subnetFamily = isIpv6 ? 2 : 1;
    query.sourcePrefixLength = prefixLength;
    query.subnetAddress.setInt32(0, high);
    query.subnetAddress.setInt32(4, low);
    reply.begin(this.#packet, query, PACKET_OCTETS, 0);
    steer(this.#book, service * SERVICE_WORDS, query, this.#client, moment, reply, this.#counters);
    if (reply.at === headerLength) return -1;
    const vip = reply.vip < 0 ? reply.vip6 : reply.vip;
    return (vip - this.#book.vipsAt) / VIP_WORDS;
  }
}
