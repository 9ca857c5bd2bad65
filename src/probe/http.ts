/** An HTTP or HTTPS probe: one request on a connection of its own. */

import { request } from "node:http";
import type { Socket } from "node:net";
import type { HttpProbeSpec } from "../config/check.ts";
import type { Outcome } from "../health/report.ts";
import { Attempt } from "./attempt.ts";
import { authorityOf, openConnection } from "./connection.ts";
import { judge } from "./expect.ts";
import { askHttp2 } from "./http2.ts";

/**
 * Asks the VIP as its check says; null when the probe was given up (see `Attempt.outcome`). No redirect is followed. The
 * timeout covers the whole probe, from the handshake to the last byte that it needs.
 */
export function probeHttp(
  address: string,
  spec: HttpProbeSpec,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Outcome | null> {
  const attempt = new Attempt("a connection", timeoutMs, signal);
  const [alpn, ask] = spec.version === 2 ? (["h2", askHttp2] as const) : (["http/1.1", askHttp1] as const);
  openConnection(attempt, address, spec, [alpn], "the first byte of the response", (socket) => {
    const authority = authorityOf(address, spec);
    ask(attempt, socket, authority, spec);
  });
  return attempt.outcome;
}

/** Sends the request on the open connection and judges what comes back. */
function askHttp1(attempt: Attempt, socket: Socket, authority: string, spec: HttpProbeSpec): void {
  const asked = request({
    createConnection: () => socket,
    method: spec.method,
    path: spec.path,
    headers: {
      host: authority,
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
  asked.once("response", (response) =>
    judge(attempt, { code: response.statusCode ?? 0, headers: response.headers, body: response }, spec),
  );
  asked.end();
}
