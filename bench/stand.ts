/** What servers under measurement share, and where each of them runs. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeDatabase } from "./database.ts";
import { Link } from "./link.ts";
import { Measured } from "./measure.ts";
import { namesOf, type Peer } from "./peers.ts";
import { freePort } from "./ports.ts";
import { buildPrograms, type Programs } from "./programs.ts";
import { NAMES } from "./zone.ts";

/** Servers that stand side by side, each in a folder of its own and, where `linked`, on a link of its own. */
export class Stand {
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
    writeFileSync(
      names,
      namesOf(peer)
        .map((name) => `${name}\n`)
        .join(""),
    );
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
