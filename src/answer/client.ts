/** Who asks: what is known of a query besides its octets. */

import { viewOf } from "../wire/packet.ts";

/** The source of one query; refilled for each, so that a packet costs no object. */
export class Client {
  /** 4 or 6; an IPv4-mapped IPv6 address counts as its IPv4 address. */
  family: number = 4;
  /** In network byte order. An IPv4 address is its first four octets; what follows them has no meaning. */
  readonly address: Uint8Array = new Uint8Array(16);
  readonly view: DataView = viewOf(this.address);
}
