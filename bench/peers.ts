/** The servers that are measured, each serving the same names with the same answers. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeMeridian } from "./meridian.ts";

/** Names that are asked for: `n0.bench.test` and so on. */
export const ZONE = "bench.test";
export const NAMES: readonly string[] = Array.from({ length: 1000 }, (_, i) => `n${i}`);
/** VIPs of North America and the rest, of Europe and Africa, of Asia and Oceania. */
export const VIPS = { us: "192.0.2.1", eu: "192.0.2.2", ap: "192.0.2.3" } as const;

/** One server in one configuration. */
export interface Peer {
  readonly name: string;
  /** Does it read ECS and answer by it? The generator expects it to be echoed then. */
  readonly ecs: boolean;
  /** The program, as `which` finds it; null: comes with the bench. */
  readonly program: string | null;
  /** Writes its files into `folder` and says how to start it on 127.0.0.1:`port`. */
  command(folder: string, port: number, database: string): readonly string[];
}

const SOA = `@ 3600 IN SOA ns1 hostmaster 1 3600 900 604800 60\n@ 3600 IN NS ns1\nns1 3600 IN A 192.0.2.53\n`;

/** In the order of the table. */
export const PEERS: readonly Peer[] = [
  {
    name: "C echo (the limit)",
    ecs: true,
    program: null,
    command: (folder, port) => [join(folder, "../echo"), "127.0.0.1", String(port)],
  },
  ...(["static", "geo", "weighted", "nested"] as const).flatMap((kind) =>
    (["batch", "datagram"] as const).map(
      (udp): Peer => ({
        name: `Meridian ${kind}${udp === "batch" ? "" : ", node:dgram"}`,
        ecs: true,
        program: null,
        command: (folder, port, database) => writeMeridian(folder, { kind, udp, port, database }),
      }),
    ),
  ),
  { name: "gdnsd geoip", ecs: true, program: "gdnsd", command: gdnsd },
  { name: "Knot geoip", ecs: true, program: "knotd", command: knot },
  { name: "PowerDNS LUA, shared", ecs: true, program: "pdns_server", command: powerdns },
  {
    name: "dns2",
    ecs: false,
    program: null,
    command: (_folder, port) => [process.execPath, join(import.meta.dirname, "dns2-server.ts"), String(port)],
  },
];

/** Whether a program is on this machine. */
export function isInstalled(program: string): boolean {
  try {
    execFileSync("which", [program], {
      stdio: "ignore",
      env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` },
    });
    return true;
  } catch {
    return false;
  }
}

/** Starts a command on one core. */
export function startOn(core: number, command: readonly string[]): ChildProcess {
  return spawn("taskset", ["-c", String(core), ...command], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` },
  });
}

function gdnsd(folder: string, port: number, database: string): readonly string[] {
  for (const sub of ["zones", "geoip", "run", "state"]) mkdirSync(join(folder, sub), { recursive: true });
  writeFileSync(
    join(folder, "config"),
    `options => { listen => 127.0.0.1:${port}, udp_threads => 1, tcp_threads => 1, run_dir => ${folder}/run, state_dir => ${folder}/state }
service_types => {}
plugins => { geoip => {
  maps => { world => { geoip2_db => ${database}, datacenters => [us, eu, ap], map => { EU => [eu, us], AF => [eu, us], AS => [ap, us], OC => [ap, us], default => [us, eu] } } }
  resources => { www => { map => world, service_types => up, dcmap => { us => ${VIPS.us}, eu => ${VIPS.eu}, ap => ${VIPS.ap} } } }
} }
`,
  );
  writeFileSync(
    join(folder, "zones", ZONE),
    SOA + NAMES.map((name) => `${name} 5 DYNA geoip!www\n`).join(""),
  );
  return ["gdnsd", "-c", folder, "start"];
}

function knot(folder: string, port: number, database: string): readonly string[] {
  for (const sub of ["run", "db"]) mkdirSync(join(folder, sub), { recursive: true });
  const places = [
    ["EU", VIPS.eu],
    ["AF", VIPS.eu],
    ["AS", VIPS.ap],
    ["OC", VIPS.ap],
    ["NA", VIPS.us],
    ["SA", VIPS.us],
    ["AN", VIPS.us],
  ];
  const views = places.map(([continent, vip]) => `  - geo: "${continent}"\n    A: ${vip}\n`).join("");
  writeFileSync(join(folder, "geo.conf"), NAMES.map((name) => `${name}.${ZONE}.:\n${views}`).join(""));
  writeFileSync(join(folder, "zone"), SOA + NAMES.map((name) => `${name} 5 A ${VIPS.us}\n`).join(""));
  writeFileSync(
    join(folder, "knot.conf"),
    `server:
    listen: 127.0.0.1@${port}
    rundir: ${folder}/run
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    edns-client-subnet: on
database:
    storage: ${folder}/db
mod-geoip:
  - id: geo
    config-file: ${folder}/geo.conf
    ttl: 5
    mode: geodb
    geodb-file: ${database}
    geodb-key: continent/code
zone:
  - domain: ${ZONE}
    file: ${folder}/zone
    module: mod-geoip/geo
`,
  );
  return ["knotd", "-c", join(folder, "knot.conf")];
}

function powerdns(folder: string, port: number, database: string): readonly string[] {
  mkdirSync(folder, { recursive: true });
  const choose = `;if continent('EU') or continent('AF') then return '${VIPS.eu}' end if continent('AS') or continent('OC') then return '${VIPS.ap}' end return '${VIPS.us}'`;
  writeFileSync(join(folder, "zone"), SOA + NAMES.map((name) => `${name} 5 IN LUA A "${choose}"\n`).join(""));
  writeFileSync(join(folder, "named.conf"), `zone "${ZONE}" { type master; file "${folder}/zone"; };\n`);
  writeFileSync(join(folder, "geo.yaml"), "domains: []\n");
  writeFileSync(
    join(folder, "pdns.conf"),
    `launch=bind,geoip
load-modules=libbindbackend.so,libgeoipbackend.so
bind-config=${folder}/named.conf
geoip-zones-file=${folder}/geo.yaml
geoip-database-files=mmdb:${database}
enable-lua-records=shared
edns-subnet-processing=yes
local-address=127.0.0.1
local-port=${port}
receiver-threads=1
distributor-threads=1
socket-dir=${folder}
daemon=no
guardian=no
webserver=no
`,
  );
  return ["pdns_server", `--config-dir=${folder}`];
}
