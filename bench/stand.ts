/** Servers that are measured side by side, in turns, because a machine's speed changes within seconds. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeDatabase } from "./database.ts";
import { Link } from "./link.ts";
import { writeNames } from "./load.ts";
import { Measured } from "./measure.ts";
import { namesOf, type Peer } from "./peers.ts";
import { freePort } from "./ports.ts";
import { buildPrograms, type Programs } from "./programs.ts";
import { NAMES } from "./zone.ts";

/** How often servers are measured, and where. */
export interface Schedule {
  /** In each round all are started anew. */
  readonly rounds: number;
  /** Of each round: every server once, one after the other. */
  readonly turns: number;
  /** How long a server is loaded before it is measured. */
  readonly warmUpSeconds: number;
  /** Whether each has a link of its own, or all are on loopback. */
  readonly linked: boolean;
}

/** Measures servers; returns what each turn showed, by the servers' names. */
export async function measureInTurns<T>(
  peers: readonly Peer[],
  { rounds, turns, warmUpSeconds, linked }: Schedule,
  measure: (one: Measured) => Promise<T>,
): Promise<readonly ReadonlyMap<string, T>[]> {
  const stand = new Stand(linked);
  const shown: ReadonlyMap<string, T>[] = [];
  try {
    for (let round = 1; round <= rounds; round += 1) {
      console.error(`round ${round} of ${rounds}`);
      try {
        const started: Measured[] = [];
        for (const peer of peers) started.push(await stand.start(peer, warmUpSeconds));
        for (let turn = 0; turn < turns; turn += 1) {
          const figures = new Map<string, T>();
          for (const one of started) figures.set(one.peer.name, await measure(one));
          shown.push(figures);
        }
      } finally {
        await stand.clear();
      }
    }
    return shown;
  } finally {
    stand.remove();
  }
}

/** What servers under measurement share, and where each of them runs. */
class Stand {
  readonly #folder = mkdtempSync(join(tmpdir(), "meridian-bench-"));
  readonly #database = join(this.#folder, "country.mmdb");
  readonly #programs: Programs = buildPrograms();
  readonly #linked: boolean;
  readonly #started: Measured[] = [];
  readonly #links: Link[] = [];
  #starts = 0;

  constructor(linked: boolean) {
    this.#linked = linked;
    writeDatabase(this.#database);
  }

  /** Starts a server, and loads it for so long; then it stands still. */
  async start(peer: Peer, warmUpSeconds: number): Promise<Measured> {
    this.#starts += 1;
    const folder = join(this.#folder, String(this.#starts));
    const names = `${folder}.names`;
    writeNames(names, namesOf(peer));
    const place = {
      folder,
      port: await freePort(),
      database: this.#database,
      programs: this.#programs,
      labels: NAMES,
      tls: null,
      link: this.#linked ? new Link(String(this.#starts)) : null,
    };
    if (place.link !== null) this.#links.push(place.link);
    const measured = await Measured.start(peer, place, names, warmUpSeconds);
    this.#started.push(measured);
    return measured;
  }

  /** Stops all servers; others may be started then. */
  async clear(): Promise<void> {
    await Promise.all(this.#started.splice(0).map((one) => one.stop()));
    for (const link of this.#links.splice(0)) link.remove();
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
