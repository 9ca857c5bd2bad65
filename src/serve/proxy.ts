/** The PROXY protocol, version 2: a load balancer says in front of a connection whose it is (haproxy's proxy-protocol.txt). */

import { addressOf, type IpAddress } from "../wire/address.ts";
import { u8, u16 } from "../wire/bytes.ts";

/** What no protocol that anybody speaks begins with (§2.2). */
const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
/** Signature, version and command, family and protocol, length of the rest. */
const FIXED_OCTETS = 16;
/** Addresses take 36 octets, and what load balancers add about TLS or their own network a few hundred. */
const PROXY_OCTETS_MAX = 1024;

const VERSION = 2;
const Command = { Local: 0, Proxy: 1 } as const;
/** Family and protocol of TCP over IPv4 and IPv6, with the octets of their addresses and ports. */
const TCP4 = { code: 0x11, addressOctets: 4, octets: 12 } as const;
const TCP6 = { code: 0x21, addressOctets: 16, octets: 36 } as const;

/** What a connection begins with. */
export type ProxyHeader =
  /** So far it can be a header, but it is not whole. */
  | { readonly kind: "more" }
  /** It is none, or one that we cannot use. */
  | { readonly kind: "bad" }
  /** A header of `length` octets; `client` null: the load balancer speaks for itself, as its health checks do. */
  | { readonly kind: "header"; readonly length: number; readonly client: IpAddress | null };

/** Reads the header that `octets` begin with. TLVs after the addresses are skipped. */
export function readProxyHeader(octets: Uint8Array): ProxyHeader {
  for (let i = 0; i < Math.min(octets.length, SIGNATURE.length); i += 1) {
    if (octets[i] !== SIGNATURE[i]) return { kind: "bad" };
  }
  if (octets.length < FIXED_OCTETS) return { kind: "more" };
  const command = u8(octets, 12) & 15;
  const length = FIXED_OCTETS + u16(octets, 14);
  if (u8(octets, 12) >> 4 !== VERSION || command > Command.Proxy || length > PROXY_OCTETS_MAX)
    return { kind: "bad" };
  if (octets.length < length) return { kind: "more" };
  // Of LOCAL all that follows is to be skipped, whatever it says.
  if (command === Command.Local) return { kind: "header", length, client: null };
  const family = [TCP4, TCP6].find(({ code }) => code === u8(octets, 13));
  if (family === undefined || length < FIXED_OCTETS + family.octets) return { kind: "bad" };
  const client = addressOf(octets.subarray(FIXED_OCTETS, FIXED_OCTETS + family.addressOctets));
  return { kind: "header", length, client };
}
