/** What carries a query and its response. */

/** In this order, because `Counter` counts queries in cells of the same order. */
export const Transport = {
  Udp: 0,
  Tcp: 1,
  /** DNS over TLS (RFC 7858). */
  Tls: 2,
  /** DNS over HTTPS (RFC 8484). */
  Https: 3,
} as const;
export type Transport = (typeof Transport)[keyof typeof Transport];

/** What we accept and send over UDP: fits one IPv6 packet on any path (RFC 9715, DNS flag day 2020). */
export const UDP_PAYLOAD_MAX = 1232;
/** The most a message can be where it is not a datagram (RFC 1035 §4.2.2). */
export const MESSAGE_MAX = 65_535;
