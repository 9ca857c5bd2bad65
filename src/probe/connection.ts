/** The connection of a probe: TCP straight to the VIP, with TLS upon it where the check says so. */

import { connect, isIP, type Socket } from "node:net";
import {
  checkServerIdentity,
  connect as connectTls,
  type DetailedPeerCertificate,
  type TLSSocket,
} from "node:tls";
import type { TlsProbeSpec } from "../config/check.ts";
import { formatDuration } from "../config/units.ts";
import { messageOf } from "../problem.ts";
import type { Attempt } from "./attempt.ts";

/** Chains are shorter, and one that leads in a circle ends here. */
const CHAIN_LENGTH_MAX = 10;

/** What of a check decides where its connection goes and who must be there. */
export interface Peer {
  readonly port: number;
  /** The name that the certificate must carry; null: the address itself. */
  readonly host: string | null;
  /** null: without TLS. */
  readonly tls: TlsProbeSpec | null;
}

/**
 * Opens the connection, and calls `onOpen` once it is ready for `awaited`, which then comes next.
 *
 * 1. It goes to `address`: no name is resolved, and no proxy is used.
 * 2. It is new for each probe, and so is the TLS session, so that every probe sees what a new client would see.
 */
export function openConnection(
  attempt: Attempt,
  address: string,
  peer: Peer,
  alpn: readonly string[],
  awaited: string,
  onOpen: (socket: Socket) => void,
): void {
  const open = (socket: Socket): void => {
    try {
      onOpen(socket);
    } catch (cause) {
      attempt.fail("protocol", `cannot send the request: ${messageOf(cause)}`);
    }
  };
  const { port, tls } = peer;
  if (tls === null) {
    const socket = connect({ host: address, port });
    attempt.own(socket);
    socket.once("connect", () => {
      attempt.reached("connectMs", awaited);
      open(socket);
    });
    return;
  }
  const socket = openTls(address, peer, tls, alpn);
  attempt.own(socket);
  socket.once("connect", () => attempt.reached("connectMs", "the end of the TLS handshake"));
  socket.once("secureConnect", () => {
    attempt.reached("tlsMs", awaited);
    const flaw = tls.validForMs === 0 ? null : expiryFlaw(socket, tls.validForMs);
    if (flaw === null) open(socket);
    else attempt.fail("certificate", flaw);
  });
}

/** The address as an authority (RFC 3986 §3.2.2), with its port where that is not the scheme's. */
export function authorityOf(address: string, { host, port, tls }: Peer): string {
  if (host !== null) return host;
  const authority = isIP(address) === 6 ? `[${address}]` : address;
  return port === (tls === null ? 80 : 443) ? authority : `${authority}:${port}`;
}

/** Verifies the chain and the name unless the check is insecure; SNI never carries an address (RFC 6066 §3). */
function openTls(
  address: string,
  { port, host }: Peer,
  { insecure }: TlsProbeSpec,
  alpn: readonly string[],
): TLSSocket {
  const name = host ?? address;
  return connectTls({
    host: address,
    port,
    servername: isIP(name) === 0 ? name : "",
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    rejectUnauthorized: !insecure,
    ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
  });
}

/** Which certificate of the chain expires too soon; null: none. */
function expiryFlaw(socket: TLSSocket, validForMs: number): string | null {
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  const untilMs = Date.now() + validForMs;
  for (let i = 0; i < CHAIN_LENGTH_MAX && certificate?.valid_to !== undefined; i += 1) {
    if (Date.parse(certificate.valid_to) < untilMs) {
      const expected = `expected it to be valid for ${formatDuration(validForMs)}`;
      return `the certificate of ${certificate.subject.CN} expires on ${certificate.valid_to}, ${expected}`;
    }
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    certificate = issuer === certificate ? undefined : issuer;
  }
  return null;
}
