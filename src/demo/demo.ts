/** `meridian demo`: a whole Meridian on this machine, from the files that a production node would read. */

import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { complain, complainOf, print } from "../command/console.ts";
import { untilStopped } from "../command/stop.ts";
import type { Config } from "../config/config.ts";
import { COMMAND_LINE } from "../control/author.ts";
import { loadConfig } from "../control/config-file.ts";
import { readIfThere } from "../control/files.ts";
import { openSqliteStore, STORE_FILE } from "../control/sqlite-store.ts";
import type { Store, TokenGrant } from "../control/store.ts";
import { newToken } from "../control/token-keeper.ts";
import { banner } from "./banner.ts";
import { Children } from "./children.ts";
import { pidFileOf } from "./regions.ts";

/** The node must be ready by then. It takes about two seconds, and twenty where nothing is compiled yet and the machine is busy. */
const READY_MS_MAX = 60_000;

/** Runs regions, node and agents as separate processes until it is told to stop. */
export async function demo(options: { readonly config: string }): Promise<void> {
  const folder = resolve(options.config);
  const { value: config, problems } = loadConfig(folder);
  if (config === null) return complainOf(problems);
  const api = `http://${config.node.api.address.text}:${config.node.api.port}`;
  const tokenFiles = await makeAgentTokens(config);

  const children = new Children();
  const stopped = untilStopped();
  for (const region of config.regions.keys()) {
    void children.start(`region ${region}`, ["demo-region", region, "--config", folder]);
  }
  const node = children.start("node", ["serve", "--config", folder]);
  let isDecided = false;
  const ready = isReady(api, () => isDecided);
  const end = await Promise.race([ready, node.then(() => "node ended" as const), stopped]);
  isDecided = true;
  if (end === true) {
    for (const [vantage, file] of tokenFiles) {
      const args = ["agent", "--node", api, "--token-file", file, "--vantage", vantage];
      void children.start(`agent ${vantage}`, [...args, ...resolverOf(config)]);
    }
    for (const line of banner(config, folder, api, await makeAdminToken(config))) print(line);
    await Promise.race([node, stopped]);
  } else if (end !== undefined) {
    complain(end === false ? `The node at ${api} was not ready after ${READY_MS_MAX} ms` : "The node ended");
  }
  await children.stop();
  stopRestartedRegions(config);
}

/** A region that was killed and started again by hand is not our child; its pid file says which process it is. */
function stopRestartedRegions({ regions, node }: Config): void {
  for (const region of regions.keys()) {
    const pid = Number(readIfThere(pidFileOf(node.stateFolder, region)));
    // The file outlives a region that was killed, and its number may be another process's by now.
    const isRegion = pid > 0 && readIfThere(`/proc/${pid}/cmdline`)?.includes("demo-region") === true;
    if (isRegion) process.kill(pid, "SIGTERM");
  }
}

/** Agents watch drills through the node itself: no resolver of this machine knows the demo's zone. */
function resolverOf({ node }: Config): readonly string[] {
  return node.listen.slice(0, 1).flatMap(({ address: { text }, port }) => {
    return ["--resolver", `${text.includes(":") ? `[${text}]` : text}:${port}`];
  });
}

/** Makes the tokens of agents that are not there yet. Gives their files, by vantage: the store keeps only hashes. */
async function makeAgentTokens(config: Config): Promise<ReadonlyMap<string, string>> {
  const { stateFolder } = config.node;
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  return withStore(config, async (store) => {
    const names = new Set(store.tokens.list().map(({ name }) => name));
    const tokenFiles = new Map<string, string>();
    for (const vantage of config.vantages.keys()) {
      const name = `agent-${vantage}`;
      const file = join(stateFolder, `${name}.token`);
      tokenFiles.set(vantage, file);
      if (names.has(name) && existsSync(file)) continue;
      if (names.has(name)) store.tokens.remove(name, COMMAND_LINE, Date.now());
      const secret = await secretOf(store, name, { role: "agent", vantage });
      writeFileSync(file, `${secret}\n`, { mode: 0o600 });
      chmodSync(file, 0o600);
    }
    return tokenFiles;
  });
}

/** Makes it when it can be shown, so that a start that comes to nothing does not lose it. null: it was made, and shown, at an earlier start. */
function makeAdminToken(config: Config): Promise<string | null> {
  return withStore(config, async (store) =>
    store.tokens.list().some(({ name }) => name === "admin")
      ? null
      : secretOf(store, "admin", { role: "admin" }),
  );
}

async function withStore<T>({ node }: Config, use: (store: Store) => Promise<T>): Promise<T> {
  const store = openSqliteStore(join(node.stateFolder, STORE_FILE));
  try {
    return await use(store);
  } finally {
    store.close();
  }
}

/** The secret of a token whose name is not taken. */
async function secretOf(store: Store, name: string, grant: TokenGrant): Promise<string> {
  const { token, hash, secret } = await newToken({ name, grant, expiresMs: null }, Date.now());
  store.tokens.add(token, hash, COMMAND_LINE);
  return secret;
}

/** Asks until the node is ready, or until that does not matter any more. */
async function isReady(api: string, isDecided: () => boolean): Promise<boolean> {
  const deadline = performance.now() + READY_MS_MAX;
  while (!isDecided() && performance.now() < deadline) {
    const response = await fetch(`${api}/readyz`).catch(() => null);
    if (response?.ok === true) return true;
    await sleep(50);
  }
  return false;
}
