/** The HTTP/2 side of probes (RFC 9113): one stream on a connection of its own. */

import { type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { HttpProbeSpec } from "../config/check.ts";
import type { Attempt } from "./attempt.ts";
import { judge } from "./expect.ts";

/** Sends the request of a check on the open connection and judges what comes back. */
export function askHttp2(attempt: Attempt, socket: Socket, authority: string, spec: HttpProbeSpec): void {
  const stream = openStream(attempt, socket, authority, {
    ":method": spec.method,
    ":path": spec.path,
    "user-agent": "meridian",
    accept: "*/*",
    ...spec.headers,
  });
  stream?.once("response", (headers) => {
    attempt.reached("firstByteMs", "the end of the body");
    judge(attempt, { code: headers[":status"] ?? 0, headers, body: stream }, spec);
  });
  stream?.end();
}

/**
 * Begins the one stream of a connection; whatever ends that ends the probe. Null, and the probe has ended, where the VIP
 * did not agree to HTTP/2; without TLS it is taken for granted (RFC 9113 §3.3).
 */
export function openStream(
  attempt: Attempt,
  socket: Socket,
  authority: string,
  headers: OutgoingHttpHeaders,
): ClientHttp2Stream | null {
  const encrypted = socket instanceof TLSSocket;
  if (encrypted && socket.alpnProtocol !== "h2") {
    attempt.fail("protocol", `expected h2 by ALPN, got ${socket.alpnProtocol || "nothing"}`);
    return null;
  }
  const scheme = encrypted ? "https" : "http";
  const session = connect(`${scheme}://${authority}`, { createConnection: () => socket });
  session.on("error", (error) => attempt.failBy(error));
  attempt.onEnd(() => session.destroy());
  const stream = session.request({ ":authority": authority, ":scheme": scheme, ...headers });
  stream.on("error", (error) => attempt.failBy(error));
  stream.once("close", () => attempt.closed());
  return stream;
}
