/** Where DNS is served, and how Linux writes such a place down. */

import type { Client } from "../answer/client.ts";
import type { Endpoint } from "../config/node.ts";
import { addressOf, type IpAddress } from "../wire/address.ts";
import { putU16, u8, u16 } from "../wire/bytes.ts";

/** `192.0.2.1:53`, `[2001:db8::1]:53`. */
export function formatEndpoint(endpoint: Endpoint): string {
  const { family, text } = endpoint.address;
  return family === 4 ? `${text}:${endpoint.port}` : `[${text}]:${endpoint.port}`;
}

/** Whether it is 0.0.0.0 or ::, so that queries come to any address of the machine. */
export function isWildcard(address: IpAddress): boolean {
  return address.bytes.every((octet) => octet === 0);
}

/** Address families of Linux. */
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Octets of `sockaddr_in` and of `sockaddr_in6`. */
export const SOCKADDR_IN = 16;
export const SOCKADDR_IN6 = 28;

/**
 * An endpoint as bind(2) takes it. The family is in host order, which is little-endian wherever we use it.
 *
 *     sockaddr_in    0 family:2   2 port:2   4 address:4    8 zero:8
 *     sockaddr_in6   0 family:2   2 port:2   4 flow:4       8 address:16   24 scope:4
 */
export function sockaddrOf(endpoint: Endpoint): Uint8Array {
  const { family, bytes } = endpoint.address;
  const sockaddr = new Uint8Array(family === 4 ? SOCKADDR_IN : SOCKADDR_IN6);
  sockaddr[0] = family === 4 ? AF_INET : AF_INET6;
  putU16(sockaddr, 2, endpoint.port);
  sockaddr.set(bytes, family === 4 ? 4 : 8);
  return sockaddr;
}

/** The endpoint that getsockname(2) wrote down; null: it is none of IPv4 or IPv6. */
export function endpointOf(sockaddr: Uint8Array): Endpoint | null {
  const family = u8(sockaddr, 0);
  if (family !== AF_INET && family !== AF_INET6) return null;
  const address = family === AF_INET ? sockaddr.slice(4, 8) : sockaddr.slice(8, 24);
  return { address: addressOf(address), port: u16(sockaddr, 2) };
}

/** `fe80::1%eth0` without its zone, which says only by which interface to reply. */
export function withoutZone(text: string): string {
  const percent = text.indexOf("%");
  return percent < 0 ? text : text.slice(0, percent);
}

/** Reads a source address at `at` into `client`. */
export function readSockaddr(octets: Uint8Array, at: number, client: Client): void {
  if (u8(octets, at) === AF_INET) fill(client, 4, octets, at + 4, 4);
  else fillIpv6(client, octets, at + 8);
}

/** Sets `client` to an address of 4 or 16 octets. */
export function setClient(client: Client, address: Uint8Array): void {
  if (address.length === 4) fill(client, 4, address, 0, 4);
  else fillIpv6(client, address, 0);
}

/** Folds ::ffff:a.b.c.d to a.b.c.d (RFC 4291 §2.5.5.2): a stranger may well send from it. */
function fillIpv6(client: Client, octets: Uint8Array, at: number): void {
  let mapped = u16(octets, at + 10) === 0xffff;
  for (let i = 0; mapped && i < 10; i += 1) mapped = u8(octets, at + i) === 0;
  if (mapped) fill(client, 4, octets, at + 12, 4);
  else fill(client, 6, octets, at, 16);
}

function fill(client: Client, family: number, octets: Uint8Array, at: number, length: number): void {
  client.family = family;
  for (let i = 0; i < length; i += 1) client.address[i] = u8(octets, at + i);
}
