/** What every message is made of (RFC 1035 §4.1): the flags of its header, and how many octets its parts have. */

/** Octets of the header; the question starts here. */
export const headerLength: number = 12;

/** The second 16-bit word of the header (RFC 1035 §4.1.1). */
export const HeaderBits = {
  QR: 0x8000,
  Opcode: 0x7800,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  Rcode: 0x000f,
} as const;

/** What a response has of its query's flags (RFC 1035 §4.1.1). */
export const copiedBits: number = HeaderBits.Opcode | HeaderBits.RD;

/** The second 16-bit word of the TTL of an OPT: DNSSEC OK (RFC 3225 §3) and Compact Answers OK (RFC 9824 §5.1). */
export const EdnsBits = { DO: 0x8000, CO: 0x4000 } as const;

/** Octets of an RR between its owner name and its RDATA (RFC 1035 §4.1.3). */
export const fixedRRLength: number = 10;

/** The most a message can be where it is not a datagram (RFC 1035 §4.2.2). */
export const messageLengthMax: number = 65_535;

/** What we accept and send over UDP: fits one IPv6 packet on any path (RFC 9715, DNS flag day 2020). */
export const udpLengthMax: number = 1232;

/** The least a requestor can take over UDP, with EDNS or without it (RFC 6891 §6.2.3). */
export const udpLengthMin: number = 512;
