/** The servers that are measured, each serving the same names with the same answers. */

import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { addressOf, type Link } from "./link.ts";
import { writeMeridian } from "./meridian.ts";
import type { Programs } from "./programs.ts";
import { SERVER_PATH } from "./server.ts";
import { masterFile, NAMES, qnamesOf, VIPS, ZONE } from "./zone.ts";

/** One server in one configuration. */
export interface Peer {
  readonly name: string;
  /** Does it read ECS and answer by it? The generator expects it to be echoed then. */
  readonly ecs: boolean;
  /** Is it asked for signatures? Left out: no. */
  readonly signed?: boolean;
  /** Do queries carry cookies? Left out: no. */
  readonly cookies?: boolean;
  /** From how many sockets it is asked; left out: one. */
  readonly sockets?: number;
  /** What it is asked for; left out: the 1,000 names that all serve. */
  readonly names?: readonly string[];
  /** The addresses of right answers; null: it sends the query back. */
  readonly answers: readonly string[] | null;
  /** Does it take queries by XDP, and so needs a link? Left out: no. */
  readonly xdp?: boolean;
  /** What must be on the machine; null: it comes with the bench. */
  readonly needs: { readonly program: string; readonly packages: readonly string[] } | null;
  /** Writes its files into `folder` and says how to start it. */
  command(place: Place): readonly string[];
  /** Adds a name to a zone, and has it read what it serves again; returns the name. Left out: it is not done. */
  addName?(place: Place, label: string): Promise<string>;
}

/** Where a peer runs. */
export interface Place {
  /** An empty folder of its own. */
  readonly folder: string;
  /** UDP at `addressOf(link)`. */
  readonly port: number;
  /** By what it is asked; null: over loopback. */
  readonly link: Link | null;
  /** The geo database, in MaxMind's shape. */
  readonly database: string;
  /** Of the names that are served. */
  readonly labels: readonly string[];
  /** Where and with what it serves DNS over TLS too, if it can; null: it need not. */
  readonly tls: Tls | null;
  readonly programs: Programs;
}

/** DNS over TLS on 127.0.0.1; PEM files. */
export interface Tls {
  readonly port: number;
  readonly certificate: string;
  readonly key: string;
}

const ALL_NAMES = qnamesOf(NAMES);
const REGIONAL = Object.values(VIPS);

/** What of Meridian is measured by XDP too. */
const XDP_VARIANTS: readonly Peer[] = [
  { kind: "static" as const },
  { kind: "geo" as const },
  { kind: "geo" as const, cookies: true },
  { kind: "geo" as const, signed: true },
].map(({ kind, cookies = false, signed = false }) => ({
  name: `Meridian ${kind}${cookies ? ", cookies" : ""}${signed ? ", signed" : ""}, XDP`,
  ecs: true,
  cookies,
  signed,
  xdp: true,
  answers: REGIONAL,
  needs: null,
  command: (place) => writeMeridian(place, kind, { signed, xdp: true }),
}));

/** The servers, in the order of the table. */
export const PEERS: readonly Peer[] = [
  {
    name: "C echo",
    ecs: true,
    answers: null,
    needs: null,
    command: ({ programs, port, link }) => [programs.echo, addressOf(link), String(port)],
  },
  ...(["batch", "datagram"] as const).flatMap((udp) =>
    (["static", "geo", "weighted", "nested"] as const).map(
      (kind): Peer => ({
        name: `Meridian ${kind}${udp === "batch" ? "" : ", node:dgram"}`,
        ecs: true,
        answers: REGIONAL,
        needs: null,
        command: (place) => writeMeridian(place, kind, { udp }),
      }),
    ),
  ),
  {
    name: "Meridian geo, 2 workers",
    ecs: true,
    sockets: 16,
    answers: REGIONAL,
    needs: null,
    command: (place) => writeMeridian(place, "geo", { workers: 2 }),
  },
  {
    name: "Meridian geo, cookies",
    ecs: true,
    cookies: true,
    answers: REGIONAL,
    needs: null,
    command: (place) => writeMeridian(place, "geo"),
  },
  {
    name: "Meridian geo, signed",
    ecs: true,
    signed: true,
    answers: REGIONAL,
    needs: null,
    command: (place) => writeMeridian(place, "geo", { signed: true }),
  },
  ...XDP_VARIANTS,
  {
    name: "gdnsd geoip",
    ecs: true,
    answers: REGIONAL,
    needs: { program: "gdnsd", packages: ["gdnsd"] },
    command: gdnsd,
  },
  {
    name: "gdnsd geoip, cookies",
    ecs: true,
    cookies: true,
    answers: REGIONAL,
    needs: { program: "gdnsd", packages: ["gdnsd"] },
    command: gdnsd,
  },
  {
    name: "Knot DNS geoip",
    ecs: true,
    answers: REGIONAL,
    needs: { program: "knotd", packages: ["knot", "knot-module-geoip"] },
    command: (place) => knot(place, false),
  },
  {
    name: "Knot DNS geoip, signed",
    ecs: true,
    signed: true,
    answers: REGIONAL,
    needs: { program: "knotd", packages: ["knot", "knot-module-geoip"] },
    command: (place) => knot(place, true),
  },
  {
    name: "Knot DNS static",
    ecs: false,
    answers: REGIONAL,
    needs: { program: "knotd", packages: ["knot"] },
    command: knotStatic,
  },
  {
    name: "NSD static",
    ecs: false,
    answers: REGIONAL,
    needs: { program: "nsd", packages: ["nsd"] },
    command: nsd,
  },
  ...(["shared", "yes"] as const).map(
    (mode): Peer => ({
      name: `PowerDNS LUA, ${mode === "shared" ? "shared" : "default"}`,
      ecs: true,
      answers: REGIONAL,
      needs: { program: "pdns_server", packages: ["pdns-server", "pdns-backend-geoip"] },
      command: (place) => powerdns(place, mode),
    }),
  ),
  {
    name: "dns2, without ECS",
    ecs: false,
    answers: REGIONAL,
    needs: null,
    command: ({ port }) => [process.execPath, join(import.meta.dirname, "dns2-server.ts"), String(port)],
  },
];

/** What a peer is asked for. */
export function namesOf({ names = ALL_NAMES }: Peer): readonly string[] {
  return names;
}

/** Whether the program that a peer needs is on this machine. */
export function isInstalled({ needs }: Peer): boolean {
  return needs === null || SERVER_PATH.split(":").some((folder) => existsSync(join(folder, needs.program)));
}

/** The version of a peer's Debian package; null: it has none. */
export function packagedVersion({ needs }: Peer): string | null {
  const [name] = needs?.packages ?? [];
  if (name === undefined) return null;
  try {
    return execFileSync("dpkg-query", ["-W", `-f=\${Version}`, name], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    return null;
  }
}

/** Writes gdnsd's files, and says how to start it. */
export function gdnsd({ folder, port, link, database, labels }: Place): readonly string[] {
  for (const sub of ["zones", "geoip", "run", "state"]) mkdirSync(join(folder, sub), { recursive: true });
  writeFileSync(
    join(folder, "config"),
    `options => { listen => ${addressOf(link)}:${port}, udp_threads => 1, tcp_threads => 1, run_dir => ${folder}/run, state_dir => ${folder}/state }
service_types => {}
plugins => { geoip => {
  maps => { world => { geoip2_db => ${database}, datacenters => [us, eu, ap], map => { EU => [eu, us], AF => [eu, us], AS => [ap, us], OC => [ap, us], default => [us, eu] } } }
  resources => { www => { map => world, service_types => up, dcmap => { us => ${VIPS.us}, eu => ${VIPS.eu}, ap => ${VIPS.ap} } } }
} }
`,
  );
  writeGdnsdZone(folder, labels);
  return ["gdnsd", "-c", folder, "start"];
}

/** Adds a name to gdnsd's zone, and has all zones read again. */
export async function gdnsdAddName({ folder, labels }: Place, label: string): Promise<string> {
  writeGdnsdZone(folder, [...labels, label]);
  const env = { ...process.env, PATH: SERVER_PATH };
  await promisify(execFile)("gdnsdctl", ["-c", folder, "reload-zones"], { env });
  return `${label}.${ZONE}`;
}

function writeGdnsdZone(folder: string, labels: readonly string[]): void {
  writeFileSync(join(folder, "zones", ZONE), masterFile("5 DYNA geoip!www", labels));
}

function knot({ folder, port, link, database, labels }: Place, signed: boolean): readonly string[] {
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
  writeFileSync(join(folder, "geo.conf"), labels.map((label) => `${label}.${ZONE}.:\n${views}`).join(""));
  writeFileSync(join(folder, "zone"), masterFile(`5 A ${VIPS.us}`, labels));
  writeFileSync(
    join(folder, "knot.conf"),
    `${knotServer({ folder, port, link })}
    edns-client-subnet: on
mod-geoip:
  - id: geo
    config-file: ${folder}/geo.conf
    ttl: 5
    mode: geodb
    geodb-file: ${database}
    geodb-key: continent/code
policy:
  - id: one-key
    single-type-signing: on
    manual: on
zone:
  - domain: ${ZONE}
    file: ${folder}/zone
    module: mod-geoip/geo
    dnssec-signing: ${signed ? "on" : "off"}
    dnssec-policy: one-key
`,
  );
  // The module reads keys before the server would make any.
  if (signed) makeKnotKey(folder);
  return ["knotd", "-c", join(folder, "knot.conf")];
}

function makeKnotKey(folder: string): void {
  const key = ["generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes"];
  const env = { ...process.env, PATH: SERVER_PATH };
  execFileSync("keymgr", ["-c", join(folder, "knot.conf"), ZONE, ...key], { stdio: "ignore", env });
}

function knotStatic({ folder, port, link, labels }: Place): readonly string[] {
  for (const sub of ["run", "db"]) mkdirSync(join(folder, sub), { recursive: true });
  writeFileSync(join(folder, "zone"), masterFile(`5 A ${VIPS.us}`, labels));
  writeFileSync(
    join(folder, "knot.conf"),
    `${knotServer({ folder, port, link })}
zone:
  - domain: ${ZONE}
    file: ${folder}/zone
`,
  );
  return ["knotd", "-c", join(folder, "knot.conf")];
}

/** The sections that all configurations of Knot begin with; that of the server comes last. */
function knotServer({ folder, port, link }: Pick<Place, "folder" | "port" | "link">): string {
  return `database:
    storage: ${folder}/db
server:
    listen: ${addressOf(link)}@${port}
    rundir: ${folder}/run
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1`;
}

function nsd({ folder, port, link, labels, tls }: Place): readonly string[] {
  writeFileSync(join(folder, "zone"), masterFile(`5 A ${VIPS.us}`, labels));
  writeFileSync(
    join(folder, "nsd.conf"),
    `server:
  ip-address: ${addressOf(link)}@${port}
  server-count: 1
  rrl-ratelimit: 0
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/pid"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zones"
  logfile: "${folder}/log"
${tls === null ? "" : `  ip-address: 127.0.0.1@${tls.port}\n  tls-port: ${tls.port}\n  tls-service-pem: "${tls.certificate}"\n  tls-service-key: "${tls.key}"`}
remote-control:
  control-enable: no
zone:
  name: ${ZONE}
  zonefile: zone
`,
  );
  return ["nsd", "-d", "-c", join(folder, "nsd.conf")];
}

function powerdns(
  { folder, port, link, database, labels }: Place,
  mode: "shared" | "yes",
): readonly string[] {
  const choose = `;if continent('EU') or continent('AF') then return '${VIPS.eu}' end if continent('AS') or continent('OC') then return '${VIPS.ap}' end return '${VIPS.us}'`;
  writeFileSync(join(folder, "zone"), masterFile(`5 IN LUA A "${choose}"`, labels));
  writeFileSync(join(folder, "named.conf"), `zone "${ZONE}" { type master; file "${folder}/zone"; };\n`);
  writeFileSync(join(folder, "geo.yaml"), "domains: []\n");
  writeFileSync(
    join(folder, "pdns.conf"),
    `launch=bind,geoip
load-modules=libbindbackend.so,libgeoipbackend.so
bind-config=${folder}/named.conf
geoip-zones-file=${folder}/geo.yaml
geoip-database-files=mmdb:${database}
enable-lua-records=${mode}
edns-subnet-processing=yes
local-address=${addressOf(link)}
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
