/** A node at one end of a link between two network namespaces, asked from the other. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import { INTERFACE, Link, type LinkOptions, SERVER } from "../../bench/link.ts";
import { writeNames } from "../../bench/load.ts";
import type { Lab, Program } from "./harness.ts";
import { buildGenerator } from "./load.ts";
import { editFile, layOut, type Site, VIPS } from "./site.ts";

const ASKER = join(import.meta.dirname, "udp-asker.ts");

/** Queries a second: few enough for a machine that runs other tests. */
export const LINK_RATE = 20_000;

/** What a load came to. */
export interface Loaded {
  readonly sent: number;
  readonly lost: number;
  readonly wrong: number;
}

/** The demo's node, which takes queries by XDP. */
export class LinkedNode {
  readonly link: Link;
  readonly site: Site;
  readonly node: Program;
  readonly #lab: Lab;
  readonly #generator: string;
  readonly #names: string;

  private constructor(lab: Lab, link: Link, site: Site, node: Program, generator: string, names: string) {
    this.#lab = lab;
    this.link = link;
    this.site = site;
    this.node = node;
    this.#generator = generator;
    this.#names = names;
  }

  /** Starts a node with these lines in its section `node`, at wildcards and at `otherPort` of the link's address. */
  static async start(
    lab: Lab,
    qname: string,
    otherPort: number,
    lines: readonly string[],
    options: LinkOptions = {},
  ): Promise<LinkedNode> {
    const names = join(lab.folder, "names");
    writeNames(names, [qname]);
    const generator = await buildGenerator(lab);
    const site = await layOut(lab);
    const { port, folder } = site;
    const listen = `listen: ["0.0.0.0:${port}", "[::]:${port}", "${SERVER.ipv4}:${otherPort}"]`;
    editFile(join(folder, "meridian.yaml"), [
      [`listen: ["127.0.0.1:${port}", "[::1]:${port}"]`, [listen, ...lines].join("\n  ")],
      // One for each queue.
      ["workers: 1", `workers: ${options.queues ?? 1}`],
    ]);
    const link = new Link(lab.folder.slice(-6), options);
    try {
      const serve = ["serve", "--config", folder];
      const node = lab.meridian("node", serve, ["--inspect=127.0.0.1:0"], link.server);
      await node.said(/API listens/);
      await node.said(/queries are taken by XDP/);
      return new LinkedNode(lab, link, site, node, generator, names);
    } catch (error) {
      link.remove();
      throw error;
    }
  }

  /** What a command in a namespace says. */
  run(side: readonly string[], ...command: readonly string[]): string {
    const [first = "", ...rest] = [...side, ...command];
    const { stdout, stderr, status } = spawnSync(first, rest, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${command.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Asks over UDP from the other end; an empty reply is none. */
  ask(address: string, port: number, ...queries: readonly Uint8Array[]): readonly Buffer[] {
    const hex = queries.map((query) => Buffer.from(query).toString("hex"));
    const lines = this.run(this.link.client, process.execPath, ASKER, address, String(port), ...hex);
    return lines
      .trim()
      .split("\n")
      .map((line) => Buffer.from(line, "hex"));
  }

  /** How many queries have come by XDP. */
  taken(): number {
    const metrics = this.run(this.link.server, "curl", "-s", `${this.site.api}/metrics`);
    return Number(/^meridian_dns_xdp_queries_total (\d+)$/m.exec(metrics)?.[1]);
  }

  /** What comes by XDP while something is done. */
  takenBy(action: () => void): number {
    const before = this.taken();
    action();
    return this.taken() - before;
  }

  /** A steady load from the other end, for so long and from so many sockets. */
  async load(seconds: number, sockets = 1): Promise<Loaded> {
    const expected = Object.values(VIPS).join(",");
    const settings = { names: this.#names, seconds, sockets, rate: LINK_RATE, ecs: "both", expect: expected };
    const [program = "", ...args] = [
      ...this.link.client,
      this.#generator,
      ...[SERVER.ipv4, String(this.site.port)],
      ...Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]),
    ];
    const running = this.#lab.start("generator", program, args);
    await running.ended;
    const loaded: Loaded = JSON.parse(running.output.trim().split("\n").at(-1) ?? "{}");
    // On a busy machine the generator itself comes late.
    expect(loaded.sent).toBeGreaterThan(0.5 * LINK_RATE * seconds);
    return loaded;
  }

  /** What the server's end shows of itself. */
  shown(): string {
    return this.run(this.link.server, "ip", "link", "show", "dev", INTERFACE);
  }
}
