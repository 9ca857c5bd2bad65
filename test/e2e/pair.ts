/** A gdnsd and a node that serve the same, are asked the same and have the same addresses down. */

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Answer, Resolver } from "./dns.ts";
import { freePort, type Lab, until } from "./harness.ts";
import { addToken, call, type Site, startNode } from "./site.ts";

/** Where both are to find their configurations. */
export interface PairPlaces {
  /** gdnsd's folder; its `zones`, `run` and `state` are there, and `told` is what it knows of addresses. */
  readonly folder: string;
  /** gdnsd's port. */
  readonly port: number;
  readonly site: Site;
}

/** A name of gdnsd's that has the first address while that is up: who forces it sees when all is in force. */
const MARK = "mark.test";
const MARKS = ["192.0.2.1", "192.0.2.2"] as const;
/** What gdnsd's plugin `simplefo` must hold for it. */
export const MARK_RESOURCE: string = `mark => { service_types => told, primary => ${MARKS[0]}, secondary => ${MARKS[1]} }`;

export class Pair {
  readonly #gdnsd: Resolver;
  readonly #meridian: Resolver;
  readonly #site: Site;
  readonly #token: string;
  readonly #folder: string;
  readonly #vips: ReadonlyMap<string, readonly string[]>;
  #mark: string = MARKS[0];
  #down: readonly string[] = [];

  private constructor(parts: {
    gdnsd: Resolver;
    meridian: Resolver;
    site: Site;
    token: string;
    folder: string;
    vips: ReadonlyMap<string, readonly string[]>;
  }) {
    this.#gdnsd = parts.gdnsd;
    this.#meridian = parts.meridian;
    this.#site = parts.site;
    this.#token = parts.token;
    this.#folder = parts.folder;
    this.#vips = parts.vips;
  }

  /** Starts both; `configure` writes their configurations and says which VIPs of the node's have which address. */
  static async start(
    lab: Lab,
    configure: (places: PairPlaces) => Promise<ReadonlyMap<string, readonly string[]>>,
  ): Promise<Pair> {
    const folder = join(lab.folder, "gdnsd");
    for (const sub of ["zones", "run", "state"]) mkdirSync(join(folder, sub), { recursive: true });
    const port = await freePort();
    const site = {
      folder: join(lab.folder, "site"),
      port: await freePort(),
      api: `http://127.0.0.1:${await freePort()}`,
    };
    const vips = await configure({ folder, port, site });
    writeFileSync(
      join(folder, "zones", MARK),
      "@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n@ 5 DYNA simplefo!mark\n",
    );
    const gdnsd = new Resolver(await lab.socket("127.0.0.1"), port);
    const meridian = new Resolver(await lab.socket("127.0.0.1"), site.port);
    const token = await addToken(lab, site, "operator", "admin");
    const pair = new Pair({ gdnsd, meridian, site, token, folder, vips });
    pair.#tellGdnsd();
    const daemon = lab.start("gdnsd", "gdnsd", ["-c", folder, "start"]);
    await startNode(lab, site);
    await until("gdnsd answers", async () => daemon.hasEnded || (await gdnsd.look(MARK)) !== null);
    if (daemon.hasEnded) throw new Error(`gdnsd ended: ${daemon.output}`);
    return pair;
  }

  /** What both say to the same question, gdnsd first. */
  ask(name: string, type: string, subnet: string | null): Promise<readonly [Answer, Answer]> {
    const options = subnet === null ? {} : { subnet };
    return Promise.all([this.#gdnsd.ask(name, type, options), this.#meridian.ask(name, type, options)]);
  }

  /** Takes these addresses down in both, and all others up. */
  async force(down: readonly string[]): Promise<void> {
    const changed = [...this.#vips].filter(
      ([address]) => down.includes(address) !== this.#down.includes(address),
    );
    if (changed.length === 0) return;
    for (const [address, vips] of changed) {
      const verdict = down.includes(address) ? "down" : "up";
      for (const vip of vips)
        await call(this.#site, this.#token, "/v1/overrides", {
          kind: "force",
          target: { vip },
          verdict,
          reason: "a test",
        });
    }
    this.#down = down;
    this.#mark = this.#mark === MARKS[0] ? MARKS[1] : MARKS[0];
    this.#tellGdnsd();
    // It settles for a second, and then uses the whole file at once.
    await until("gdnsd has read who is down", async () => (await this.#gdnsd.look(MARK)) === this.#mark);
  }

  #tellGdnsd(): void {
    const down = this.#mark === MARKS[0] ? this.#down : [...this.#down, MARKS[0]];
    const lines = [...this.#vips.keys(), ...MARKS].map(
      (address) => `${address} => ${down.includes(address) ? "DOWN" : "UP"}\n`,
    );
    writeFileSync(join(this.#folder, "new"), lines.join(""));
    renameSync(join(this.#folder, "new"), join(this.#folder, "told"));
  }
}
