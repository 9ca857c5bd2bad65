/** A large fleet's configuration: 100,000 steered names, 2,000 services with policies of their own, 300 VIPs. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

const ZONES = 10;
const SERVICES_PER_ZONE = 200;
const ALIASES_PER_SERVICE = 49;
const POOLS = 100;
const REGIONS = { us: [38.9, -77.4], eu: [53.3, -6.3], ap: [35.7, 139.7] } as const;

/** The state folder, in the config folder. */
export const STATE = "var";

/** Where agents look from. */
export const VANTAGES: readonly string[] = Object.keys(REGIONS);

/**
 * Addresses of the VIPs. Those of the pools that are to fail differ from the others', so that a load generator can tell
 * by an answer's address whether it is from before the failure.
 */
export const FAILING = "192.0.2.1";
export const ADDRESSES: readonly string[] = [
  FAILING,
  "192.0.2.2",
  "192.0.2.3",
  "198.51.100.1",
  "198.51.100.2",
  "198.51.100.3",
];

/** The VIPs of all pools. */
export const VIP_IDS: readonly string[] = poolNumbers().flatMap((pool) =>
  Object.keys(REGIONS).map((region) => `p${pool}/${region}/ipv4`),
);
/** The VIPs with the failing address: one in every second pool, so that half of all services use one of them. */
export const FAILING_VIP_IDS: readonly string[] = poolNumbers()
  .filter(isFailing)
  .map((pool) => `p${pool}/us/ipv4`);
/** Services that use a failing VIP. */
export const SERVICES_TOUCHED: number = (ZONES * SERVICES_PER_ZONE) / 2;

/** Every steered name. */
export const STEERED_NAMES: readonly string[] = zoneNumbers().flatMap((zone) => [
  ...serviceNumbers().map((service) => `s${service}.${apexOf(zone)}`),
  ...serviceNumbers().flatMap((service) =>
    aliasNumbers().map((alias) => `a${alias}-s${service}.${apexOf(zone)}`),
  ),
]);

/** Writes the folder of a node with these lines in its section `node`, and one worker. */
export function writeScale(folder: string, lines: readonly string[]): void {
  for (const zone of zoneNumbers()) writeFileSync(zoneFile(folder, zone), masterFile([]));
  writeFileSync(join(folder, "meridian.yaml"), configText(lines));
}

/** Adds a name to the first zone, and returns it once the file is written. */
export function addName(folder: string, label: string): string {
  writeFileSync(zoneFile(folder, 0), masterFile([`${label} 60 IN A 192.0.2.99`]));
  return `${label}.${apexOf(0)}`;
}

function configText(lines: readonly string[]): string {
  const regions = Object.entries(REGIONS).map(([name, at]) => `  ${name}: { at: [${at}] }`);
  const node = [...lines, "workers: 1", `state: ${STATE}`];
  return `node:
${node.map((line) => `  ${line}`).join("\n")}
zones: [${zoneNumbers().map((zone) => `${apexOf(zone)}.zone`)}]
regions:
${regions.join("\n")}
vantages:
${regions.join("\n")}
# The bench reports by itself: the interval is so long that what it said stays fresh.
checks:
  web: { type: tcp, port: 443, interval: 1h, fall: 1, rise: 1 }
pools:
${poolNumbers().map(poolText).join("\n")}
services:
${zoneNumbers()
  .flatMap((zone) => serviceNumbers().map((service) => serviceText(zone, service)))
  .join("\n")}
`;
}

function poolText(pool: number): string {
  const [us, eu, ap] = isFailing(pool) ? ADDRESSES.slice(0, 3) : ADDRESSES.slice(3);
  return `  p${pool}: { check: web, members: { us: { ipv4: ${us} }, eu: { ipv4: ${eu} }, ap: { ipv4: ${ap} } } }`;
}

function serviceText(zone: number, service: number): string {
  const pool = `p${(zone * SERVICES_PER_ZONE + service) % POOLS}`;
  return `  s${service}.${apexOf(zone)}: { ttl: 5s, policy: ${policyText(service, pool)} }`;
}

/** Four kinds of policy by turns, each with weights that make it the service's own. */
function policyText(service: number, pool: string): string {
  const canary = `{ weighted: { ${pool}/us: ${60 + (service % 40)}, ${pool}/eu: 20 } }`;
  // Two neighbours are of a kind: one of them has a pool with a VIP that fails, the other has not.
  switch (Math.floor(service / 2) % 4) {
    case 0:
      return `{ geo: { continents: { EU: ${pool}/eu, AS: ${pool}/ap }, default: ${canary} } }`;
    case 1:
      return `{ failover: [${canary}, ${pool}/ap] }`;
    case 2:
      return `{ geo: { countries: { JP: ${pool}/ap }, default: { failover: [{ nearest: ${pool} }, ${canary}] } } }`;
    default:
      return `{ weighted: { ${pool}/us: ${50 + (service % 50)}, ${pool}/eu: 30, ${pool}/ap: 20 } }`;
  }
}

/** The RRs of an apex, aliases of every service, and what else is given. */
function masterFile(more: readonly string[]): string {
  const apex = ["@ 3600 SOA ns1 hostmaster 1 3600 900 604800 60", "@ 3600 NS ns1", "ns1 3600 A 192.0.2.53"];
  const aliases = serviceNumbers().flatMap((service) =>
    aliasNumbers().map((alias) => `a${alias}-s${service} STEER s${service}`),
  );
  return [...apex, ...aliases, ...more, ""].join("\n");
}

function zoneFile(folder: string, zone: number): string {
  return join(folder, `${apexOf(zone)}.zone`);
}

function apexOf(zone: number): string {
  return `z${zone}.scale.test`;
}

function isFailing(pool: number): boolean {
  return pool % 2 === 0;
}

function zoneNumbers(): readonly number[] {
  return upTo(ZONES);
}

function serviceNumbers(): readonly number[] {
  return upTo(SERVICES_PER_ZONE);
}

function aliasNumbers(): readonly number[] {
  return upTo(ALIASES_PER_SERVICE);
}

function poolNumbers(): readonly number[] {
  return upTo(POOLS);
}

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}
