/** A real node that serves the torture zone with its services. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, type Lab, type Program } from "../e2e/harness.ts";
import { type Site, startNode } from "../e2e/site.ts";
import { CHILDREN, DELEGATED, STEERED, TORTURE } from "./torture.ts";

/** The node, and where it is. */
export interface TortureNode extends Site {
  readonly node: Program;
}

/** What a test wants otherwise than the plain node has it. */
interface TortureOptions {
  /** Lines of the config, below `node`. */
  readonly lines?: readonly string[];
  /** Arguments for Node itself. */
  readonly nodeArgs?: readonly string[];
  /** Signs the zone, and one of two zones below it, with keys of this algorithm. */
  readonly algorithm?: string;
}

/** Starts the node, and waits until it answers. */
export async function startTortureNode(lab: Lab, options: TortureOptions = {}): Promise<TortureNode> {
  const { lines = [], nodeArgs = [], algorithm } = options;
  const [port, apiPort] = [await freePort(), await freePort()];
  const folder = join(lab.folder, `torture-${algorithm ?? "plain"}`);
  mkdirSync(folder);
  const children = algorithm === undefined ? [] : Object.entries(CHILDREN);
  const files = ["t.zone", ...children.map(([apex]) => `${apex}zone`)];
  const dnssec =
    algorithm === undefined
      ? ""
      : `dnssec: { t: { algorithm: ${algorithm} }, signed.t: { algorithm: ${algorithm} } }\n`;
  writeFileSync(
    join(folder, "meridian.yaml"),
    `node:
  listen: ["127.0.0.1:${port}", "[::1]:${port}"]
  workers: 1
  api: { listen: "127.0.0.1:${apiPort}" }
  state: var
${lines.map((line) => `  ${line}\n`).join("")}zones: [${files.join(", ")}]
${dnssec}regions: { here: { at: [0, 0] }, there: { at: [50, 8] } }
pools:
  web:
    members:
      here: { ipv4: 192.0.2.101, ipv6: "2001:db8::101" }
      there: { ipv4: 192.0.2.102 }
services:
  www.t: { ttl: 5s, policy: { failover: [web/here] }, https: { alpn: [h2, h3] } }
  several.t: { ttl: 5s, policy: { spread: { of: web, count: 2 } }, https: { alpn: [h2] } }
  v4only.t: { ttl: 5s, policy: { failover: [web/there] } }
`,
  );
  let below = "";
  if (algorithm !== undefined) {
    await lab.run("key", "add", "t", "--config", folder);
    below = DELEGATED + (await lab.run("key", "add", "signed.t", "--config", folder));
  }
  writeFileSync(join(folder, "t.zone"), TORTURE + STEERED + below);
  for (const [apex, text] of children) writeFileSync(join(folder, `${apex}zone`), text);
  const site = { folder, port, api: `http://127.0.0.1:${apiPort}` };
  const node = await startNode(lab, site, { nodeArgs });
  return { ...site, node };
}
