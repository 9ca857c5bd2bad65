/** The ports of a VIP that a probe goes to. */

import type { ProbeSpec } from "./config.ts";

/** Each once; a calculated probe may have several. */
export function portsOf(probe: ProbeSpec): readonly number[] {
  if (probe.kind !== "calculated") return [probe.port];
  return [...new Set(probe.of.map((part) => part.probe.port))];
}

/** The same probe of another port. */
export function atPort(probe: ProbeSpec, port: number): ProbeSpec {
  if (probe.kind !== "calculated") return { ...probe, port };
  return { ...probe, of: probe.of.map((part) => ({ ...part, probe: { ...part.probe, port } })) };
}
