/** The demo's regions: small HTTP servers on real addresses, whose health depends on things that can break. */

import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import type { Endpoint } from "../config/node.ts";
import { portsOf } from "../config/probe-ports.ts";
import { readCatalogue, writeCatalogue } from "./catalogue.ts";

/** Reading the catalogue may take this long; a slower region would keep its clients waiting. */
const READ_MS_MAX = 250;

/** The event loop may have been this late since the last look. */
const LAG_MS_MAX = 250;

/** How often the event loop's lateness is sampled. */
const LAG_SAMPLE_MS = 20;

export interface RegionOptions {
  readonly region: string;
  /** Where its VIPs listen; see `endpointsOf`. */
  readonly listen: readonly Endpoint[];
  /** For the catalogue and the pid file. */
  readonly stateFolder: string;
  readonly log: Logger;
}

/** A region at work. */
export interface RunningRegion {
  /** Where it answers, as in `http://127.0.2.1:8080`. */
  readonly urls: readonly string[];
  /** Cuts every connection, as a machine does that is switched off, and removes the pid file. */
  stop(): Promise<void>;
}

/** The VIPs of a region that are probed, at the ports that are probed; empty when the config has no such region. */
export function endpointsOf(config: Config, region: string): readonly Endpoint[] {
  const endpoints = [...config.pools.values()].flatMap((pool) => {
    const check = pool.check === null ? undefined : config.checks.get(pool.check);
    if (check === undefined) return [];
    return pool.members
      .filter((member) => member.region === region)
      .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
      .filter((vip) => vip !== null)
      .filter((vip) => vip.judgedBy === vip.id)
      .flatMap(({ address, port }) =>
        (port === null ? portsOf(check.probe) : [port]).map((probed) => ({ address, port: probed })),
      );
  });
  // Two pools may share a VIP, and an address is bound once.
  return [...new Map(endpoints.map((endpoint) => [urlOf(endpoint), endpoint])).values()];
}

/** The file that holds the process id of a running region. */
export function pidFileOf(stateFolder: string, region: string): string {
  return join(stateFolder, `region-${region}.pid`);
}

/** The file that a region serves from; whoever spoils it makes the region unhealthy. */
export function catalogueFileOf(stateFolder: string, region: string): string {
  return join(stateFolder, `region-${region}.catalogue`);
}

/** Serves a region in this process until it is stopped. Throws when it cannot listen, as when it already runs. */
export async function runRegion(options: RegionOptions): Promise<RunningRegion> {
  const { region, listen, stateFolder, log } = options;
  const pidFile = pidFileOf(stateFolder, region);
  const catalogueFile = catalogueFileOf(stateFolder, region);
  const site = new Site(region, catalogueFile);
  const servers: Server[] = [];
  const shut = async (): Promise<void> => {
    await Promise.all(servers.map(close));
    site.close();
  };
  const urls = listen.map(urlOf);
  try {
    await mkdir(stateFolder, { recursive: true, mode: 0o700 });
    await writeCatalogue(catalogueFile, { region, greeting: `Hello from ${region}` });
    for (const endpoint of listen) servers.push(await open(site, endpoint));
    await writeFile(pidFile, `${process.pid}\n`);
  } catch (error) {
    await shut();
    throw new Error(`Cannot serve region ${region} on ${urls.join(", ")}`, { cause: error });
  }
  log.info({ region, urls }, "region serves");
  return {
    urls,
    stop: async () => {
      await shut();
      await rm(pidFile, { force: true });
      log.info({ region }, "region stopped");
    },
  };
}

/** What a region answers: `/` greets from the catalogue, `/healthz` says whether it could, in time. */
class Site {
  readonly #region: string;
  readonly #catalogueFile: string;
  readonly #lag = monitorEventLoopDelay({ resolution: LAG_SAMPLE_MS });
  #use = performance.eventLoopUtilization();

  constructor(region: string, catalogueFile: string) {
    this.#region = region;
    this.#catalogueFile = catalogueFile;
    this.#lag.enable();
  }

  close(): void {
    this.#lag.disable();
  }

  async serve(path: string, response: ServerResponse): Promise<void> {
    const startedAtMs = performance.now();
    const catalogue = await readCatalogue(this.#catalogueFile, this.#region);
    const readMs = performance.now() - startedAtMs;
    if (path === "/healthz") {
      const reason = typeof catalogue === "string" ? catalogue : this.#lateness(readMs);
      const health = reason === null ? { status: "ok" } : { status: "down", reason };
      const body = JSON.stringify({ ...health, region: this.#region, load: this.#load() });
      response
        .writeHead(reason === null ? 200 : 503, { "content-type": "application/json" })
        .end(`${body}\n`);
    } else if (path !== "/") response.writeHead(404).end(`${this.#region} has no ${path}\n`);
    else if (typeof catalogue === "string") response.writeHead(500).end(`${this.#region}: ${catalogue}\n`);
    else response.end(`${catalogue.greeting}\n`);
  }

  /** What is too slow; null: nothing. */
  #lateness(readMs: number): string | null {
    const lagMs = Math.max(0, this.#lag.max / 1e6 - LAG_SAMPLE_MS);
    this.#lag.reset();
    if (readMs > READ_MS_MAX) return `reading the catalogue took ${Math.round(readMs)} ms`;
    return lagMs > LAG_MS_MAX ? `the event loop was ${Math.round(lagMs)} ms late` : null;
  }

  /** The share of time, 0 to 1, that this process was busy since the last look. */
  #load(): number {
    const use = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(use, this.#use);
    this.#use = use;
    return Math.round(utilization * 100) / 100;
  }
}

async function open(site: Site, { address, port }: Endpoint): Promise<Server> {
  const server = createServer((request, response) => void site.serve(request.url ?? "/", response));
  server.listen(port, address.text);
  await once(server, "listening");
  return server;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function urlOf({ address, port }: Endpoint): string {
  return `http://${address.family === 4 ? address.text : `[${address.text}]`}:${port}`;
}
