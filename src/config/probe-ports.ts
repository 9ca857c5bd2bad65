/** The ports of a VIP that a probe goes to. */

import type { ProbeSpec, SingleProbeSpec } from "./check.ts";

/** Each once: a calculated probe may have several, and an ICMP echo has none. */
export function portsOf(probe: ProbeSpec): readonly number[] {
  const singles = probe.kind === "calculated" ? probe.of.map((part) => part.probe) : [probe];
  return [...new Set(singles.flatMap((single) => (single.kind === "icmp" ? [] : [single.port])))];
}

/** The same probe of another port. */
export function atPort(probe: ProbeSpec, port: number): ProbeSpec {
  if (probe.kind !== "calculated") return singleAtPort(probe, port);
  return { ...probe, of: probe.of.map((part) => ({ ...part, probe: singleAtPort(part.probe, port) })) };
}

function singleAtPort(probe: SingleProbeSpec, port: number): SingleProbeSpec {
  return probe.kind === "icmp" ? probe : { ...probe, port };
}
