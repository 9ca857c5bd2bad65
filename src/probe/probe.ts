/** One look at one VIP, whatever its check says. */

import type { ProbeSpec, SingleProbeSpec } from "../config/check.ts";
import type { Outcome } from "../health/report.ts";
import { probeCalculated } from "./calculated.ts";
import { probeDns } from "./dns.ts";
import { probeGrpc } from "./grpc.ts";
import { probeHttp } from "./http.ts";
import { probeIcmp } from "./icmp.ts";
import type { Target } from "./protocol.ts";
import { probeTcp } from "./tcp.ts";

/** Probes a target once; null when the signal ended it, or this machine could not make it. */
export function probe(
  { address, probe: spec, timeoutMs }: Target,
  signal: AbortSignal,
): Promise<Outcome | null> {
  return look(address, spec, timeoutMs, signal);
}

/** The probe itself, then what all of them can be asked: not to be slow, and to fail. */
async function look(
  address: string,
  spec: ProbeSpec,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Outcome | null> {
  const seen =
    spec.kind === "calculated"
      ? await probeCalculated(spec, signal, (part, both) => look(address, part, timeoutMs, both))
      : await lookOnce(address, spec, timeoutMs, signal);
  if (seen === null) return null;
  const timely = spec.latencyMs === null ? seen : within(spec.latencyMs, seen);
  return spec.inverted ? invert(timely) : timely;
}

function lookOnce(
  address: string,
  spec: SingleProbeSpec,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Outcome | null> {
  switch (spec.kind) {
    case "http":
      return probeHttp(address, spec, timeoutMs, signal);
    case "tcp":
      return probeTcp(address, spec, timeoutMs, signal);
    case "dns":
      return probeDns(address, spec, timeoutMs, signal);
    case "grpc":
      return probeGrpc(address, spec, timeoutMs, signal);
    case "icmp":
      return probeIcmp(address, timeoutMs, signal);
  }
}

/** A success that took longer than this is a failure. */
function within(latencyMs: number, outcome: Outcome): Outcome {
  const { kind, timings } = outcome;
  const { totalMs = 0 } = timings;
  if (kind === "failure" || totalMs <= latencyMs) return outcome;
  const detail = `expected an answer within ${latencyMs} ms, got it after ${Math.ceil(totalMs)} ms`;
  return { kind: "failure", error: "slow", detail, timings };
}

function invert({ kind, timings }: Outcome): Outcome {
  if (kind === "failure") return { kind: "success", timings };
  return { kind: "failure", error: "inverted", detail: "expected a failure, got a success", timings };
}
