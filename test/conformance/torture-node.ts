/** A real node that serves the torture zone with its services. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, type Lab, type Program } from "../e2e/harness.ts";
import { type Site, startNode } from "../e2e/site.ts";
import { STEERED, TORTURE } from "./torture.ts";

/** The node, and where it is. */
export interface TortureNode extends Site {
  readonly node: Program;
}

/** Starts the node, and waits until it answers. `more` are lines of the config, `nodeArgs` are for Node itself. */
export async function startTortureNode(
  lab: Lab,
  more: readonly string[] = [],
  nodeArgs: readonly string[] = [],
): Promise<TortureNode> {
  const [port, apiPort] = [await freePort(), await freePort()];
  const folder = join(lab.folder, "torture");
  mkdirSync(folder);
  writeFileSync(join(folder, "t.zone"), TORTURE + STEERED);
  writeFileSync(
    join(folder, "meridian.yaml"),
    `node:
  listen: ["127.0.0.1:${port}", "[::1]:${port}"]
  workers: 1
  api: { listen: "127.0.0.1:${apiPort}" }
  state: var
${more.map((line) => `  ${line}\n`).join("")}zones: [t.zone]
regions: { here: { at: [0, 0] }, there: { at: [50, 8] } }
pools:
  web:
    members:
      here: { ipv4: 192.0.2.101, ipv6: "2001:db8::101" }
      there: { ipv4: 192.0.2.102 }
services:
  www.t: { ttl: 5s, policy: { failover: [web/here] }, https: { alpn: [h2, h3] } }
  v4only.t: { ttl: 5s, policy: { failover: [web/there] } }
`,
  );
  const site = { folder, port, api: `http://127.0.0.1:${apiPort}` };
  const node = await startNode(lab, site, { nodeArgs });
  return { ...site, node };
}
