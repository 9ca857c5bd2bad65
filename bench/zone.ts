/** What every server of the bench serves. */

/** The apex. */
export const ZONE = "bench.test";
/** Labels of the owner names that are asked for: `n0.bench.test` and so on. */
export function labelsOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `n${i}`);
}
/** The owner names of labels. */
export function qnamesOf(labels: readonly string[]): readonly string[] {
  return labels.map((label) => `${label}.${ZONE}`);
}
/** As many names as servers are compared with each other. */
export const NAMES: readonly string[] = labelsOf(1000);
/** VIPs of the Americas and the rest, of Europe and Africa, of Asia and Oceania. */
export const VIPS = { us: "192.0.2.1", eu: "192.0.2.2", ap: "192.0.2.3" } as const;

/** A master file without `$ORIGIN`: the RRs of the apex, and the same RR for each label. */
export function masterFile(rr: string, labels: readonly string[]): string {
  const apex = [
    "@ 3600 IN SOA ns1 hostmaster 1 3600 900 604800 60",
    "@ 3600 IN NS ns1",
    "ns1 3600 IN A 192.0.2.53",
  ];
  return [...apex, ...labels.map((label) => `${label} ${rr}`), ""].join("\n");
}
