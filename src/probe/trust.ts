/** Whom agents and operators take for a node: what it must show before a token is sent to it. */

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect, isIP, isIPv4, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { messageOf } from "../problem.ts";
import { pinOf } from "../serve/certificate.ts";

/**
 * What a node is known by.
 *
 * 1. With neither CA nor pins, its certificate must come from a CA that Node knows, carry the host of the URL, and be valid now.
 * 2. With a CA, the same by the certificates in that file, and no others.
 * 3. With pins, its key must be one of them. Without a CA that is all: the certificate may be self-signed, of another name, and past its end.
 * 4. Without TLS nothing is known, so only this machine is spoken to in clear text, unless it is said that the network can be trusted.
 */
export interface Trust {
  /** A file in PEM, read anew for each connection; null: none. */
  readonly ca: string | null;
  /** As `pinOf` has them. */
  readonly pins: ReadonlySet<string>;
  /** Whether a token may go to another machine without TLS. */
  readonly clearText: boolean;
}

/** How it is told on the command line. */
export interface TrustOptions {
  readonly ca?: string;
  readonly pin?: readonly string[];
  readonly clearText?: boolean;
}

/** The octets of a SHA-256 in base64. */
const PIN = /^sha256\/[A-Za-z0-9+/]{43}=$/;

/** Throws when something in it cannot be used. */
export function parseTrust({ ca, pin = [], clearText = false }: TrustOptions): Trust {
  for (const one of pin) {
    if (!PIN.test(one))
      throw new Error(
        `Cannot use pin "${one}": expected sha256/ and 44 characters of base64, as \`meridian check\` prints it`,
      );
  }
  if (ca !== undefined) checkCa(ca);
  return { ca: ca ?? null, pins: new Set(pin), clearText };
}

/** Where a node is that may be spoken to; throws when it is no URL of one, or the token could be read on its way there. */
export function parseNodeUrl(node: string, { clearText }: Pick<Trust, "clearText">): URL {
  const url = URL.parse(node);
  if (url === null || !/^(https?|wss?):$/.test(url.protocol))
    throw new Error(`Cannot use node "${node}": expected a URL such as https://dns1.example:8053`);
  if (!clearText && !usesTls(url) && !isThisMachine(url))
    throw new Error(
      `Cannot use node "${node}": the token would go there in clear text; expected https, or --clear-text where the network encrypts`,
    );
  return url;
}

/**
 * Connects to a node. `onDistrust` is told why it is not the one it should be; then the connection is destroyed before anything that was
 * written to it is sent, and its error says the same.
 */
export function connectTo(url: URL, trust: Trust, onDistrust: (why: string) => void): Socket {
  const host = hostOf(url);
  if (!usesTls(url)) return connect({ host, port: Number(url.port || 80) });
  const { ca, pins } = trust;
  const socket = connectTls({
    host,
    port: Number(url.port || 443),
    // SNI never carries an address (RFC 6066 §3).
    servername: isIP(host) === 0 ? host : "",
    rejectUnauthorized: ca !== null || pins.size === 0,
    ...(ca !== null && { ca: readFileSync(ca) }),
  });
  let isDone = false;
  socket.once("secureConnect", () => {
    isDone = true;
    const flaw = pins.size === 0 ? null : pinFlaw(socket, pins);
    if (flaw === null) return;
    onDistrust(flaw);
    socket.destroy(new Error(flaw));
  });
  // A certificate that Node refuses ends the handshake by an error.
  socket.once("error", (error) => {
    if (!isDone && socket.authorizationError) onDistrust(error.message);
  });
  return socket;
}

function pinFlaw(socket: TLSSocket, pins: ReadonlySet<string>): string | null {
  const certificate = socket.getPeerX509Certificate();
  const seen = certificate === undefined ? "no certificate" : pinOf(certificate);
  return pins.has(seen) ? null : `expected a key with the pin ${[...pins].join(" or ")}, got ${seen}`;
}

function usesTls({ protocol }: URL): boolean {
  return protocol === "https:" || protocol === "wss:";
}

/** Without the brackets of an IPv6 address. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

/** Loopback addresses, and the name that is always one (RFC 6761 §6.3). */
function isThisMachine(url: URL): boolean {
  const host = hostOf(url);
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

/** Node ignores what is no certificate, and would trust nobody then. */
function checkCa(file: string): void {
  try {
    new X509Certificate(readFileSync(file));
  } catch (cause) {
    throw new Error(`Cannot use CA file ${file}: ${messageOf(cause)}; expected certificates in PEM`);
  }
}
