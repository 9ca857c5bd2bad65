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
