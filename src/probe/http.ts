/** An HTTP or HTTPS probe: one request on a connection of its own, straight to the VIP. */

import { type IncomingMessage, request } from "node:http";
import { connect, isIP, type Socket } from "node:net";
import { StringDecoder } from "node:string_decoder";
import { checkServerIdentity, connect as connectTls } from "node:tls";
import type { HttpProbeSpec } from "../config/config.ts";
import type { Outcome } from "../health/report.ts";
import { messageOf } from "../problem.ts";
import { Attempt } from "./attempt.ts";

/** How much of a body is searched for the expected text. */
const BODY_BYTES_MAX = 65_536;

/**
 * Asks the VIP as its check says; null when the probe was given up (see `Attempt.outcome`).
 *
 * 1. The connection goes to `address`: no name is resolved, no proxy is used, no redirect is followed.
 * 2. It is new for each probe, and so is the TLS session, so that every probe sees what a new client would see.
 * 3. The timeout covers the whole probe, from the handshake to the last byte that it needs.
 */
export function probeHttp(
  address: string,
  spec: HttpProbeSpec,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Outcome | null> {
  const socket = spec.tls ? openTls(address, spec) : connect({ host: address, port: spec.port });
  const attempt = new Attempt(socket, timeoutMs, signal);
  const firstByte = "the first byte of the response";
  socket.once("connect", () =>
    attempt.reached("connectMs", spec.tls ? "the end of the TLS handshake" : firstByte),
  );
  socket.once("secureConnect", () => attempt.reached("tlsMs", firstByte));
  socket.once(spec.tls ? "secureConnect" : "connect", () => {
    try {
      ask(attempt, socket, address, spec);
    } catch (cause) {
      attempt.fail("protocol", `cannot send the request: ${messageOf(cause)}`);
    }
  });
  return attempt.outcome;
}

/** Verifies the chain and the name unless the check is insecure; SNI never carries an address (RFC 6066 §3). */
function openTls(address: string, spec: HttpProbeSpec): Socket {
  const name = spec.host ?? address;
  return connectTls({
    host: address,
    port: spec.port,
    servername: isIP(name) === 0 ? name : "",
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    rejectUnauthorized: !spec.insecure,
    ALPNProtocols: ["http/1.1"],
  });
}

/** Sends the request on the open connection and judges what comes back. */
function ask(attempt: Attempt, socket: Socket, address: string, spec: HttpProbeSpec): void {
  const asked = request({
    createConnection: () => socket,
    method: spec.method,
    path: spec.path,
    headers: {
      host: spec.host ?? hostHeader(address, spec),
      "user-agent": "meridian",
      accept: "*/*",
      connection: "close",
      ...spec.headers,
    },
  });
  asked.on("error", (error) => attempt.failBy(error));
  asked.once("socket", () =>
    // Before the parser's own listener, which may end the probe.
    socket.prependOnceListener("data", () => attempt.reached("firstByteMs", "the end of the headers")),
  );
  asked.once("response", (response) => judge(attempt, response, spec));
  asked.end();
}

/** The address as an authority (RFC 3986 §3.2.2), with its port where that is not the scheme's. */
function hostHeader(address: string, spec: HttpProbeSpec): string {
  const host = isIP(address) === 6 ? `[${address}]` : address;
  return spec.port === (spec.tls ? 443 : 80) ? host : `${host}:${spec.port}`;
}

function judge(attempt: Attempt, response: IncomingMessage, spec: HttpProbeSpec): void {
  const { codes, body } = spec.expect;
  const code = response.statusCode ?? 0;
  if (!codes.some(([first, last]) => first <= code && code <= last)) {
    attempt.fail("status", `expected ${codes.map(formatCodes).join(" or ")}, got ${code}`);
  } else if (body === null) attempt.succeed();
  else search(attempt, response, body);
}

function formatCodes([first, last]: readonly [number, number]): string {
  return first === last ? `${first}` : `${first} to ${last}`;
}

/** Reads the body only until it has shown the expected text or cannot show it any more. */
function search(attempt: Attempt, response: IncomingMessage, expected: string): void {
  attempt.waitFor(`${JSON.stringify(expected)} in the body`);
  const decoder = new StringDecoder("utf8");
  let text = "";
  let length = 0;
  const miss = (where: string): void =>
    attempt.fail("body", `expected ${JSON.stringify(expected)} in ${where}, got ${excerpt(text)}`);
  response.on("data", (chunk: Buffer) => {
    const searched = Math.max(0, text.length - expected.length);
    text += decoder.write(chunk.subarray(0, BODY_BYTES_MAX - length));
    length += chunk.length;
    if (text.includes(expected, searched)) attempt.succeed();
    else if (length >= BODY_BYTES_MAX) miss("the first 64 KiB");
  });
  response.on("end", () => miss("the body"));
  response.on("error", (error) => attempt.failBy(error));
}

/** The beginning of a body, on one line. */
function excerpt(text: string): string {
  const beginning = JSON.stringify(text.slice(0, 60));
  return text.length > 60 ? `${beginning}...` : beginning;
}
