/** Meridian as a peer of the bench: `meridian serve`, as in production, with one worker and without checks. */

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addressOf, INTERFACE } from "./link.ts";
import type { Place } from "./peers.ts";
import { masterFile, NAMES, VIPS, ZONE } from "./zone.ts";

/** How the names are answered. */
export type Kind = "static" | "geo" | "weighted" | "nested";

/** The file that starts everything of Meridian. */
export const CLI: string = join(import.meta.dirname, "../src/cli.ts");

/** What may be otherwise than usual. */
export interface Variant {
  /** Usually batches. */
  readonly udp?: "batch" | "datagram";
  /** Usually not. */
  readonly signed?: boolean;
  /** Usually one. */
  readonly workers?: number;
  /** Whether queries are taken by XDP; usually not. */
  readonly xdp?: boolean;
}

/** Writes a folder that `meridian serve` can use, and says how to start it. */
export function writeMeridian(
  place: Pick<Place, "folder" | "port" | "link" | "database" | "labels" | "tls">,
  kind: Kind,
  { udp = "batch", signed = false, workers = 1, xdp = false }: Variant = {},
): readonly string[] {
  const { folder, port, link, database, labels, tls } = place;
  mkdirSync(folder, { recursive: true });
  // With few names the highest limit there is would be in the way of the load.
  const rateLimit = labels.length < NAMES.length ? "" : "  rateLimit: { answers: 1000 }\n";
  const rr = kind === "static" ? `5 A ${VIPS.us}` : "STEER www";
  writeFileSync(join(folder, `${ZONE}.zone`), masterFile(rr, labels));
  const service =
    kind === "static" ? "" : `services: { www.${ZONE}: { ttl: 5s, policy: ${POLICIES[kind]} } }\n`;
  writeFileSync(
    join(folder, "meridian.yaml"),
    `node:
  listen: ["${addressOf(link)}:${port}"]
  workers: ${workers}
  udp: ${udp}
${xdp ? `  xdp: [${INTERFACE}]\n` : ""}${rateLimit}  api: { listen: "127.0.0.1:0" }
  state: var
${tls === null ? "" : `  tls: { listen: ["127.0.0.1:${tls.port}"], certificate: ${tls.certificate}, key: ${tls.key} }`}
geo: { database: ${JSON.stringify(database)} }
zones: [${ZONE}.zone]
${signed ? `dnssec: { ${ZONE}: {} }` : ""}
regions: { us: { at: [38.9, -77.4] }, eu: { at: [53.3, -6.3] }, ap: { at: [35.7, 139.7] } }
pools:
  web: { members: { us: { ipv4: ${VIPS.us} }, eu: { ipv4: ${VIPS.eu} }, ap: { ipv4: ${VIPS.ap} } } }
${service}`,
  );
  if (signed)
    execFileSync(process.execPath, [CLI, "key", "add", ZONE, "--config", folder], { stdio: "ignore" });
  return [process.execPath, CLI, "serve", "--config", folder];
}

/** Sends each continent where the other servers of the bench send it. */
const byContinent = (us: string, eu: string, ap: string): string =>
  `{ geo: { continents: { EU: ${eu}, AF: ${eu}, AS: ${ap}, OC: ${ap} }, default: ${us} } }`;

const shared = (most: string, rest: string): string => `{ weighted: { ${most}: 80, ${rest}: 20 } }`;

const POLICIES: Readonly<Record<Exclude<Kind, "static">, string>> = {
  geo: byContinent("web/us", "web/eu", "web/ap"),
  weighted: shared("web/us", "web/eu"),
  nested: byContinent(
    `{ failover: [${shared("web/us", "web/eu")}, web/ap] }`,
    `{ failover: [${shared("web/eu", "web/us")}, web/ap] }`,
    `{ failover: [${shared("web/ap", "web/us")}, web/eu] }`,
  ),
};
