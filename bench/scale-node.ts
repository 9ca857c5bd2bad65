/** A node with a large configuration, the agents that report to it, and what it keeps in memory. */

import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { readPid } from "../src/command/running.ts";
import { residentOctetsOf } from "./cpu.ts";
import { CLI } from "./meridian.ts";
import { freePort } from "./ports.ts";
import { addName, STATE, STEERED_NAMES, VANTAGES, VIP_IDS, writeScale } from "./scale-config.ts";
import { Server } from "./server.ts";
import { BenchVantage } from "./vantage.ts";

const run = promisify(execFile);

const MEMORY_LOOK_MS = 100;
const CONNECT_MS_MAX = 60_000;

/** `meridian serve` on the servers' core, with a stream from each vantage. */
export class ScaleNode {
  readonly port: number;
  /** The most that all its processes have had in memory at the same time, seen every 100 ms. */
  residentOctetsMax = 0;
  readonly #folder: string;
  readonly #server: Server;
  readonly #apiPort: number;
  readonly #tokens: ReadonlyMap<string, string>;
  readonly #looks: NodeJS.Timeout;
  #vantages: readonly BenchVantage[] = [];
  #namesAdded = 0;

  private constructor(
    folder: string,
    server: Server,
    ports: { readonly dns: number; readonly api: number },
    tokens: ReadonlyMap<string, string>,
  ) {
    this.#folder = folder;
    this.#server = server;
    this.port = ports.dns;
    this.#apiPort = ports.api;
    this.#tokens = tokens;
    this.#looks = setInterval(() => this.#look(), MEMORY_LOOK_MS);
  }

  /** Starts a node in an empty folder, and has every vantage call every VIP up. */
  static async start(folder: string): Promise<ScaleNode> {
    const ports = { dns: await freePort(), api: await freePort() };
    writeScale(folder, [`listen: ["127.0.0.1:${ports.dns}"]`, `api: { listen: "127.0.0.1:${ports.api}" }`]);
    const tokens = new Map(VANTAGES.map((vantage) => [vantage, addToken(folder, vantage)]));
    const command = [process.execPath, CLI, "serve", "--config", folder];
    const server = await Server.start(command, ports.dns, STEERED_NAMES[0] ?? "");
    const node = new ScaleNode(folder, server, ports, tokens);
    try {
      await node.#connect();
      await node.report(VIP_IDS, true);
    } catch (error) {
      await node.stop();
      throw error;
    }
    return node;
  }

  /** Has every vantage say that VIPs are up or down, at the same moment. */
  async report(vips: readonly string[], isUp: boolean): Promise<void> {
    await Promise.all(this.#vantages.map((vantage) => vantage.report(vips, isUp)));
  }

  /** Changes a zone file, and waits until answers show it. */
  async reload(): Promise<void> {
    this.#namesAdded += 1;
    await this.#server.untilAnswers(addName(this.#folder, `added-${this.#namesAdded}`));
  }

  /** Kills control, and waits until another one has loaded everything and takes reports. */
  async restartControl(): Promise<void> {
    const [, control] = this.#server.processes;
    if (control === undefined) throw new Error("the node has no control process");
    process.kill(control, "SIGKILL");
    await this.#reconnect();
  }

  /** Has a new process take over, and waits until its control has loaded everything and takes reports. */
  async upgrade(): Promise<void> {
    await run(process.execPath, [CLI, "upgrade", "--config", this.#folder]);
    const successor = readPid(join(this.#folder, STATE));
    if (successor === null) throw new Error(`no node runs after the upgrade, it said\n${this.#server.said}`);
    this.#server.follow(successor);
    await this.#reconnect();
  }

  async stop(): Promise<void> {
    clearInterval(this.#looks);
    for (const vantage of this.#vantages) vantage.close();
    await this.#server.stop();
  }

  async #reconnect(): Promise<void> {
    for (const vantage of this.#vantages) vantage.close();
    await this.#connect();
  }

  async #connect(): Promise<void> {
    const giveUpAt = performance.now() + CONNECT_MS_MAX;
    const connecting = Array.from(this.#tokens, ([vantage, token]) =>
      BenchVantage.connect(this.#apiPort, vantage, token, giveUpAt),
    );
    try {
      this.#vantages = await Promise.all(connecting);
    } catch (cause) {
      throw new Error(`expected the node to take agents, it said\n${this.#server.said}`, { cause });
    }
  }

  #look(): void {
    const now = this.#server.processes.reduce((sum, pid) => sum + residentOctetsOf(pid), 0);
    this.residentOctetsMax = Math.max(this.residentOctetsMax, now);
  }
}

/** Makes an agent's token as an operator would. */
function addToken(folder: string, vantage: string): string {
  const options = ["--config", folder, "--role", "agent", "--vantage", vantage];
  return execFileSync(process.execPath, [CLI, "token", "add", `agent-${vantage}`, ...options], {
    encoding: "utf8",
  }).trim();
}
