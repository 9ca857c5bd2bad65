/** One steering policy for gdnsd and for Meridian, and what clients get of both. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeDatabase } from "../../bench/database.ts";
import type { Answer } from "./dns.ts";
import type { Lab } from "./harness.ts";
import { MARK_RESOURCE, Pair } from "./pair.ts";
import type { Site } from "./site.ts";

/** The VIPs: two in each region but one. */
export const ADDRESSES = {
  us1: "198.51.100.11",
  us2: "198.51.100.12",
  eu1: "198.51.100.21",
  eu2: "198.51.100.22",
  ap1: "198.51.100.31",
} as const;

/** A VIP by its name. */
export type Vip = keyof typeof ADDRESSES;

export const VIPS = Object.keys(ADDRESSES) as readonly Vip[];

type Region = "us" | "eu" | "ap";

/** Where whom is sent, in order; by continent, by country in it, and by prefix. */
const CONTINENTS: Readonly<Record<string, readonly Region[]>> = {
  EU: ["eu", "us", "ap"],
  AF: ["eu", "us", "ap"],
  AS: ["ap", "us", "eu"],
  OC: ["ap", "us", "eu"],
  NA: ["us", "eu", "ap"],
};
const COUNTRIES: Readonly<Record<string, Readonly<Record<string, readonly Region[]>>>> = {
  EU: { GB: ["us", "eu", "ap"], RU: ["eu", "ap", "us"] },
  AS: { IN: ["eu", "ap", "us"], IL: ["eu", "us", "ap"] },
  NA: { CA: ["us", "ap", "eu"] },
};
const PREFIXES: Readonly<Record<string, readonly Region[]>> = {
  "81.2.69.0/24": ["ap", "eu", "us"],
  "10.0.0.0/8": ["eu", "ap", "us"],
  "10.99.0.0/16": ["ap", "eu", "us"],
  "2a00:1450::/32": ["us", "ap", "eu"],
};
const DEFAULT: readonly Region[] = ["us", "eu", "ap"];

/** The weights within a region, and of the service that knows no places. */
const WEIGHTS: Readonly<Record<Region, Readonly<Partial<Record<Vip, number>>>>> = {
  us: { us1: 80, us2: 20 },
  eu: { eu1: 50, eu2: 50 },
  ap: { ap1: 1 },
};
const SPLIT: Readonly<Record<Vip, number>> = { us1: 60, us2: 20, eu1: 10, eu2: 10, ap1: 1 };

/** The names: each region's first VIP; the first that is up of each region's; shares within a region; shares alone. */
export const NAMES = {
  geo: "geo.gslb.test",
  nested: "nested.gslb.test",
  shares: "shares.gslb.test",
  split: "split.gslb.test",
};

/** Starts both with the same policies over the same data. */
export function startPair(lab: Lab): Promise<Pair> {
  const database = join(lab.folder, "country.mmdb");
  writeDatabase(database);
  return Pair.start(lab, async ({ folder, port, site }) => {
    writeGdnsd(folder, port, database);
    writeMeridian(site, database);
    return new Map(VIPS.map((vip) => [ADDRESSES[vip], [`web/${vip}/ipv4`]]));
  });
}

/** The VIP of an answer; what it says otherwise. */
export function vipOf({ rcode, data }: Answer): string {
  const vip = VIPS.find((name) => ADDRESSES[name] === data[0]);
  return data.length === 1 && vip !== undefined ? vip : `${rcode} ${data.join(" ")}`;
}

function writeGdnsd(folder: string, port: number, database: string): void {
  const list = (order: readonly Region[]): string => `[${order.join(", ")}]`;
  const continents = Object.entries(CONTINENTS).map(([continent, order]) => {
    const countries = Object.entries(COUNTRIES[continent] ?? {}).map(
      ([country, own]) => `${country} => ${list(own)}`,
    );
    return `${continent} => { ${[`default => ${list(order)}`, ...countries].join(", ")} }`;
  });
  const nets = Object.entries(PREFIXES).map(([prefix, order]) => `${prefix} => ${list(order)}`);
  const weighted = (weights: Readonly<Partial<Record<Vip, number>>>): string =>
    Object.entries(weights)
      .map(([vip, weight]) => `${vip} = [ ${ADDRESSES[vip as Vip]}, ${weight} ]`)
      .join(", ");
  const regions = Object.keys(WEIGHTS) as readonly Region[];
  const chains = regions.map((region) => {
    const vips = VIPS.filter((vip) => vip.startsWith(region));
    return `${region} => { datacenters => [${vips.join(", ")}], dcmap => { ${vips.map((vip) => `${vip} => ${ADDRESSES[vip]}`).join(", ")} } }`;
  });
  const dcmap = (of: (region: Region) => string): string =>
    `dcmap => { ${regions.map((region) => `${region} => ${of(region)}`).join(", ")} }`;
  writeFileSync(
    join(folder, "config"),
    `options => { listen => 127.0.0.1:${port}, udp_threads => 1, tcp_threads => 1, run_dir => ${folder}/run, state_dir => ${folder}/state }
service_types => { told => { plugin => extfile, direct => true, interval => 2, file => ${folder}/told } }
plugins => {
  geoip => {
    service_types => told
    maps => { world => {
      geoip2_db => ${database}, datacenters => ${list(DEFAULT)},
      map => { ${continents.join(", ")}, default => ${list(DEFAULT)} }
      nets => { ${nets.join(", ")} }
    } }
    resources => {
      geo => { map => world, ${dcmap((region) => ADDRESSES[`${region}1`])} }
      nested => { map => world, ${dcmap((region) => `%metafo!${region}`)} }
      shares => { map => world, ${dcmap((region) => `%weighted!${region}`)} }
    }
  }
  metafo => { service_types => told, resources => {
    ${chains.join("\n    ")}
  } }
  simplefo => { ${MARK_RESOURCE} }
  weighted => {
    service_types => told, up_thresh => 0.01
    ${regions.map((region) => `${region} => { ${weighted(WEIGHTS[region])} }`).join("\n    ")}
    split => { ${weighted(SPLIT)} }
  }
}
`,
  );
  const names = [
    "geo => geoip!geo",
    "nested => geoip!nested",
    "shares => geoip!shares",
    "split => weighted!split",
  ];
  const rrs = names
    .map((line) => line.split(" => "))
    .map(([name, resource]) => `${name} 5 DYNA ${resource}\n`);
  writeFileSync(
    join(folder, "zones", "gslb.test"),
    `@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n${rrs.join("")}`,
  );
}

function writeMeridian({ folder, port, api }: Site, database: string): void {
  mkdirSync(folder);
  writeFileSync(
    join(folder, "zone"),
    "$ORIGIN gslb.test.\n@ 3600 SOA ns hostmaster 1 3600 600 86400 60\n@ 3600 NS ns\nns 3600 A 192.0.2.53\n",
  );
  const members = VIPS.map((vip) => `${vip}: { region: ${vip.slice(0, 2)}, ipv4: ${ADDRESSES[vip]} }`);
  const geo = (of: (region: Region) => string): string => {
    const failover = (order: readonly Region[]): string => `{ failover: [${order.map(of).join(", ")}] }`;
    const cases = (by: Readonly<Record<string, readonly Region[]>>): string =>
      Object.entries(by)
        .map(([what, order]) => `${JSON.stringify(what)}: ${failover(order)}`)
        .join(", ");
    const countries = Object.assign({}, ...Object.values(COUNTRIES));
    return `{ geo: { prefixes: { ${cases(PREFIXES)} }, countries: { ${cases(countries)} }, continents: { ${cases(CONTINENTS)} }, default: ${failover(DEFAULT)} } }`;
  };
  const weighted = (weights: Readonly<Partial<Record<Vip, number>>>): string =>
    `{ weighted: { ${Object.entries(weights)
      .map(([vip, weight]) => `web/${vip}: ${weight}`)
      .join(", ")} } }`;
  const chain = (region: Region): string =>
    `{ failover: [${VIPS.filter((vip) => vip.startsWith(region))
      .map((vip) => `web/${vip}`)
      .join(", ")}] }`;
  const policies = {
    geo: geo((region) => `web/${region}1`),
    nested: geo(chain),
    shares: geo((region) => weighted(WEIGHTS[region])),
    split: weighted(SPLIT),
  };
  const services = Object.entries(policies).map(
    ([name, policy]) => `  ${name}.gslb.test: { ttl: 5s, policy: ${policy} }\n`,
  );
  writeFileSync(
    join(folder, "meridian.yaml"),
    `node: { listen: ["127.0.0.1:${port}"], workers: 1, api: { listen: "${api.slice("http://".length)}" }, state: var }
geo: { database: ${JSON.stringify(database)} }
zones: [zone]
regions: { us: { at: [38.9, -77.4] }, eu: { at: [53.3, -6.3] }, ap: { at: [35.7, 139.7] } }
pools:
  web: { members: { ${members.join(", ")} } }
services:
${services.join("")}`,
  );
}
