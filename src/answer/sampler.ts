/** Notes one of so many steered queries for the profile of traffic. */

import type { Book } from "../book/book.ts";
import { VipRecord } from "../book/layout.ts";
import { PREFIX_MASK } from "../book/pick.ts";
import {
  IPV4_PREFIX_MAX,
  IPV6_PREFIX_MAX,
  NO_REGION,
  placeForSample,
  publishSample,
  SampleWord,
} from "../telemetry/samples.ts";
import { word } from "../wire/bytes.ts";
import { mix } from "../wire/mix.ts";
import { type Query, usesSubnet } from "../wire/query.ts";
import type { Client } from "./client.ts";
import type { Reply } from "./reply.ts";

/** One thread's samples. */
export class Sampler {
  readonly #ring: Uint32Array;
  readonly #every: number;
  /** Queries until the next sample. */
  #left = 1;
  #chance = 0;

  /** Samples one of `every` queries, at distances that vary: regular ones could fall in with a client's rhythm. */
  constructor(ring: Uint32Array, every: number) {
    this.#ring = ring;
    this.#every = every;
  }

  /** Counts a steered query; true: it is to be noted. Small, because it is asked for each of them. */
  isDue(): boolean {
    this.#left -= 1;
    return this.#left === 0;
  }

  /** Notes a query of service number `service`; `isAnswered`: `steer` has put the VIP into `reply`. */
  note(
    book: Book,
    service: number,
    query: Query,
    client: Client,
    moment: number,
    reply: Reply,
    isAnswered: boolean,
  ): void {
    this.#chance = mix(this.#chance + 0x9e3779b9);
    this.#left = 1 + ((this.#chance >>> 0) % (2 * this.#every - 1));
    const ring = this.#ring;
    const at = placeForSample(ring);
    if (at === 0) return;
    const isBySubnet = usesSubnet(query);
    const address = isBySubnet ? query.subnetAddress : client.view;
    const isIpv6 = isBySubnet ? query.subnetFamily === 2 : client.family === 6;
    const longest = isIpv6 ? IPV6_PREFIX_MAX : IPV4_PREFIX_MAX;
    const length = isBySubnet ? Math.min(query.sourcePrefixLength, longest) : longest;
    const vip = reply.vip < 0 ? reply.vip6 : reply.vip;
    const region = isAnswered ? Math.min(word(book.words, vip + VipRecord.region), NO_REGION) : NO_REGION;
    ring[at + SampleWord.version] = book.version;
    ring[at + SampleWord.service] = service;
    ring[at + SampleWord.moment] = moment;
    ring[at + SampleWord.qnameHash] = query.qnameHash;
    ring[at + SampleWord.what] = (query.qtype << 16) | (region << 8) | (isIpv6 ? 0x80 : 0) | length;
    ring[at + SampleWord.high] = address.getInt32(0) & (isIpv6 ? -1 : PREFIX_MASK);
    ring[at + SampleWord.low] = isIpv6 ? address.getInt32(4) & PREFIX_MASK : 0;
    publishSample(ring);
  }
}
