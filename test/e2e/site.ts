/** The demo's own files with free ports, and the processes of a whole Meridian that works from them. */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, type Lab, type Program, until } from "./harness.ts";

/** Where `npm run meridian` works. */
export const REPOSITORY: string = fileURLToPath(new URL("../../", import.meta.url));

/** The VIPs of the demo's regions. */
export const VIPS = { us: "127.0.1.1", eu: "127.0.2.1", ap: "127.0.3.1" } as const;

/** A client prefix that the built-in database places in Europe. */
export const EUROPEAN = "81.2.69.0/24";

const VANTAGES = ["virginia", "dublin", "tokyo"] as const;
type Vantage = (typeof VANTAGES)[number];
/** A name of one of the demo's regions. */
type Region = "us-east" | "eu-west" | "ap-northeast";

/** A folder with `meridian.yaml`, and where its node serves. */
export interface Site {
  readonly folder: string;
  /** Of DNS on 127.0.0.1 and ::1. */
  readonly port: number;
  readonly api: string;
}

/** Copies `meridian.yaml` and `zones/` into the lab, with free ports in place of the demo's, and other edits; `name` is the folder's. */
export async function layOut(
  lab: Lab,
  edits: readonly (readonly [from: string, to: string])[] = [],
  name = "site",
): Promise<Site> {
  const [port, apiPort, webPort] = [await freePort(), await freePort(), await freePort()];
  const folder = join(lab.folder, name);
  mkdirSync(folder);
  cpSync(join(REPOSITORY, "zones"), join(folder, "zones"), { recursive: true });
  const ports = [
    ["127.0.0.1:5300", `127.0.0.1:${port}`],
    ["[::1]:5300", `[::1]:${port}`],
    ["127.0.0.1:8053", `127.0.0.1:${apiPort}`],
    ["port: 8080", `port: ${webPort}`],
  ] as const;
  cpSync(join(REPOSITORY, "meridian.yaml"), join(folder, "meridian.yaml"));
  editFile(join(folder, "meridian.yaml"), [...ports, ...edits]);
  return { folder, port, api: `http://127.0.0.1:${apiPort}` };
}

/** Replaces the first place of each text. */
export function editFile(file: string, edits: readonly (readonly [from: string, to: string])[]): void {
  let text = readFileSync(file, "utf8");
  for (const [from, to] of edits) {
    if (!text.includes(from)) throw new Error(`${file} has no "${from}"`);
    text = text.replace(from, to);
  }
  writeFileSync(file, text);
}

/** Starts `meridian serve`, and waits until it is ready unless told otherwise. */
export async function startNode(lab: Lab, site: Site, options: NodeOptions = {}): Promise<Program> {
  const { nodeArgs = [], by = [], isReady = async () => (await statusOf(site, "/readyz")) === 200 } = options;
  const node = lab.meridian("node", ["serve", "--config", site.folder], nodeArgs, by);
  await until("the node is ready", async () => node.hasEnded || (await isReady()));
  if (node.hasEnded) throw new Error(`the node ended: ${node.output}`);
  return node;
}

interface NodeOptions {
  /** Arguments for Node itself. */
  readonly nodeArgs?: readonly string[];
  /** The command that starts Node. */
  readonly by?: readonly string[];
  /** What is waited for; that the API says so where it is not given. */
  readonly isReady?: () => Promise<boolean>;
}

interface MeridianOptions extends NodeOptions {
  /** More arguments for each agent. */
  readonly agentArgs?: readonly string[];
  /** Starts resolvers of their own for agents, once the node can be asked, and says where they are. */
  readonly resolversOf?: () => Promise<Readonly<Partial<Record<Vantage, string>>>>;
}

/** Starts one of the demo's regions, and waits until it serves. */
export async function startRegion(lab: Lab, site: Site, region: Region): Promise<Program> {
  const program = lab.meridian(`region ${region}`, ["demo-region", region, "--config", site.folder]);
  await program.said(/region serves/);
  return program;
}

async function startRegions(lab: Lab, site: Site): Promise<Readonly<Record<Region, Program>>> {
  const [us, eu, ap] = await Promise.all([
    startRegion(lab, site, "us-east"),
    startRegion(lab, site, "eu-west"),
    startRegion(lab, site, "ap-northeast"),
  ]);
  return { "us-east": us, "eu-west": eu, "ap-northeast": ap };
}

/** A node with regions, agents, and a token for its API. */
export interface Meridian {
  readonly node: Program;
  readonly regions: Readonly<Record<Region, Program>>;
  readonly token: string;
}

/** Starts everything that the demo has, each process by itself, and waits until the node hears every vantage. */
export async function startMeridian(lab: Lab, site: Site, options: MeridianOptions = {}): Promise<Meridian> {
  const { agentArgs = [], resolversOf } = options;
  const [token, tokenFiles, regions] = await Promise.all([
    addToken(lab, site, "operator", "admin"),
    Promise.all(VANTAGES.map((vantage) => writeAgentToken(lab, site, vantage))),
    startRegions(lab, site),
  ]);
  const node = await startNode(lab, site, options);
  const resolvers = await resolversOf?.();
  for (const [i, vantage] of VANTAGES.entries()) {
    const tokenFile = tokenFiles[i] ?? "";
    const args = ["agent", "--node", site.api, "--token-file", tokenFile, "--vantage", vantage, ...agentArgs];
    const resolver = resolvers?.[vantage];
    lab.meridian(`agent ${vantage}`, resolver === undefined ? args : [...args, "--resolver", resolver]);
  }
  await until("every vantage is fresh", () => allVantagesFresh(site, token));
  return { node, regions, token };
}

async function writeAgentToken(lab: Lab, site: Site, vantage: string): Promise<string> {
  const file = join(lab.folder, `${vantage}.token`);
  writeFileSync(file, await addToken(lab, site, `agent-${vantage}`, "agent", "--vantage", vantage));
  return file;
}

/** Makes a token with `meridian token add`. */
export async function addToken(
  lab: Lab,
  site: Site,
  name: string,
  role: string,
  ...more: readonly string[]
): Promise<string> {
  const said = await lab.run("token", "add", name, "--role", role, "--config", site.folder, ...more);
  const secret = said.trim();
  if (!/^[\w-]{20,}$/.test(secret)) throw new Error(`no token for ${name}: ${said}`);
  return secret;
}

/** Whether the node hears from every vantage of the demo. */
export async function allVantagesFresh(site: Site, token: string): Promise<boolean> {
  const unknown = { vantages: [] };
  const { vantages } = await call<Vantages>(site, token, "/v1/vantages").catch(() => unknown);
  return vantages.length === VANTAGES.length && vantages.every(({ fresh }) => fresh);
}

interface Vantages {
  readonly vantages: readonly { readonly fresh: boolean }[];
}

/** Asks the API, with a POST where there is a body; throws what it says when it refuses. */
export async function call<T>(
  site: Site,
  token: string,
  path: string,
  body?: unknown,
  method: string = body === undefined ? "GET" : "POST",
): Promise<T> {
  const content =
    body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  // A connection that is kept may be closed by the node just when it is used again.
  const headers = { authorization: `Bearer ${token}`, connection: "close", ...content.headers };
  const response = await fetch(`${site.api}${path}`, { method, ...content, headers });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

async function statusOf(site: Site, path: string): Promise<number | null> {
  const response = await fetch(`${site.api}${path}`).catch(() => null);
  return response?.status ?? null;
}
