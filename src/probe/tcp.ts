/** A TCP or TLS probe: the handshake, and where the check says so, what is sent and what must come. */

import type { Socket } from "node:net";
import type { TcpProbeSpec } from "../config/check.ts";
import type { Outcome } from "../health/report.ts";
import { Attempt } from "./attempt.ts";
import { openConnection } from "./connection.ts";

/** How much of what comes is searched. */
const OCTETS_MAX = 65_536;

/** Connects and closes; null when the probe was given up (see `Attempt.outcome`). */
export function probeTcp(
  address: string,
  spec: TcpProbeSpec,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Outcome | null> {
  const attempt = new Attempt("a connection", timeoutMs, signal);
  const send = spec.send === null ? null : Buffer.from(spec.send, "hex");
  const expected = spec.expect === null ? null : Buffer.from(spec.expect, "hex");
  const awaited = expected === null ? "the VIP to take what is sent" : `${show(expected)} from the VIP`;
  openConnection(attempt, address, spec, [], awaited, (socket) => {
    if (expected !== null) search(attempt, socket, expected);
    if (send === null && expected === null) attempt.succeed();
    else if (send !== null) socket.write(send, () => expected === null && attempt.succeed());
  });
  return attempt.outcome;
}

/** Reads until the expected octets have come or cannot come any more. */
function search(attempt: Attempt, socket: Socket, expected: Buffer): void {
  let got = Buffer.alloc(0);
  const miss = (): void => attempt.fail("body", `expected ${show(expected)}, got ${show(got)}`);
  socket.on("data", (chunk: Buffer) => {
    attempt.reached("firstByteMs", `${show(expected)} from the VIP`);
    got = Buffer.concat([got, chunk]);
    if (got.includes(expected)) attempt.succeed();
    else if (got.length >= OCTETS_MAX) miss();
  });
  socket.on("end", () => (got.length === 0 ? attempt.closed() : miss()));
}

/** The beginning of some octets: as text where they are printable, else in hexadecimal digits. */
function show(octets: Buffer): string {
  const beginning = octets.subarray(0, 60);
  const text = beginning.toString("latin1");
  const shown = /^[ -~\t\r\n]*$/.test(text) ? JSON.stringify(text) : beginning.toString("hex");
  return octets.length > beginning.length ? `${shown}...` : shown;
}
