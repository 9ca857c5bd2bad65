/** A node is replaced by a new one under load, again and again: nobody who asks notices. */

import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { encodeQuery, Resolver, readAnswer } from "./dns.ts";
import {
  childrenOf,
  freePort,
  has,
  hasIpv6,
  openFilesOf,
  type Program,
  RATE,
  report,
  until,
  useLab,
} from "./harness.ts";
import { buildGenerator, Load } from "./load.ts";
import { addToken, call, EUROPEAN, layOut, REPOSITORY, type Site, startNode, VIPS } from "./site.ts";

/** Upgrades, and how often there is one; `upgrade.sh` asks for ten in a minute. */
const UPGRADES = Number(process.env["MERIDIAN_E2E_UPGRADES"] ?? 3);
const EVERY_MS = Number(process.env["MERIDIAN_E2E_UPGRADE_EVERY_MS"] ?? 3_000);

const QNAME = "www.gslb.example";

/** The process id that a site's node has written down. */
function pidOf({ folder }: Site): number {
  return Number(readFileSync(join(folder, "var/pid"), "utf8").split("\n")[0]);
}

function edit({ folder }: Site, from: string, to: string): void {
  const file = join(folder, "meridian.yaml");
  const text = readFileSync(file, "utf8");
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from, to));
}

describe.skipIf(!has("cc"))("a hot upgrade under load (needs cc)", () => {
  const lab = useLab();
  let generator: string;
  let site: Site;
  let node: Program;

  const upgrade = async (): Promise<Program> => {
    const command = lab.meridian("upgrade", ["upgrade", "--config", site.folder]);
    await command.ended;
    return command;
  };

  beforeAll(async () => {
    site = await layOut(lab);
    generator = await buildGenerator(lab);
    node = await startNode(lab, site);
  });

  test(`${UPGRADES} upgrades lose no query, and each is another process`, { timeout: 120_000 }, async () => {
    const seconds = (UPGRADES * EVERY_MS) / 1_000;
    const load = new Load(lab, generator, site, { names: [QNAME], seconds });
    const pids = [pidOf(site)];
    const tookMs: number[] = [];
    for (let i = 0; i < UPGRADES; i += 1) {
      const startedMs = performance.now();
      const { output, status } = await upgrade();
      tookMs.push(Math.round(performance.now() - startedMs));
      expect({ output, status }).toEqual({ output: expect.stringContaining("has taken over"), status: 0 });
      pids.push(pidOf(site));
      await sleep(Math.max(0, EVERY_MS - 100 - (performance.now() - startedMs)));
    }
    const { sent, lost, wrong, firstWrong } = await load.result();
    report(`${UPGRADES} upgrades at ${RATE} queries/s took ${tookMs.join(", ")} ms: ${lost} of ${sent} lost`);
    expect(new Set(pids).size).toBe(UPGRADES + 1);
    // On a busy machine the generator itself comes late.
    expect(sent).toBeGreaterThan(0.5 * RATE * seconds);
    expect({ lost, wrong, firstWrong }).toEqual({ lost: 0, wrong: 0, firstWrong: "" });
  });

  test("only the new process is left, with one control that holds none of its sockets", async () => {
    await until("one control is left", () => childrenOf(pidOf(site)).length === 1);
    await until(
      "the API is back",
      async () => (await fetch(`${site.api}/readyz`).catch(() => null))?.status === 200,
    );
    const [control = 0] = childrenOf(pidOf(site));
    const port = site.port.toString(16).toUpperCase().padStart(4, "0");
    const holders = (pid: number): number => socketsOf(pid, port);
    expect(holders(control)).toBe(0);
    expect(holders(pidOf(site))).toBeGreaterThan(0);
  });

  test("more workers, fewer workers, another endpoint and one less: each is served, and nothing is lost", async () => {
    const other = await freePort();
    const steps = [
      ["workers: 1", "workers: 3"],
      ["workers: 3", "workers: 2"],
      [`["127.0.0.1:${site.port}", `, `["127.0.0.1:${site.port}", "127.0.0.1:${other}", `],
      [`"127.0.0.1:${other}", `, ""],
    ] as const;
    const socket = await lab.socket("127.0.0.1");
    const added = new Resolver(socket, other);
    const load = new Load(lab, generator, site, { names: [QNAME], seconds: 10 });
    for (const [i, [from, to]] of steps.entries()) {
      edit(site, from, to);
      expect((await upgrade()).status).toBe(0);
      expect(await added.look(QNAME, { subnet: EUROPEAN })).toBe(i === 2 ? VIPS.eu : null);
    }
    const { sent, lost, wrong } = await load.result();
    report(`workers and endpoints changed by four upgrades: ${lost} of ${sent} lost`);
    expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });
  });

  test("a connection that is open goes on until it ends, and new ones are accepted all the time", async () => {
    const before = await Connection.open(site.port);
    expect(await before.ask()).toContain(VIPS.eu);
    const upgrading = upgrade();
    let accepted = 0;
    while ((await Promise.race([upgrading, sleep(20)])) === undefined) {
      const during = await Connection.open(site.port);
      expect(await during.ask()).toContain(VIPS.eu);
      during.end();
      accepted += 1;
    }
    expect(accepted).toBeGreaterThan(5);
    expect(await before.ask()).toContain(VIPS.eu);
    before.end();
  });

  test("what an operator has just said holds in the new process before its control is there", async () => {
    const token = await addToken(lab, site, "operator", "admin");
    const resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
    const ready = async (): Promise<boolean> =>
      (await fetch(`${site.api}/readyz`).catch(() => null))?.status === 200;
    await until("the API is back", ready);
    await call(site, token, "/v1/overrides", {
      kind: "force",
      target: { member: "web/eu-west" },
      verdict: "down",
      reason: "before an upgrade",
    });
    const look = (): Promise<string | null> => resolver.look(QNAME, { subnet: EUROPEAN });
    await until("the override is in force", async () => (await look()) === VIPS.us);
    expect((await upgrade()).status).toBe(0);
    const seen = new Set<string | null>();
    await until("the API is back", async () => {
      seen.add(await look());
      return await ready();
    });
    expect([...seen]).toEqual([VIPS.us]);
    expect(node.output).not.toContain("dropped plans");
  });
});

describe("an upgrade that does not work", () => {
  const lab = useLab();
  let site: Site;
  let node: Program;

  beforeAll(async () => {
    site = await layOut(lab);
  });

  test("leaves the old node as it was, and says why: a broken config, a taken port, broken code", async () => {
    // The code that is on disk is a copy, so that it can be broken.
    const code = join(lab.folder, "code");
    for (const part of ["src", "package.json"])
      cpSync(join(REPOSITORY, part), join(code, part), { recursive: true });
    symlinkSync(join(REPOSITORY, "node_modules"), join(code, "node_modules"));
    const cli = join(code, "src/cli.ts");
    node = lab.start("node", process.execPath, [cli, "serve", "--config", site.folder]);
    await node.said(/API listens/);
    const pid = pidOf(site);
    const resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
    const fails = async (why: RegExp): Promise<void> => {
      const from = node.output.length;
      const command = lab.start("upgrade", process.execPath, [
        join(REPOSITORY, "src/cli.ts"),
        "upgrade",
        "--config",
        site.folder,
      ]);
      await command.ended;
      expect(command.output).toMatch(why);
      expect(command.status).toBe(1);
      expect(pidOf(site)).toBe(pid);
      expect(await resolver.look(QNAME, { subnet: EUROPEAN })).toBe(VIPS.eu);
      if (command.output.includes("goes on")) expect(node.output.slice(from)).toContain("this one goes on");
    };

    edit(site, "workers: 1", "workers: none");
    await fails(/meridian\.yaml:\d+:\d+: .*workers/);
    edit(site, "workers: none", "workers: 1");

    const taken = await lab.socket("127.0.0.1");
    const endpoint = `"127.0.0.1:${taken.address().port}", "127.0.0.1:${site.port}"`;
    edit(site, `"127.0.0.1:${site.port}"`, endpoint);
    await fails(/goes on.*: Cannot serve: bind EADDRINUSE \S+ \(another program listens there\)\n$/);
    edit(site, endpoint, `"127.0.0.1:${site.port}"`);

    edit(site, "workers: 1", "workers: 1\n  udp: datagram");
    await fails(/goes on.*: Cannot serve: expected "udp: auto" or "batch"/);
    edit(site, "workers: 1\n  udp: datagram", "workers: 1");

    writeFileSync(join(code, "src/dns.ts"), "export function runDns( {");
    await fails(/goes on.*[\s\S]*SyntaxError/);
    cpSync(join(REPOSITORY, "src/dns.ts"), join(code, "src/dns.ts"));

    const command = lab.meridian("upgrade", ["upgrade", "--config", site.folder]);
    await command.ended;
    expect(command.status).toBe(0);
  });

  test("and a reload, which is asked for in the same way, reaches control", async () => {
    await until(
      "the API is back",
      async () => (await fetch(`${site.api}/readyz`).catch(() => null))?.status === 200,
    );
    const from = node.output.length;
    const command = lab.meridian("reload", ["reload", "--config", site.folder]);
    await command.ended;
    expect(command.status).toBe(0);
    await node.said(/is in force/, 10_000, from);
  });

  test("needs a node that runs", async () => {
    const elsewhere = join(lab.folder, "elsewhere");
    cpSync(site.folder, elsewhere, { recursive: true });
    const command = lab.meridian("upgrade", ["upgrade", "--config", elsewhere]);
    writeFileSync(join(elsewhere, "var/pid"), `${process.pid}\n1\n`);
    await command.ended;
    expect(command.output).toContain("no node runs with the state folder");
    expect(command.status).toBe(1);
  });
});

/** How many UDP sockets of a port a process holds; proc(5), proc_net_udp. */
function socketsOf(pid: number, hexPort: string): number {
  const inodes = new Set(
    ["udp", ...(hasIpv6() ? ["udp6"] : [])].flatMap((table) =>
      readFileSync(`/proc/net/${table}`, "utf8")
        .split("\n")
        .map((line) => line.trim().split(/\s+/))
        .filter(([, local]) => local?.endsWith(`:${hexPort}`) === true)
        .map((fields) => `socket:[${fields[9]}]`),
    ),
  );
  return openFilesOf(pid).filter((file) => inodes.has(file)).length;
}

/** DNS over TCP, a query at a time. */
class Connection {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new Connection(socket);
  }

  /** The addresses that answer. */
  async ask(): Promise<readonly string[]> {
    const packet = encodeQuery(7, QNAME, "A", { subnet: EUROPEAN });
    this.#received = Buffer.alloc(0);
    this.#socket.write(Buffer.concat([Buffer.of(packet.length >> 8, packet.length & 0xff), packet]));
    const isWhole = (): boolean =>
      this.#received.length > 2 && this.#received.length >= 2 + this.#received.readUInt16BE(0);
    await until("an answer over TCP", isWhole, 2_000);
    return readAnswer(this.#received.subarray(2)).data;
  }

  end(): void {
    this.#socket.destroy();
  }
}
