/** A TCP probe: the VIP is healthy when the handshake completes. */

import { connect } from "node:net";
import type { TcpProbeSpec } from "../config/config.ts";
import type { Outcome } from "../health/report.ts";
import { Attempt } from "./attempt.ts";

/** Connects and closes; null when the probe was given up (see `Attempt.outcome`). */
export function probeTcp(
  address: string,
  spec: TcpProbeSpec,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Outcome | null> {
  const socket = connect({ host: address, port: spec.port });
  const attempt = new Attempt(socket, timeoutMs, signal);
  socket.once("connect", () => {
    attempt.reached("connectMs", "nothing");
    attempt.succeed();
  });
  return attempt.outcome;
}
