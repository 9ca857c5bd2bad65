/** `npm run bench -- --streams`: what answers over TCP and TLS cost, on connections that are kept. */

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { GENERATOR_CORE, putFirst } from "./cores.ts";
import { writeDatabase } from "./database.ts";
import { writeSection } from "./document.ts";
import { describeMachine } from "./machine.ts";
import { costOf } from "./measure.ts";
import { isInstalled, PEERS, type Peer, type Tls } from "./peers.ts";
import { freePort } from "./ports.ts";
import { buildPrograms } from "./programs.ts";
import { Server } from "./server.ts";
import { median } from "./table.ts";
import { NAMES, ZONE } from "./zone.ts";

/** Servers, and the transports that Debian's packages of them offer. */
const SERVERS: Readonly<Record<string, readonly Transport[]>> = {
  "Meridian static": ["tcp", "dot"],
  "Meridian geo": ["tcp", "dot"],
  "Knot DNS static": ["tcp"],
  "NSD static": ["tcp", "dot"],
};
type Transport = "tcp" | "dot";

const ROUNDS = 3;
const SECONDS = 3;
const CONNECTIONS = 20;
/** Queries that are open at the same time over all connections. */
const OPEN = 100;

/** What one run showed. */
interface StreamRun {
  readonly server: string;
  readonly transport: Transport;
  readonly cpuUs: number;
  readonly qps: number;
  readonly lost: number;
}

/** Measures, prints, writes into `document` if one is given, and returns what went wrong. */
export async function streamsTable(document: string | null): Promise<readonly string[]> {
  const peers = PEERS.filter((peer) => peer.name in SERVERS && isInstalled(peer));
  const runs: StreamRun[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const peer of peers) {
      console.error(`round ${round} of ${ROUNDS}: ${peer.name}`);
      runs.push(...(await runsOf(peer)));
    }
  }
  const table = [describeMachine(peers, new Date()), tableOf(runs)].join("\n\n");
  console.log(table);
  if (document !== null) writeSection(document, "streams", table);
  return runs
    .filter(({ lost }) => lost > 0)
    .map(({ server, transport, lost }) => `${server} over ${transport}: ${lost} queries lost`);
}

async function runsOf(peer: Peer): Promise<readonly StreamRun[]> {
  const folder = mkdtempSync(join(tmpdir(), "meridian-streams-"));
  const queries = join(folder, "queries");
  writeFileSync(queries, NAMES.map((name) => `${name}.${ZONE} A\n`).join(""));
  const database = join(folder, "country.mmdb");
  writeDatabase(database);
  const tls: Tls = { port: await freePort(), ...selfSigned(folder) };
  const port = await freePort();
  const place = {
    folder: join(folder, "server"),
    port,
    database,
    programs: buildPrograms(),
    labels: NAMES,
    link: null,
    tls,
  };
  mkdirSync(place.folder);
  const server = await Server.start(peer.command(place), port, `${NAMES[0]}.${ZONE}`);
  try {
    const runs: StreamRun[] = [];
    for (const transport of SERVERS[peer.name] ?? []) {
      const ask = (): Promise<Asked> => dnsperf(transport, transport === "dot" ? tls.port : port, queries);
      await ask();
      const { result, cpuOfAllUs } = await costOf(server, ask);
      runs.push({ server: peer.name, transport, cpuUs: cpuOfAllUs, qps: result.qps, lost: result.lost });
    }
    return runs;
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What dnsperf saw. */
interface Asked {
  readonly received: number;
  readonly lost: number;
  readonly qps: number;
}

async function dnsperf(transport: Transport, port: number, queries: string): Promise<Asked> {
  const options = { s: "127.0.0.1", p: port, m: transport, d: queries, c: CONNECTIONS, q: OPEN, l: SECONDS };
  const words = Object.entries(options).flatMap(([key, value]) => [`-${key}`, String(value)]);
  const child = spawn("taskset", ["-c", String(GENERATOR_CORE), "dnsperf", ...words], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  putFirst(child);
  const said = await text(child.stdout);
  const figure = (what: string): number => {
    const [, value] = new RegExp(`${what}:\\s+([0-9.]+)`).exec(said) ?? [];
    if (value === undefined) throw new Error(`expected "${what}" from dnsperf, got\n${said}`);
    return Number(value);
  };
  return {
    received: figure("Queries completed"),
    lost: figure("Queries lost"),
    qps: figure("Queries per second"),
  };
}

/** A key and a certificate of its own, ECDSA P-256. */
function selfSigned(folder: string): Pick<Tls, "certificate" | "key"> {
  const [certificate, key] = [join(folder, "certificate.pem"), join(folder, "key.pem")];
  const what = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...what, "-subj", "/CN=bench", "-keyout", key, "-out", certificate], {
    stdio: "ignore",
  });
  return { certificate, key };
}

function tableOf(runs: readonly StreamRun[]): string {
  const rows = Object.entries(SERVERS).flatMap(([server, transports]) =>
    transports.flatMap((transport) => {
      const own = runs.filter((run) => run.server === server && run.transport === transport);
      if (own.length === 0) return [];
      const middle = (of: (run: StreamRun) => number): number => median(own.map(of));
      const lost = own.reduce((sum, run) => sum + run.lost, 0);
      const qps = Math.round(middle((run) => run.qps)).toLocaleString("en");
      return [`| ${server} | ${transport} | ${middle((run) => run.cpuUs).toFixed(2)} | ${qps} | ${lost} |`];
    }),
  );
  return [
    "| server | over | CPU µs/answer | answers/s | lost |",
    "| --- | --- | ---: | ---: | ---: |",
    ...rows,
  ].join("\n");
}
