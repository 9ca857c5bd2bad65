/** `npm run bench -- --names`: what ten to a million static names cost to load, to keep and to answer, beside other servers. */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownOctetsOf } from "./cpu.ts";
import { writeDatabase } from "./database.ts";
import { writeSection } from "./document.ts";
import { runLoad, writeNames } from "./load.ts";
import { describeMachine } from "./machine.ts";
import { costOf } from "./measure.ts";
import { isInstalled, PEERS, type Peer } from "./peers.ts";
import { freePort } from "./ports.ts";
import { buildPrograms } from "./programs.ts";
import { Server } from "./server.ts";
import { markdownOf } from "./table.ts";
import { labelsOf, qnamesOf, ZONE } from "./zone.ts";

const SERVERS: readonly string[] = ["Meridian static", "Knot DNS static", "NSD static"];
const COUNTS: readonly number[] = [10, 1_000, 100_000, 1_000_000];
/** With fewer, what a name needs is lost in what a process needs. */
const COUNTED_FROM = 100_000;
const SECONDS = 3;

/** One server with so many names. */
interface Kept {
  readonly server: string;
  readonly names: number;
  /** From its start to its first answer. */
  readonly loadMs: number;
  /** Memory of all its processes, what they share counted once. */
  readonly octets: number;
  /** The same of the first process alone, which for Meridian is the one that answers. */
  readonly octetsWithoutControl: number;
  /** Of all its processes. */
  readonly cpuUs: number;
  readonly qps: number;
  readonly faults: number;
}

/** Measures, prints, writes into `document` if one is given, and returns what went wrong. */
export async function namesTable(document: string | null): Promise<readonly string[]> {
  const peers = PEERS.filter((peer) => SERVERS.includes(peer.name) && isInstalled(peer));
  const kept: Kept[] = [];
  for (const count of COUNTS) {
    for (const peer of peers) {
      console.error(`${count} names: ${peer.name}`);
      kept.push(await keep(peer, count));
    }
  }
  const text = [describeMachine(peers, new Date()), tableOf(kept)].join("\n\n");
  console.log(text);
  if (document !== null) writeSection(document, "names", text);
  return kept
    .filter(({ faults }) => faults > 0)
    .map(
      ({ server, names, faults }) =>
        `${server} with ${names} names: ${faults} queries lost or answered wrongly`,
    );
}

async function keep(peer: Peer, count: number): Promise<Kept> {
  const folder = mkdtempSync(join(tmpdir(), "meridian-names-"));
  const database = join(folder, "country.mmdb");
  writeDatabase(database);
  const labels = labelsOf(count);
  const names = join(folder, "asked");
  writeNames(names, qnamesOf(labels));
  const place = {
    folder: join(folder, "server"),
    port: await freePort(),
    database,
    programs: buildPrograms(),
    labels,
    tls: null,
    link: null,
  };
  mkdirSync(place.folder);
  const command = peer.command(place);
  const startedMs = performance.now();
  const server = await Server.start(command, place.port, `${labels.at(-1)}.${ZONE}`);
  try {
    const loadMs = server.upMs - startedMs;
    const load = { port: place.port, names, ecs: false, expect: peer.answers, seconds: SECONDS, rate: null };
    await runLoad(place.programs.generator, load);
    const { cpuOfAllUs, result } = await costOf(server, () => runLoad(place.programs.generator, load));
    const octets = server.processes.map(ownOctetsOf);
    return {
      server: peer.name,
      names: count,
      loadMs,
      octets: octets.reduce((sum, own) => sum + own, 0),
      octetsWithoutControl: octets[0] ?? 0,
      cpuUs: cpuOfAllUs,
      qps: result.qps,
      faults: result.wrong + (result.lost > result.sent / 1000 ? result.lost : 0),
    };
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function tableOf(kept: readonly Kept[]): string {
  const rows = kept.map((row) => {
    const { server, names, loadMs, octets, cpuUs, qps, faults } = row;
    const fewest = kept.find((other) => other.server === server) ?? row;
    const each = (of: (row: Kept) => number): string =>
      names < COUNTED_FROM ? "" : ((of(row) - of(fewest)) / names).toFixed(0);
    return [
      names.toLocaleString("en"),
      server,
      (loadMs / 1e3).toFixed(2),
      (octets / 2 ** 20).toFixed(0),
      each((row) => row.octets),
      each((row) => row.octetsWithoutControl),
      cpuUs.toFixed(2),
      Math.round(qps).toLocaleString("en"),
      String(faults),
    ];
  });
  return markdownOf(HEAD, rows, [1]);
}

const HEAD = [
  "names",
  "server",
  "load s",
  "memory MiB",
  "octets/name",
  "without control",
  "CPU µs/answer",
  "answers/s",
  "lost, wrong",
];
