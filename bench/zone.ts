/** What every server of the bench serves. */

/** The apex. */
export const ZONE = "bench.test";
/** Owner names that are asked for: `n0.bench.test` and so on. */
export const NAMES: readonly string[] = Array.from({ length: 1000 }, (_, i) => `n${i}`);
/** VIPs of the Americas and the rest, of Europe and Africa, of Asia and Oceania. */
export const VIPS = { us: "192.0.2.1", eu: "192.0.2.2", ap: "192.0.2.3" } as const;

/** A master file without `$ORIGIN`: the RRs of the apex, and the same RR for each name. */
export function masterFile(rr: string): string {
  const apex = [
    "@ 3600 IN SOA ns1 hostmaster 1 3600 900 604800 60",
    "@ 3600 IN NS ns1",
    "ns1 3600 IN A 192.0.2.53",
  ];
  return [...apex, ...NAMES.map((name) => `${name} ${rr}`), ""].join("\n");
}
